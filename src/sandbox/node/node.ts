/**
 * The sandbox's node: a kubelet whose containers are processes. It knows the cluster by its
 * Kubernetes API alone, so that it serves the sandbox's cluster and a real API server alike.
 */
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type KubeClient, PODS } from '../../kube/client.ts'
import type { Pod } from '../../kube/objects.ts'
import { followResources } from '../../kube/watch.ts'
import type { Clock } from '../../lib/clock.ts'
import { PodroleError } from '../../lib/errors.ts'
import { faultFields, type Log } from '../../lib/log.ts'
import type { Secret } from '../../lib/secret.ts'
import type { ContainerRunner } from './container-runner.ts'
import { EventRecorder } from './events.ts'
import { type ExecRequest, type ExecResult, runExec } from './exec.ts'
import type { ImageTable } from './images.ts'
import { findIsolation, type MachineIsolation } from './isolation.ts'
import { createKubeletApi, notFound } from './kubelet-api.ts'
import { type KubeletTls, serveKubelet } from './kubelet-tls.ts'
import type { Isolation } from './launch.ts'
import { LateNetwork } from './late-network.ts'
import { openNetwork } from './network.ts'
import { PodWorker } from './pod-worker.ts'
import { Registration } from './registration.ts'
import { type NodeServices, type Timing, TIMING } from './services.ts'

export interface NodeOptions {
  readonly name: string
  readonly client: KubeClient
  readonly clusterName: string
  /** Its own: made, and removed when the node stops. */
  readonly folder: string
  readonly images: ImageTable
  /** Given to every container that does not set them itself. */
  readonly environment: Readonly<Record<string, string>>
  /** TCP ports of the host's 127.0.0.1 that are the same inside; the API server's is always. */
  readonly forwards: readonly number[]
  readonly network: 'auto' | 'namespace' | 'loopback'
  /** `mapped` does without mount namespaces even where the machine has them. */
  readonly mounts?: 'auto' | 'mapped'
  /** What was found of this machine before: the node's network opens with its first pod then. */
  readonly machine?: MachineIsolation
  /** What a pod waits for before its containers start; a fault is an event of it, and tried again. */
  readonly beforePod?: (pod: Pod) => Promise<void>
  /** What the API server shows as Bearer. */
  readonly kubeletSecret: Secret
  /** Where the API server calls nodes over TLS; HTTP with the secret otherwise. */
  readonly kubeletTls?: KubeletTls
  readonly clock: Clock
  readonly log: Log
  readonly timing?: Partial<Timing>
}

export interface SandboxNode {
  readonly name: string
  readonly isolation: Isolation
  /** The folder of the host that pods know as the node's `/` (hostPath volumes). */
  readonly hostRoot: string
  /** The port of its kubelet API on 127.0.0.1. */
  readonly port: number
  /** Makes 127.0.0.1:PORT of the host reachable as the same inside the node. */
  addForward(port: number): Promise<void>
  /**
   * Runs a command in a pod's namespaces, with its environment and user.
   * @throws PodroleError `NotFound`, `ContainerNotRunning`, `ExecFailed`
   */
  exec(input: NodeExec): Promise<ExecResult>
  /** Ends every process, removes the folder. */
  stop(): Promise<void>
}

export interface NodeExec extends Omit<ExecRequest, 'command'> {
  readonly namespace: string
  readonly pod: string
  /** The pod's first by default. */
  readonly container?: string
  readonly command: readonly string[]
}

/** Pods are given this long to end when the node stops. */
const STOP_GRACE_MS = 2000

/**
 * Starts a node and registers it.
 * @throws PodroleError `NetworkNamespaceUnavailable` where `network` is `namespace` and cannot be;
 * what the API server answers when it does not take the node
 */
