/** How many are remembered: what a test looks at is far below, what a long run keeps is bounded. */
const KEPT = 10_000

/** Every token that was given out, for whoever has to show that none was logged. */
export class IssuedSecrets {
  readonly #secrets: string[] = []

  add(secret: string): void {
    this.#secrets.push(secret)
    if (this.#secrets.length > KEPT) this.#secrets.shift()
  }

  list(): readonly string[] {
    return this.#secrets
  }
}
