/**
 * What is limited, and at what. Sources: "IAM and AWS STS quotas", IAM User Guide; "Amazon EKS
 * endpoints and quotas" of the AWS General Reference; "Learn how EKS Pod Identity grants pods
 * access", EKS User Guide; "AWS STS … session token", STS API Reference, AssumeRole.
 * Lengths of names and paths are no quotas: they are the shapes of the service models.
 */
import { PodroleError } from '../../../lib/errors.ts'
import type { Tables } from '../records.ts'
import { accountOf, type Call } from '../world.ts'

/** A value that a quota was set to, in place of its default. */
export interface QuotaSetting {
  readonly name: QuotaName
  /** The account that it holds for; `*` for all. */
  readonly accountId: string
  readonly value: number
  /** Set when the sandbox began: it holds until it ends, whatever the state keeps. */
  readonly forThisRun?: boolean
}

export interface Quota {
  /** `iam`, `eks` */
  readonly serviceCode: string
  /** `L-…`; none where Service Quotas does not know it. */
  readonly quotaCode?: string
  readonly quotaName: string
  readonly value: number
  /** What an increase may reach; the same as `value` where there is none. */
  readonly maximum: number
  /** Known in the partition's home region alone, and the same in all. */
  readonly global: boolean
}

/** One of IAM's: a maximum where it can be raised, a code where Service Quotas knows it. */
const iam = (
  quotaName: string,
  value: number,
  more: { readonly maximum?: number; readonly quotaCode?: string } = {},
): Quota => ({ serviceCode: 'iam', quotaName, value, maximum: value, global: true, ...more })

const eks = (quotaName: string, value: number, more: Partial<Quota> = {}): Quota => ({
  serviceCode: 'eks',
  quotaName,
  value,
  maximum: value,
  global: false,
  ...more,
})

/** AWS raises it and does not say how far. */
const UNPUBLISHED = Number.POSITIVE_INFINITY

/** Every quota of the sandbox, with AWS's defaults. */
export const QUOTAS = {
  oidcProviders: iam('OpenId connect providers per account', 100, {
    maximum: 700,
    quotaCode: 'L-858F3967',
  }),
  clientIdsPerProvider: iam('Client IDs per OpenID Connect provider', 100),
  thumbprintsPerProvider: iam('Thumbprints per OpenID Connect provider', 5),
  roles: iam('Roles per account', 1000, { maximum: 10_000, quotaCode: 'L-FE177D64' }),
  trustPolicyCharacters: iam('Role trust policy length', 2048, {
    maximum: 8192,
    quotaCode: 'L-C07B4B0D',
  }),
  rolePolicyCharacters: iam('Inline policies of a role, all together', 10_240),
  userPolicyCharacters: iam('Inline policies of a user, all together', 2048),
  groupPolicyCharacters: iam('Inline policies of a group, all together', 5120),
  policies: iam('Customer managed policies per account', 1500, {
    maximum: 10_000,
    quotaCode: 'L-E95E4862',
  }),
  policyCharacters: iam('Managed policy length', 6144),
  versionsPerPolicy: iam('Versions per managed policy', 5),
  policiesPerRole: iam('Managed policies per role', 20, { maximum: 25, quotaCode: 'L-0DA4ABF3' }),
  policiesPerUser: iam('Managed policies per user', 10, { maximum: 20, quotaCode: 'L-4019AD8B' }),
  policiesPerGroup: iam('Managed policies per group', 10, { quotaCode: 'L-384571C4' }),
  instanceProfiles: iam('Instance profiles per account', 1000, {
    maximum: 10_000,
    quotaCode: 'L-6E65F664',
  }),
  groups: iam('Groups per account', 300, { maximum: 500, quotaCode: 'L-F4A5425F' }),
  groupsPerUser: iam('Groups per user', 10),
  users: iam('Users per account', 5000, { quotaCode: 'L-F55AF5E4' }),
  accessKeysPerUser: iam('Access keys per user', 2),
  tagsPerResource: iam('Tags per resource', 50),
  sessionTags: iam('Session tags per session', 50),
  sessionPolicyCharacters: iam('Session policy and policy ARNs, all together', 2048),
  sessionPolicyArns: iam('Session policies by ARN', 10),
  sessionTokenBytes: iam('Session token size', 4096),
  chainedSessionSeconds: iam('Duration of a session by role chaining', 3600),
  stsRequestsPerSecond: iam('STS requests per second, account and region', 600),
  clusters: eks('Clusters', 100, { maximum: UNPUBLISHED, quotaCode: 'L-1194D53C' }),
  registeredClusters: eks('Registered clusters', 10, {
    maximum: UNPUBLISHED,
    quotaCode: 'L-FDFA5F81',
  }),
  controlPlaneSecurityGroups: eks('Control plane security groups per cluster', 4, {
    quotaCode: 'L-11427A54',
  }),
  publicAccessCidrs: eks('Public endpoint access CIDR ranges per cluster', 40, {
    quotaCode: 'L-93A74D60',
  }),
  nodegroups: eks('Managed node groups per cluster', 30, {
    maximum: UNPUBLISHED,
    quotaCode: 'L-6D54EA21',
  }),
  nodesPerNodegroup: eks('Nodes per managed node group', 450, {
    maximum: UNPUBLISHED,
    quotaCode: 'L-BD136A63',
  }),
  fargateProfiles: eks('Fargate profiles per cluster', 10, {
    maximum: UNPUBLISHED,
    quotaCode: 'L-33415657',
  }),
  selectorsPerFargateProfile: eks('Selectors per Fargate profile', 5, {
    maximum: UNPUBLISHED,
    quotaCode: 'L-D78D8AF8',
  }),
  labelsPerFargateSelector: eks('Label pairs per Fargate profile selector', 5, {
    maximum: UNPUBLISHED,
    quotaCode: 'L-23414FF3',
  }),
  accessEntries: eks('Access entries per cluster', 3000),
  associations: eks('EKS Pod Identity associations per cluster', 5000),
} as const satisfies Readonly<Record<string, Quota>>

