/** The process of `rotation-load.ts`. */
import { createRemoteJWKSet, customFetch, jwtVerify } from 'jose'
import { readOutsideNames } from '../../src/issuer/outside/issuer-names.ts'
import { createKubeClient } from '../../src/kube/transport.ts'
import { messageOf } from '../../src/lib/errors.ts'
import { Secret } from '../../src/lib/secret.ts'
import { fetchIssuerDocument } from '../../src/sandbox/issuer-names.ts'
import { decodeToken } from '../../src/token/verify.ts'
import {
  API_SERVER,
  type LoadCommand,
  type LoadCounts,
  type LoadJob,
  type Refusal,
  VERIFIER,
} from './rotation-load.ts'

const AUDIENCE = 'sts.amazonaws.com'
/** STS takes a token until five minutes after its `exp`. */
const STS_GRACE_MS = 300_000
const ASK_AGAIN_MS = 1000
const ANSWER_MS = 90_000
/** More than these are not begun: the machine is too slow for the rate. */
const MAX_WAITING = 500
/** Requests at once of each kind; each more would be a new connection with its TLS handshake. */
const AT_ONCE = 8
/** One token of so many is used again later. */
const KEPT_OF = 4

interface Token {
  readonly text: string
  readonly kid: string
  readonly expMs: number
}

/** Lets so many act at once; others wait in their order. */
class Turns {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  async take<T>(act: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await act()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free += 1
      else next()
    }
  }
}

/** What is seen; `take` gives it and begins anew. */
class Tally {
  #since = performance.now()
  #counts = emptyCounts()
  readonly #slowest = new Map<string, number>()
  readonly #turns = new Map<string, Turns>()

  add(member: 'missed' | 'reused'): void {
    this.#counts[member] += 1
  }

  issued({ kid }: Token): void {
    this.#counts.issued[kid] = (this.#counts.issued[kid] ?? 0) + 1
  }

  askedAgain(why: string): void {
    this.#counts.askedAgain.push(why)
  }

