import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { apiPath } from '../../kube/transport.ts'
import { PODS } from '../../kube/client.ts'
import type { Container, Pod, PodStatus } from '../../kube/objects.ts'
import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'
import { faultFields, type Log } from '../../lib/log.ts'
import { ContainerRunner } from './container-runner.ts'
import { EventRecorder } from './events.ts'
import { type NodeServices, timeOf } from './services.ts'
import { podStatus } from './status.ts'
import { markedVersion, StatusReport } from './status-report.ts'
import { PodVolumes } from './volumes.ts'
import { sleep } from './waiting.ts'

type RestartPolicy = 'Always' | 'OnFailure' | 'Never'

const DEFAULT_GRACE_SECONDS = 30
const HOST_IP = '127.0.0.1'
const TICK_MS = 500
/** Whoever changes a pod just then is waited for. */
const DELETE_ATTEMPTS = 10
/** Config maps, secrets and labels in volumes are read again this often: ticks. */
const REFRESH_TICKS = 20

/** One pod on this node, from the day it is bound to it until nothing of it is left. */
export class PodWorker {
  readonly #services: NodeServices
  readonly #log: Log
  readonly #events: EventRecorder
  readonly #report: StatusReport
  readonly #volumes: PodVolumes
  readonly #runners: readonly ContainerRunner[]
  readonly #folder: string
  readonly #logFolder: string
  readonly #podIp: string
  readonly #startTime: string
  readonly #stopping = new AbortController()
  readonly #lives: Promise<unknown>[] = []
  #pod: Pod
  #isEnding = false
  #isForgotten = false
  /** It had ended before this node was started: its status is not this one's to say. */
  readonly #wasOver: boolean
  #ended: Promise<void> | undefined
  readonly #life: Promise<void>

