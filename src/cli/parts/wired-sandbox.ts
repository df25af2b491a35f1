/**
 * A sandbox with what belongs on its clusters: podrole's webhook, an agent on every node and, where
 * a cluster is not EKS, a broker.
 */
import { join } from 'node:path'
import { PodroleError } from '../../lib/errors.ts'
import { NAMESPACES } from '../../kube/client.ts'
import type { LogLevel } from '../../lib/log.ts'
import type { SandboxNode } from '../../sandbox/node/node.ts'
import { createImageTable, type ImageEntry, type ImageTable } from '../../sandbox/node/images.ts'
import {
  type Attachment,
  type RunningCluster,
  type Sandbox,
  type SandboxOptions,
  startSandbox,
} from '../../sandbox/sandbox.ts'
import { type AgentPart, prepareAgents } from './agent-part.ts'
import type { BrokerPart } from './broker-part.ts'
import { Brokers } from './brokers.ts'
import { registerFollowing } from './followed-keys.ts'
import { ensureObject } from './objects.ts'
import { startWebhookPart, type WebhookPart } from './webhook-part.ts'

export interface WiredSandboxOptions extends Omit<SandboxOptions, 'attach' | 'images'> {
  /** Further images: name → a program that Bun runs, or what else stands for it. */
  readonly images?: Readonly<Record<string, string | ImageEntry>>
  /** Of the processes that are started. */
  readonly logLevel: LogLevel
}

export interface WiredSandbox {
  readonly sandbox: Sandbox
  /** One for each account that has a cluster which is not EKS. */
  readonly brokers: readonly BrokerPart[]
  /** The first account's broker, started where no cluster has asked for it yet. */
  readonly broker: () => Promise<BrokerPart>
  /** One sentence on where pods run and where the agent listens. */
  readonly isolation: string
  /** Ends one running part of a cluster, as `podrole demo --break` does. */
  readonly stopPart: (cluster: string, part: 'webhook' | 'agent') => Promise<void>
  /** Where the agent of a cluster's node answers. */
  readonly agentUrl: (cluster: string, node: SandboxNode) => Promise<string>
  /** The command that an image stands for. */
  readonly commandOf: (image: string) => readonly string[]
  readonly stop: () => Promise<void>
}

/** What runs on one cluster. */
interface ClusterParts {
  readonly webhook: WebhookPart
  readonly agents: AgentPart
}

/** The parts of the clusters that run; a pod may be there before the parts of its cluster. */
class PartsByCluster {
  readonly #slots = new Map<string, PromiseWithResolvers<ClusterParts>>()
  readonly #parts = new Map<string, ClusterParts>()

  add(cluster: string, parts: ClusterParts): void {
    this.#parts.set(cluster, parts)
    this.#slot(cluster).resolve(parts)
  }

  delete(cluster: string): void {
    this.#parts.delete(cluster)
    this.#slots.delete(cluster)
  }

  waitFor(cluster: string): Promise<ClusterParts> {
    return this.#slot(cluster).promise
  }

  /** @throws PodroleError `NoSuchCluster` */
  get(cluster: string): ClusterParts {
    const found = this.#parts.get(cluster)
    if (found === undefined) throw new PodroleError('NoSuchCluster', `no cluster ${cluster} runs`)
    return found
  }

  #slot(cluster: string): PromiseWithResolvers<ClusterParts> {
    const slot = this.#slots.get(cluster) ?? Promise.withResolvers<ClusterParts>()
    this.#slots.set(cluster, slot)
    return slot
  }
}

/** The namespace of everything that podrole installs. */
const NAMESPACE = 'podrole-system'
const ROOT = join(import.meta.dir, '..', '..', '..')