export type QuotaName = keyof typeof QUOTAS

/** What holds now, for that account. */
export function quotaValue(tables: Tables, accountId: string, name: QuotaName): number {
  const own = tables.quotas.get(`${accountId}/${name}`) ?? tables.quotas.get(`*/${name}`)
  return own?.value ?? QUOTAS[name].value
}

/** What holds now, for the account that a call is made in. */
export const quotaOf = (call: Call, name: QuotaName): number =>
  quotaValue(call.world.tables, accountOf(call), name)

/** Sets a quota, for one account or (`*`) for all; it holds from the next call on. */
export function setQuota(tables: Tables, setting: QuotaSetting): void {
  tables.quotas.set(`${setting.accountId}/${setting.name}`, setting)
}

/** Sets the quotas that a run begins with, in place of those that an earlier one began with. */
export function beginQuotas(tables: Tables, settings: readonly QuotaSetting[]): void {
  for (const [key, { forThisRun }] of tables.quotas.entries()) {
    if (forThisRun === true) tables.quotas.delete(key)
  }
  for (const setting of settings) setQuota(tables, { ...setting, forThisRun: true })
}

const isQuotaName = (name: string): name is QuotaName => Object.hasOwn(QUOTAS, name)

const SETTING = /^(?:(?<accountId>[^/=]*)\/)?(?<name>[^/=]*)=(?<value>.*)$/
const MAX_VALUE = 1_000_000_000

/**
 * A quota as it is typed: `NAME=VALUE`, for one account `ACCOUNT/NAME=VALUE`.
 * @throws PodroleError `InvalidQuota`
 */
export function parseQuotaSetting(text: string, accountIds: readonly string[]): QuotaSetting {
  const { accountId, name = '', value = '' } = SETTING.exec(text)?.groups ?? {}
  if (!isQuotaName(name)) {
    throw new PodroleError(
      'InvalidQuota',
      `quota ${JSON.stringify(text)} names no quota: wanted NAME=VALUE or ACCOUNT/NAME=VALUE`,
      { hint: `the names are ${Object.keys(QUOTAS).join(', ')}` },
    )
  }
  if (accountId !== undefined && !accountIds.includes(accountId)) {
    throw new PodroleError(
      'InvalidQuota',
      `quota ${JSON.stringify(text)} is for an account that the sandbox does not have: wanted one of ${accountIds.join(', ')}`,
      { hint: 'name it with --account-id too' },
    )
  }
  if (!/^\d{1,10}$/.test(value) || Number(value) > MAX_VALUE) {
    throw new PodroleError(
      'InvalidQuota',
      `quota ${JSON.stringify(text)} has the value ${JSON.stringify(value)}: wanted a whole number from 0 to ${MAX_VALUE}`,
    )
  }
  return { name, accountId: accountId ?? '*', value: Number(value) }
}
