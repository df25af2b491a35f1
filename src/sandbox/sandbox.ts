/**
 * The sandbox as one value: an AWS endpoint, HTTPS names for issuers and S3, clusters and their
 * nodes. What runs inside a cluster (webhook, agent, broker) is attached from outside by the
 * caller, since a running part is never imported by another.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createKubeClient } from '../kube/transport.ts'
import type { KubeClient } from '../kube/client.ts'
import { createCertificateAuthority, type CertificateAuthority } from '../lib/certificates.ts'
import type { Clock } from '../lib/clock.ts'
import { PodroleError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { type Listening, serveHttp, serveTls } from '../lib/serve.ts'
import { partitionOfRegion } from '../iam/partitions.ts'
import { type Aws, type ClusterRuntime, createAws } from './aws/aws.ts'
import { type SandboxCluster, startCluster } from './cluster/cluster.ts'
import { createIssuerNames, type IssuerNameTable } from './issuer-names.ts'
import type { ImageTable } from './node/images.ts'
import { type SandboxNode, startNode } from './node/node.ts'
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
}

export interface RunningCluster {
  readonly name: string
  readonly region: string
  readonly kind: 'eks' | 'self-managed'
  readonly accountId: string
  readonly cluster: SandboxCluster
  readonly nodes: readonly SandboxNode[]
  /** With the rights of system:masters. */
  readonly client: KubeClient
}

export interface SandboxOptions {
  readonly port: number
  readonly accountIds: readonly string[]
  readonly region: string
  readonly clusters: readonly ClusterRequest[]
  /** `HOST=127.0.0.1:PORT`: issuers of the user's own. */
  readonly resolve: readonly string[]
  /** PEM texts of further CAs that STS trusts. */
  readonly trustCas: readonly string[]
  readonly images: ImageTable
  readonly network: 'auto' | 'namespace' | 'loopback'
  readonly clock: Clock
  readonly log: Log
  /** Runs what belongs on a cluster (webhook, agents); what it returns ends that. */
  readonly attach?: (cluster: RunningCluster, sandbox: Sandbox) => Promise<() => Promise<void>>
}

export interface Sandbox {
  /** `http://127.0.0.1:PORT`: every AWS service. */
  readonly endpoint: string
  readonly region: string
  readonly accountId: string
  readonly folder: string
  readonly aws: Aws
  readonly names: IssuerNameTable
  readonly authority: CertificateAuthority
  readonly clusters: ReadonlyMap<string, RunningCluster>
  startCluster(request: ClusterRequest): Promise<RunningCluster>
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
    const sandbox = await assemble(options, running, stop)
    for (const request of options.clusters) await sandbox.startCluster(request)
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
): Promise<Sandbox> {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-sandbox-'))
  running.push(async () => rmSync(folder, { recursive: true, force: true }))
  const authority = await createCertificateAuthority({
    commonName: 'podrole sandbox',
    clock: options.clock,
  })
  const names = createIssuerNames()
  for (const entry of options.resolve) names.add(entry)
  for (const pem of options.trustCas) names.trust(pem)
  const state = new State()
  const clusters = new Map<string, RunningCluster>()
  const launch = (request: ClusterRequest): Promise<RunningCluster> =>
    launchCluster(request, { options, state, authority, folder, running, sandbox: () => sandbox })
  const aws = createAws({
    state,
    clock: options.clock,
    log: options.log,
    accountIds: options.accountIds,
    region: options.region,
    names,
    launchCluster: async (spec) => {
      const started = await launch({ name: spec.name, region: spec.region, kind: 'eks' })
      clusters.set(spec.name, started)
      return runtimeOf(started.cluster)
    },
  })
  const endpoint = serveHttp({
    hostname: '127.0.0.1',
    port: options.port,
    handler: aws.handler,
    log: options.log,
    maxBodyBytes: 64 << 20,
  })
  running.push(() => endpoint.stop(500))
  running.push(await serveNames(aws, names, authority, options.log))
  const sandbox: Sandbox = {
    endpoint: endpoint.url,
    region: options.region,
    accountId: options.accountIds[0] ?? '',
    folder,
    aws,
    names,
    authority,
    clusters,
    startCluster: async (request) => {
      const started = await launch(request)
      clusters.set(request.name, started)
      return started
    },
    stop,
  }
  return sandbox
}

