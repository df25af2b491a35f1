import { afterEach, beforeEach, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqlite, type SqliteDatabase } from '../associations/sqlite.ts'
import { ASSOCIATION_MIGRATIONS } from '../associations/store-sqlite.ts'
import type { OutsideFinding } from '../issuer/outside/findings.ts'
import { ManualClock } from '../lib/clock.ts'
import { createLog, silentLog } from '../lib/log.ts'
import { type FleetKeyPlace, FollowedKeys } from './fleet-keys.ts'
import { createUnattended, fleetRotationPorts } from './fleet-rotation.ts'
import { BROKER_MIGRATIONS, createBrokerStore } from './store.ts'

const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000]
/** Times of a state are told apart by a millisecond where they would be the same. */
const SLACK = 10
const ROTATE_EVERY = 30 * 86_400
const SETTLE = 3600
/** A token lives a minute, and STS takes it for five more (fleet-token.ts). */
const TOKEN_MS = 6 * MINUTE

let folder: string
let clock: ManualClock
let databases: SqliteDatabase[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'podrole-fleet-rotation-'))
  clock = new ManualClock()
})
afterEach(async () => {
  for (const database of databases.splice(0)) await database.close()
  rmSync(folder, { recursive: true, force: true })
})

interface Broker {
  readonly place: FleetKeyPlace
  readonly keys: FollowedKeys
  poll(): Promise<void>
  step(): Promise<void>
}

/** Brokers at one database; each is asked from outside in turn, as behind a load balancer. */
async function startBrokers(
  count: number,
  file = 'broker.sqlite',
  log = silentLog,
): Promise<readonly Broker[]> {
  const brokers: Broker[] = []
  let asked = 0
  const look = async (keys: readonly { readonly kid: string }[]): Promise<OutsideFinding[]> => {
    asked += 1
    const published = brokers[asked % brokers.length]?.keys.published() ?? []
    return keys
      .filter(({ kid }) => !published.some((one) => one.kid === kid))
      .map(({ kid }) => ({
        code: 'KeyMissing' as const,
        level: 'error' as const,
        message: `${kid} is missing`,
        hint: '',
        mayPass: true,
      }))
  }
  for (let at = 0; at < count; at += 1) {
    const migrations = [...ASSOCIATION_MIGRATIONS, ...BROKER_MIGRATIONS]
    const database = await openSqlite(join(folder, file), migrations)
    databases.push(database)
    const store = createBrokerStore(database)
    const place: FleetKeyPlace = {
      store,
      sealer: undefined,
      issuer: 'https://fleet.example',
      settleSeconds: SETTLE,
      clock,
    }
    const keys = await FollowedKeys.open(place, () => clock.now())
    const ports = fleetRotationPorts(place, keys, look)
    brokers.push({
      place,
      keys,
      poll: () => keys.refresh(),
      step: createUnattended(ports, { rotateEverySeconds: ROTATE_EVERY, log }),
    })
  }
  return brokers
}

const stagesOf = ({ keys }: Broker): string[] =>
  keys.read.state.keys.filter(({ removedAt }) => removedAt === undefined).map(({ state }) => state)

async function tick(brokers: readonly Broker[]): Promise<void> {
  // All at once: one is faster, and the others go on from there.
  await Promise.all(brokers.map((broker) => broker.step()))
  await Promise.all(brokers.map((broker) => broker.poll()))
}

test('two brokers rotate alone: every key in its time, one step by one of them', async () => {
  const brokers = await startBrokers(2)
  const [one, two] = brokers as [Broker, Broker]
  const first = one.keys.signing().kid
  clock.advance(30 * DAY - MINUTE)
  await tick(brokers)
  expect(stagesOf(one)).toEqual(['active'])
  clock.advance(MINUTE)
  await tick(brokers)
  expect(stagesOf(one)).toEqual(['active', 'prepared'])
  expect(stagesOf(two)).toEqual(['active', 'prepared'])
  // It was published by both before it could be seen; from then on it settles.
  await tick(brokers)
  clock.advance(HOUR - MINUTE)
  await tick(brokers)
  expect(stagesOf(one)).toEqual(['active', 'prepared'])
  clock.advance(MINUTE + SLACK)
  await tick(brokers)
  expect(stagesOf(one)).toEqual(['retiring', 'active'])
  expect(one.keys.signing().kid).not.toBe(first)
  expect(two.keys.signing().kid).toBe(one.keys.signing().kid)
  // A minute until all follow, and six that its last token may be in use.
  clock.advance(7 * MINUTE - SLACK)
  await tick(brokers)
  expect(one.keys.published().map(({ kid }) => kid)).toContain(first)
  clock.advance(2 * SLACK)
  await tick(brokers)
  expect(stagesOf(two)).toEqual(['active'])
  // The slower one's pair, if it made one, waits for the next rotation.
  const stored = (await two.place.store.listSigningKeys()).map(({ kid }) => kid)
  expect(stored).not.toContain(first)
  expect(stored.length).toBeLessThanOrEqual(2)
})

