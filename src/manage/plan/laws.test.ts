import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import type { DesiredCluster } from '../desired/desired-state.ts'
import { ROLE_ANNOTATION } from '../roles/annotate.ts'
import { givenTrust } from './given-trust.ts'
import { applyAction, applySteps } from './in-memory.suite.ts'
import { canonicalState, desiredClusters, disowned, othersState, startState } from './laws.suite.ts'
import { makePlan } from './make-plan.ts'
import { mutationsOf, subjectOf } from './mutations.suite.ts'
import type { ObservedCluster, ObservedState } from './observed-state.ts'
import { type RoleUse, roleUsesOf } from './role-uses.ts'

const RUNS = Math.ceil(100 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))
const ROOMY = { value: 8192, isLive: true, text: '8192' }
const FORCE = { adopt: false, force: true }

function applied(clusters: readonly DesiredCluster[], state: ObservedState): ObservedState {
  const plan = makePlan(clusters, state, FORCE)
  expect(plan.refusals).toEqual([])
  return applySteps(state, plan.steps)
}

/** Which role the use has come to, by its association or its annotation. */
function roleArnFor(cluster: ObservedCluster, { block, serviceAccount }: RoleUse): string {
  const { name, namespace } = serviceAccount
  const isThis = (one: { serviceAccount: { name: string; namespace: string } }): boolean =>
    one.serviceAccount.name === name && one.serviceAccount.namespace === namespace
  return block === 'iam.podIdentityAssociations'
    ? (cluster.associations.find(isThis)?.settings.roleArn ?? '')
    : (cluster.serviceAccounts.find(isThis)?.annotations[ROLE_ANNOTATION] ?? '')
}

const listsNothing = (desired: DesiredCluster): DesiredCluster => ({
  ...desired,
  associations: [],
  serviceAccounts: [],
  addons: [],
  access: { path: 'accessConfig', entries: [] },
})

/** What is there, but for associations that add-ons make themselves. */
const namesIn = (state: ObservedState): string[] => [
  ...state.roles.map(({ arn }) => arn),
  ...state.clusters.flatMap((one) => [
    ...one.associations
      .filter(({ ownerArn }) => ownerArn === undefined)
      .map(({ serviceAccount }) => `${one.name} association ${nameOf(serviceAccount)}`),
    ...one.serviceAccounts.map(({ serviceAccount }) => `${one.name} ${nameOf(serviceAccount)}`),
    ...one.accessEntries.map(({ principalArn }) => `${one.name} ${principalArn}`),
    ...one.addons.map(({ name }) => `${one.name} add-on ${name}`),
  ]),
]

const nameOf = ({
  name,
  namespace,
}: {
  readonly name: string
  readonly namespace: string
}): string => `${namespace}/${name}`

/**
 * What the file lists, as it is: its settings and tags, but for roles and what AWS gives a number.
 * A service account keeps what others wrote on it, so of that only what the file says counts.
 */
function listedIn(desired: DesiredCluster, state: ObservedState): readonly unknown[] {
  const cluster = state.clusters.find(({ name }) => name === desired.name)
  if (cluster === undefined) throw new Error(`no cluster ${desired.name}`)
  const of = <T extends { readonly serviceAccount: { name: string; namespace: string } }>(
    list: readonly T[],
    { serviceAccount }: Pick<T, 'serviceAccount'>,
  ): readonly T[] => list.filter((one) => nameOf(one.serviceAccount) === nameOf(serviceAccount))
  const values = (
    is: Readonly<Record<string, string>>,
    wanted: Readonly<Record<string, string>>,
  ): readonly unknown[] => Object.keys(wanted).map((key) => [key, is[key]])
  return [
    ...(desired.associations ?? []).flatMap((one) =>
      of(cluster.associations, one).map(({ settings, tags }) => ({
        settings: { ...settings, roleArn: undefined },
        tags,
      })),
    ),
    ...(desired.serviceAccounts ?? []).flatMap((one) =>
      of(one.roleOnly ? [] : cluster.serviceAccounts, one).map(({ annotations, labels }) => [
        values(annotations, one.annotations),
        values(labels, one.labels),
      ]),
    ),
    ...(desired.access?.entries ?? []).flatMap((entry) =>
      cluster.accessEntries
        .filter((one) => one.principalArn === entry.principalArn)
        .map(({ groups, policies, tags, type, username }) => ({
          // Names that EKS gives nodes stay where the file says none.
          ...((entry.groups !== undefined || type === 'STANDARD') && { groups: groups.toSorted() }),
          ...(type === 'STANDARD' && { username }),
          policies: policies.map((one) => JSON.stringify(one)).sort(),
          tags,
          type,
        })),
    ),
    ...(desired.addons ?? []).flatMap(({ name }) =>
      cluster.addons
        .filter((one) => one.name === name)
        .map(({ settings: { associations, serviceAccountRoleArn }, tags }) => ({
          associations: associations.map(({ serviceAccount }) => serviceAccount),
          hasRole: serviceAccountRoleArn !== undefined,
          tags,
        })),
    ),
  ]
}

