/** One decision of the API server, with its reason; holds no token and no object. */
export interface Decision {
  readonly atMs: number
  readonly kind: 'authentication' | 'authorization' | 'webhook' | 'token'
  readonly outcome: 'allowed' | 'denied' | 'failed' | 'ignored'
  readonly user?: string
  /** `create pods NAMESPACE/NAME`, or a method and path. */
  readonly subject: string
  readonly reason: string
  readonly annotations?: Readonly<Record<string, string>>
}

/** The last decisions, oldest first. */
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
    this.#kept.push(decision)
    if (this.#kept.length > this.#max) this.#kept.splice(0, Math.ceil(this.#max / 4))
  }

  list(): readonly Decision[] {
    return [...this.#kept]
  }
}
