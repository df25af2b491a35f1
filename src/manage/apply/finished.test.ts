import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { applySteps } from '../plan/in-memory.suite.ts'
import { canonicalState, desiredClusters, startState } from '../plan/laws.suite.ts'
import { makePlan } from '../plan/make-plan.ts'
import { mutationsOf } from '../plan/mutations.suite.ts'
import { isFinished } from './finished.ts'
import { inMemoryPort } from './in-memory-port.suite.ts'

const RUNS = Math.ceil(100 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))
const FORCE = { adopt: false, force: true }

const cases = fc
  .tuple(desiredClusters, desiredClusters)
  .map(([first, second]) => {
    const state = applySteps(startState(), makePlan(first, startState(), FORCE).steps)
    return { state, wanted: second, plan: makePlan(second, state, FORCE) }
  })
  .filter(({ plan }) => plan.refusals.length === 0 && plan.steps.length > 0)

test('a plan is finished when all of it was done, and at no point before', async () => {
  await fc.assert(
    fc.asyncProperty(cases, async ({ plan: { steps }, state }) => {
      const end = applySteps(state, steps)
      expect(await isFinished(inMemoryPort(end), steps)).toBe(true)
      for (let done = 0; done < steps.length; done += 1) {
        const part = applySteps(state, steps.slice(0, done))
        if (canonicalState(part) === canonicalState(end)) continue
        expect([done, await isFinished(inMemoryPort(part), steps)]).toEqual([done, false])
      }
    }),
    { numRuns: RUNS },
  )
})

test('one that somebody undid in part is not', async () => {
  let undone = 0
  await fc.assert(
    fc.asyncProperty(cases, async ({ plan: { steps }, state, wanted }) => {
      const end = applySteps(state, steps)
      for (const { state: changed } of mutationsOf(end)) {
        const port = inMemoryPort(changed)
        // What the plan was not about may be as it likes.
        if (!(await isFinished(port, steps))) undone += 1
        expect(port.acts).toEqual([])
      }
      expect(makePlan(wanted, end, FORCE).steps).toEqual([])
    }),
    { numRuns: RUNS / 4 },
  )
  expect(undone).toBeGreaterThan(0)
})

test('what cannot be looked at is not known to be done', async () => {
  const [{ plan, state } = { plan: undefined, state: startState() }] = fc.sample(cases, 1)
  const steps = plan?.steps ?? []
  const port = inMemoryPort(applySteps(state, steps))
  expect(await isFinished(port, steps)).toBe(true)
  port.isDead = true
  expect(await isFinished(port, steps)).toBe(false)
})

test('nothing to do is nothing that was done', async () => {
  expect(await isFinished(inMemoryPort(startState()), [])).toBe(false)
})
