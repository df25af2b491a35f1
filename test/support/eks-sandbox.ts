/** A sandbox with one EKS cluster and no nodes, podrole as typed beside it, and callers with EKS tokens. */
import { EKSClient } from '@aws-sdk/client-eks'
import { CreateAccessKeyCommand, CreateUserCommand, IAMClient } from '@aws-sdk/client-iam'
import { systemClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import { eksToken } from '../../src/sandbox/eks-token.suite.ts'
import { type RunningCluster, type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts'
import { type Desk, openDesk } from './podrole.ts'

export const ACCOUNT = '111122223333'
export const REGION = 'eu-central-1'
export const CLUSTER = 'blue'

/** Somebody who comes to the cluster with an EKS token, as `aws eks get-token` makes it. */
export interface EksCaller {
  readonly arn: string
  /** The status of a GET of the cluster's API. */
  get(path: string): Promise<number>
}

export interface EksSandbox {
  readonly sandbox: Sandbox
  readonly cluster: RunningCluster
  readonly desk: Desk
  readonly iam: IAMClient
  readonly eks: EKSClient
  /** Every action by which EKS was asked to change something, in order. */
  readonly writes: readonly string[]
  addUser(name: string): Promise<EksCaller>
  stop(): Promise<void>
}

export async function startEksSandbox({
  accountId = ACCOUNT,
  clusterName = CLUSTER,
  moreClusters = [],
  region = REGION,
}: {
  readonly accountId?: string
  readonly clusterName?: string
  /** Beside it, of the same account and region. */
  readonly moreClusters?: readonly string[]
  readonly region?: string
} = {}): Promise<EksSandbox> {
  const sandbox = await startSandbox({
    port: 0,
    accountIds: [accountId],
    region,
    clusters: [clusterName, ...moreClusters].map((name) => ({
      name,
      region,
      kind: 'eks' as const,
      nodes: 0,
    })),
    resolve: [],
    trustCas: [],
    images: { find: () => ({ missing: 'no pod runs here' }) },
    network: 'loopback',
    clock: systemClock,
    log: silentLog,
  })
  const cluster = sandbox.clusters.get(clusterName)
  if (cluster === undefined) throw new Error('no cluster')
  const writes: string[] = []
  sandbox.aws.decisions.listen(({ action }) => {
    if (/^eks:(?!Get|List|Describe)/.test(action)) writes.push(action)
  })
  const { accessKeyId, secretAccessKey } = sandbox.aws.adminCredentials()
  const credentials = { accessKeyId, secretAccessKey: secretAccessKey.reveal() }
  const config = { region, endpoint: sandbox.endpoint, credentials }
  const iam = new IAMClient(config)
  const desk = openDesk(
    { brokers: [], sandbox },
    { profiles: { shop: accountId }, cluster, issuers: [] },
  )
  return {
    sandbox,
    cluster,
    desk,
    iam,
    eks: new EKSClient(config),
    writes,
    addUser: (name) => addUser(iam, name, { sandbox, cluster }),
    stop: async () => {
      desk.remove()
      await sandbox.stop()
    },
  }
}

async function addUser(
  iam: IAMClient,
  UserName: string,
  { cluster, sandbox }: { readonly sandbox: Sandbox; readonly cluster: RunningCluster },
): Promise<EksCaller> {
  const { User } = await iam.send(new CreateUserCommand({ UserName }))
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName }))
  const keys = {
    accessKeyId: AccessKey?.AccessKeyId ?? '',
    secretAccessKey: AccessKey?.SecretAccessKey ?? '',
  }
  return {
    arn: User?.Arn ?? '',
    get: async (path) => {
      const response = await fetch(`${cluster.cluster.server}${path}`, {
        headers: {
          authorization: `Bearer ${await eksToken(sandbox.endpoint, { region: REGION, cluster: CLUSTER, credentials: keys })}`,
        },
        tls: { ca: cluster.cluster.certificateAuthority },
        proxy: false,
        redirect: 'error',
        signal: AbortSignal.timeout(10_000),
      })
      await response.text()
      return response.status
    },
  }
}
