/**
 * What is limited, and at what. Sources: "IAM and AWS STS quotas"; "Amazon EKS endpoints and
 * quotas" of the AWS General Reference; "Learn how EKS Pod Identity grants pods access", EKS User
 * Guide.
 */
import type { Tables } from '../records.ts'

/** A value that a quota was set to, in place of its default. */
export interface QuotaSetting {
  readonly name: QuotaName
  /** The account that it holds for; `*` for all. */
  readonly accountId: string
  readonly value: number
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

/** Every quota of the sandbox, with AWS's defaults. */
export const QUOTAS = {
  oidcProviders: {
    serviceCode: 'iam',
    quotaCode: 'L-858F3967',
    quotaName: 'OpenId connect providers per account',
    value: 100,
    maximum: 700,
    global: true,
  },
  trustPolicyCharacters: {
    serviceCode: 'iam',
    quotaCode: 'L-C07B4B0D',
    quotaName: 'Role trust policy length',
    value: 2048,
    maximum: 8192,
    global: true,
  },
  roles: {
    serviceCode: 'iam',
    quotaCode: 'L-FE177D64',
    quotaName: 'Roles per account',
    value: 1000,
    maximum: 10_000,
    global: true,
  },
  policiesPerRole: {
    serviceCode: 'iam',
    quotaCode: 'L-0DA4ABF3',
    quotaName: 'Managed policies per role',
    value: 20,
    maximum: 25,
    global: true,
  },
  policiesPerUser: {
    serviceCode: 'iam',
    quotaCode: 'L-4019AD8B',
    quotaName: 'Managed policies per user',
    value: 10,
    maximum: 20,
    global: true,
  },
  policiesPerGroup: {
    serviceCode: 'iam',
    quotaName: 'Managed policies per group',
    value: 10,
    maximum: 10,
    global: true,
  },
  policies: {
    serviceCode: 'iam',
    quotaCode: 'L-E95E4862',
    quotaName: 'Customer managed policies per account',
    value: 1500,
    maximum: 10_000,
    global: true,
  },
  instanceProfiles: {
    serviceCode: 'iam',
    quotaCode: 'L-6E65F664',
    quotaName: 'Instance profiles per account',
    value: 1000,
    maximum: 10_000,
    global: true,
  },
  groups: {
    serviceCode: 'iam',
    quotaCode: 'L-F4A5425F',
    quotaName: 'Groups per account',
    value: 300,
    maximum: 500,
    global: true,
  },
  users: {
    serviceCode: 'iam',
    quotaName: 'Users per account',
    value: 5000,
    maximum: 5000,
    global: true,
  },
  accessKeysPerUser: {
    serviceCode: 'iam',
    quotaName: 'Access keys per user',
    value: 2,
    maximum: 2,
    global: true,
  },
  clusters: {
    serviceCode: 'eks',
    quotaCode: 'L-1194D53C',
    quotaName: 'Clusters',
    value: 100,
    maximum: 5000,
    global: false,
  },
  accessEntries: {
    serviceCode: 'eks',
    quotaName: 'Access entries per cluster',
    value: 3000,
    maximum: 3000,
    global: false,
  },
  associations: {
    serviceCode: 'eks',
    quotaName: 'EKS Pod Identity associations per cluster',
    value: 5000,
    maximum: 5000,
    global: false,
  },
} as const satisfies Readonly<Record<string, Quota>>

export type QuotaName = keyof typeof QUOTAS

/** What holds now, for that account. */
export function quotaValue(tables: Tables, accountId: string, name: QuotaName): number {
  const own = tables.quotas.get(`${accountId}/${name}`) ?? tables.quotas.get(`*/${name}`)
  return own?.value ?? QUOTAS[name].value
}

/** Sets a quota, for one account or (`*`) for all; it holds from the next call on. */
export function setQuota(tables: Tables, setting: QuotaSetting): void {
  tables.quotas.set(`${setting.accountId}/${setting.name}`, setting)
}
