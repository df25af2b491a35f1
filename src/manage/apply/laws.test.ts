import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { codeOf } from '../../lib/errors.ts'
import type { DesiredCluster } from '../desired/desired-state.ts'
import { applySteps } from '../plan/in-memory.suite.ts'
import { canonicalState, desiredClusters, startState } from '../plan/laws.suite.ts'
import { makePlan } from '../plan/make-plan.ts'
import { mutationsOf } from '../plan/mutations.suite.ts'
import type { ObservedState } from '../plan/observed-state.ts'
import type { Plan, PlanStep } from '../plan/plan.ts'
import { carryOut, type Pace } from './act.ts'
import { actionCarrier } from './action-carrier.ts'
import { inMemoryPort, type InMemoryPort, NO_PATIENCE } from './in-memory-port.suite.ts'
import { parseJournal } from './journal.ts'
import { overtakenIn } from './overtaken.ts'
import { type Progress, resumed } from './progress.ts'
import { runSteps, type RunResult } from './run-steps.ts'

const RUNS = Math.ceil(30 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))
const FORCE = { adopt: false, force: true }
const QUICK: Pace = { patienceMs: 20_000, firstDelayMs: 0, maxDelayMs: 0 }

interface Case {
  readonly desired: readonly DesiredCluster[]
  readonly state: ObservedState
  readonly plan: Plan
}

const cases: fc.Arbitrary<Case> = fc
  .tuple(desiredClusters, desiredClusters)
  .map(([first, second]) => {
    const state = applySteps(startState(), makePlan(first, startState(), FORCE).steps)
    return { desired: second, state, plan: makePlan(second, state, FORCE) }
  })
  .filter(({ plan }) => plan.refusals.length === 0)

interface Run {
  readonly port: InMemoryPort
  readonly lines: string[]
  /** The journal's line, counted from 0, at which it dies: before it is written, or behind it. */
  readonly death?: { readonly at: number; readonly isWritten: boolean }
  readonly pace?: Pace
  readonly isResumed?: boolean
  /** Ctrl-C comes while this step is under way, counted from 0. */
  readonly stopIn?: number
  readonly atOnce?: number
}

const headOf = (steps: readonly PlanStep[]): string =>
  JSON.stringify({ version: 1, clusters: [], accountId: '1', holder: 'h', startedAtMs: 0, steps })

/** The journal as it is read back. */
const progressOf = (steps: readonly PlanStep[], lines: readonly string[]): Progress =>
  parseJournal([headOf(steps), ...lines].join('\n'), 'journal').progress