/** Starts a sandbox and attaches the parts to each of its clusters, also to later ones. */
export async function startWiredSandbox(options: WiredSandboxOptions): Promise<WiredSandbox> {
  const parts = new PartsByCluster()
  const images = imagesOf(options)
  const brokers = new Brokers(ROOT, options.logLevel)
  const attach = async (cluster: RunningCluster, sandbox: Sandbox): Promise<Attachment> => {
    await ensureObject(cluster.client, NAMESPACES, { metadata: { name: NAMESPACE } })
    const off = cluster.kind === 'eks' ? undefined : await brokers.of(sandbox, cluster.accountId)
    const log = options.log.with({ cluster: cluster.name })
    const following = off === undefined ? undefined : await registerFollowing(off, cluster, log)
    const started = await startParts({ cluster, sandbox, broker: off }, options).catch(
      async (error: unknown): Promise<never> => {
        await following?.stop()
        throw error
      },
    )
    parts.add(cluster.name, started)
    return {
      restored: async () => {
        await started.webhook.restored()
        await started.agents.restored()
      },
      stop: async () => {
        parts.delete(cluster.name)
        await following?.stop()
        await started.webhook.stop()
        await started.agents.stop()
      },
    }
  }
  const beforePod: SandboxOptions['beforePod'] = async (cluster, node, pod) =>
    (await parts.waitFor(cluster)).agents.beforePod(node, pod)
  const sandbox = await startSandbox({ ...options, images, attach, beforePod }).catch(
    async (error: unknown): Promise<never> => {
      await brokers.stop()
      throw error
    },
  )
  return {
    sandbox,
    brokers: await brokers.all(),
    broker: () => brokers.of(sandbox, sandbox.accountId),
    isolation: isolationOf(sandbox),
    stopPart: (cluster, name) =>
      name === 'webhook' ? parts.get(cluster).webhook.stop() : parts.get(cluster).agents.stop(),
    agentUrl: async (cluster, node) => parts.get(cluster).agents.urlOf(node),
    commandOf: (image) => {
      const found = images.find(image)
      if ('missing' in found) throw new PodroleError('NoSuchImage', found.missing)
      return [...found.entrypoint, ...found.cmd]
    },
    stop: async () => {
      await sandbox.stop()
      await brokers.stop()
    },
  }
}

async function startParts(
  at: {
    readonly cluster: RunningCluster
    readonly sandbox: Sandbox
    readonly broker: BrokerPart | undefined
  },
  { clock, log, logLevel }: WiredSandboxOptions,
): Promise<ClusterParts> {
  const around = { ...at, namespace: NAMESPACE, logLevel, clock }
  const agents = await prepareAgents(around)
  const webhook = await startWebhookPart({
    ...around,
    log: log.with({ part: 'webhook', cluster: at.cluster.name }),
  })
  await webhook.install(agents.fullUri)
  return { webhook, agents }
}

function imagesOf(options: WiredSandboxOptions): ImageTable {
  const bun = process.execPath
  const main = join(ROOT, 'src', 'cli', 'main.ts')
  const program = (file: string): ImageEntry => ({
    entrypoint: [bun, '--no-env-file', file],
    folders: [ROOT],
  })
  return createImageTable({
    podrole: program(main),
    ...Object.fromEntries(
      Object.entries(options.images ?? {}).map(([name, given]) => [
        name,
        typeof given === 'string' ? program(given) : given,
      ]),
    ),
  })
}

function isolationOf(sandbox: Sandbox): string {
  const nodes = [...sandbox.clusters.values()].flatMap((cluster) => cluster.nodes)
  const [first] = nodes
  if (first === undefined) return 'no node'
  const { network, mounts, why } = first.isolation
  const address =
    network === 'namespace'
      ? 'each node in a network namespace of its own, the agent on 169.254.170.23'
      : 'the agent on loopback'
  const files =
    mounts === 'namespace'
      ? 'tokens at their real paths'
      : 'tokens in a folder of each pod, paths in its variables mapped there'
  return `${address}; ${files}${why === undefined ? '' : ` (${why})`}`
}
