import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Container, Pod } from '../../kube/objects.ts'
import { codeOf, messageOf } from '../../lib/errors.ts'
import { faultFields } from '../../lib/log.ts'
import { type PreparedContainer, prepareContainer } from './container-launch.ts'
import { ContainerLog, LineBuffer } from './container-log.ts'
import { ContainerProbes } from './container-probes.ts'
import type { Standing } from './exec.ts'
import {
  type ContainerProcess,
  type OutputStream,
  type ProcessInput,
  startContainerProcess,
} from './process.ts'
import { type NodeServices, timeOf } from './services.ts'
import type { ContainerState, ContainerView } from './status.ts'
import type { PodVolumes } from './volumes.ts'
import { sleep } from './waiting.ts'

/** What a container needs of its pod. */
export interface RunnerOptions {
  readonly services: NodeServices
  readonly container: Container
  readonly kind: ContainerView['kind']
  readonly volumes: PodVolumes
  /** The pod's own folder, and that of its logs. */
  readonly folder: string
  readonly logFolder: string
  /** The pod as it is now. */
  readonly pod: () => Pod
  readonly changed: () => void
  readonly event: (type: 'Normal' | 'Warning', reason: string, message: string) => void
}

/** A client that sees what a container writes from now on, and may write to it. */
export interface Attachment {
  /** Where the container has an input. */
  readonly input: ProcessInput | undefined
  /** Aborted when the container ends. */
  readonly ended: AbortSignal
  detach(): void
}

type Spectator = (stream: OutputStream, chunk: Uint8Array) => void

/** A container that ran this long starts its back-off afresh. */
const HEALTHY_MS = 600_000

/** One container of a pod, from its first start to its last end. */
export class ContainerRunner {
  readonly #options: RunnerOptions
  #state: ContainerState = { waiting: { reason: 'ContainerCreating' } }
  #lastState: ContainerState | undefined
  #restartCount = 0
  readonly #spectators = new Set<Spectator>()
  #process: ContainerProcess | undefined
  #standing: Standing | undefined
  #probes: ContainerProbes | undefined
  #log: ContainerLog | undefined
  #previousLog: ContainerLog | undefined
  #id: string | undefined

  constructor(options: RunnerOptions) {
    this.#options = options
    if (options.kind === 'main' && (options.pod().spec.initContainers ?? []).length > 0) {
      this.#state = { waiting: { reason: 'PodInitializing' } }
    }
  }

  get name(): string {
    return this.#options.container.name
  }

  get kind(): ContainerView['kind'] {
    return this.#options.kind
  }

  get standing(): Standing | undefined {
    return this.#standing
  }

