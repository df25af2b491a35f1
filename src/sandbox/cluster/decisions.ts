import type { PolicyRule } from './rbac/policy-rules.ts'

/** One decision of the API server, with its reason; holds no token and no object. */
export interface Decision {
  readonly atMs: number
  readonly kind: 'authentication' | 'authorization' | 'webhook' | 'token'
  readonly outcome: 'allowed' | 'denied' | 'failed' | 'ignored'
  readonly user?: string
  /** `create pods NAMESPACE/NAME`, or a method and path. */
  readonly subject: string
  readonly reason: string
  /** What allowed it, where a role's or access policy's rule did. */
  readonly rule?: PolicyRule
  /** Allowed to the sandbox's own parts, which ask all the time, or to read what the API serves. */
  readonly isRoutine?: boolean
  readonly annotations?: Readonly<Record<string, string>>
}

/**
 * The last decisions, oldest first. Requests that were allowed are told to whoever listens and not
 * kept: there are too many of them.
 */
export class DecisionLog {
  readonly #kept: Decision[] = []
  readonly #max: number
  readonly #told: (decision: Decision) => void

  constructor(told: (decision: Decision) => void = () => undefined, max = 5000) {
    this.#told = told
    this.#max = max
  }

  record(decision: Decision): void {
    this.#told(decision)
    if (decision.kind === 'authorization' && decision.outcome === 'allowed') return
    this.#kept.push(decision)
    if (this.#kept.length > this.#max) this.#kept.splice(0, Math.ceil(this.#max / 4))
  }

  list(): readonly Decision[] {
    return [...this.#kept]
  }
}
