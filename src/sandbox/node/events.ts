import { EVENTS, type KubeClient } from '../../kube/client.ts'
import type { KubeObject } from '../../kube/objects.ts'
import type { Clock } from '../../lib/clock.ts'
import { faultFields, type Log } from '../../lib/log.ts'
import { timeOf } from './services.ts'

/** What an event is about. */
export interface Subject {
  readonly kind: 'Pod' | 'Node'
  readonly name: string
  readonly namespace?: string
  readonly uid?: string
}

export interface Happening {
  readonly type: 'Normal' | 'Warning'
  /** One word in CamelCase, as Kubernetes has them. */
  readonly reason: string
  readonly message: string
}

interface KubeEvent extends KubeObject {
  involvedObject: Record<string, string>
  type: 'Normal' | 'Warning'
  reason: string
  message: string
  source: { component: string; host: string }
  reportingComponent: string
  reportingInstance: string
  firstTimestamp: string
  lastTimestamp: string
  count: number
}

const MAX_MESSAGE = 1024
const MAX_REMEMBERED = 200

/** Tells the cluster what happens to one object; the same thing twice is told once. */
export class EventRecorder {
  readonly #client: KubeClient
  readonly #clock: Clock
  readonly #log: Log
  readonly #node: string
  readonly #told = new Set<string>()

  constructor(options: { client: KubeClient; clock: Clock; log: Log; node: string }) {
    this.#client = options.client
    this.#clock = options.clock
    this.#log = options.log
    this.#node = options.node
  }

  record(subject: Subject, what: Happening): void {
    const { type, reason, message } = what
    const key = JSON.stringify([subject.uid, subject.name, type, reason, message])
    if (type === 'Warning' && this.#told.has(key)) return
    if (this.#told.size >= MAX_REMEMBERED) this.#told.clear()
    this.#told.add(key)
    const now = timeOf(this.#clock)
    const event: KubeEvent = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: {
        name: `${subject.name}.${crypto.randomUUID().replaceAll('-', '').slice(0, 16)}`,
        namespace: subject.namespace ?? 'default',
      },
      involvedObject: { apiVersion: 'v1', ...(subject as unknown as Record<string, string>) },
      type,
      reason,
      message: message.slice(0, MAX_MESSAGE),
      source: { component: 'kubelet', host: this.#node },
      reportingComponent: 'kubelet',
      reportingInstance: this.#node,
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
    }
    this.#client
      .create(EVENTS, event)
      .catch((error: unknown) => this.#log.debug('event not told', faultFields(error)))
  }
}