export async function startNode(options: NodeOptions): Promise<SandboxNode> {
  const hostRoot = join(options.folder, 'root')
  makeFolders(options.folder, hostRoot)
  const { isolation, network, hasSetpriv } = await isolate(options)
  const services: NodeServices = {
    name: options.name,
    client: options.client,
    clock: options.clock,
    log: options.log,
    images: options.images,
    isolation,
    network,
    hasSetpriv,
    timing: { ...TIMING, ...options.timing },
    folder: options.folder,
    hostRoot,
    environment: options.environment,
    beforePod: options.beforePod ?? (async () => undefined),
  }
  const node = new RunningNode(services)
  try {
    await openForwards(network, options)
    await node.start(options.kubeletSecret, options.kubeletTls)
  } catch (error) {
    await node.stop()
    throw error
  }
  const { why } = isolation
  options.log.info('node runs', {
    node: options.name,
    cluster: options.clusterName,
    network: isolation.network,
    mounts: isolation.mounts,
    ...(why !== undefined && { why }),
  })
  return {
    name: options.name,
    isolation,
    hostRoot,
    port: node.port,
    addForward: async (port) => network?.addForward(port),
    exec: (input) => node.exec(input),
    stop: () => node.stop(),
  }
}

class RunningNode {
  readonly #services: NodeServices
  readonly #workers = new Map<string, PodWorker>()
  /** Pods that are gone and still end here; with the one that came back as the same since. */
  readonly #leaving = new Map<string, { ended: Promise<void>; next?: Pod }>()
  readonly #stopping = new AbortController()
  readonly #running: (() => Promise<void>)[] = []
  #following: Promise<void> | undefined
  #stopped: Promise<void> | undefined
  #port = 0
  #pods = 0

  constructor(services: NodeServices) {
    this.#services = services
  }

  get port(): number {
    return this.#port
  }

