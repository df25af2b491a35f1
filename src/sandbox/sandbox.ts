/**
 * The sandbox as one value: an AWS endpoint, HTTPS names for issuers and S3, clusters and their
 * nodes. What runs inside a cluster (webhook, agent, broker) is attached from outside by the
 * caller, since a running part is never imported by another.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { partitionOfRegion } from '../iam/partitions.ts'
import type { KubeClient } from '../kube/client.ts'
import type { Pod } from '../kube/objects.ts'
import type { CertificateAuthority } from '../lib/certificates.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Secret } from '../lib/secret.ts'
import { type Listening, serveHttp, serveTls } from '../lib/serve.ts'
import { withAdminApp } from './admin-app.ts'
import { type Aws, createAws } from './aws/aws.ts'
import type { ServiceControlSetting } from './aws/identity/organization.ts'
import type { QuotaSetting } from './aws/quotas/quotas.ts'
import type { ClusterOptions, SandboxCluster, ServedCluster } from './cluster/cluster.ts'
import { awsEvent, createEventLog, type EventLog } from './events.ts'
import { createIssuerNames, type IssuerNameTable } from '../issuer/outside/issuer-names.ts'
import { addBuiltInNames } from './issuer-names.ts'
import { openJournal } from './journal.ts'
import {
  FOLDER_PREFIX,
  keepAuthority,
  keepPort,
  keepToken,
  openKept,
  replaceFolder,
} from './kept.ts'
import type { ImageTable } from './node/images.ts'
import { type MachineIsolation, probeMachine } from './node/isolation.ts'
import type { SandboxNode } from './node/node.ts'
import { RunningClusters, runtimeOf, type Surroundings } from './running-clusters.ts'
import { restoreState } from './restoring.ts'
import { Snapshots } from './snapshots.ts'
import { State } from './state.ts'

export interface ClusterRequest {
  readonly name: string
  readonly region: string
  /** An EKS cluster is known to the account's EKS; a self-managed one brings its own issuer. */
  readonly kind: 'eks' | 'self-managed'
  /** Required for a self-managed cluster: its `--service-account-issuer`. */
  readonly issuer?: string
  /** How many nodes; 1 by default. */
  readonly nodes?: number
  /** The sandbox's first account by default. */
  readonly accountId?: string
}

export interface RunningCluster {
  readonly name: string
  readonly region: string
  readonly kind: 'eks' | 'self-managed'
  readonly accountId: string
  readonly cluster: SandboxCluster
  readonly nodes: readonly SandboxNode[]
  /** With the rights of system:masters, as one of the sandbox's own parts. */
  readonly client: KubeClient
}

/** What runs on a cluster, from outside of it. */
export interface Attachment {
  /** The cluster's objects are what they were: those that tell of this one may be of an earlier start. */
  restored(): Promise<void>
  stop(): Promise<void>
}

export interface SandboxOptions {
  readonly port: number
  readonly accountIds: readonly string[]
  readonly region: string
  /** Those that the state knows are started too. */
  readonly clusters: readonly ClusterRequest[]
  /** Started where neither `clusters` nor the state names one. */
  readonly defaultCluster?: ClusterRequest
  /** Where everything is kept, over `kill -9` too; in memory alone by default. */
  readonly stateFolder?: string
  /** Sockets of ExternalJWTSigners by the clusters that they sign for, until the sandbox ends. */
  readonly signingEndpoints?: ReadonlyMap<string, string>
  /** `HOST=127.0.0.1:PORT`: issuers of the user's own. */
  readonly resolve: readonly string[]
  /** PEM texts of further CAs that STS trusts. */
  readonly trustCas: readonly string[]
  /** `SERVICE:OPERATION=EFFECT[,EFFECT…]`: what goes wrong at AWS. */
  readonly faults?: readonly string[]
  /** Over its accounts, until the sandbox ends. */
  readonly serviceControlPolicies?: readonly ServiceControlSetting[]
  /** In place of AWS's defaults, until the sandbox ends. */
  readonly quotas?: readonly QuotaSetting[]
  /** How long STS keeps an issuer's keys; 0 by default. */
  readonly issuerKeyCacheMs?: number
  readonly images: ImageTable
  readonly network: 'auto' | 'namespace' | 'loopback'
  readonly clock: Clock
  readonly log: Log
  /** Starts clusters in place of the sandbox's own: a real API server, in tests. */
  readonly clusterFactory?: (options: ClusterOptions) => Promise<ServedCluster>
  /** What a pod on a node waits for before its containers start. */
  readonly beforePod?: (cluster: string, node: string, pod: Pod) => Promise<void>
  /** Runs what belongs on a cluster (webhook, agents). */
  readonly attach?: (cluster: RunningCluster, sandbox: Sandbox) => Promise<Attachment>
}

export interface Sandbox {
  /** `http://127.0.0.1:PORT`: every AWS service. */
  readonly endpoint: string
  readonly region: string
  readonly accountId: string
  /** What is only good for this run; removed at the end. */
  readonly folder: string
  /** What the next start on the same state finds again; `folder` where there is no state folder. */
  readonly stateFolder: string
  /** Opens `/_podrole/…` on the endpoint. */
  readonly token: Secret
  readonly aws: Aws
  readonly names: IssuerNameTable
  readonly authority: CertificateAuthority
  /** Every decision of AWS and the clusters. */
  readonly events: EventLog
  readonly clusters: ReadonlyMap<string, RunningCluster>
  startCluster(request: ClusterRequest): Promise<RunningCluster>
  /** Ends a self-managed cluster with all that was in it; EKS ends its own by DeleteCluster. */
  discardCluster(name: string): Promise<void>
  /** A free port of 127.0.0.1 for that name: the one that it had before, where that is free. */
  keepPort(name: string): Promise<number>
  /** What the sandbox was, to come back to. */
  readonly snapshots: Snapshots
  stop(): Promise<void>
}

