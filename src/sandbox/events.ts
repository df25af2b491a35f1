/** Every decision of a sandbox, AWS's and its clusters', in the order in which they were made. */
import type { DecisionEvent } from './aws/decisions.ts'
import type { Decision } from './cluster/decisions.ts'

/** A decision as `podrole sandbox events` tells it; holds no credential and no token. */
export interface SandboxEvent {
  /** ISO 8601. */
  readonly time: string
  /** `aws`, or `cluster NAME`. */
  readonly source: string
  readonly outcome: 'allowed' | 'denied' | 'failed' | 'ignored'
  readonly caller: string
  /** The permission (`s3:GetObject`), or what was done in the cluster (`create pods default/app`). */
  readonly action: string
  /** ARN; none of decisions in a cluster, whose action names it. */
  readonly resource?: string
  /** The evaluator's reason or the code that the caller got; in a cluster, the kind of decision. */
  readonly reason: string
  /** The reason in words: which policy, which condition; in a cluster, which binding. */
  readonly text: string
  /** Policies and statements that decided; in a cluster, the rule that allowed. */
  readonly statements?: readonly unknown[]
  readonly requestId?: string
  readonly annotations?: Readonly<Record<string, string>>
  /** Allowed to the sandbox's own parts, or discovery: told to who asks for all. */
  readonly routine?: true
}

export interface EventLog {
  record(event: SandboxEvent): void
  /** The last ones, oldest first. */
  recent(): readonly SandboxEvent[]
  /** Returns what ends it. */
  listen(listener: (event: SandboxEvent) => void): () => void
}

/** Of each source, and of routine. */
const KEPT = 2000
/** Sources come and go with clusters: those that were quiet longest are forgotten. */
const MAX_SOURCES = 32

/** The last events of one source, numbered in the order of all. */
interface Ring {
  readonly events: SandboxEvent[]
  readonly numbers: number[]
}

/** Each source has its own room, and so has routine: none of them drowns another's events. */
export function createEventLog(kept: number = KEPT): EventLog {
  const rings = new Map<string, Ring>()
  const listeners = new Set<(event: SandboxEvent) => void>()
  let number = 0
  return {
    record: (event) => {
      const name = event.routine === true ? 'routine' : event.source
      const ring = rings.get(name) ?? { events: [], numbers: [] }
      rings.delete(name)
      rings.set(name, ring)
      const [quietest] = rings.keys()
      if (rings.size > MAX_SOURCES && quietest !== undefined) rings.delete(quietest)
      ring.events.push(event)
      ring.numbers.push((number += 1))
      // A quarter at once: not every record moves them all.
      if (ring.events.length > kept * 1.25) {
        ring.events.splice(0, ring.events.length - kept)
        ring.numbers.splice(0, ring.numbers.length - kept)
      }
      for (const listener of listeners) listener(event)
    },
    recent: () =>
      [...rings.values()]
        .flatMap(({ events, numbers }) =>
          events.map((event, at) => ({ event, number: numbers[at] ?? 0 })).slice(-kept),
        )
        .sort((one, other) => one.number - other.number)
        .map(({ event }) => event),
    listen: (listener) => {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
  }
}

export const awsEvent = (event: DecisionEvent): SandboxEvent => ({
  time: new Date(event.atMs).toISOString(),
  source: 'aws',
  outcome: event.allowed ? 'allowed' : 'denied',
  caller: event.caller,
  action: event.action,
  resource: event.resource,
  reason: event.reason,
  text: event.text,
  statements: event.statements,
  requestId: event.requestId,
  ...(event.isRoutine === true && { routine: true }),
})

export const clusterEvent = (cluster: string, decision: Decision): SandboxEvent => ({
  time: new Date(decision.atMs).toISOString(),
  source: `cluster ${cluster}`,
  outcome: decision.outcome,
  caller: decision.user ?? '',
  action: decision.subject,
  reason: decision.kind,
  text: decision.reason,
  ...(decision.rule !== undefined && { statements: [decision.rule] }),
  ...(decision.annotations !== undefined && { annotations: decision.annotations }),
  ...(decision.isRoutine === true && { routine: true }),
})