test('a prepared key that is not seen everywhere does not sign', async () => {
  const [one, two] = (await startBrokers(2)) as [Broker, Broker]
  clock.advance(30 * DAY)
  for (let round = 0; round < 20; round += 1) {
    // The other one's database does not answer, and what it publishes is behind.
    await one.step()
    await one.poll()
    clock.advance(HOUR)
  }
  expect(stagesOf(one)).toContain('prepared')
  expect(stagesOf(two)).toEqual(['active'])
})

test('a broker that was killed before it recorded that a key stopped holds nothing up', async () => {
  const brokers = await startBrokers(1)
  const [one] = brokers as [Broker]
  const first = one.keys.signing().kid
  clock.advance(30 * DAY)
  await tick(brokers)
  clock.advance(HOUR + SLACK)
  await tick(brokers)
  expect(stagesOf(one)).toEqual(['retiring', 'active'])
  const { state, version } = one.keys.read
  const keys = state.keys.map(({ stoppedAt: _stoppedAt, ...key }) => key)
  expect(await one.place.store.replaceIssuerState({ ...state, keys }, version)).toBe(true)
  await tick(brokers)
  expect(one.keys.published().map(({ kid }) => kid)).toContain(first)
  clock.advance(7 * MINUTE + SLACK)
  await tick(brokers)
  expect(stagesOf(one)).toEqual(['active'])
})

test('of two commands at once one writes, and the other is asked again', async () => {
  const [one] = (await startBrokers(1)) as [Broker]
  const ports = fleetRotationPorts(one.place, one.keys, async () => [])
  const [first, second] = [await ports.store.read(), await ports.store.read()]
  await ports.store.write({ ...first, settleSeconds: 1 }, first)
  const late = ports.store.write({ ...second, settleSeconds: 2 }, second)
  await expect(late).rejects.toMatchObject({ code: 'IssuerStateChanged' })
  expect((await ports.store.read()).settleSeconds).toBe(1)
})

test('what stands in the way is told once', async () => {
  let lines = ''
  const log = createLog('info', { write: (line) => (lines += line) })
  const [one] = (await startBrokers(2, 'told.sqlite', log)) as [Broker, Broker]
  clock.advance(30 * DAY)
  for (let round = 0; round < 6; round += 1) await one.step()
  expect(lines.match(/signing keys not rotated/g)).toHaveLength(1)
  expect(lines).toContain('is missing')
})

const brokerAt = fc.nat({ max: 1 })
const happening = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('step' as const), at: brokerAt }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('poll' as const), at: brokerAt }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('sign' as const), at: brokerAt }) },
  // Its database does not answer, or does again: it is not ready, and nobody asks it for documents.
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut' as const), at: brokerAt }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      ms: fc.constantFrom(10_000, 40_000, MINUTE, 7 * MINUTE, HOUR, 30 * DAY),
    }),
  },
)
type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never

/** Whether all went well; how often the signing key changed. */
async function play(happenings: readonly Happening[], file: string): Promise<number> {
  const brokers = await startBrokers(2, file)
  const cut = new Set<Broker>()
  const kids = new Set<string>()
  let tokens: { readonly kid: string; readonly untilMs: number }[] = []
  for (const one of happenings) {
    const broker = 'at' in one ? brokers[one.at] : undefined
    if (one.kind === 'wait') {
      clock.advance(one.ms)
      for (const each of brokers) if (!cut.has(each)) await each.poll()
    } else if (broker !== undefined) {
      if (one.kind === 'cut' && !cut.delete(broker)) cut.add(broker)
      if (one.kind === 'step' && !cut.has(broker)) await broker.step()
      if (one.kind === 'poll' && !cut.has(broker)) await broker.poll()
      const kid = one.kind === 'sign' ? signOf(broker) : undefined
      if (kid !== undefined) {
        kids.add(kid)
        tokens.push({ kid, untilMs: clock.now() + TOKEN_MS })
      }
    }
    tokens = tokens.filter(({ untilMs }) => clock.now() < untilMs)
    for (const each of brokers.filter((candidate) => !cut.has(candidate))) {
      const published = each.keys.published().map(({ kid }) => kid)
      for (const { kid } of tokens) expect(published).toContain(kid)
    }
  }
  for (const database of databases.splice(0)) await database.close()
  return kids.size
}

test('no order of what brokers do refuses a token', async () => {
  let runs = 0
  let changes = 0
  await fc.assert(
    fc.asyncProperty(fc.array(happening, { minLength: 60, maxLength: 200 }), async (happenings) => {
      runs += 1
      changes += Math.max(0, (await play(happenings, `run-${runs}.sqlite`)) - 1)
    }),
    { numRuns: 60 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1) },
  )
  // Nothing is shown where nothing rotated.
  expect(changes).toBeGreaterThan(20)
}, 300_000)

function signOf(broker: Broker | undefined): string | undefined {
  try {
    return broker?.keys.signing().kid
  } catch {
    return undefined
  }
}
