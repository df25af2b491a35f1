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
  roles: { code: 'L-FE177D64', documented: 1000 },
  'policies-per-role': { code: 'L-0DA4ABF3', documented: 20 },
} as const
/** Of a region: https://docs.aws.amazon.com/general/latest/gr/eks.html */
const EKS_CLUSTERS = { code: 'L-1194D53C', documented: 100 } as const

export type IamQuotaName = keyof typeof IAM_QUOTAS

/** AWS's default, for who cannot ask. */
export const documentedIamQuota = (name: IamQuotaName): number => IAM_QUOTAS[name].documented
/** What Service Quotas calls them. */
export const QUOTA_CODES: Readonly<Record<IamQuotaName | 'clusters', string>> = {
  'oidc-providers': IAM_QUOTAS['oidc-providers'].code,
  'trust-policy-characters': IAM_QUOTAS['trust-policy-characters'].code,
  roles: IAM_QUOTAS.roles.code,
  'policies-per-role': IAM_QUOTAS['policies-per-role'].code,
  clusters: EKS_CLUSTERS.code,
}

/** When the documented values were read. */
const DOCUMENTED_IN = 'October 2026'
/** The same as a date. */
export const DOCUMENTED_ON = '2026-10'
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
  const region = partitionById(account.partition).homeRegion
  return readQuota(account, { service: 'iam', region, ...IAM_QUOTAS[name] }, around)
}

/** Reads how many EKS clusters a region may have, as `readIamQuota` reads IAM's quotas. */
export const readClusterQuota = (
  account: Pick<AwsAccount, 'credentials' | 'region'>,
  around: QuotaAround,
): Promise<QuotaReading> =>
  readQuota(account, { service: 'eks', region: account.region, ...EKS_CLUSTERS }, around)

interface QuotaAround {
  readonly environment: Environment
  readonly clock: Clock
}

interface Quota {
  readonly service: 'iam' | 'eks'
  readonly region: string
  readonly code: string
  readonly documented: number
}

async function readQuota(
  account: Pick<AwsAccount, 'credentials'>,
  quota: Quota,
  around: QuotaAround,
): Promise<QuotaReading> {
  const { code, documented } = quota
  try {
    const value = await getServiceQuota(account, quota, around)
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
  account: Pick<AwsAccount, 'credentials'>,
  { code, region, service }: Quota,
  around: QuotaAround,
): Promise<number> {
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
      body: { ServiceCode: service, QuotaCode: code },
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