  taken(by: string, { kid }: Token): void {
    const kids = (this.#counts.taken[by] ??= {})
    kids[kid] = (kids[kid] ?? 0) + 1
  }

  refused(by: string, { kid }: Token, why: string): void {
    this.#counts.refused.push({ by, kid, why })
  }

  /** Carries out when it is its turn, and measures from then. */
  timed<T>(what: string, act: () => Promise<T>): Promise<T> {
    const turns = this.#turns.get(what) ?? new Turns(AT_ONCE)
    this.#turns.set(what, turns)
    return turns.take(async () => {
      const startedAt = performance.now()
      try {
        return await act()
      } finally {
        const ms = Math.round(performance.now() - startedAt)
        this.#slowest.set(what, Math.max(ms, this.#slowest.get(what) ?? 0))
      }
    })
  }

  take(): LoadCounts {
    const now = performance.now()
    const seconds = (now - this.#since) / 1000
    const counts = { seconds, ...this.#counts, slowest: Object.fromEntries(this.#slowest) }
    this.#since = now
    this.#counts = emptyCounts()
    this.#slowest.clear()
    return counts
  }
}

const emptyCounts = (): {
  issued: Record<string, number>
  askedAgain: string[]
  missed: number
  reused: number
  taken: Record<string, Record<string, number>>
  refused: Refusal[]
} => ({ issued: {}, askedAgain: [], missed: 0, reused: 0, taken: {}, refused: [] })

/** Runs until it is stopped. */
function startLoad(job: LoadJob, tally: Tally): { stop(): Promise<void> } {
  const use = createUses(job, tally)
  const earlier: Token[] = []
  const waiting = new Set<Promise<void>>()
  let made = 0
  let isStopped = false
  const track = (act: Promise<void>): void => {
    const tracked = act.finally(() => waiting.delete(tracked))
    waiting.add(tracked)
  }
  const issueAndUse = async (): Promise<void> => {
    const token = await use.issue(() => isStopped)
    if (token === undefined) return
    tally.issued(token)
    made += 1
    if (made % KEPT_OF === 0) earlier.push(token)
    await use.everywhere(token)
  }
  const pace = (perSecond: number, act: () => void): ReturnType<typeof setInterval> => {
    const startedAt = performance.now()
    let done = 0
    return setInterval(() => {
      const due = Math.floor(((performance.now() - startedAt) / 1000) * perSecond)
      for (; done < due; done += 1) act()
    }, 5)
  }
  const timers = [
    pace(job.perSecond, () => {
      if (waiting.size < MAX_WAITING) track(issueAndUse())
      else tally.add('missed')
    }),
    pace(job.reusedPerSecond, () => {
      const token = pickLive(earlier, job)
      if (token === undefined) return
      tally.add('reused')
      track(use.everywhere(token))
    }),
  ]
  return {
    stop: async () => {
      for (const timer of timers) clearInterval(timer)
      isStopped = true
      while (waiting.size > 0) await Promise.all(waiting)
    },
  }
}

/** One of those that STS still takes, at random; the others are forgotten. */
function pickLive(tokens: Token[], { spareSeconds }: LoadJob): Token | undefined {
  while (tokens.length > 0) {
    const at = Math.floor(Math.random() * tokens.length)
    const token = tokens[at]
    if (token === undefined) return undefined
    if (token.expMs + STS_GRACE_MS - spareSeconds * 1000 > Date.now()) return token
    const last = tokens.pop()
    if (last !== undefined && at < tokens.length) tokens[at] = last
  }
  return undefined
}

interface Uses {
  /** Undefined where it was stopped meanwhile. */
  issue(isStopped: () => boolean): Promise<Token | undefined>
  everywhere(token: Token): Promise<void>
}

function createUses(job: LoadJob, tally: Tally): Uses {
  const { server, ca, token: adminToken } = job.apiServer
  const secret = new Secret(adminToken)
  const access = { server, ca, token: () => secret }
  const kube = createKubeClient(access, { timeoutMs: ANSWER_MS })
  const { serviceAccount, tokenSeconds: expirationSeconds } = job
  const request = { audiences: [AUDIENCE], expirationSeconds }
  const verify = createVerifier(job)
  const attempt = (
    by: string,
    { token, untilMs }: { readonly token: Token; readonly untilMs: number },
    act: () => Promise<string>,
  ): Promise<void> =>
    tally.timed(by, async () => {
      if (Date.now() > untilMs - job.spareSeconds * 1000) return
      const why = await act().catch((error: unknown) => `failed: ${messageOf(error)}`)
      if (why === '') tally.taken(by, token)
      else tally.refused(by, token, why)
    })
  const review = async ({ text }: Token): Promise<string> => {
    const response = await kube.raw('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
      body: {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token: text, audiences: [AUDIENCE] },
      },
    })
    const { status } = (await response.json()) as {
      status: { authenticated?: boolean; error?: string }
    }
    return status.authenticated === true ? '' : (status.error ?? 'not authenticated')
  }
  return {
    issue: async (isStopped) => {
      while (!isStopped()) {
        try {
          const text = await tally.timed('TokenRequest', () =>
            kube.createToken(serviceAccount, request),
          )
          const { header, claims } = decodeToken(text)
          return { text, kid: header.kid ?? '', expMs: claims.exp * 1000 }
        } catch (error) {
          tally.askedAgain(messageOf(error))
          await Bun.sleep(ASK_AGAIN_MS)
        }
      }
      return undefined
    },
    everywhere: async (token) => {
      const inside = { token, untilMs: token.expMs }
      const outside = { token, untilMs: token.expMs + STS_GRACE_MS }
      await Promise.all([
        ...job.exchanges.map((one) => attempt(one.name, outside, () => exchange(one, token.text))),
        attempt(VERIFIER, inside, () => verify(token.text)),
        attempt(API_SERVER, inside, () => review(token)),
      ])
    },
  }
}

/** As an SDK asks: by form, unsigned, once. Empty where it was granted, else why not. */
async function exchange(
  { endpoint, roleArn }: LoadJob['exchanges'][number],
  token: string,
): Promise<string> {
  const response = await fetch(endpoint, {
    method: 'POST',
    body: new URLSearchParams({
      Action: 'AssumeRoleWithWebIdentity',
      Version: '2011-06-15',
      RoleArn: roleArn,
      RoleSessionName: 'load',
      WebIdentityToken: token,
    }),
    proxy: false,
    redirect: 'error',
    signal: AbortSignal.timeout(ANSWER_MS),
  })
  const text = await response.text()
  if (response.ok && text.includes('<SessionToken>')) return ''
  const [, code = String(response.status)] = /<Code>([^<]*)/.exec(text) ?? []
  const [, message = text.slice(0, 300)] = /<Message>([^<]*)/.exec(text) ?? []
  return `${code}: ${message}`
}

/** Another program that verifies tokens by what is published, and keeps the keys as STS may. */
function createVerifier({ issuer, keysKeptSeconds }: LoadJob): (token: string) => Promise<string> {
  const names = readOutsideNames(process.env)
  const keptMs = keysKeptSeconds * 1000
  const keys = createRemoteJWKSet(new URL(`${issuer}/keys.json`), {
    cacheMaxAge: keptMs,
    cooldownDuration: keptMs,
    [customFetch]: async (url) => Response.json((await fetchIssuerDocument(names, url)).json),
  })
  const algorithms = ['ES256']
  return async (token) => {
    await jwtVerify(token, keys, { issuer, audience: AUDIENCE, algorithms })
    return ''
  }
}

const tally = new Tally()
let load: ReturnType<typeof startLoad> | undefined

process.on('message', async (command: LoadCommand) => {
  if (command.kind === 'start') {
    load = startLoad(command.job, tally)
    return
  }
  if (command.kind === 'stop') await load?.stop()
  process.send?.(tally.take())
})
// A test that is killed takes its load with it.
process.on('disconnect', () => process.exit())
