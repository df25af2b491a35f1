/** What a report on quotas is made of, as it was read. */
import type { IamQuotaName, QuotaReading } from '../../aws/iam-quotas.ts'

export interface QuotaFacts {
  readonly accountId: string
  readonly region: string
  readonly iam?: IamFacts
  /** Undefined where EKS could not be asked. */
  readonly eks?: EksFacts
  /** What could not be read, and why. */
  readonly unread: readonly { readonly what: string; readonly why: string }[]
}

export interface IamFacts {
  readonly providers: number
  readonly roles: readonly QuotaRole[]
  readonly quotas: Readonly<Record<IamQuotaName, QuotaReading>>
  /** GetAccountSummary, by the names that AWS gives; none where it may not be called. */
  readonly summary: Readonly<Record<string, number>>
}

export interface QuotaRole {
  readonly name: string
  readonly trustPolicy: string
  readonly policies: number
}

export interface EksFacts {
  /** Names of all of the region. */
  readonly clusterNames: readonly string[]
  readonly quota: QuotaReading
  readonly clusters: readonly QuotaCluster[]
}

export interface QuotaCluster {
  readonly name: string
  readonly arn: string
  readonly associations: readonly QuotaAssociation[]
  readonly accessEntries: number
}

export interface QuotaAssociation {
  readonly namespace: string
  readonly serviceAccount: string
  /** Undefined where only the list was read, which does not tell. */
  readonly sessionPolicy?: string
  readonly disableSessionTags?: boolean
}
