/** Signed calls of IAM's query wire, and the roles that the benches fill a sandbox with. */
import { signRequest } from '../src/aws/sign.ts'
import { systemClock } from '../src/lib/clock.ts'
import { REGION } from './fixtures.ts'
import type { PlainRequest } from './measure.ts'

/** How many roles a sandbox is filled with. */
export const ROLES = 2000

const TRUST = JSON.stringify({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Principal: { Service: 'pods.eks.amazonaws.com' },
      Action: ['sts:AssumeRole', 'sts:TagSession'],
    },
  ],
})

export type IamParameters = Readonly<Record<string, string>>
type Credentials = Parameters<typeof signRequest>[1]

/** What makes `role-NUMBER`. */
export const roleParameters = (number: number): IamParameters => ({
  Action: 'CreateRole',
  RoleName: `role-${number}`,
  AssumeRolePolicyDocument: TRUST,
  'Tags.member.1.Key': 'team',
  'Tags.member.1.Value': `team-${number % 50}`,
})

export async function signIamCall(
  credentials: Credentials,
  parameters: IamParameters,
): Promise<PlainRequest & { readonly body: string }> {
  const body = new URLSearchParams({ Version: '2010-05-08', ...parameters }).toString()
  const headers = await signRequest(
    {
      method: 'POST',
      url: 'http://127.0.0.1/',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body,
    },
    credentials,
    { service: 'iam', region: REGION, clock: systemClock },
  )
  return { method: 'POST', path: '/', headers, body }
}

/** The answer's XML. @throws where it is a fault */
export async function callIam(
  endpoint: string,
  credentials: Credentials,
  parameters: IamParameters,
): Promise<string> {
  const { method, path, headers, body } = await signIamCall(credentials, parameters)
  const response = await fetch(endpoint + path, {
    method,
    headers: { ...headers, host: '127.0.0.1' },
    body,
    proxy: false,
    redirect: 'error',
    signal: AbortSignal.timeout(15_000),
  })
  const text = await response.text()
  if (!response.ok) {
    throw new Error(`${parameters['Action']}: ${response.status} ${text.slice(0, 500)}`)
  }
  return text
}
