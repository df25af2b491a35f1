import type { Container, Pod } from '../../kube/objects.ts'
import { runExec, type Standing } from './exec.ts'
import { knock } from './probe-target.ts'
import { type Probe, type ProbeKind, probeOf } from './probes.ts'
import type { NodeServices } from './services.ts'
import { sleep } from './waiting.ts'

interface ProbedContainer {
  readonly services: NodeServices
  readonly container: Container
  readonly pod: () => Pod
  readonly changed: () => void
  readonly event: (type: 'Normal' | 'Warning', reason: string, message: string) => void
}

/** A container that was never ready is asked more often than its period says. */
const EAGER_MS = 200

/** The probes of one life of a container. */
export class ContainerProbes {
  readonly #probed: ProbedContainer
  readonly #standing: Standing
  readonly #kill: () => void
  readonly #stopping = new AbortController()
  #isReady: boolean
  #isStarted: boolean

  /** @param kill ends a container whose liveness or startup probe failed too often */
  constructor(probed: ProbedContainer, standing: Standing, kill: () => void) {
    this.#probed = probed
    this.#standing = standing
    this.#kill = kill
    const probe = (kind: ProbeKind): Probe | undefined => probeOf(probed.container, kind)
    const [startup, readiness, liveness] = [
      probe('startupProbe'),
      probe('readinessProbe'),
      probe('livenessProbe'),
    ]
    this.#isStarted = startup === undefined
    this.#isReady = startup === undefined && readiness === undefined
    void this.#run(startup, readiness, liveness)
  }

  get isReady(): boolean {
    return this.#isReady
  }

  get isStarted(): boolean {
    return this.#isStarted
  }

  stop(): void {
    this.#stopping.abort()
  }

  async #run(
    startup: Probe | undefined,
    readiness: Probe | undefined,
    liveness: Probe | undefined,
  ): Promise<void> {
    if (startup !== undefined) {
      const isUp = await this.#follow(startup, 'Startup', (answer) => answer)
      if (!isUp) return
      this.#isStarted = true
      this.#isReady = readiness === undefined
      this.#probed.changed()
    }
    if (readiness !== undefined) {
      void this.#follow(readiness, 'Readiness', (answer) => {
        this.#setReady(answer)
        return false
      })
    }
    if (liveness !== undefined) await this.#follow(liveness, 'Liveness', () => false)
  }

  /**
   * Asks until `decide` is content or the container ends. It is told of an answer that has come
   * as often in a row as the threshold says; too many failures of a probe other than readiness kill.
   */
  async #follow(
    probe: Probe,
    name: string,
    decide: (answer: boolean) => boolean,
  ): Promise<boolean> {
    const { signal } = this.#stopping
    let successes = 0
    let failures = 0
    let wasUp = false
    await sleep(probe.initialDelayMs, signal)
    while (!signal.aborted) {
      const isUp = await this.#ask(probe)
      if (signal.aborted) return false
      successes = isUp ? successes + 1 : 0
      failures = isUp ? 0 : failures + 1
      wasUp ||= isUp
      if (successes >= probe.successThreshold && decide(true)) return true
      if (failures >= probe.failureThreshold) {
        decide(false)
        this.#probed.event('Warning', 'Unhealthy', `${name} probe failed`)
        if (name !== 'Readiness') {
          this.#kill()
          return false
        }
      }
      // Being eager must not make a slow start look like failures of a whole period each.
      const isEager = !wasUp && name === 'Readiness'
      await sleep(isEager ? Math.min(EAGER_MS, probe.periodMs) : probe.periodMs, signal)
    }
    return false
  }

  async #ask(probe: Probe): Promise<boolean> {
    const { services } = this.#probed
    try {
      if (probe.target === undefined) return await this.#askCommand(probe)
      return await (services.network === undefined
        ? knock(probe.target)
        : services.network.probe(probe.target))
    } catch {
      return false
    }
  }

  async #askCommand(probe: Probe): Promise<boolean> {
    const result = await runExec(this.#probed.services, this.#standing, {
      command: probe.command,
      signal: AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(probe.timeoutMs)]),
    })
    return result.exitCode === 0
  }

  #setReady(answer: boolean): void {
    if (this.#isReady === answer) return
    this.#isReady = answer
    this.#probed.changed()
  }
}
