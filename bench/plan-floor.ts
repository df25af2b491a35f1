/**
 * The floor of `podrole plan`: the same calls by the AWS SDK's clients and `fetch`, as many at
 * once, and nothing done with the answers. Its job is JSON on standard input.
 */
import {
  DescribeClusterCommand,
  DescribePodIdentityAssociationCommand,
  EKSClient,
  ListAddonsCommand,
  ListPodIdentityAssociationsCommand,
} from '@aws-sdk/client-eks'
import {
  GetAccountAuthorizationDetailsCommand,
  GetOpenIDConnectProviderCommand,
  IAMClient,
} from '@aws-sdk/client-iam'
import { GetServiceQuotaCommand, ServiceQuotasClient } from '@aws-sdk/client-service-quotas'
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { mapLimited } from '../src/lib/map-limited.ts'

export interface PlanFloorJob {
  /** Whether more is read than whose credentials they are. */
  readonly isWhole: boolean
  readonly clusters: readonly {
    readonly name: string
    readonly server: string
    readonly ca: string
    readonly token: string
  }[]
}

/** As `observe` has it. */
const CLUSTERS_AT_ONCE = 4
const CALLS_AT_ONCE = 8

if (import.meta.main) {
  const { clusters, isWhole } = (await Bun.stdin.json()) as PlanFloorJob
  await new STSClient({}).send(new GetCallerIdentityCommand({}))
  if (isWhole) {
    const [iam, eks] = [new IAMClient({}), new EKSClient({})]
    await Promise.all([
      readRoles(iam),
      new ServiceQuotasClient({ region: 'us-east-1' }).send(
        new GetServiceQuotaCommand({ ServiceCode: 'iam', QuotaCode: 'L-C07B4B0D' }),
      ),
      mapLimited(clusters, CLUSTERS_AT_ONCE, (cluster) => readCluster(cluster, eks, iam)),
    ])
  }
}

async function readRoles(iam: IAMClient): Promise<void> {
  let Marker: string | undefined
  do {
    const input = { Filter: ['Role' as const], MaxItems: 1000, Marker }
    const page = await iam.send(new GetAccountAuthorizationDetailsCommand(input))
    Marker = page.IsTruncated === true ? page.Marker : undefined
  } while (Marker !== undefined)
}

async function readCluster(
  { ca, name: clusterName, server, token }: PlanFloorJob['clusters'][number],
  eks: EKSClient,
  iam: IAMClient,
): Promise<void> {
  const { cluster } = await eks.send(new DescribeClusterCommand({ name: clusterName }))
  const issuer = (cluster?.identity?.oidc?.issuer ?? '').replace('https://', '')
  const account = cluster?.arn?.split(':')[4] ?? ''
  const get = async (path: string): Promise<void> => {
    const response = await fetch(`${server}/api/v1/${path}?limit=5000`, {
      headers: { authorization: `Bearer ${token}` },
      tls: { ca },
      proxy: false,
      redirect: 'error',
      signal: AbortSignal.timeout(30_000),
    })
    if (!response.ok) throw new Error(`${path}: ${response.status}`)
    await response.json()
  }
  const ids: string[] = []
  const associations = async (): Promise<void> => {
    let nextToken: string | undefined
    do {
      const page = await eks.send(
        new ListPodIdentityAssociationsCommand({ clusterName, nextToken }),
      )
      ids.push(...(page.associations ?? []).flatMap(({ associationId }) => associationId ?? []))
      nextToken = page.nextToken || undefined
    } while (nextToken !== undefined)
    await mapLimited(ids, CALLS_AT_ONCE, (associationId) =>
      eks.send(new DescribePodIdentityAssociationCommand({ clusterName, associationId })),
    )
  }
  const provider = `arn:aws:iam::${account}:oidc-provider/${issuer}`
  await Promise.all([
    associations(),
    eks.send(new ListAddonsCommand({ clusterName })),
    get('serviceaccounts'),
    get('namespaces'),
    iam
      .send(new GetOpenIDConnectProviderCommand({ OpenIDConnectProviderArn: provider }))
      .catch(() => undefined),
  ])
}
