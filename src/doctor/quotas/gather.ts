/** Reads what a report on quotas needs, place by place; what cannot be read is told, not thrown. */
import type { QuotaReading } from '../../aws/iam-quotas.ts'
import { mapLimited } from '../../lib/map-limited.ts'
import type { EksFacts, IamFacts, QuotaCluster, QuotaFacts } from './facts.ts'
import { tryEach } from '../facts/tried.ts'

/** IAM of an account, as far as quotas go. */
export interface IamQuotaReader {
  providers(): Promise<number>
  roles(): Promise<IamFacts['roles']>
  quotas(): Promise<IamFacts['quotas']>
  summary(): Promise<IamFacts['summary']>
}

/** EKS of a region, as far as quotas go. */
export interface EksQuotaReader {
  clusterNames(): Promise<readonly string[]>
  quota(): Promise<QuotaReading>
  /** @throws ServiceFault `ResourceNotFound` */
  cluster(name: string): Promise<QuotaCluster>
}

export interface QuotaPlaces {
  readonly accountId: string
  readonly region: string
  readonly iam: IamQuotaReader
  readonly eks: EksQuotaReader
}

const CLUSTERS_AT_ONCE = 4

/** @param only names of the clusters to look at; none: all of the region */
export async function gatherQuotas(
  { accountId, eks, iam, region }: QuotaPlaces,
  only: readonly string[],
): Promise<QuotaFacts> {
  const { tried, unread } = tryEach()
  const [iamFacts, eksFacts] = await Promise.all([
    tried('IAM', async (): Promise<IamFacts> => {
      const [providers, roles, quotas, summary] = await Promise.all([
        iam.providers(),
        iam.roles(),
        iam.quotas(),
        tried('GetAccountSummary', () => iam.summary()),
      ])
      return { providers, roles, quotas, summary: summary ?? {} }
    }),
    tried('EKS', async (): Promise<EksFacts> => {
      const [clusterNames, quota] = await Promise.all([eks.clusterNames(), eks.quota()])
      const names = only.length === 0 ? clusterNames : only
      const clusters = await mapLimited(names, CLUSTERS_AT_ONCE, (name) =>
        tried(`cluster ${name}`, () => eks.cluster(name)),
      )
      return { clusterNames, quota, clusters: clusters.filter((one) => one !== undefined) }
    }),
  ])
  return {
    accountId,
    region,
    unread,
    ...(iamFacts !== undefined && { iam: iamFacts }),
    ...(eksFacts !== undefined && { eks: eksFacts }),
  }
}
