/** Of the sandbox's own parts where they ask all the time. */
export const SANDBOX_USER_AGENT = 'podrole-sandbox'

/** One decision of the sandbox's AWS. It never holds a credential or a token. */
export interface DecisionEvent {
  readonly atMs: number
  readonly requestId: string
  /** `sts`, `iam`, `eks`, `eks-auth`, `s3`. */
  readonly service: string
  /** The operation that was called: `GetObject`. */
  readonly operation: string
  /** The caller's ARN, an OIDC provider's, a service's name, `anonymous`, or empty if unknown. */
  readonly caller: string
  /** The permission that was decided on: `s3:GetObject`; the operation where none was reached. */
  readonly action: string
  readonly resource: string
  readonly allowed: boolean
  /** The evaluator's reason, or the code that the caller got. */
  readonly reason: string
  /** The reason in words. */
  readonly text: string
  /** Which statements decided: their Sids or places. */
  readonly statements: readonly unknown[]
  /** Allowed to the sandbox's own parts, which ask all the time. */
  readonly isRoutine?: boolean
}

/** The last decisions, and whoever wants to hear of each. */
export interface DecisionLog {
  recent(): readonly DecisionEvent[]
  /** Returns what ends it. */
  listen(listener: (event: DecisionEvent) => void): () => void
}

export interface DecisionRecorder extends DecisionLog {
  record(event: DecisionEvent): void
}

const KEPT = 1000

export function createDecisionLog(kept: number = KEPT): DecisionRecorder {
  const events: DecisionEvent[] = []
  const listeners = new Set<(event: DecisionEvent) => void>()
  return {
    recent: () => [...events],
    listen: (listener) => {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
    record: (event) => {
      events.push(event)
      if (events.length > kept) events.splice(0, events.length - kept)
      for (const listener of listeners) listener(event)
    },
  }
}
