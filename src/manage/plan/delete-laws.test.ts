import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import type { DesiredCluster } from '../desired/desired-state.ts'
import { isOwned } from '../../iam/tags.ts'
import { applyAction, applySteps, REGION } from './in-memory.suite.ts'
import { canonicalState, desiredClusters, disowned, othersState, startState } from './laws.suite.ts'
import { lockedOut } from './locked-out.suite.ts'
import { makeDeletePlan } from './make-delete-plan.ts'
import { makePlan } from './make-plan.ts'
import type { ObservedCluster, ObservedState } from './observed-state.ts'

const RUNS = Math.ceil(100 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))
const FORCE = { adopt: false, force: true }

function applied(clusters: readonly DesiredCluster[], state: ObservedState): ObservedState {
  return applySteps(state, makePlan(clusters, state, FORCE).steps)
}

function deleted(clusters: readonly DesiredCluster[], state: ObservedState): ObservedState {
  const { refusals, steps } = makeDeletePlan(clusters, state, FORCE)
  expect(refusals).toEqual([])
  return applySteps(state, steps)
}

/** Namespaces stay: what else is in them is not known. */
const withNamespacesOf = (state: ObservedState, of: ObservedState): ObservedState => ({
  ...state,
  clusters: state.clusters.map((one, at) => ({
    ...one,
    namespaces: of.clusters[at]?.namespaces ?? [],
  })),
})

describe('a delete', () => {
  test('leaves nothing of what an apply made, and does nothing the second time', () => {
    fc.assert(
      fc.property(desiredClusters, (clusters) => {
        const start = othersState()
        const state = deleted(clusters, applied(clusters, start))
        expect(canonicalState(withNamespacesOf(state, start))).toBe(canonicalState(start))
        expect(makeDeletePlan(clusters, state, FORCE).steps).toEqual([])
      }),
      { numRuns: RUNS },
    )
  })

  test('of other files locks nobody out who stays', () => {
    fc.assert(
      fc.property(desiredClusters, desiredClusters, (first, second) => {
        const state = applied(first, startState())
        const before = lockedOut(state)
        const after = deleted(second, state)
        expect(lockedOut(after).filter((one) => !before.includes(one))).toEqual([])
        // What the second files name is all that the first have to make again.
        const again = applied(first, after)
        expect(canonicalState(again)).toBe(canonicalState(state))
      }),
      { numRuns: RUNS },
    )
  })

  test('takes nobody else out of a role that a file gives by a pattern somewhere else', () => {
    const role = { policyArns: [], inline: {}, tags: {}, trustConditions: {} }
    const file = (serviceAccounts: DesiredCluster['serviceAccounts']): DesiredCluster => ({
      source: 'cluster.yaml',
      kind: 'eks',
      name: 'one',
      region: REGION,
      tags: {},
      withOidc: true,
      ...(serviceAccounts !== undefined && { serviceAccounts }),
    })
    const account = (name: string): NonNullable<DesiredCluster['serviceAccounts']>[number] => ({
      path: `iam.serviceAccounts[${name}]`,
      serviceAccount: { namespace: 'shop', name },
      labels: {},
      annotations: {},
      roleOnly: false,
      role: { kind: 'made', name: 'shared', ...role },
    })
    const state = applied(
      [file([account('d'), { ...account('a'), subjectPattern: 'a*' }])],
      startState(),
    )
    expect(lockedOut(state)).toEqual([])
    const other = {
      ...account('d'),
      role: { kind: 'made', ...role },
      subjectPattern: 'a*',
    } as const
    const after = deleted([file([other])], state)
    expect(lockedOut(after)).toEqual([])
    expect(after.roles.find(({ name }) => name === 'shared')?.trustPolicy).not.toContain('shop:d')
  })

  test('takes nothing that somebody else made or that was adopted', () => {
    fc.assert(
      fc.property(desiredClusters, desiredClusters, (first, second) => {
        const theirs = disowned(applied(first, startState()))
        expect(makeDeletePlan(first, theirs, FORCE).steps).toEqual([])
        const adopting = makePlan(second, theirs, { adopt: true, force: true })
        const adopted = applySteps(theirs, adopting.steps)
        const { steps } = makeDeletePlan(second, adopted, FORCE)
        const left = applySteps(adopted, steps)
        expect(left.roles.map(({ arn }) => arn)).toEqual(
          expect.arrayContaining(theirs.roles.map(({ arn }) => arn)),
        )
        expect(left.providers).toEqual(expect.arrayContaining([...theirs.providers]))
        for (const [at, cluster] of theirs.clusters.entries()) {
          const now = left.clusters[at]
          for (const kind of [
            'associations',
            'accessEntries',
            'addons',
            'serviceAccounts',
          ] as const) {
            const names = (one: ObservedCluster | undefined): readonly string[] =>
              (one?.[kind] ?? []).filter((each) => !('ownerArn' in each)).map(keyOf)
            expect(names(now)).toEqual(expect.arrayContaining([...names(cluster)]))
          }
        }
      }),
      { numRuns: RUNS },
    )
  })

  test('is undone by its inverses, step by step', () => {
    fc.assert(
      fc.property(desiredClusters, (clusters) => {
        const state = applied(clusters, startState())
        const { steps } = makeDeletePlan(clusters, state, FORCE)
        const end = applySteps(state, steps)
        expect(end.roles.filter(({ tags }) => isOwned(tags))).toEqual([])
        const undone = steps.toReversed().flatMap(({ inverse }) => inverse)
        expect(canonicalState(undone.reduce(applyAction, end))).toBe(canonicalState(state))
      }),
      { numRuns: RUNS },
    )
  })
})

function keyOf(one: object): string {
  if ('principalArn' in one) return String(one.principalArn)
  if ('serviceAccount' in one) {
    const { name, namespace } = one.serviceAccount as { name: string; namespace: string }
    return `${namespace}/${name}`
  }
  return 'name' in one ? String(one.name) : ''
}