interface Surroundings {
  readonly options: SandboxOptions
  readonly state: State
  readonly authority: CertificateAuthority
  readonly folder: string
  readonly running: (() => Promise<void>)[]
  readonly sandbox: () => Sandbox
}

async function launchCluster(
  request: ClusterRequest,
  around: Surroundings,
): Promise<RunningCluster> {
  const { options, running } = around
  const sandbox = around.sandbox()
  const cluster = await startCluster({
    name: request.name,
    issuer: issuerOf(request),
    state: around.state,
    clock: options.clock,
    log: options.log.with({ cluster: request.name }),
    authority: around.authority,
  })
  running.push(() => cluster.stop())
  const client = createKubeClient({
    server: cluster.server,
    ca: cluster.certificateAuthority,
    token: () => cluster.adminToken,
  })
  if (
    request.kind === 'eks' &&
    !sandbox.aws.hasCluster(sandbox.accountId, request.region, request.name)
  ) {
    sandbox.aws.addCluster(
      { name: request.name, region: request.region, accountId: sandbox.accountId },
      runtimeOf(cluster),
    )
  }
  const nodes: SandboxNode[] = []
  for (let number = 1; number <= (request.nodes ?? 1); number += 1) {
    const node = await launchNode(nodeName(request.name, number), { around, cluster, request })
    running.push(() => node.stop())
    nodes.push(node)
  }
  const started: RunningCluster = {
    name: request.name,
    region: request.region,
    kind: request.kind,
    accountId: sandbox.accountId,
    cluster,
    nodes,
    client,
  }
  if (options.attach !== undefined) running.push(await options.attach(started, sandbox))
  return started
}

async function launchNode(
  name: string,
  at: {
    readonly around: Surroundings
    readonly cluster: SandboxCluster
    readonly request: ClusterRequest
  },
): Promise<SandboxNode> {
  const { around, cluster, request } = at
  const folder = join(around.folder, 'nodes', name)
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  const endpoint = around.sandbox().endpoint
  const token = cluster.tokenFor(`system:node:${name}`, ['system:nodes'])
  return startNode({
    name,
    clusterName: request.name,
    client: createKubeClient({
      server: cluster.server,
      ca: cluster.certificateAuthority,
      token: () => token,
    }),
    folder,
    images: around.options.images,
    environment: { AWS_ENDPOINT_URL: endpoint, AWS_REGION: request.region },
    forwards: [portOf(endpoint), portOf(cluster.server)],
    network: around.options.network,
    kubeletSecret: cluster.kubeletSecret(name),
    clock: around.options.clock,
    log: around.options.log.with({ node: name }),
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
  names.setBuiltIn({ address: '127.0.0.1', port: front.port, ca: authority.cert })
  return () => front.stop(500)
}

function issuerOf(request: ClusterRequest): string {
  if (request.issuer !== undefined) return request.issuer
  if (request.kind === 'self-managed') {
    throw new PodroleError(
      'IssuerRequired',
      `self-managed cluster ${JSON.stringify(request.name)} has no issuer: wanted NAME=https://HOST/PATH`,
    )
  }
  const id = new Bun.CryptoHasher('sha256').update(crypto.randomUUID()).digest('hex').slice(0, 32)
  const { dnsSuffix } = partitionOfRegion(request.region)
  return `https://oidc.eks.${request.region}.${dnsSuffix}/id/${id.toUpperCase()}`
}

/** Cluster names may hold capitals and underscores, node names (DNS subdomains) may not. */
const nodeName = (cluster: string, number: number): string =>
  `${cluster.toLowerCase().replaceAll('_', '-').replace(/-+$/, '')}-node-${number}`

const runtimeOf = (cluster: SandboxCluster): ClusterRuntime => ({
  issuer: cluster.issuer,
  server: cluster.server,
  certificateAuthority: cluster.certificateAuthority,
  jwks: () => cluster.jwks(),
  issuerApp: cluster.issuerApp,
})

const portOf = (url: string): number => Number(new URL(url).port)
