/** IAM and EKS by the AWS SDK, as far as quotas go. */
import type { AwsAccount } from '../../aws/account.ts'
import { describeEksCluster } from '../../aws/eks-cluster.ts'
import type { Environment } from '../../aws/endpoints.ts'
import { readClusterQuota, readIamQuota } from '../../aws/iam-quotas.ts'
import { callSdk } from '../../aws/sdk-fault.ts'
import { outlastThrottling } from '../../aws/throttling.ts'
import { codeOf } from '../../lib/errors.ts'
import type { Clock } from '../../lib/clock.ts'
import { describeAssociations } from '../../manage/eks/association-port.ts'
import { eksAccessEntries } from '../../manage/eks/eks-access-entries.ts'
import { eksAssociations } from '../../manage/eks/eks-associations.ts'
import { openEks } from '../../manage/eks/eks-client.ts'
import { iamReader } from '../../manage/observe/iam-reader.ts'
import type { QuotaAssociation } from './facts.ts'
import type { EksQuotaReader, IamQuotaReader } from './gather.ts'

interface Around {
  readonly environment: Environment
  readonly clock: Clock
}

export async function iamQuotaReader(account: AwsAccount, around: Around): Promise<IamQuotaReader> {
  const sdk = await import('@aws-sdk/client-iam')
  const iam = new sdk.IAMClient(account.clientConfig)
  const reader = await iamReader(account, { ...around, onCall: () => undefined })
  const call = <T>(what: string, send: () => Promise<T>): Promise<T> =>
    outlastThrottling(() => callSdk(what, send))
  return {
    providers: async () => {
      const answer = await call('ListOpenIDConnectProviders', () =>
        iam.send(new sdk.ListOpenIDConnectProvidersCommand({})),
      )
      return answer.OpenIDConnectProviderList?.length ?? 0
    },
    roles: async () =>
      (await reader.roles()).map(({ name, policyArns, trustPolicy }) => ({
        name,
        trustPolicy,
        policies: policyArns.length,
      })),
    quotas: async () => {
      const read = (name: Parameters<typeof readIamQuota>[1]): ReturnType<typeof readIamQuota> =>
        readIamQuota(account, name, around)
      const [providers, trust, roles, policies] = await Promise.all([
        read('oidc-providers'),
        read('trust-policy-characters'),
        read('roles'),
        read('policies-per-role'),
      ])
      return {
        'oidc-providers': providers,
        'trust-policy-characters': trust,
        roles,
        'policies-per-role': policies,
      }
    },
    summary: async () => {
      const answer = await call('GetAccountSummary', () =>
        iam.send(new sdk.GetAccountSummaryCommand({})),
      )
      return Object.fromEntries(
        Object.entries(answer.SummaryMap ?? {}).map(([name, value]) => [name, value ?? 0]),
      )
    },
  }
}

/** Up to so many associations are asked for one by one; a list does not tell session policies. */
const MAX_DESCRIBED = 200

export async function eksQuotaReader(account: AwsAccount, around: Around): Promise<EksQuotaReader> {
  const eks = await openEks(account)
  return {
    clusterNames: () =>
      eks.all(`ListClusters in ${account.region}`, async (client, nextToken) => {
        const page = await client.send(new eks.sdk.ListClustersCommand({ nextToken }))
        return { items: page.clusters, nextToken: page.nextToken }
      }),
    quota: () => readClusterQuota(account, around),
    cluster: async (name) => {
      const port = eksAssociations(eks, name)
      const [{ arn }, listed, entries] = await Promise.all([
        describeEksCluster(account, name),
        port.list(),
        accessEntriesOf(eks, name),
      ])
      const associations: readonly QuotaAssociation[] =
        listed.length > MAX_DESCRIBED
          ? listed
          : (await describeAssociations(port)).map(({ policy, ...one }) => ({
              namespace: one.namespace,
              serviceAccount: one.serviceAccount,
              disableSessionTags: one.disableSessionTags,
              ...(policy !== undefined && { sessionPolicy: policy }),
            }))
      return { name, arn, associations, accessEntries: entries }
    },
  }
}

/** Authentication mode CONFIG_MAP has none. */
async function accessEntriesOf(
  eks: Awaited<ReturnType<typeof openEks>>,
  name: string,
): Promise<number> {
  try {
    return (await eksAccessEntries(eks, name).list()).length
  } catch (error) {
    if (codeOf(error) === 'InvalidRequest') return 0
    throw error
  }
}
