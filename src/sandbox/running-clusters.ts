/** The clusters of a sandbox with their nodes: started, kept, ended. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { partitionOfRegion } from '../iam/partitions.ts'
import { createKubeClient } from '../kube/transport.ts'
import type { CertificateAuthority } from '../lib/certificates.ts'
import { PodroleError } from '../lib/errors.ts'
import { faultFields } from '../lib/log.ts'
import type { ClusterRuntime, ClusterSpec } from './aws/aws.ts'
import { type ServedCluster, startCluster } from './cluster/cluster.ts'
import { MASTERS, SANDBOX_PARTS } from './cluster/users.ts'
import { clusterEvent, type EventLog } from './events.ts'
import { isSameCluster, isTableOf, type Kept, type KeptCluster, keepPort } from './kept.ts'
import type { MachineIsolation } from './node/isolation.ts'
import { type SandboxNode, startNode } from './node/node.ts'
import type {
  Attachment,
  ClusterRequest,
  RunningCluster,
  Sandbox,
  SandboxOptions,
} from './sandbox.ts'
import type { State } from './state.ts'

export interface Surroundings {
  readonly options: SandboxOptions
  readonly state: State
  readonly kept: Kept
  readonly authority: CertificateAuthority
  readonly folder: string
  readonly events: EventLog
  readonly machine: () => Promise<MachineIsolation>
  readonly sandbox: () => Sandbox
}

type End = () => Promise<void>

/** Clusters by their names, which are one cluster's in all regions and accounts of a sandbox. */
export class RunningClusters {
  readonly running = new Map<string, RunningCluster>()
  readonly #around: Surroundings
  readonly #ends = new Map<string, End[]>()
  readonly #attached = new Map<string, Attachment>()
  readonly #launching = new Map<string, Promise<RunningCluster>>()
  readonly #ending = new Map<string, Promise<void>>()

  constructor(around: Surroundings) {
    this.#around = around
  }

  /**
   * Starts a cluster; one that the state knows comes back as it was.
   * @throws PodroleError `ClusterExists`, `ClusterDiffers`, `IssuerRequired`
   */
  async launch(request: ClusterRequest, by: 'user' | 'eks' = 'user'): Promise<RunningCluster> {
    const { name } = request
    if (this.running.has(name) || this.#launching.has(name)) {
      throw new PodroleError(
        'ClusterExists',
        `a cluster ${JSON.stringify(name)} runs already: wanted a name that no other cluster of this sandbox has`,
      )
    }
    const launching = this.#launch(this.#keep(request), by)
    this.#launching.set(name, launching)
    try {
      return await launching
    } finally {
      this.#launching.delete(name)
    }
  }

