import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { codeOf, messageOf } from '../../lib/errors.ts'
import { parsePlanFile, PLAN_FILE_KIND, planFileOf } from '../plan-file/plan-file.ts'
import { ACCOUNT, applySteps, PARTITION } from '../plan/in-memory.suite.ts'
import { canonicalState, desiredClusters, startState } from '../plan/laws.suite.ts'
import { makePlan } from '../plan/make-plan.ts'
import { mutationsOf } from '../plan/mutations.suite.ts'
import type { ObservedState } from '../plan/observed-state.ts'
import type { PlanStep } from '../plan/plan.ts'
import { ROLE_ANNOTATION } from '../roles/annotate.ts'
import { type ActionPort, carryOut, type Pace } from './act.ts'
import { type Half, halfOf, otherHalf, partOf, withoutTaking } from './halves.ts'
import { inMemoryPort, NO_PATIENCE } from './in-memory-port.suite.ts'
import { runSteps } from './run-steps.ts'
import { refuseStale } from './stale.ts'

const RUNS = Math.ceil(60 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))
const FORCE = { adopt: false, force: true }
const AT_ONCE = { pace: NO_PATIENCE }
const QUICK: Pace = { patienceMs: 20_000, firstDelayMs: 0, maxDelayMs: 0 }

const cases = fc
  .tuple(desiredClusters, desiredClusters)
  .map(([first, second]) => {
    const state = applySteps(startState(), makePlan(first, startState(), FORCE).steps)
    return { state, wanted: second, plan: makePlan(second, state, FORCE) }
  })
  .filter(({ plan }) => plan.refusals.length === 0)

/** The person of one half: without a way to what the other half is about. */
const blindTo = (port: ActionPort, half: Half): ActionPort => ({
  look: (action) => {
    if (halfOf(action) !== half) throw new Error(`the ${half} half looked at the other side`)
    return port.look(action)
  },
  act: (action, seen) => {
    if (halfOf(action) !== half) throw new Error(`the ${half} half wrote on the other side`)
    return port.act(action, seen)
  },
})

/** One apply of one half; the steps that it did. */
async function applyHalf(
  steps: readonly PlanStep[],
  half: Half,
  { done, port }: { readonly done: ReadonlySet<string>; readonly port: ActionPort },
): Promise<readonly string[]> {
  const { own } = partOf(steps, half, done)
  const result = await runSteps(
    { steps: own, progress: new Map() },
    {
      carryOut: ({ action }) => carryOut(blindTo(port, half), action, QUICK),
      record: async () => undefined,
      onProgress: () => undefined,
      stopReason: () => undefined,
    },
  )
  expect([...result.errors.values()].map(String)).toEqual([])
  return own.map(({ id }) => id)
}

/** No service account has a role that is gone, if it was there when the annotation was made. */
function rolesInUse(state: ObservedState): readonly string[] {
  const arns = new Set(state.roles.map(({ arn }) => arn))
  return state.clusters.flatMap(({ serviceAccounts }) =>
    serviceAccounts.flatMap(({ annotations }) => {
      const arn = annotations[ROLE_ANNOTATION]
      return arn !== undefined && arns.has(arn) ? [arn] : []
    }),
  )
}

describe('two halves', () => {
  test('in either order, told of each other, end as the whole does', async () => {
    let waited = 0
    await fc.assert(
      fc.asyncProperty(
        cases,
        fc.constantFrom<Half>('aws', 'kubernetes'),
        async ({ plan: { steps }, state, wanted }, first) => {
          const port = inMemoryPort(state)
          const done = new Set<string>()
          let half = first
          for (let turns = 0; done.size < steps.length; turns += 1) {
            expect(turns).toBeLessThan(5)
            waited += partOf(steps, half, done).waiting.length
            const used = rolesInUse(port.state)
            for (const id of await applyHalf(steps, half, { done, port })) done.add(id)
            const arns = new Set(port.state.roles.map(({ arn }) => arn))
            if (half === 'aws') expect(used.filter((arn) => !arns.has(arn))).toEqual([])
            half = otherHalf(half)
          }
          expect(canonicalState(port.state)).toBe(canonicalState(applySteps(state, steps)))
          expect(makePlan(wanted, port.state, FORCE).steps).toEqual([])
        },
      ),
      { numRuns: RUNS },
    )
    expect(waited).toBeGreaterThan(0)
  })

  test('at the same time end as the whole does', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ plan: { steps }, state }) => {
        const port = inMemoryPort(state)
        const done = new Set<string>()
        for (let turns = 0; done.size < steps.length; turns += 1) {
          expect(turns).toBeLessThan(5)
          const both = await Promise.all(
            (['aws', 'kubernetes'] as const).map((half) => applyHalf(steps, half, { done, port })),
          )
          for (const id of both.flat()) done.add(id)
        }
        expect(canonicalState(port.state)).toBe(canonicalState(applySteps(state, steps)))
      }),
      { numRuns: RUNS },
    )
  })

  test('AWS takes nothing away for a plan that did not look at Kubernetes', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ state, wanted }) => {
        const blind = {
          ...state,
          clusters: state.clusters.map((one) => ({ ...one, serviceAccounts: [], namespaces: [] })),
        }
        const { refusals, steps } = makePlan(wanted, blind, FORCE)
        fc.pre(refusals.length === 0)
        const port = inMemoryPort(state)
        const own = withoutTaking(steps.filter(({ action }) => halfOf(action) === 'aws'))
        await applyHalf(own, 'aws', { done: new Set(), port })
        // What is left is a plan like any other.
        const rest = makePlan(wanted, port.state, FORCE)
        expect(rest.refusals).toEqual([])
        const end = applySteps(port.state, rest.steps)
        expect(makePlan(wanted, end, FORCE).steps).toEqual([])
        const arns = new Set(port.state.roles.map(({ arn }) => arn))
        expect(state.roles.filter(({ arn }) => !arns.has(arn))).toEqual([])
      }),
      { numRuns: RUNS },
    )
  })

  test('a plan file says the same as the plan, and is stale when that changed', async () => {
    let stale = 0
    await fc.assert(
      fc.asyncProperty(cases, async ({ plan, state, wanted }) => {
        const text = JSON.stringify(
          planFileOf({
            version: '0',
            observedAtMs: 0,
            observedBy: undefined,
            desired: wanted,
            observed: state,
            plan,
            brokerOf: () => undefined,
          }),
        )
        const file = parsePlanFile(text, 'plan.json')
        expect(file.kind).toBe(PLAN_FILE_KIND)
        expect(file.account).toEqual({ id: ACCOUNT, partition: PARTITION })
        expect(file.plan).toEqual(JSON.parse(JSON.stringify(plan)))
        await refuseStale(inMemoryPort(state), file.plan.steps, AT_ONCE)
        for (const { state: changed } of mutationsOf(state)) {
          const port = inMemoryPort(changed)
          const error = await refuseStale(port, plan.steps, AT_ONCE).catch((e: unknown) => e)
          expect(port.acts).toEqual([])
          if (error === undefined) continue
          stale += 1
          const { id } = plan.steps.find((one) => messageOf(error).includes(one.id)) ?? {}
          expect([codeOf(error), id]).toEqual(['StalePlan', expect.any(String)])
        }
      }),
      { numRuns: RUNS / 4 },
    )
    expect(stale).toBeGreaterThan(0)
  })
})
