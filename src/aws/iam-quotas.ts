import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { proxyFor } from '../lib/proxy.ts'
import { partitionById } from '../iam/partitions.ts'
import { callRestJson, objectMember } from './_rest-json.ts'
import type { AwsAccount } from './account.ts'
import type { Environment } from './endpoints.ts'
import { serviceEndpoint } from './endpoints.ts'

/** A quota of an account. */
export interface QuotaReading {
  readonly value: number
  /** Read from the account's Service Quotas; else what AWS documents as default. */
  readonly isLive: boolean
  /** For people: the value and where it comes from. */
  readonly text: string
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html */
const IAM_QUOTAS = {
  'oidc-providers': { code: 'L-858F3967', documented: 100 },
  'trust-policy-characters': { code: 'L-C07B4B0D', documented: 2048 },
} as const

export type IamQuotaName = keyof typeof IAM_QUOTAS

/** AWS's default, for who cannot ask. */
export const documentedIamQuota = (name: IamQuotaName): number => IAM_QUOTAS[name].documented

/** When the documented values were read. */
const DOCUMENTED_IN = 'October 2026'
const MAX_ANSWER_BYTES = 100_000

/**
 * Reads a quota of IAM with Service Quotas (GetServiceQuota, AWS JSON 1.1), in the partition's home
 * region; there is no client for it in the registry at the version of the others. Where that does
 * not work, the documented default, marked as such: never a fault.
 */
export async function readIamQuota(
  account: Pick<AwsAccount, 'partition' | 'credentials'>,
  name: IamQuotaName,
  around: { readonly environment: Environment; readonly clock: Clock },
): Promise<QuotaReading> {
  const { code, documented } = IAM_QUOTAS[name]
  try {
    const value = await getServiceQuota(account, code, around)
    return { value, isLive: true, text: `${value} (Service Quotas ${code})` }
  } catch (error) {
    const why = messageOf(error).slice(0, 200)
    return {
      value: documented,
      isLive: false,
      text: `${documented} (AWS's default as documented in ${DOCUMENTED_IN}; Service Quotas ${code} could not be read: ${why})`,
    }
  }
}

async function getServiceQuota(
  account: Pick<AwsAccount, 'partition' | 'credentials'>,
  code: string,
  around: { readonly environment: Environment; readonly clock: Clock },
): Promise<number> {
  const region = partitionById(account.partition).homeRegion
  const endpoint = serviceEndpoint('service-quotas', region, around.environment)
  const answer = await callRestJson(
    {
      name: 'Service Quotas',
      endpoint,
      proxy: proxyFor(endpoint, around.environment),
      region,
      signingName: 'servicequotas',
      authorization: { kind: 'sigv4', credentials: account.credentials },
      clock: around.clock,
      attemptTimeoutMs: 5000,
      attempts: 2,
      maxAnswerBytes: MAX_ANSWER_BYTES,
    },
    {
      method: 'POST',
      path: '/',
      body: { ServiceCode: 'iam', QuotaCode: code },
      headers: {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': 'ServiceQuotasV20190624.GetServiceQuota',
      },
    },
  )
  const value = objectMember(objectMember(answer, 'Quota'), 'Value')
  if (typeof value === 'number' && Number.isInteger(value) && value > 0) return value
  throw new TypeError('its answer has no value')
}