  constructor(services: NodeServices, pod: Pod, podIp: string) {
    const { name, namespace, uid } = pod.metadata
    this.#services = services
    this.#log = services.log.with({ pod: `${namespace}/${name}` })
    this.#pod = pod
    this.#podIp = podIp
    this.#wasOver = ['Succeeded', 'Failed'].includes(pod.status?.phase ?? '')
    this.#startTime = pod.status?.startTime ?? timeOf(services.clock)
    const { client, clock } = services
    this.#events = new EventRecorder({ client, clock, log: this.#log, node: services.name })
    // A name that nobody can guess: a pod without a mount namespace cannot look for the others'.
    this.#folder = join(services.folder, 'pods', crypto.randomUUID())
    this.#logFolder = join(services.folder, 'logs', (uid ?? '').replaceAll(/[^\w-]/g, '_'))
    this.#volumes = new PodVolumes({
      client,
      clock,
      folder: join(this.#folder, 'volumes'),
      hostRoot: services.hostRoot,
      owner: ownerOf(services, pod),
    })
    this.#runners = this.#makeRunners()
    this.#report = new StatusReport(client, this.#log, (before) => ({
      pod: this.#pod,
      status: this.#status(before ?? this.#pod.status),
    }))
    this.#life = this.#live().catch((error: unknown) => {
      this.#log.error('pod ended by a fault of the node', faultFields(error))
    })
  }

  get pod(): Pod {
    return this.#pod
  }

  /** The container of that name, or the pod's first one. */
  runner(name: string | undefined): ContainerRunner | undefined {
    if (name === undefined) return this.#runners.find(({ kind }) => kind === 'main')
    return this.#runners.find((runner) => runner.name === name)
  }

  /** The pod as the API server has it now. */
  update(pod: Pod): void {
    this.#pod = pod
    if (pod.metadata.deletionTimestamp !== undefined) void this.#end(graceOf(pod) * 1000)
  }

  /** It is gone from the API server: nothing of it may go on. */
  async forget(): Promise<void> {
    this.#isForgotten = true
    this.#report.close()
    await this.#end(0)
  }

  /** Ends it with the node. */
  async stop(graceMs: number): Promise<void> {
    this.#isForgotten = true
    // A node that stops does not know whether its pods have failed.
    this.#report.close()
    await this.#end(graceMs)
  }

  async #live(): Promise<void> {
    const { signal } = this.#stopping
    if (this.#pod.metadata.deletionTimestamp !== undefined) void this.#end(0)
    else this.#report.touch()
    await this.#mount(signal)
    await this.#waitForNode(signal)
    if (signal.aborted) return
    const tick = this.#keepVolumes(signal)
    const policy = (this.#pod.spec.restartPolicy ?? 'Always') as RestartPolicy
    const isReady = await this.#initialize(policy, signal)
    if (isReady && !signal.aborted) {
      const main = this.#runners.filter(({ kind }) => kind === 'main')
      const lives = main.map((runner) => runner.run(policy, signal))
      this.#lives.push(...lives)
      await Promise.all(lives)
    }
    if (!this.#isEnding) {
      // The pod is over by itself; what ran beside it is not needed any more.
      await this.#endSidecars(graceOf(this.#pod) * 1000)
      this.#stopping.abort()
      this.#report.touch()
    }
    await tick
  }

  /** The init containers one after another; native sidecars stay. */
  async #initialize(policy: RestartPolicy, signal: AbortSignal): Promise<boolean> {
    for (const runner of this.#runners) {
      if (signal.aborted) return false
      if (runner.kind === 'sidecar') {
        this.#lives.push(runner.run('Always', signal))
        while (!runner.view().isStarted && !signal.aborted) await sleep(20, signal)
      } else if (runner.kind === 'init') {
        const life = runner.run(policy === 'Never' ? 'Never' : 'OnFailure', signal)
        this.#lives.push(life)
        if ((await life) !== 0) return false
      }
    }
    return true
  }

  async #mount(signal: AbortSignal): Promise<void> {
    const { hasSetpriv, isolation } = this.#services
    // In `mapped` mode another user must get through to the volumes.
    const mode = isolation.mounts === 'mapped' && hasSetpriv ? 0o711 : 0o700
    mkdirSync(join(this.#folder, 'volumes'), { recursive: true, mode })
    mkdirSync(join(this.#folder, 'tmp'), { mode: 0o700 })
    // The mask of this process does not count here, as `/tmp` is everybody's.
    chmodSync(join(this.#folder, 'tmp'), 0o1777)
    while (!signal.aborted) {
      try {
        await this.#volumes.prepare(this.#pod)
        return
      } catch (error) {
        this.#event('Warning', 'FailedMount', messageOf(error))
        await sleep(this.#services.timing.retryMs, signal)
      }
    }
  }

  /** The node's network opens with its first pod; other things may have to be there before one. */
  async #waitForNode(signal: AbortSignal): Promise<void> {
    const { network, beforePod, timing } = this.#services
    const ended = Promise.withResolvers<void>()
    signal.addEventListener('abort', () => ended.resolve(), { once: true })
    while (!signal.aborted) {
      try {
        await network?.opened()
        await Promise.race([beforePod(this.#pod), ended.promise])
        return
      } catch (error) {
        this.#event('Warning', 'FailedCreatePodSandBox', messageOf(error))
        await sleep(timing.retryMs, signal)
      }
    }
  }

  async #keepVolumes(signal: AbortSignal): Promise<void> {
    for (let ticks = 1; !signal.aborted; ticks += 1) {
      await sleep(TICK_MS, signal)
      if (signal.aborted) return
      if (!this.#volumes.isRenewalDue() && ticks % REFRESH_TICKS !== 0) continue
      try {
        await this.#volumes.refresh(this.#pod)
      } catch (error) {
        this.#event('Warning', 'FailedMount', messageOf(error))
        await sleep(this.#services.timing.retryMs, signal)
      }
    }
  }

  /** Ends all containers; a second call can only shorten the time that they are given. */
  #end(graceMs: number): Promise<void> {
    if (this.#ended !== undefined) {
      setTimeout(() => this.#kill(), graceMs).unref()
      return this.#ended
    }
    this.#isEnding = true
    this.#ended = this.#endAll(graceMs)
    return this.#ended
  }

  async #endAll(graceMs: number): Promise<void> {
    this.#stopping.abort()
    const killing = setTimeout(() => this.#kill(), graceMs)
    for (const runner of this.#runners) {
      if (runner.standing === undefined) continue
      this.#event('Normal', 'Killing', `Stopping container ${runner.name}`)
      if (runner.kind !== 'sidecar') runner.terminate()
    }
    await this.#mainIsOver()
    for (const runner of this.#runners) if (runner.kind === 'sidecar') runner.terminate()
    await this.#life
    await Promise.all(this.#lives)
    clearTimeout(killing)
    for (const runner of this.#runners) runner.closeLogs()
    rmSync(this.#folder, { recursive: true, force: true })
    if (this.#isForgotten) return
    if (!this.#wasOver) this.#report.touch()
    await this.#report.settle()
    await this.#confirmDeletion()
    rmSync(this.#logFolder, { recursive: true, force: true })
  }

  async #mainIsOver(): Promise<void> {
    while (
      this.#runners.some(({ kind, standing }) => kind !== 'sidecar' && standing !== undefined)
    ) {
      await Bun.sleep(5)
    }
  }

  async #endSidecars(graceMs: number): Promise<void> {
    const sidecars = this.#runners.filter(({ kind }) => kind === 'sidecar').reverse()
    if (sidecars.length === 0) return
    this.#stopping.abort()
    const killing = setTimeout(() => this.#kill(), graceMs)
    for (const runner of sidecars) runner.terminate()
    await Promise.all(this.#lives)
    clearTimeout(killing)
  }

  #kill(): void {
    for (const runner of this.#runners) runner.kill()
  }

  /**
   * The API server drops a pod that its node has ended, as the kubelet tells it to: that pod as it is
   * seen to be deleted, not one that a restore has put in its place as it was before.
   */
  async #confirmDeletion(): Promise<void> {
    const { namespace = 'default', name = '', uid } = this.#pod.metadata
    const { client } = this.#services
    for (let attempt = 1; ; attempt += 1) {
      try {
        const resourceVersion = await markedVersion(client, this.#pod)
        const body = {
          apiVersion: 'v1',
          kind: 'DeleteOptions',
          gracePeriodSeconds: 0,
          preconditions: { uid, resourceVersion },
        }
        const path = apiPath(PODS, { namespace, name })
        await (await client.raw('DELETE', path, { body })).body?.cancel()
        return
      } catch (error) {
        if (codeOf(error) === 'NotFound') return
        if (codeOf(error) === 'Conflict' && attempt < DELETE_ATTEMPTS) continue
        this.#log.warn('pod not deleted', faultFields(error))
        return
      }
    }
  }

  #makeRunners(): ContainerRunner[] {
    const { spec } = this.#pod
    const make = (container: Container, kind: ContainerRunner['kind']): ContainerRunner => {
      if (!/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(container.name)) {
        throw new PodroleError('InvalidPod', `container name ${JSON.stringify(container.name)}`)
      }
      return new ContainerRunner({
        services: this.#services,
        container,
        kind,
        volumes: this.#volumes,
        folder: this.#folder,
        logFolder: this.#logFolder,
        pod: () => this.#podWithAddresses(),
        changed: () => this.#report.touch(),
        event: (type, reason, message) => this.#event(type, reason, message),
      })
    }
    return [
      ...(spec.initContainers ?? []).map((container) =>
        make(container, container.restartPolicy === 'Always' ? 'sidecar' : 'init'),
      ),
      ...spec.containers.map((container) => make(container, 'main')),
    ]
  }

  #podWithAddresses(): Pod {
    const status = { ...this.#pod.status, hostIP: HOST_IP, podIP: this.#podIp }
    return { ...this.#pod, status }
  }

  #status(before: PodStatus | undefined): PodStatus {
    const view = {
      pod: this.#pod,
      containers: this.#runners.map((runner) => runner.view()),
      startTime: this.#startTime,
      now: timeOf(this.#services.clock),
      podIp: this.#podIp,
      hostIp: HOST_IP,
      isEnding: this.#isEnding,
    }
    return podStatus(view, before)
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    const { name = '', namespace = 'default', uid } = this.#pod.metadata
    const subject = { kind: 'Pod' as const, name, namespace, ...(uid !== undefined && { uid }) }
    this.#events.record(subject, { type, reason, message })
  }
}

function graceOf(pod: Pod): number {
  const asked: unknown = Reflect.get(pod.metadata, 'deletionGracePeriodSeconds')
  if (typeof asked === 'number') return asked
  return pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS
}

/** Who the files of the pod's volumes belong to: the user of its first container. */
function ownerOf(services: NodeServices, pod: Pod): { uid: number; gid: number } | undefined {
  const { user } = services.isolation
  if (user === undefined) return undefined
  const holders = [pod.spec.containers[0], pod.spec]
  const asked = holders
    .map((holder) => holder?.securityContext?.['runAsUser'])
    .find((uid) => typeof uid === 'number')
  return typeof asked === 'number' ? { uid: asked, gid: asked } : { uid: user, gid: user }
}
