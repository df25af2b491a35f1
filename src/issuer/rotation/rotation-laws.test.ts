/** Whatever is asked, killed and waited for in whatever order, STS refuses no token. */
import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { PodroleError } from '../../lib/errors.ts'
import { finding } from '../outside/findings.ts'
import { abort, activate, prepare, retire, type Rotated, type RotationPorts } from './rotate.ts'
import { withNewKey } from './decide.ts'
import {
  IN_USE_MS,
  Killed,
  MAX_TOKEN_MS,
  SETTLE_MS,
  START_MS,
  World,
} from './rotation-world.suite.ts'

const SCALE = Number(process.env['PODROLE_TEST_SCALE'] ?? 1)
const COMMANDS = { prepare, activate, retire, abort } as const
type Name = keyof typeof COMMANDS

type Step =
  | {
      readonly do: Name
      readonly killAfter: number
      readonly slowMs: number
      readonly lookLateMs: number
    }
  | { readonly do: 'pass' | 'clock' | 'long'; readonly ms: number }
  | { readonly do: 'vandal' }

const around = (...all: readonly number[]): fc.Arbitrary<number> =>
  fc
    .tuple(fc.constantFrom(...all), fc.integer({ min: -2, max: 2 }))
    .map(([ms, by]) => Math.max(0, ms + by))
/** Times around those that decide: the settle time, a token's life, both, and moments. */
const moments = around(0, 1000, 59_999, 60_000, 61_000, 300_000)
const settling = around(SETTLE_MS, SETTLE_MS, SETTLE_MS * 0.95, SETTLE_MS + 1000)
const ageing = around(MAX_TOKEN_MS, ...[-121, -119, -60, -1, 1].map((s) => IN_USE_MS + s * 1000))
const any = fc.integer({ min: 0, max: 3 * MAX_TOKEN_MS })

const commanded = (...names: readonly Name[]): fc.Arbitrary<Step> =>
  fc.record({
    do: fc.constantFrom(...names),
    killAfter: fc.oneof(
      { weight: 3, arbitrary: fc.constant(Number.POSITIVE_INFINITY) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 12 }) },
    ),
    slowMs: fc.constantFrom(0, 0, 0, 1, 20_000, SETTLE_MS / 4),
    lookLateMs: fc.constantFrom(0, 0, 0, 300_000),
  })
const timed = (name: 'pass' | 'clock' | 'long', ms: fc.Arbitrary<number>): fc.Arbitrary<Step> =>
  fc.record({ do: fc.constant(name), ms })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: commanded('prepare', 'activate', 'retire', 'abort') },
  { weight: 4, arbitrary: timed('pass', fc.oneof(moments, settling, ageing, any)) },
  { weight: 1, arbitrary: timed('clock', fc.oneof(moments, settling)) },
  { weight: 1, arbitrary: timed('long', any) },
  { weight: 1, arbitrary: fc.constant({ do: 'vandal' as const }) },
)
/** What an operator does, at times that are nearly right; anything may come in between. */
const round = fc
  .tuple(
    commanded('prepare'),
    timed('pass', settling),
    commanded('activate'),
    timed('pass', ageing),
    commanded('retire'),
    fc.array(fc.tuple(fc.nat({ max: 5 }), step), { maxLength: 2 }),
  )
  .map(([prepared, settled, activated, aged, retired, more]) => {
    const list: Step[] = [prepared, settled, activated, aged, retired]
    for (const [at, one] of more) list.splice(at, 0, one)
    return list
  })
const steps: fc.Arbitrary<readonly Step[]> = fc
  .array(fc.oneof(round, fc.array(step, { maxLength: 5 })), { maxLength: 8, size: 'max' })
  .map((parts) => parts.flat())

/** The code of what it was refused with; `Killed` where it was. */
async function ask(
  world: World,
  command: (ports: RotationPorts) => Promise<Rotated>,
): Promise<Rotated | string> {
  try {
    return await command(world.ports())
  } catch (error) {
    if (error instanceof Killed) return 'Killed'
    if (error instanceof PodroleError) return error.code
    throw error
  }
}