  view(): ContainerView {
    const isRunning = this.#state.running !== undefined
    const isDone = this.kind === 'init' && this.#state.terminated?.exitCode === 0
    return {
      container: this.#options.container,
      kind: this.kind,
      state: this.#state,
      ...(this.#lastState !== undefined && { lastState: this.#lastState }),
      restartCount: this.#restartCount,
      isReady: isDone || (isRunning && (this.#probes?.isReady ?? true)),
      isStarted: isRunning && (this.#probes?.isStarted ?? true),
      ...(this.#id !== undefined && { id: this.#id }),
    }
  }

  /** Undefined while it does not run. */
  attach(spectator: Spectator): Attachment | undefined {
    if (this.#standing === undefined) return undefined
    this.#spectators.add(spectator)
    return {
      input: this.#options.container.stdin === true ? this.#process?.input : undefined,
      ended: this.#standing.ended,
      detach: () => void this.#spectators.delete(spectator),
    }
  }

  /** Whether its input ends with the first client that was attached to it. */
  get readsOnce(): boolean {
    return this.#options.container.stdinOnce === true
  }

  /** What it wrote, or what it wrote before its last restart. */
  log(previous = false): ContainerLog | undefined {
    return previous ? this.#previousLog : this.#log
  }

  /** Runs it, again and again as the policy has it, until it is over or `stopping` is aborted. */
  async run(policy: 'Always' | 'OnFailure' | 'Never', stopping: AbortSignal): Promise<number> {
    const { timing, clock } = this.#options.services
    let failures = 0
    for (;;) {
      const startedMs = clock.now()
      const code = await this.#runOnce(stopping)
      if (code === undefined || stopping.aborted) return this.#giveUp(code)
      if (policy === 'Never' || (policy === 'OnFailure' && code === 0)) return code
      failures = clock.now() - startedMs > HEALTHY_MS ? 0 : failures + 1
      const waitMs =
        failures <= 1 ? 0 : Math.min(timing.maxBackOffMs, timing.backOffMs * 2 ** (failures - 2))
      this.#lastState = this.#state
      if (waitMs > 0) {
        const message = `back-off ${waitMs} ms restarting failed container=${this.name}`
        this.#wait('CrashLoopBackOff', message)
        this.#options.event(
          'Warning',
          'BackOff',
          `Back-off restarting failed container ${this.name}`,
        )
        await sleep(waitMs, stopping)
        if (stopping.aborted) return this.#giveUp(code)
      }
      this.#restartCount += 1
    }
  }

  terminate(): void {
    this.#process?.terminate()
  }

  kill(): void {
    this.#process?.kill()
  }

  closeLogs(): void {
    this.#log?.close()
  }

  /** One life of the container; undefined where it was stopped before it began. */
  async #runOnce(stopping: AbortSignal): Promise<number | undefined> {
    const prepared = await this.#prepare(stopping)
    if (prepared === undefined || stopping.aborted) return undefined
    const { event, services, changed } = this.#options
    const log = this.#openLog()
    const lines = {
      stdout: new LineBuffer((text) => log.write(text)),
      stderr: new LineBuffer((text) => log.write(text)),
    }
    const startedAt = timeOf(services.clock)
    const child = startContainerProcess(prepared.invocation, (stream, chunk) => {
      lines[stream].add(chunk)
      for (const show of this.#spectators) show(stream, chunk)
    })
    this.#process = child
    const ended = new AbortController()
    try {
      const pid = await child.ready
      this.#id = crypto.randomUUID()
      this.#standing = { pid, launch: prepared.launch, ended: ended.signal }
      this.#state = { running: { startedAt } }
      event('Normal', 'Started', `Started container ${this.name}`)
      this.#probes = new ContainerProbes(this.#options, this.#standing, () => child.kill())
      changed()
      // Whoever stops the pod while the container was made has asked nothing of it yet.
      if (stopping.aborted) child.terminate()
    } catch (error) {
      log.write(new TextEncoder().encode(`${messageOf(error)}\n`))
      event('Warning', 'Failed', `Error: ${messageOf(error)}`)
    }
    const exitCode = await child.exited
    for (const buffer of Object.values(lines)) buffer.flush()
    log.close()
    ended.abort()
    this.#spectators.clear()
    this.#probes?.stop()
    const wasMade = this.#standing !== undefined
    this.#probes = this.#process = this.#standing = undefined
    const finishedAt = timeOf(services.clock)
    const reason = !wasMade ? 'StartError' : exitCode === 0 ? 'Completed' : 'Error'
    const code = wasMade ? exitCode : 128
    this.#state = { terminated: { exitCode: code, reason, startedAt, finishedAt } }
    changed()
    return code
  }

  /** Everything that it refers to, waited for as long as it is not there. */
  async #prepare(stopping: AbortSignal): Promise<PreparedContainer | undefined> {
    const { services, event, pod, container, volumes, folder } = this.#options
    let tries = 0
    while (!stopping.aborted) {
      try {
        const prepared = await prepareContainer(services, pod(), container, { volumes, folder })
        for (const remark of prepared.remarks) event('Warning', 'NodeLimits', remark)
        return prepared
      } catch (error) {
        tries += 1
        const code = codeOf(error) ?? ''
        const reason = WAITING_REASONS.has(code) ? code : 'CreateContainerConfigError'
        services.log.debug('container waits', { container: this.name, ...faultFields(error) })
        this.#wait(
          reason === 'ErrImagePull' && tries > 1 ? 'ImagePullBackOff' : reason,
          messageOf(error),
        )
        event('Warning', 'Failed', `Error: ${messageOf(error)}`)
        await sleep(Math.min(30_000, services.timing.retryMs * Math.min(tries, 10)), stopping)
      }
    }
    return undefined
  }

  #openLog(): ContainerLog {
    const { logFolder } = this.#options
    mkdirSync(logFolder, { recursive: true, mode: 0o700 })
    this.#previousLog = this.#log
    const number = this.#restartCount % 2
    this.#log = new ContainerLog(join(logFolder, `${this.name}.${number}.log`))
    return this.#log
  }

  #wait(reason: string, message: string): void {
    this.#state = { waiting: { reason, message } }
    this.#options.changed()
  }

  /** The state of a container that will not be started (again). */
  #giveUp(code: number | undefined): number {
    if (this.#state.terminated === undefined) {
      const was = this.#lastState?.terminated
      const finishedAt = timeOf(this.#options.services.clock)
      this.#state = {
        terminated: was ?? { exitCode: 137, reason: 'ContainerStatusUnknown', finishedAt },
      }
      this.#options.changed()
    }
    return code ?? this.#state.terminated?.exitCode ?? 137
  }
}

const WAITING_REASONS = new Set([
  'CreateContainerConfigError',
  'CreateContainerError',
  'ErrImagePull',
  'InvalidImageName',
])
