/**
 * A world for rotations to be tried in, and what must be so there, told without rotation's own code:
 * which tokens were signed when, and what STS may have read when.
 */
import { PodroleError } from '../../lib/errors.ts'
import { finding, type OutsideFinding } from '../outside/findings.ts'
import type { Census } from './decide.ts'
import type { RotationPorts } from './rotate.ts'
import type { IssuerState } from './state.ts'

export const SETTLE_MS = 3_600_000
export const MAX_TOKEN_MS = 7_200_000
const STS_GRACE_MS = 300_000
/** A signer looks at the state again at least this often. */
const FOLLOW_MS = 120_000
/** Until when a key's tokens are taken after it had stopped signing. */
export const IN_USE_MS = FOLLOW_MS + MAX_TOKEN_MS + STS_GRACE_MS
export const START_MS = Date.UTC(2026, 0, 1)

/** The process ends between two moments. */
export class Killed extends Error {}

interface Token {
  readonly kid: string
  readonly signedMs: number
  readonly expMs: number
}

export class World {
  /** Of all clocks but the rotation's, which may be late, and later and later. */
  nowMs = START_MS
  lateMs = 0
  /** What is looked at may be older by this: a new key is not there yet. */
  lookLateMs = 0
  /** How long each call takes. */
  slowMs = 0
  /** How many effects happen before the process ends; a half is the one before its answer. */
  killAfter = Number.POSITIVE_INFINITY
  effects = 0
  json: string
  readonly files = new Set<string>()
  readonly tokens: Token[] = []
  readonly #published: { readonly fromMs: number; readonly kids: ReadonlySet<string> }[] = []
  readonly #signing: { readonly fromMs: number; readonly kid: string }[] = []
  #made = 0
  #census = new Map<string, { lastExpMs: number }>()

  constructor() {
    const kid = 'first'
    const state: IssuerState = {
      version: 1,
      issuer: 'https://idp.example.com',
      settleSeconds: SETTLE_MS / 1000,
      maxTokenSeconds: MAX_TOKEN_MS / 1000,
      followSeconds: FOLLOW_MS / 1000,
      keys: [
        {
          kid,
          publicJwk: { use: 'sig', kty: 'EC', kid, alg: 'ES256', crv: 'P-256', x: kid, y: 'y' },
          source: { file: `${kid}.pem` },
          state: 'active',
          preparedAt: new Date(START_MS).toISOString(),
          activatedAt: new Date(START_MS).toISOString(),
        },
      ],
    }
    this.json = JSON.stringify(state)
    this.files.add(kid)
    this.#published.push({ fromMs: Number.NEGATIVE_INFINITY, kids: new Set([kid]) })
    this.#signing.push({ fromMs: Number.NEGATIVE_INFINITY, kid })
  }

  get state(): IssuerState {
    return JSON.parse(this.json) as IssuerState
  }

  /** Kids that are published now. */
  get published(): ReadonlySet<string> {
    return this.#publishedAt(this.nowMs)
  }

  /** Time goes by, and tokens are signed all the time. */
  pass(ms: number): void {
    this.#sign()
    this.nowMs += ms
    this.#sign()
  }

  /** Somebody's token that lives longer than any should, and that the broker sees. */
  signLong(ms: number): void {
    const kid = this.#signing.at(-1)?.kid ?? ''
    const expMs = this.nowMs + ms
    this.tokens.push({ kid, signedMs: this.nowMs, expMs })
    const before = this.#census.get(kid)?.lastExpMs ?? 0
    this.#census.set(kid, { lastExpMs: Math.max(before, expMs) })
  }

  /** Somebody publishes without a key that nothing signs with. */
  unpublish(kid: string): void {
    this.#publish(new Set([...this.published].filter((one) => one !== kid)))
  }

  /** `podrole issuer publish` with the keys of the state. */
  publishAgain(): void {
    const kids = this.state.keys.filter(({ state }) => state !== 'retired').map(({ kid }) => kid)
    this.#publish(new Set([...this.published, ...kids]))
  }

