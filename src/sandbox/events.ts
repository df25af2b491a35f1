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
  /** The reason in words: which policy, which condition. */
  readonly text: string
  /** Policies and statements that decided. */
  readonly statements?: readonly unknown[]
  readonly requestId?: string
  readonly annotations?: Readonly<Record<string, string>>
}

export interface EventLog {
  record(event: SandboxEvent): void
  /** The last ones, oldest first. */
  recent(): readonly SandboxEvent[]
  /** Returns what ends it. */
  listen(listener: (event: SandboxEvent) => void): () => void
}

const KEPT = 5000

export function createEventLog(kept: number = KEPT): EventLog {
  const events: SandboxEvent[] = []
  const listeners = new Set<(event: SandboxEvent) => void>()
  return {
    record: (event) => {
      events.push(event)
      // A quarter at once: not every record moves them all.
      if (events.length > kept * 1.25) events.splice(0, events.length - kept)
      for (const listener of listeners) listener(event)
    },
    recent: () => events.slice(-kept),
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
})

export const clusterEvent = (cluster: string, decision: Decision): SandboxEvent => ({
  time: new Date(decision.atMs).toISOString(),
  source: `cluster ${cluster}`,
  outcome: decision.outcome,
  caller: decision.user ?? '',
  action: decision.subject,
  reason: decision.kind,
  text: decision.reason,
  ...(decision.annotations !== undefined && { annotations: decision.annotations }),
})
