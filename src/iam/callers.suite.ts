/** Callers and policies that several tests share. */
import { parsePolicy } from './policy.ts'
import type { PolicyKind } from './policy-document.ts'
import type { AccessRequest, Caller } from './request.ts'
import type { PolicySource } from './statement.ts'

const SCALE = Number(process.env['PODROLE_TEST_SCALE'] ?? 1)
export const numRuns = (runs: number): number => Math.ceil(runs * SCALE)

export const HOME = '111122223333'
export const AWAY = '444455556666'
export const session: Caller = {
  kind: 'role-session',
  accountId: HOME,
  arn: `arn:aws:sts::${HOME}:assumed-role/worker/run1`,
  roleArn: `arn:aws:iam::${HOME}:role/team/worker`,
  roleId: 'AROAWORKEREXAMPLE001',
  sessionName: 'run1',
}
export const user: Caller = {
  kind: 'user',
  accountId: HOME,
  arn: `arn:aws:iam::${HOME}:user/path/alice`,
  userId: 'AIDAALICEEXAMPLE00001',
}
const federated: Caller = {
  kind: 'federated-user',
  accountId: HOME,
  arn: `arn:aws:sts::${HOME}:federated-user/ann`,
  userId: `${HOME}:ann`,
  userArn: `arn:aws:iam::${HOME}:user/path/alice`,
}
export const root: Caller = { kind: 'root', accountId: HOME, arn: `arn:aws:iam::${HOME}:root` }
export const pod: Caller = {
  kind: 'web-identity',
  provider: `arn:aws:iam::${HOME}:oidc-provider/issuer.example.com/one`,
}
export const service: Caller = { kind: 'service', service: 'pods.eks.amazonaws.com' }
const anonymous: Caller = { kind: 'anonymous' }
export const CALLERS: readonly Caller[] = [session, user, federated, root, pod, service, anonymous]

export interface JsonStatement {
  readonly Effect: 'Allow' | 'Deny'
  readonly [element: string]: unknown
}

export const policy = (...Statement: readonly JsonStatement[]): unknown => ({
  Version: '2012-10-17',
  Statement,
})
export const source = (document: unknown, kind: PolicyKind = 'identity'): PolicySource => ({
  name: `${kind}:1`,
  document: parsePolicy(JSON.stringify(document), kind),
})
export const ask = (change: Partial<AccessRequest> = {}): AccessRequest => ({
  caller: session,
  action: 's3:GetObject',
  resource: 'arn:aws:s3:::bucket/key',
  resourceAccountId: HOME,
  context: {},
  ...change,
})