  /** Every signer that runs signs, with the newest state or one from some time ago. */
  #sign(): void {
    const current = this.#signing.at(-1)
    const late = this.#signing.findLast(({ fromMs }) => fromMs <= this.nowMs - FOLLOW_MS)
    for (const kid of new Set([current?.kid, late?.kid])) {
      if (kid === undefined) continue
      this.tokens.push({ kid, signedMs: this.nowMs, expMs: this.nowMs + MAX_TOKEN_MS })
    }
  }

  #publishedAt(ms: number): ReadonlySet<string> {
    return this.#published.findLast(({ fromMs }) => fromMs <= ms)?.kids ?? new Set()
  }

  #publish(kids: ReadonlySet<string>): void {
    this.#published.push({ fromMs: this.nowMs, kids })
  }

  /**
   * Tokens that an STS would refuse that reads the keys at every call, or keeps them for any time up
   * to the settle time; and signers without a key.
   */
  faults(): readonly string[] {
    const refused = this.tokens.filter(({ kid, signedMs, expMs }) => {
      const fromMs = signedMs - SETTLE_MS
      const untilMs = Math.min(expMs + STS_GRACE_MS, this.nowMs)
      return this.#published.some((one, at) => {
        const endMs = this.#published[at + 1]?.fromMs ?? Number.POSITIVE_INFINITY
        // What is there for no time at all is read by nobody.
        return !one.kids.has(kid) && endMs > one.fromMs && endMs > fromMs && one.fromMs <= untilMs
      })
    })
    const signer = this.#signing.at(-1)?.kid ?? ''
    return [
      ...new Set(refused.map(({ kid, signedMs }) => `a token of ${kid} signed ${signedMs}`)),
      ...(this.files.has(signer) ? [] : [`${signer} signs and has no private half`]),
    ]
  }

  /** What happens inside, unless the process ends before it; it may also end just after. */
  #effect<T>(act: () => T): T {
    this.#step()
    const result = act()
    this.#step()
    return result
  }

  #step(): void {
    this.pass(this.slowMs)
    this.effects += 1
    if (this.effects > this.killAfter) throw new Killed()
  }

  ports(): RotationPorts {
    return {
      clock: { now: () => this.nowMs - this.lateMs },
      store: {
        read: async () => this.state,
        write: async (next, previous) =>
          this.#effect(() => {
            if (this.json !== JSON.stringify(previous)) throw new PodroleError('Changed', 'changed')
            this.json = JSON.stringify(next)
            const active = next.keys.filter(({ state }) => state === 'active')
            if (active.length !== 1) throw new Error(`${active.length} keys are active`)
            const kid = active[0]?.kid ?? ''
            if (kid !== this.#signing.at(-1)?.kid) this.#signing.push({ fromMs: this.nowMs, kid })
            this.#sign()
          }),
      },
      makeKey: async ({ keys }) =>
        this.#effect(() => {
          const left = [...this.files].find((file) => !keys.some(({ kid }) => kid === file))
          const kid = left ?? `key-${(this.#made += 1)}`
          this.files.add(kid)
          return {
            kid,
            publicJwk: { use: 'sig', kty: 'EC', kid, alg: 'ES256', crv: 'P-256', x: kid, y: 'y' },
            source: { file: `${kid}.pem` },
          }
        }),
      removeKey: async ({ kid }) => this.#effect(() => void this.files.delete(kid)),
      publish: async (keys, mayDrop) =>
        this.#effect(() => {
          const wanted = keys.map(({ kid }) => kid)
          const before = this.published
          const kept = [...before].filter((kid) => !mayDrop.includes(kid))
          this.#publish(new Set([...kept, ...wanted]))
          return wanted.filter((kid) => !before.has(kid))
        }),
      look: async (keys) =>
        this.#effect(() => {
          const older = this.#publishedAt(this.nowMs - this.lookLateMs)
          const missing = keys.filter(({ kid }) => !older.has(kid) || !this.published.has(kid))
          const none: readonly OutsideFinding[] = []
          return missing.length === 0 ? none : [finding('KeyMissing', 'a key is missing', '')]
        }),
      census: async (): Promise<Census> => this.#census,
    }
  }
}