  async start(secret: Secret, tls: KubeletTls | undefined): Promise<void> {
    const { client, log, name } = this.#services
    const handler = createKubeletApi({
      services: this.#services,
      secret,
      find: (namespace, pod, container) => this.#find(namespace, pod, container),
    })
    const server = await serveKubelet({ handler, secret, tls, log })
    this.#port = server.port
    this.#running.push(() => server.stop(200))
    const registration = new Registration(this.#services, server.port)
    await registration.start()
    this.#running.push(() => registration.stop())
    this.#tellLimits()
    this.#following = followResources<Pod>(client, PODS, {
      fieldSelector: `spec.nodeName=${name}`,
      signal: this.#stopping.signal,
      log,
      onSync: (pods) => this.#sync(pods),
      onEvent: ({ type, object }) => {
        if (type === 'DELETED') this.#drop(object.metadata.uid ?? '')
        else this.#take(object)
      },
    }).catch((error: unknown) => log.error('node follows no pods any more', faultFields(error)))
  }

  async exec(input: NodeExec): Promise<ExecResult> {
    const runner = this.#find(input.namespace, input.pod, input.container)
    const { standing } = runner
    if (standing === undefined) {
      throw new PodroleError(
        'ContainerNotRunning',
        `container ${runner.name} of pod ${input.namespace}/${input.pod} is not running`,
        { status: 400 },
      )
    }
    return runExec(this.#services, standing, input)
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    this.#stopping.abort()
    await this.#following
    await Promise.all([
      ...[...this.#workers.values()].map((worker) => worker.stop(STOP_GRACE_MS)),
      ...[...this.#leaving.values()].map(({ ended }) => ended),
    ])
    for (const end of this.#running.splice(0).reverse()) await end()
    await this.#services.network?.stop()
    rmSync(this.#services.folder, { recursive: true, force: true })
  }

  #sync(pods: readonly Pod[]): void {
    const there = new Set(pods.map(({ metadata }) => metadata.uid))
    const here = [...this.#workers.keys(), ...this.#leaving.keys()]
    for (const uid of here) if (!there.has(uid)) this.#drop(uid)
    for (const pod of pods) this.#take(pod)
  }

  #take(pod: Pod): void {
    const { uid } = pod.metadata
    if (uid === undefined || pod.spec.nodeName !== this.#services.name) return
    const leaving = this.#leaving.get(uid)
    if (leaving !== undefined) {
      leaving.next = pod
      return
    }
    const worker = this.#workers.get(uid)
    if (worker !== undefined) return worker.update(pod)
    const phase = pod.status?.phase
    // What ended before this node was started is not run again.
    const isOver = phase === 'Succeeded' || phase === 'Failed'
    if (isOver && pod.metadata.deletionTimestamp === undefined) return
    try {
      this.#workers.set(uid, new PodWorker(this.#services, pod, this.#addressOf(pod)))
    } catch (error) {
      this.#services.log.warn('pod not taken', faultFields(error))
    }
  }

  #drop(uid: string): void {
    const again = this.#leaving.get(uid)
    if (again !== undefined) delete again.next
    const worker = this.#workers.get(uid)
    if (worker === undefined) return
    this.#workers.delete(uid)
    const ended = worker.forget().finally(() => {
      const next = this.#leaving.get(uid)?.next
      this.#leaving.delete(uid)
      if (next !== undefined && !this.#stopping.signal.aborted) this.#take(next)
    })
    this.#leaving.set(uid, { ended })
  }

  /** Each pod an address of the loopback: what listens on 0.0.0.0 is reached there. */
  #addressOf(pod: Pod): string {
    if (pod.spec.hostNetwork === true) return '127.0.0.1'
    const number = this.#pods % 50_000
    this.#pods += 1
    return `127.1.${Math.floor(number / 200)}.${(number % 200) + 2}`
  }

  #find(namespace: string, pod: string, container: string | undefined): ContainerRunner {
    const worker = [...this.#workers.values()]
      .reverse()
      .find((one) => one.pod.metadata.namespace === namespace && one.pod.metadata.name === pod)
    if (worker === undefined) throw notFound(`pod ${namespace}/${pod}`)
    const runner = worker.runner(container)
    if (runner === undefined) throw notFound(`container ${container} of pod ${namespace}/${pod}`)
    return runner
  }

  /** Whoever looks at the node sees what it cannot do. */
  #tellLimits(): void {
    const { client, clock, log, name, isolation } = this.#services
    if (isolation.why === undefined) return
    const events = new EventRecorder({ client, clock, log, node: name })
    const message = `network ${isolation.network}, mounts ${isolation.mounts}: ${isolation.why}`
    events.record(
      { kind: 'Node', name, uid: name },
      { type: 'Warning', reason: 'NodeLimits', message },
    )
  }
}

function makeFolders(folder: string, hostRoot: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  mkdirSync(join(folder, 'pods'), { mode: 0o711, recursive: true })
  mkdirSync(join(folder, 'logs'), { mode: 0o700, recursive: true })
  mkdirSync(hostRoot, { mode: 0o711, recursive: true })
  // The mask of this process must not close them to the users of pods.
  for (const path of [join(folder, 'pods'), hostRoot]) chmodSync(path, 0o711)
  chmodSync(folder, 0o755)
}

async function isolate(
  options: NodeOptions,
): Promise<MachineIsolation & { readonly network: LateNetwork | undefined }> {
  const { machine, folder } = options
  if (machine === undefined) {
    const mounts = options.mounts ?? 'auto'
    const found = await findIsolation({ folder, network: options.network, mounts })
    const { network } = found
    if (network === undefined) return { ...found, network }
    const opened = new LateNetwork(async () => network)
    await opened.opened()
    return { ...found, network: opened }
  }
  const { network, userNamespace } = machine.isolation
  const open = (): ReturnType<typeof openNetwork> => openNetwork({ folder, userNamespace })
  return { ...machine, network: network === 'namespace' ? new LateNetwork(open) : undefined }
}

async function openForwards(network: LateNetwork | undefined, options: NodeOptions): Promise<void> {
  if (network === undefined) return
  const api = new URL(options.client.server)
  const isLocal = ['127.0.0.1', 'localhost'].includes(api.hostname)
  const ports = [...options.forwards, ...(isLocal && api.port !== '' ? [Number(api.port)] : [])]
  for (const port of new Set(ports)) await network.addForward(port)
}
