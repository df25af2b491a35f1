import { describe, expect, test } from 'bun:test'
import type { PodIdentityCredentials } from '../aws/eks-auth.ts'
import { ServiceFault } from '../aws/service-fault.ts'
import { ManualClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { Secret } from '../lib/secret.ts'
import {
  type CacheLimits,
  createCredentialCache,
  type CredentialCache,
} from './credential-cache.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

type Answer = PodIdentityCredentials | Error | Promise<PodIdentityCredentials>

/** A cache over a client that answers with numbered credentials, or as told. */
class Bench {
  readonly clock = new ManualClock()
  readonly calls: { token: string; signal: AbortSignal | undefined }[] = []
  readonly cache: CredentialCache
  lifeMs = 6 * HOUR
  answer: (() => Answer) | undefined

  constructor(limits: Partial<CacheLimits> = {}, random = 0.5) {
    this.cache = createCredentialCache({
      clusterName: 'prod',
      clock: this.clock,
      log: silentLog,
      limits,
      random: () => random,
      client: {
        assumeRoleForPodIdentity: async ({ clusterName, token, signal }) => {
          expect(clusterName).toBe('prod')
          this.calls.push({ token: token.reveal(), signal })
          const answer = this.answer?.() ?? this.credentials()
          if (answer instanceof Error) throw answer
          return answer
        },
      },
    })
  }

  credentials(): PodIdentityCredentials {
    return {
      accessKeyId: `ASIA${this.calls.length}`,
      secretAccessKey: new Secret('secret'),
      sessionToken: new Secret('session'),
      expirationMs: this.clock.now() + this.lifeMs,
      assumedRoleArn: 'arn:aws:sts::111122223333:assumed-role/r/s',
      associationId: 'a-1',
      associationArn: 'arn:x',
    }
  }

  /** Asks with a token that lives long enough; the id of the key that was served. */
  async ask(token = 'token', expiresAtMs = this.clock.now() + 30 * DAY): Promise<string> {
    const { accessKeyId } = await this.cache.get({ token: new Secret(token), expiresAtMs })
    return accessKeyId
  }
}

const fault = (code: string, status?: number): ServiceFault =>
  new ServiceFault(code, `${code} it is`, {
    fault: 'unknown',
    ...(status !== undefined && { status }),
  })

const codeOf = (thrown: unknown): unknown => Reflect.get(thrown as object, 'code')

describe('one call for all who ask', () => {
  test('100 first requests of one token at once are one upstream call', async () => {
    const bench = new Bench()
    const gate = Promise.withResolvers<PodIdentityCredentials>()
    bench.answer = () => gate.promise
    const all = Array.from({ length: 100 }, () => bench.ask())
    gate.resolve(bench.credentials())
    expect(new Set(await Promise.all(all)).size).toBe(1)
    expect(bench.calls).toHaveLength(1)
    expect(await bench.ask()).toBe('ASIA1')
    expect(bench.calls).toHaveLength(1)
    expect(bench.cache.statistics()).toMatchObject({ entries: 1, hits: 1, misses: 100 })
  })

  test('two tokens are two calls', async () => {
    const bench = new Bench()
    await Promise.all([bench.ask('one'), bench.ask('two')])
    expect(bench.calls.map((call) => call.token).sort()).toEqual(['one', 'two'])
  })

  test('a fault is shared among those who wait and asked for anew afterwards', async () => {
    const bench = new Bench()
    bench.answer = () => fault('AccessDeniedException', 400)
    const results = await Promise.allSettled([bench.ask(), bench.ask(), bench.ask()])
    expect(results.every((result) => result.status === 'rejected')).toBe(true)
    expect(bench.calls).toHaveLength(1)
    bench.answer = undefined
    expect(await bench.ask()).toBe('ASIA2')
  })

  test('the call has a time limit of its own and no other signal', async () => {
    const bench = new Bench({ callTimeoutMs: 60_000 })
    await bench.ask()
    expect(bench.calls[0]?.signal).toBeInstanceOf(AbortSignal)
    expect(bench.calls[0]?.signal?.aborted).toBe(false)
  })

  test('calls at once are bounded; more are told to try again', async () => {
    const bench = new Bench({ maxConcurrentCalls: 2 })
    const gate = Promise.withResolvers<PodIdentityCredentials>()
    bench.answer = () => gate.promise
    const first = [bench.ask('a'), bench.ask('b'), bench.ask('a')]
    const late = await bench.ask('c').catch((thrown: unknown) => thrown)
    expect(late).toMatchObject({ code: 'ThrottlingException', status: 429 })
    gate.resolve(bench.credentials())
    await Promise.all(first)
    expect(await bench.ask('c')).toBe('ASIA2')
  })
})

describe('renewal and expiry', () => {
  const lives: [name: string, lifeMs: number][] = [
    ['15 minutes', 15 * MINUTE],
    ['one hour', HOUR],
    ['59 minutes', 59 * MINUTE],
    ['six hours', 6 * HOUR],
  ]

  for (const [name, lifeMs] of lives) {
    for (const random of [0, 0.999]) {
      test(`${name} are renewed between a third and half of their life (${random})`, async () => {
        const bench = new Bench({}, random)
        bench.lifeMs = lifeMs
        await bench.ask()
        bench.clock.advance(lifeMs / 3 - 1)
        await bench.cache.renewDue()
        expect(bench.calls).toHaveLength(1)
        bench.clock.advance(lifeMs / 6 + 1)
        await bench.cache.renewDue()
        expect(bench.calls).toHaveLength(2)
        expect(await bench.ask()).toBe('ASIA2')
      })
    }
  }

  test('entries that came at one time are not all renewed at one time', async () => {
    const clock = new ManualClock()
    const randoms = [0, 0.25, 0.5, 0.75]
    let calls = 0
    const cache = createCredentialCache({
      clusterName: 'prod',
      clock,
      log: silentLog,
      random: () => randoms.shift() ?? 0,
      client: {
        assumeRoleForPodIdentity: () => {
          calls += 1
          return Promise.resolve({ ...new Bench().credentials(), expirationMs: clock.now() + HOUR })
        },
      },
    })
    for (const token of ['a', 'b', 'c', 'd']) {
      await cache.get({ token: new Secret(token), expiresAtMs: clock.now() + DAY })
    }
    clock.advance(20 * MINUTE)
    const counts: number[] = []
    for (let step = 0; step < 4; step += 1) {
      await cache.renewDue()
      counts.push(calls)
      clock.advance(2.5 * MINUTE)
    }
    expect(counts).toEqual([5, 6, 7, 8])
  })

  test('nothing is served within 15 seconds of its expiry', async () => {
    const bench = new Bench()
    bench.lifeMs = HOUR
    await bench.ask()
    bench.answer = () => fault('ServiceUnreachable')
    bench.clock.advance(HOUR - 15_001)
    expect(await bench.ask()).toBe('ASIA1')
    bench.clock.advance(1)
    expect(codeOf(await bench.ask().catch((thrown: unknown) => thrown))).toBe('ServiceUnreachable')
    bench.clock.advance(HOUR)
    expect(codeOf(await bench.ask().catch((thrown: unknown) => thrown))).toBe('ServiceUnreachable')
  })

  test('credentials that come with 15 seconds or less are refused', async () => {
    const bench = new Bench()
    for (const lifeMs of [15_000, 0, -5, Number.NaN]) {
      bench.lifeMs = lifeMs
      const thrown = await bench.ask().catch((error: unknown) => error)
      expect(thrown).toMatchObject({ code: 'CredentialsExpireTooSoon', status: 500 })
    }
  })

  test('a due entry with much time left is served at once while it is renewed', async () => {
    const bench = new Bench()
    await bench.ask()
    bench.clock.advance(3 * HOUR)
    const gate = Promise.withResolvers<PodIdentityCredentials>()
    bench.answer = () => gate.promise
    expect(await bench.ask()).toBe('ASIA1')
    expect(bench.calls).toHaveLength(2)
    gate.resolve(bench.credentials())
    await gate.promise
    await Bun.sleep(0)
    expect(await bench.ask()).toBe('ASIA2')
  })

  test('inside the SDKs own window the fresh ones are waited for', async () => {
    const bench = new Bench()
    bench.lifeMs = 15 * MINUTE
    await bench.ask()
    bench.clock.advance(8 * MINUTE)
    expect(await bench.ask()).toBe('ASIA2')
  })

  test('but not for ever: what still works is served', async () => {
    const bench = new Bench({ renewalWaitMs: 1 })
    bench.lifeMs = 15 * MINUTE
    await bench.ask()
    bench.clock.advance(8 * MINUTE)
    bench.answer = () => Promise.withResolvers<PodIdentityCredentials>().promise
    expect(await bench.ask()).toBe('ASIA1')
  })

  test('and not what ended while they were waited for: a node may sleep', async () => {
    const bench = new Bench({ renewalWaitMs: 1 })
    bench.lifeMs = 15 * MINUTE
    await bench.ask()
    bench.clock.advance(8 * MINUTE)
    const gate = Promise.withResolvers<PodIdentityCredentials>()
    bench.answer = () => gate.promise
    const asked = bench.ask()
    bench.clock.advance(HOUR)
    await Bun.sleep(10)
    gate.resolve(bench.credentials())
    expect(await asked).toBe('ASIA2')
    expect(bench.calls).toHaveLength(2)
  })

  test('what nobody asked for since the last renewal is not renewed', async () => {
    const bench = new Bench()
    await bench.ask()
    bench.clock.advance(3 * HOUR)
    await bench.cache.renewDue()
    expect(bench.calls).toHaveLength(2)
    bench.clock.advance(3 * HOUR)
    await bench.cache.renewDue()
    expect(bench.calls).toHaveLength(2)
    await bench.ask()
    expect(bench.calls).toHaveLength(3)
    bench.clock.advance(7 * HOUR)
    await bench.cache.renewDue()
    expect(bench.cache.statistics().entries).toBe(0)
  })

  test('one sweep renews no more than its share, the soonest to expire first', async () => {
    const bench = new Bench({ renewalsPerSweep: 2 })
    for (const [token, lifeMs] of [
      ['six', 6 * HOUR],
      ['three', 3 * HOUR],
      ['four', 4 * HOUR],
    ] as const) {
      bench.lifeMs = lifeMs
      await bench.ask(token)
    }
    bench.clock.advance(2.6 * HOUR)
    await bench.cache.renewDue()
    expect(bench.calls.slice(3).map((call) => call.token)).toEqual(['three', 'four'])
  })
})

describe('tokens', () => {
  test('an expired token is never served from the cache', async () => {
    const bench = new Bench()
    const expiresAtMs = bench.clock.now() + HOUR
    await bench.ask('token', expiresAtMs)
    bench.clock.advance(HOUR - 1)
    expect(await bench.ask('token', expiresAtMs)).toBe('ASIA1')
    bench.clock.advance(1)
    const thrown = await bench.ask('token', expiresAtMs).catch((error: unknown) => error)
    expect(thrown).toMatchObject({ code: 'ExpiredTokenException', status: 400 })
    expect(bench.calls).toHaveLength(1)
    expect(bench.cache.statistics().entries).toBe(0)
  })

  test('entries whose token expired are not renewed', async () => {
    const bench = new Bench()
    await bench.ask('token', bench.clock.now() + HOUR)
    bench.clock.advance(3 * HOUR)
    await bench.cache.renewDue()
    expect(bench.calls).toHaveLength(1)
    expect(bench.cache.statistics().entries).toBe(0)
  })
})

describe('faults of renewals', () => {
  for (const code of [
    'AccessDeniedException',
    'ExpiredTokenException',
    'InvalidTokenException',
    'ResourceNotFoundException',
  ]) {
    test(`${code} drops the entry`, async () => {
      const bench = new Bench()
      await bench.ask()
      bench.answer = () => fault(code, code.startsWith('Resource') ? 404 : 400)
      bench.clock.advance(3 * HOUR)
      await bench.cache.renewDue()
      expect(bench.cache.statistics().entries).toBe(0)
      expect(codeOf(await bench.ask().catch((thrown: unknown) => thrown))).toBe(code)
    })
  }

  for (const [code, status] of [
    ['ThrottlingException', 429],
    ['InternalServerException', 500],
    ['ServiceUnavailableException', 503],
    ['InvalidParameterException', 400],
    ['UnrecognizedClientException', 403],
    ['ServiceUnreachable', undefined],
  ] as const) {
    test(`${code} keeps the entry and tries again later`, async () => {
      const bench = new Bench()
      await bench.ask()
      bench.answer = () => fault(code, status)
      bench.clock.advance(3 * HOUR)
      await bench.cache.renewDue()
      expect(await bench.ask()).toBe('ASIA1')
      await bench.cache.renewDue()
      expect(bench.calls).toHaveLength(2)
      bench.clock.advance(MINUTE)
      bench.answer = undefined
      await bench.cache.renewDue()
      expect(await bench.ask()).toBe('ASIA3')
    })
  }

  test('a renewal that nobody waits for and fails harms nothing', async () => {
    const bench = new Bench()
    await bench.ask()
    bench.clock.advance(3 * HOUR)
    bench.answer = () => fault('AccessDeniedException', 400)
    expect(await bench.ask()).toBe('ASIA1')
    await Bun.sleep(0)
    expect(bench.cache.statistics().entries).toBe(0)
  })
})

describe('bounds', () => {
  test('the entry asked for longest ago goes first', async () => {
    const bench = new Bench({ maxEntries: 3 })
    for (const token of ['a', 'b', 'c']) await bench.ask(token)
    await bench.ask('a')
    await bench.ask('d')
    expect(bench.cache.statistics().entries).toBe(3)
    const before = bench.calls.length
    for (const token of ['c', 'a', 'd']) await bench.ask(token)
    expect(bench.calls).toHaveLength(before)
    await bench.ask('b')
    expect(bench.calls).toHaveLength(before + 1)
  })

  test('a renewal does not count as use', async () => {
    const bench = new Bench({ maxEntries: 2 })
    await bench.ask('old')
    bench.clock.advance(HOUR)
    await bench.ask('young')
    bench.clock.advance(2 * HOUR)
    await bench.cache.renewDue()
    expect(bench.calls.at(-1)?.token).toBe('old')
    await bench.ask('new')
    const before = bench.calls.length
    await bench.ask('young')
    expect(bench.calls).toHaveLength(before)
  })

  test('tells whether upstream answers', async () => {
    const bench = new Bench()
    expect(bench.cache.statistics().upstream).toBe('not asked')
    bench.answer = () => fault('ServiceUnreachable')
    await bench.ask().catch(() => undefined)
    expect(bench.cache.statistics().upstream).toBe('does not answer')
    bench.answer = () => fault('AccessDeniedException', 400)
    await bench.ask().catch(() => undefined)
    expect(bench.cache.statistics().upstream).toBe('answers')
  })
})