  /** What a start begins with: the clusters that are asked for, and those that were there. */
  async launchAll(requests: readonly ClusterRequest[]): Promise<void> {
    const { kept, state, options } = this.#around
    const asked = new Set(requests.map(({ name }) => name))
    const others = [...kept.clusters.values()].filter(({ name }) => !asked.has(name))
    const { defaultCluster } = options
    const all = [...requests, ...others.filter((cluster) => this.#isAlive(cluster))]
    const first = all.length === 0 && defaultCluster !== undefined ? [defaultCluster] : all
    const names = first.map(({ name }) => name)
    for (const { name } of others) if (!names.includes(name)) kept.clusters.delete(name)
    state.clear(
      (table) =>
        /^cluster(?:-keys|-revision)?\//.test(table) &&
        !names.some((name) => isTableOf(name, table)),
    )
    await Promise.all(first.map((request) => this.launch(request)))
    // In the order in which they were asked for, whichever was there first.
    for (const name of names) {
      const cluster = this.running.get(name)
      this.running.delete(name)
      if (cluster !== undefined) this.running.set(name, cluster)
    }
  }

  /** Ends a cluster that EKS deleted; its name is free for another when it has ended. */
  remove({ name, region, accountId }: ClusterSpec): void {
    const { kept } = this.#around
    const known = kept.clusters.get(name)
    if (known?.region !== region || known.accountId !== accountId) return
    kept.clusters.delete(name)
    const ending = this.#remove(name).finally(() => this.#ending.delete(name))
    this.#ending.set(name, ending)
  }

  /** Ends a cluster that nothing but the sandbox knows, and forgets all of it; nothing if there is none. */
  async discard(name: string): Promise<void> {
    this.#around.kept.clusters.delete(name)
    await this.#remove(name)
  }

  /**
   * Ends the clusters that run and are not among these, and leaves their state to the caller. None
   * is being started or ended when it returns.
   */
  async endOthers(clusters: readonly KeptCluster[]): Promise<void> {
    for (;;) {
      await Promise.allSettled([...this.#launching.values(), ...this.#ending.values()])
      if (this.#launching.size > 0 || this.#ending.size > 0) continue
      const others = [...this.running.keys()].filter((name) => {
        const known = this.#around.kept.clusters.get(name)
        return !clusters.some((one) => known !== undefined && isSameCluster(one, known))
      })
      if (others.length === 0) return
      for (const name of others) await this.#end(name)
    }
  }

  /** Lets what is attached to the clusters find its objects as they are now. */
  async reattach(): Promise<void> {
    for (const attachment of this.#attached.values()) await attachment.restored()
  }

  async stop(): Promise<void> {
    await Promise.allSettled(this.#launching.values())
    await Promise.all(this.#ending.values())
    for (const name of [...this.#ends.keys()].reverse()) await this.#end(name)
  }

  /** A cluster that EKS made and has no record of any more was being deleted. */
  #isAlive({ kind, accountId, region, name }: KeptCluster): boolean {
    return kind !== 'eks' || this.#around.sandbox().aws.hasCluster(accountId, region, name)
  }

  #keep(request: ClusterRequest): KeptCluster {
    const { kept, options } = this.#around
    const accountId = request.accountId ?? options.accountIds[0] ?? ''
    const known = kept.clusters.get(request.name)
    const { name, region, kind, nodes = known?.nodes ?? 1 } = request
    const issuer = request.issuer ?? known?.issuer ?? newIssuer(request)
    const cluster: KeptCluster = { name, region, accountId, kind, issuer, nodes }
    if (known !== undefined) checkSame(known, cluster)
    kept.clusters.set(name, cluster)
    return cluster
  }

  async #launch(request: KeptCluster, by: 'user' | 'eks'): Promise<RunningCluster> {
    const ends: End[] = []
    await this.#ending.get(request.name)
    this.#ends.set(request.name, ends)
    try {
      const started = await launchCluster(request, { around: this.#around, by, ends })
      const { options, sandbox } = this.#around
      const attachment = await options.attach?.(started, sandbox())
      if (attachment !== undefined) {
        ends.push(() => attachment.stop())
        this.#attached.set(request.name, attachment)
      }
      this.running.set(request.name, started)
      return started
    } catch (error) {
      await this.#end(request.name)
      throw error
    }
  }

  async #remove(name: string): Promise<void> {
    const { options, state } = this.#around
    try {
      await this.#launching.get(name)?.catch(() => undefined)
      await this.#end(name)
    } catch (error) {
      options.log.error('a cluster did not end as it should', faultFields(error))
    }
    state.clear((table) => isTableOf(name, table))
  }

  async #end(name: string): Promise<void> {
    const ends = this.#ends.get(name) ?? []
    this.#ends.delete(name)
    this.#attached.delete(name)
    for (const end of ends.splice(0).reverse()) await end()
    this.running.delete(name)
  }
}

async function launchCluster(
  request: KeptCluster,
  at: { readonly around: Surroundings; readonly by: 'user' | 'eks'; readonly ends: End[] },
): Promise<RunningCluster> {
  const { around, ends } = at
  const { name, region, kind, accountId } = request
  const sandbox = around.sandbox()
  const cluster = await serveCluster(request, around)
  ends.push(() => cluster.stop())
  const token = cluster.tokenFor('podrole-sandbox', [MASTERS, SANDBOX_PARTS])
  const client = createKubeClient({
    server: cluster.server,
    ca: cluster.certificateAuthority,
    token: () => token,
  })
  // EKS makes its own ones active when everything below is there.
  if (kind === 'eks' && at.by === 'user') {
    sandbox.aws.addCluster({ name, region, accountId }, runtimeOf(cluster))
  }
  const nodes: SandboxNode[] = []
  for (let number = 1; number <= request.nodes; number += 1) {
    const node = await launchNode(nodeName(name, number), { around, cluster, request })
    ends.push(() => node.stop())
    nodes.push(node)
  }
  return { name, region, kind, accountId, cluster, nodes, client }
}

async function serveCluster(request: KeptCluster, around: Surroundings): Promise<ServedCluster> {
  const { options, kept, events } = around
  const { name, region, accountId } = request
  const portName = `cluster/${name}`
  const signingEndpoint = options.signingEndpoints?.get(name)
  const start = options.clusterFactory ?? startCluster
  const cluster = await start({
    name,
    issuer: request.issuer,
    state: around.state,
    clock: options.clock,
    log: options.log.with({ cluster: name }),
    authority: around.authority,
    port: await keepPort(kept, portName, 'any'),
    onDecision: (decision) => events.record(clusterEvent(name, decision)),
    ...(signingEndpoint !== undefined && { signingEndpoint }),
    ...(request.kind === 'eks' && {
      eks: around.sandbox().aws.eksAccess({ accountId, region, name }),
    }),
  })
  kept.ports.set(portName, portOf(cluster.server))
  return cluster
}

async function launchNode(
  name: string,
  at: {
    readonly around: Surroundings
    readonly cluster: ServedCluster
    readonly request: KeptCluster
  },
): Promise<SandboxNode> {
  const { around, cluster, request } = at
  const folder = join(around.folder, 'nodes', name)
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  const endpoint = around.sandbox().endpoint
  const token = cluster.tokenFor(`system:node:${name}`, ['system:nodes'])
  const kubeletTls = await cluster.kubeletTls?.(name)
  if (request.kind === 'eks') {
    const { accountId, region, name: clusterName } = request
    around.sandbox().aws.putInstance({ accountId, region, clusterName, nodeName: name })
  }
  return startNode({
    name,
    clusterName: request.name,
    client: createKubeClient({
      server: cluster.server,
      ca: cluster.certificateAuthority,
      token: () => token,
      userAgent: 'kubelet',
    }),
    folder,
    images: around.options.images,
    environment: { AWS_ENDPOINT_URL: endpoint, AWS_REGION: request.region },
    forwards: [portOf(endpoint), portOf(cluster.server)],
    network: around.options.network,
    machine: await around.machine(),
    beforePod: async (pod) => around.options.beforePod?.(request.name, name, pod),
    kubeletSecret: cluster.kubeletSecret(name),
    ...(kubeletTls !== undefined && { kubeletTls }),
    clock: around.options.clock,
    log: around.options.log.with({ node: name }),
  })
}

export const runtimeOf = (cluster: RunningCluster['cluster']): ClusterRuntime => ({
  issuer: cluster.issuer,
  server: cluster.server,
  certificateAuthority: cluster.certificateAuthority,
  jwks: () => cluster.jwks(),
  issuerApp: cluster.issuerApp,
})

/** @throws PodroleError `ClusterDiffers` */
function checkSame(known: KeptCluster, asked: KeptCluster): void {
  for (const member of ['kind', 'region', 'accountId', 'issuer'] as const) {
    if (known[member] === asked[member]) continue
    throw new PodroleError(
      'ClusterDiffers',
      `cluster ${JSON.stringify(known.name)} of the state has ${member} ${known[member]}: asked for was ${asked[member]}`,
      { hint: 'name it as it was, or choose another name' },
    )
  }
}

function newIssuer(request: ClusterRequest): string {
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

const portOf = (url: string): number => Number(new URL(url).port)