const countOf = ({ access, addons, associations, serviceAccounts }: DesiredCluster): number =>
  (associations ?? []).length +
  (serviceAccounts ?? []).filter(({ roleOnly }) => !roleOnly).length +
  (access?.entries ?? []).length +
  (addons ?? []).length

const isRoleOnly = (desired: DesiredCluster, { block, path }: RoleUse): boolean =>
  block === 'iam.serviceAccounts' &&
  desired.serviceAccounts?.find((one) => path.endsWith(one.path))?.roleOnly === true

describe('a plan', () => {
  test('leaves nothing to plan, whatever was there before', () => {
    fc.assert(
      fc.property(desiredClusters, desiredClusters, (first, second) => {
        const state = applied(second, applied(first, startState()))
        const again = makePlan(second, state, FORCE)
        expect(again.steps.map(({ action }) => action)).toEqual([])
        expect(again.refusals).toEqual([])
      }),
      { numRuns: RUNS },
    )
  })

  test('brings all that files list to what they say, whatever was there before', () => {
    fc.assert(
      fc.property(desiredClusters, desiredClusters, (first, second) => {
        const fresh = applied(second, startState())
        const state = applied(second, applied(first, startState()))
        for (const desired of second) {
          const wanted = listedIn(desired, fresh)
          expect(wanted.length).toBe(countOf(desired))
          expect(listedIn(desired, state)).toEqual(wanted)
        }
      }),
      { numRuns: RUNS },
    )
  })

  test('gives every service account its role, and the role its permissions', () => {
    fc.assert(
      fc.property(desiredClusters, desiredClusters, (first, second) => {
        const state = applied(second, applied(first, startState()))
        for (const desired of second) {
          const observed = state.clusters.find(({ name }) => name === desired.name)
          if (observed === undefined) throw new Error('no cluster')
          for (const use of roleUsesOf({ desired, observed })) {
            if (isRoleOnly(desired, use)) continue
            const role = state.roles.find(({ arn }) => arn === roleArnFor(observed, use))
            if (role === undefined) throw new Error(`no role for ${use.path}`)
            expect(givenTrust(role.trustPolicy, [use]).subjects).toEqual([])
            if (use.role.kind === 'given') continue
            expect(role.policyArns.toSorted()).toEqual(use.role.policyArns.toSorted())
            expect(role.inline).toEqual(use.role.inline)
            expect(role.boundaryArn).toBe(use.role.boundaryArn)
          }
        }
      }),
      { numRuns: RUNS },
    )
  })

  test('is undone by its inverses, step by step', () => {
    fc.assert(
      fc.property(desiredClusters, desiredClusters, (first, second) => {
        let state = applied(first, startState())
        const before = canonicalState(state)
        const { steps } = makePlan(second, state, FORCE)
        for (const { action, inverse } of steps) {
          const next = applyAction(state, action)
          const back = canonicalState(inverse.reduce(applyAction, next))
          if (back !== canonicalState(state)) expect(back).toBe(canonicalState(state))
          state = next
        }
        const undone = steps.toReversed().flatMap(({ inverse }) => inverse)
        expect(canonicalState(undone.reduce(applyAction, state))).toBe(before)
      }),
      { numRuns: RUNS },
    )
  })

  test('shows exactly what was changed by hand, and puts it back', () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(desiredClusters, (clusters) => {
        // Roles that are full may hand service accounts to one another when one of them changes.
        const state = applied(clusters, { ...startState(), trustQuota: ROOMY })
        const whole = canonicalState(state)
        for (const { name, state: changed, subject } of mutationsOf(state)) {
          seen.add(name)
          const { refusals, remarks, steps } = makePlan(clusters, changed, FORCE)
          const subjects = [...new Set(steps.map(({ action }) => subjectOf(action)))]
          if (refusals.length > 0 || subjects.join() !== subject) {
            expect({ name, refusals, subjects }).toEqual({
              name,
              refusals: [],
              subjects: [subject],
            })
          }
          const mended = canonicalState(applySteps(changed, steps))
          // A statement of somebody else's stays, and is told of.
          if (name === 'role trust emptied') {
            expect(remarks.map(({ code }) => code)).toContain('foreign-statement')
          } else if (mended !== whole) expect(`${name}\n${mended}`).toBe(`${name}\n${whole}`)
        }
      }),
      { numRuns: Math.ceil(RUNS / 5), endOnFailure: true },
    )
    expect(seen.size).toBeGreaterThan(20)
  })

  test('never touches what others made', () => {
    fc.assert(
      fc.property(desiredClusters, desiredClusters, (first, second) => {
        const others = othersState()
        const state = applied(second, applied(first, others))
        for (const [at, cluster] of others.clusters.entries()) {
          expect(state.clusters[at]?.associations).toEqual(
            expect.arrayContaining([...cluster.associations]),
          )
          expect(state.clusters[at]?.accessEntries).toEqual(
            expect.arrayContaining([...cluster.accessEntries]),
          )
          expect(state.clusters[at]?.serviceAccounts).toEqual(
            expect.arrayContaining([...cluster.serviceAccounts]),
          )
          expect(state.clusters[at]?.addons).toEqual(expect.arrayContaining([...cluster.addons]))
        }
        expect(state.roles).toEqual(expect.arrayContaining([...others.roles]))
      }),
      { numRuns: RUNS },
    )
  })

  test('adopts what others made, once', () => {
    fc.assert(
      fc.property(desiredClusters, desiredClusters, (first, second) => {
        const theirs = disowned(applied(first, startState()))
        const plan = makePlan(second, theirs, { adopt: true, force: true })
        expect(plan.refusals).toEqual([])
        expect(
          plan.steps.filter(({ action }) => /^delete-(?:role|service)/.test(action.do)),
        ).toEqual([])
        const state = applySteps(theirs, plan.steps)
        const again = makePlan(second, state, FORCE)
        expect(again.refusals).toEqual([])
        expect(again.steps.map(({ action }) => action)).toEqual([])
        // What was adopted is never deleted, also when no file names it any more.
        const gone = applySteps(state, makePlan(second.map(listsNothing), state, FORCE).steps)
        expect(namesIn(gone)).toEqual(expect.arrayContaining(namesIn(theirs)))
      }),
      { numRuns: RUNS },
    )
  })

  test('is the same in whatever order AWS lists things', () => {
    fc.assert(
      fc.property(desiredClusters, desiredClusters, (first, second) => {
        const state = applied(first, startState())
        const turned = {
          ...state,
          roles: state.roles.toReversed(),
          providers: state.providers.toReversed(),
          clusters: state.clusters.toReversed().map((one) => ({
            ...one,
            associations: one.associations.toReversed(),
            accessEntries: one.accessEntries.toReversed(),
            serviceAccounts: one.serviceAccounts.toReversed(),
          })),
        }
        const ids = (from: ObservedState): readonly string[] =>
          makePlan(second, from, FORCE)
            .steps.map(({ id }) => id)
            .sort()
        expect(ids(turned)).toEqual(ids(state))
      }),
      { numRuns: RUNS },
    )
  })

  test('has every step once, behind what it depends on', () => {
    fc.assert(
      fc.property(desiredClusters, desiredClusters, (first, second) => {
        const { steps } = makePlan(second, applied(first, startState()), FORCE)
        const done = new Set<string>()
        for (const { dependsOn, id } of steps) {
          expect(done.has(id)).toBe(false)
          expect(dependsOn.filter((before) => !done.has(before))).toEqual([])
          done.add(id)
        }
      }),
      { numRuns: RUNS },
    )
  })
})