async function take(world: World, step: Step): Promise<void> {
  switch (step.do) {
    case 'pass':
      world.pass(step.ms)
      break
    case 'clock':
      world.lateMs += step.ms
      break
    case 'long':
      world.signLong(step.ms)
      break
    case 'vandal': {
      const prepared = world.state.keys.find(
        ({ state, activatedAt }) => state === 'prepared' && activatedAt === undefined,
      )
      if (prepared !== undefined) world.unpublish(prepared.kid)
      break
    }
    default: {
      world.slowMs = step.slowMs
      world.killAfter = world.effects + step.killAfter
      world.lookLateMs = step.lookLateMs
      const answer = await ask(world, COMMANDS[step.do])
      world.killAfter = Number.POSITIVE_INFINITY
      world.slowMs = 0
      world.lookLateMs = 0
      // As the hint says.
      if (answer === 'OutsideFaulty' && step.do !== 'prepare') world.publishAgain()
    }
  }
}

describe('a rotation', () => {
  test(
    'is safe whatever is asked in whatever order, killed wherever',
    async () => {
      const reached: Record<string, number> = {}
      await fc.assert(
        fc.asyncProperty(steps, async (list) => {
          const world = new World()
          for (const step of list) {
            await take(world, step)
            expect(world.faults()).toEqual([])
          }
          for (const { state } of world.state.keys) reached[state] = (reached[state] ?? 0) + 1
        }),
        { numRuns: Math.ceil(3000 * SCALE) },
      )
      // Else the law would hold of nothing.
      expect(Object.keys(reached).sort()).toEqual(['active', 'prepared', 'retired', 'retiring'])
    },
    30_000 * SCALE,
  )

  test(
    'is stuck nowhere: with time alone, the next key signs and the last one goes',
    async () => {
      await fc.assert(
        fc.asyncProperty(steps, async (list) => {
          const world = new World()
          for (const step of list) await take(world, step)
          const wait = (): void => world.pass(10 * MAX_TOKEN_MS + world.lateMs)
          wait()
          const prepared = await prepare(world.ports())
          wait()
          expect((await activate(world.ports())).kids).toEqual(prepared.kids)
          wait()
          while (
            world.state.keys.some(({ removedAt, state }) => state !== 'active' && !removedAt)
          ) {
            await retire(world.ports())
          }
          // A pair that a killed command left is the next one's.
          await prepare(world.ports())
          await abort(world.ports())
          const kids = world.state.keys.filter(({ state }) => state === 'active')
          expect([...world.files]).toEqual(kids.map(({ kid }) => kid))
          expect([...world.published]).toEqual(kids.map(({ kid }) => kid))
          expect(world.faults()).toEqual([])
        }),
        { numRuns: Math.ceil(500 * SCALE) },
      )
    },
    30_000 * SCALE,
  )

  test.each([
    [
      'to the end',
      [
        'prepare',
        SETTLE_MS + 1000,
        'activate',
        'abort',
        SETTLE_MS,
        'activate',
        IN_USE_MS + 1000,
        'retire',
        'prepare',
        'abort',
      ],
    ],
    ['until a key is gone', ['prepare', SETTLE_MS + 1000, 'activate', IN_USE_MS + 1000, 'retire']],
    ['one step back and no two', ['prepare', SETTLE_MS + 1000, 'activate', 'prepare', 'abort']],
  ] satisfies [string, (Name | number)[]][])(
    'killed at any effect, the same command goes on to the same end: %s',
    async (_, walk) => {
      const whole = await walkThrough(walk, Number.POSITIVE_INFINITY)
      expect(whole.effects).toBeGreaterThan(12)
      // The last effect is the end: an abort that is asked again after it is another one.
      for (let at = 0; at < whole.effects - 1; at += 1) {
        expect([at, endOf(await walkThrough(walk, at))]).toEqual([at, endOf(whole)])
      }
    },
  )

  test('a key that was published again has to settle again, though it could be seen', async () => {
    const world = new World()
    const { kids } = await prepare(world.ports())
    world.pass(SETTLE_MS + 1000)
    // A cache in between has the older document.
    const ports = { ...world.ports(), look: async () => [] }
    world.unpublish(kids[0] ?? '')
    await prepare(ports)
    expect(await ask(world, activate)).toBe('KeyNotSettled')
    world.pass(SETTLE_MS + 1000)
    expect(await ask(world, activate)).toMatchObject({ kids })
    expect(world.faults()).toEqual([])
  })

  test('a key that is not seen yet is prepared, and does not count as seen', async () => {
    const world = new World()
    world.lookLateMs = 300_000
    expect(await ask(world, prepare)).toBe('OutsideFaulty')
    expect(world.state.keys.at(-1)).toMatchObject({ state: 'prepared' })
    expect(world.state.keys.at(-1)?.seenAt).toBeUndefined()
    world.pass(300_000)
    expect(await ask(world, prepare)).toMatchObject({ kids: ['key-1'], resumed: true })
  })

  test('a key that somebody unpublished has to settle again', async () => {
    const world = new World()
    await prepare(world.ports())
    world.pass(SETTLE_MS + 1000)
    world.unpublish('key-1')
    await prepare(world.ports())
    expect(await ask(world, activate)).toBe('KeyNotSettled')
    world.unpublish('key-1')
    world.pass(SETTLE_MS + 1000)
    expect(await ask(world, activate)).toBe('OutsideFaulty')
    world.publishAgain()
    expect(await ask(world, activate)).toBe('KeyNotSeen')
  })

  test('a key that some still cannot see has to settle again', async () => {
    const world = new World()
    await prepare(world.ports())
    world.pass(SETTLE_MS + 1000)
    world.unpublish('key-1')
    world.pass(1000)
    world.publishAgain()
    world.lookLateMs = 500
    expect(await ask(world, prepare)).toBe('OutsideFaulty')
    world.lookLateMs = 0
    expect(await ask(world, activate)).toBe('KeyNotSeen')
  })

  test('what goes need not be seen any more, what stays must be', async () => {
    const world = new World()
    await prepare(world.ports())
    world.pass(SETTLE_MS + 1000)
    await activate(world.ports())
    world.pass(IN_USE_MS + 1000)
    world.unpublish('first')
    world.unpublish('key-1')
    expect(await ask(world, retire)).toBe('OutsideFaulty')
    world.publishAgain()
    world.unpublish('first')
    expect(await ask(world, retire)).toMatchObject({ kids: ['first'] })
  })

  test('a clock that goes back makes every wait longer', async () => {
    const world = new World()
    await prepare(world.ports())
    world.pass(SETTLE_MS + 1000)
    world.lateMs = 86_400_000
    expect(await ask(world, activate)).toBe('KeyNotSettled')
    world.lateMs = 0
    await activate(world.ports())
    world.lateMs = 86_400_000
    world.pass(IN_USE_MS + 1000)
    expect(await ask(world, retire)).toBe('TokensInUse')
    await prepare(world.ports())
    const [first, , last] = world.state.keys
    expect(Date.parse(last?.preparedAt ?? '')).toBeGreaterThan(Date.parse(first?.stoppedAt ?? ''))
  })

  test('a clock that is behind takes no step that it would date too early', async () => {
    const world = new World()
    const ports = world.ports()
    const behind = finding('ClockBehind', 'the clock is 3600 s behind', 'set it')
    const late = { ...ports, look: async () => [behind] }
    await expect(prepare(late)).rejects.toThrow('the clock is 3600 s behind')
    expect(world.state.keys.map(({ seenAt }) => seenAt)).toEqual([undefined, undefined])
    await prepare(ports)
    world.pass(SETTLE_MS + 1000)
    await expect(activate(late)).rejects.toThrow('the clock is 3600 s behind')
    await activate(ports)
    expect(world.faults()).toEqual([])
  })

  test('a first key signs at once', () => {
    const state = { ...new World().state, keys: [] }
    const [key] = new World().state.keys
    const { kid, publicJwk, source } = key!
    const [first] = withNewKey(state, { kid, publicJwk, source }, START_MS).keys
    expect(first).toMatchObject({ kid, state: 'active' })
  })

  test('past keys are forgotten in the end, those that are not gone never', async () => {
    const world = new World()
    for (let round = 0; round < 60; round += 1) {
      await prepare(world.ports())
      await abort(world.ports())
    }
    const { keys } = world.state
    expect(keys.length).toBeLessThanOrEqual(52)
    expect(keys.map(({ kid }) => kid)).toContain('first')
    expect(keys.map(({ kid }) => kid)).toContain('key-60')
  })
})

const endOf = (world: World): unknown => ({
  states: world.state.keys.map(({ kid, state }) => [kid, state]),
  files: [...world.files],
  published: [...world.published],
})

/** Each command once, and the one that is killed once more. */
async function walkThrough(walk: readonly (Name | number)[], killAfter: number): Promise<World> {
  const world = new World()
  world.killAfter = killAfter
  for (const step of walk) {
    if (typeof step === 'number') {
      world.pass(step)
      continue
    }
    const answer = await ask(world, COMMANDS[step])
    if (answer === 'Killed') {
      world.killAfter = Number.POSITIVE_INFINITY
      await ask(world, COMMANDS[step])
    } else expect(answer).toBeObject()
    expect(world.faults()).toEqual([])
  }
  return world
}