function run(steps: readonly PlanStep[], progress: Progress, options: Run): Promise<RunResult> {
  const { atOnce, death, isResumed = false, lines, pace = NO_PATIENCE, port, stopIn } = options
  const carry = actionCarrier(port, steps, {
    pace,
    isOvertaken: overtakenIn(isResumed ? steps : []),
  })
  let at = 0
  let begun = 0
  return runSteps(
    { steps, progress },
    {
      carryOut: async (step) => {
        const { action } = step
        // Every second one is under way still when others that began with it are done.
        if (stopIn !== undefined && steps.indexOf(step) % 2 === 0) await turn()
        return carry(action)
      },
      record: async (id, state) => {
        await Promise.resolve()
        const isLast = at === death?.at
        at += 1
        if (!port.isDead && (!isLast || death.isWritten)) {
          lines.push(JSON.stringify({ id, state }))
        }
        if (isLast) port.isDead = true
        if (port.isDead) throw new Error('killed')
      },
      onProgress: ({ state }) => {
        if (state === 'started') begun += 1
      },
      stopReason: () => (stopIn !== undefined && begun > stopIn ? 'SIGINT' : undefined),
    },
    atOnce,
  )
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const failures = ({ errors }: RunResult): readonly string[] => [...errors.values()].map(String)

describe('an apply', () => {
  test('ends as the steps do one by one, however many run at once and late reads are', async () => {
    await fc.assert(
      fc.asyncProperty(
        cases,
        fc.infiniteStream(fc.integer({ min: 0, max: 3 })),
        fc.constantFrom(1, 3, 8),
        async ({ plan, state }, stream, atOnce) => {
          const port = inMemoryPort(state, () => stream.next().value)
          const result = await run(plan.steps, new Map(), { port, lines: [], pace: QUICK, atOnce })
          expect(failures(result)).toEqual([])
          expect(result.standing.done).toHaveLength(plan.steps.length)
          const whole = canonicalState(applySteps(state, plan.steps))
          if (canonicalState(port.state) !== whole) expect(canonicalState(port.state)).toBe(whole)
          expect(port.acts).toHaveLength(plan.steps.length)
        },
      ),
      { numRuns: RUNS },
    )
  })

  test('that is killed at any line of its journal and resumed ends in the same state', async () => {
    let deaths = 0
    await fc.assert(
      fc.asyncProperty(cases, async ({ plan: { steps }, state }) => {
        const whole = canonicalState(applySteps(state, steps))
        for (let at = 0; at < 2 * steps.length; at += 1) {
          for (const isWritten of [false, true]) {
            const port = inMemoryPort(state)
            const lines: string[] = []
            const death = { at, isWritten }
            const end = await run(steps, new Map(), { port, lines, death }).then(
              () => 'whole',
              () => 'killed',
            )
            expect(end).toBe('killed')
            deaths += 1
            port.isDead = false
            const again = await run(steps, resumed(progressOf(steps, lines)), { port, lines })
            expect(failures(again)).toEqual([])
            if (canonicalState(port.state) !== whole) expect(canonicalState(port.state)).toBe(whole)
            expect(port.acts).toHaveLength(steps.length)
            const third = await run(steps, resumed(progressOf(steps, lines)), { port, lines })
            expect(third.standing.done).toHaveLength(steps.length)
            expect(port.acts).toHaveLength(steps.length)
          }
        }
      }),
      { numRuns: Math.ceil(RUNS / 3), endOnFailure: true },
    )
    expect(deaths).toBeGreaterThan(50)
  })

  test('that is to stop ends behind the steps under way, and resumed in the same state', async () => {
    await fc.assert(
      fc.asyncProperty(cases, fc.constantFrom(1, 8), async ({ plan: { steps }, state }, atOnce) => {
        const whole = canonicalState(applySteps(state, steps))
        for (let stopIn = 0; stopIn < steps.length; stopIn += 1) {
          const port = inMemoryPort(state)
          const lines: string[] = []
          const first = await run(steps, new Map(), { port, lines, stopIn, atOnce })
          expect(failures(first)).toEqual([])
          // Each one that was begun came to its end, and was written down as done.
          expect(first.standing.done).toHaveLength(port.acts.length)
          expect(lines).toHaveLength(2 * port.acts.length)
          expect(port.acts.length).toBeGreaterThan(stopIn)
          expect(port.acts.length).toBeLessThanOrEqual(stopIn + atOnce)
          if (port.acts.length < steps.length) expect(first.stopped).toBe('SIGINT')
          const again = await run(steps, resumed(progressOf(steps, lines)), { port, lines })
          expect(failures(again)).toEqual([])
          if (canonicalState(port.state) !== whole) expect(canonicalState(port.state)).toBe(whole)
          expect(port.acts).toHaveLength(steps.length)
        }
      }),
      { numRuns: Math.ceil(RUNS / 3) },
    )
  })

  test('that was killed, and whose rest another apply did meanwhile, finds all of it done', async () => {
    let left = 0
    await fc.assert(
      fc.asyncProperty(cases, fc.nat(), async ({ desired, plan: { steps }, state }, pick) => {
        fc.pre(steps.length > 0)
        const port = inMemoryPort(state)
        const lines: string[] = []
        const death = { at: pick % (2 * steps.length), isWritten: pick % 4 < 2 }
        await run(steps, new Map(), { port, lines, death }).catch(() => undefined)
        port.isDead = false
        const other = makePlan(desired, port.state, FORCE)
        expect(other.refusals).toEqual([])
        await run(other.steps, new Map(), { port, lines: [] })
        const acts = port.acts.length
        left += steps.length - acts + other.steps.length
        const progress = resumed(progressOf(steps, lines))
        const again = await run(steps, progress, { port, lines, pace: QUICK, isResumed: true })
        expect(failures(again)).toEqual([])
        expect(again.standing.done).toHaveLength(steps.length)
        // Whom a role lets in still whose association has gone, only the first plan knows.
        const more = port.acts.slice(acts)
        expect(more.filter((one) => one.do !== 'put-trust' || one.phase !== 'trim')).toEqual([])
        expect(makePlan(desired, port.state, FORCE).steps).toEqual([])
      }),
      { numRuns: RUNS, endOnFailure: true },
    )
    expect(left).toBeGreaterThan(RUNS)
  })

  test('does no action that is done', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ plan, state }) => {
        const port = inMemoryPort(state)
        for (const { action } of plan.steps) {
          expect(await carryOut(port, action, NO_PATIENCE)).toBe('done')
          expect(await carryOut(port, action, NO_PATIENCE)).toBe('there')
        }
        expect(port.acts).toHaveLength(plan.steps.length)
      }),
      { numRuns: RUNS },
    )
  })

  test('writes over nothing that somebody changed after the plan was made', async () => {
    let refused = 0
    await fc.assert(
      fc.asyncProperty(cases, async ({ plan: { steps }, state }) => {
        for (const { state: changed } of mutationsOf(state)) {
          for (const { action } of steps) {
            const port = inMemoryPort(changed)
            const isIn = await carryOut(inMemoryPort(state), action, NO_PATIENCE).then(
              () => true,
              () => false,
            )
            if (!isIn) continue
            const code = await carryOut(port, action, NO_PATIENCE).catch(codeOf)
            if (code !== 'ChangedMeanwhile') continue
            refused += 1
            expect(port.state).toBe(changed)
            expect(port.acts).toEqual([])
          }
        }
      }),
      { numRuns: 5, endOnFailure: true },
    )
    expect(refused).toBeGreaterThan(0)
  })

  test('tells apart what is done, what failed and what was not begun because of it', async () => {
    await fc.assert(
      fc.asyncProperty(cases, fc.nat(), async ({ plan: { steps }, state }, pick) => {
        fc.pre(steps.length > 0)
        const broken = steps[pick % steps.length]
        const working = inMemoryPort(state)
        const port: InMemoryPort = {
          ...working,
          act: async (action, seen) => {
            if (action === broken?.action) throw new Error('AccessDenied')
            await working.act(action, seen)
          },
        }
        const { standing } = await run(steps, new Map(), { port, lines: [] })
        const behind = new Set([broken?.id])
        for (const { dependsOn, id } of steps) {
          if (dependsOn.some((one) => behind.has(one))) behind.add(id)
        }
        expect(standing.failed.map(({ id }) => id)).toEqual([broken?.id ?? ''])
        expect(standing.blocked.map(({ step }) => step.id)).toEqual(
          steps.map(({ id }) => id).filter((id) => behind.has(id) && id !== broken?.id),
        )
        expect(standing.done).toHaveLength(steps.length - behind.size)
        expect([...standing.ready, ...standing.waiting]).toEqual([])
      }),
      { numRuns: RUNS },
    )
  })
})