/** Every region whose S3 and EKS issuer names the sandbox answers for itself. */
const REGIONS = `
  us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 sa-east-1 eu-west-1 eu-west-2 eu-west-3
  eu-central-1 eu-north-1 eu-south-1 ap-south-1 ap-southeast-1 ap-southeast-2 ap-northeast-1
  ap-northeast-2 af-south-1 me-south-1 cn-north-1 cn-northwest-1 us-gov-west-1 us-gov-east-1`
  .trim()
  .split(/\s+/)

/** Starts a sandbox; what is already running ends when a later part fails to start. */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const running: (() => Promise<void>)[] = []
  const stop = async (): Promise<void> => {
    for (const end of running.splice(0).reverse()) await end()
  }
  try {
    const { sandbox, clusters } = await assemble(options, running, stop)
    await clusters.launchAll(options.clusters)
    return sandbox
  } catch (error) {
    await stop()
    throw error
  }
}

async function assemble(
  options: SandboxOptions,
  running: (() => Promise<void>)[],
  stop: () => Promise<void>,
): Promise<{ sandbox: Sandbox; clusters: RunningClusters }> {
  const state = openState(options, running)
  const kept = openKept(state)
  const folder = mkdtempSync(join(tmpdir(), FOLDER_PREFIX))
  running.push(async () => rmSync(folder, { recursive: true, force: true }))
  replaceFolder(kept, folder)
  const authority = await keepAuthority(kept, options.clock)
  const names = createIssuerNames()
  for (const entry of options.resolve) names.add(entry)
  for (const pem of options.trustCas) names.trust(pem)
  const events = createEventLog()
  const around: Surroundings = {
    options,
    state,
    kept,
    authority,
    folder,
    events,
    machine: machineProbe(folder, options),
    sandbox: () => sandbox,
  }
  const clusters = new RunningClusters(around)
  const aws = createSandboxAws(around, names, clusters)
  aws.decisions.listen((event) => events.record(awsEvent(event)))
  const snapshots = new Snapshots({
    state,
    clock: options.clock,
    folder: options.stateFolder,
    restore: (records) => restoreState({ state, aws, clusters }, records),
  })
  const token = keepToken(kept)
  const endpoint = serveHttp({
    hostname: '127.0.0.1',
    port: options.port === 0 ? await keepPort(kept, 'aws', 'any') : options.port,
    handler: withAdminApp({ token, events, snapshots }, aws.handler),
    log: options.log,
    maxBodyBytes: 64 << 20,
  })
  running.push(() => endpoint.stop(500))
  kept.ports.set('aws', endpoint.port)
  running.push(await serveNames(aws, names, authority, options.log))
  running.push(() => clusters.stop())
  const sandbox: Sandbox = {
    endpoint: endpoint.url,
    region: options.region,
    accountId: options.accountIds[0] ?? '',
    folder,
    stateFolder: options.stateFolder ?? folder,
    token,
    aws,
    names,
    authority,
    events,
    clusters: clusters.running,
    startCluster: (request) => clusters.launch(request),
    discardCluster: (name) => clusters.discard(name),
    keepPort: (name) => keepPort(kept, name, 'one'),
    snapshots,
    stop,
  }
  return { sandbox, clusters }
}

/** What the machine can do, found out once, by the first who asks. */
function machineProbe(
  folder: string,
  { network }: SandboxOptions,
): () => Promise<MachineIsolation> {
  let machine: Promise<MachineIsolation> | undefined
  return () => {
    machine ??= probeMachine({ folder: join(folder, 'probe'), network, mounts: 'auto' })
    return machine
  }
}

function openState(options: SandboxOptions, running: (() => Promise<void>)[]): State {
  const state = new State()
  if (options.stateFolder === undefined) return state
  const journal = openJournal(options.stateFolder, state)
  running.push(async () => journal.close())
  return state
}

function createSandboxAws(
  { options, state }: Surroundings,
  names: IssuerNameTable,
  clusters: RunningClusters,
): Aws {
  return createAws({
    state,
    clock: options.clock,
    log: options.log,
    accountIds: options.accountIds,
    region: options.region,
    names,
    ...(options.faults !== undefined && { faults: options.faults }),
    quotas: options.quotas ?? [],
    serviceControlPolicies: options.serviceControlPolicies ?? [],
    issuerKeyCacheMs: options.issuerKeyCacheMs ?? 0,
    launchCluster: async ({ name, region, accountId }) => {
      const started = await clusters.launch({ name, region, accountId, kind: 'eks' }, 'eks')
      return runtimeOf(started.cluster)
    },
    stopCluster: async (spec) => clusters.remove(spec),
  })
}

async function serveNames(
  aws: Aws,
  names: IssuerNameTable,
  authority: CertificateAuthority,
  log: Log,
): Promise<() => Promise<void>> {
  const hosts = REGIONS.flatMap((region) => {
    const { dnsSuffix } = partitionOfRegion(region)
    return [`s3.${region}.${dnsSuffix}`, `oidc.eks.${region}.${dnsSuffix}`]
  })
  const front: Listening = await serveTls({
    hostname: '127.0.0.1',
    port: 0,
    handler: aws.secureHandler,
    log,
    certificate: await authority.issue({ names: [...hosts, '*.issuer.sandbox', '127.0.0.1'] }),
  })
  addBuiltInNames(names, { port: front.port, ca: authority.cert })
  return () => front.stop(500)
}
