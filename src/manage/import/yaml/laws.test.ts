import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import type {
  AddonIdentity,
  DesiredCluster,
  DesiredRole,
  MadeRole,
} from '../../desired/desired-state.ts'
import { readDesired } from '../../desired/read-desired.ts'
import { applySteps } from '../../plan/in-memory.suite.ts'
import { desiredClusters, disowned, othersState, startState } from '../../plan/laws.suite.ts'
import { makePlan } from '../../plan/make-plan.ts'
import { mutationsOf } from '../../plan/mutations.suite.ts'
import type { ObservedState } from '../../plan/observed-state.ts'
import type { Imported, ImportScope } from '../imported.ts'
import { importYaml } from './settle.ts'

const RUNS = Math.ceil(100 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))
const ROOMY = { value: 8192, isLive: true, text: '8192' }
const WHOLE: ImportScope = { namespaces: [], serviceAccounts: [] }

const applied = (clusters: readonly DesiredCluster[], state: ObservedState): ObservedState =>
  applySteps(state, makePlan(clusters, state, { adopt: false, force: true }).steps)

/** What a plan of the imported file does. */
function planned(state: ObservedState, scope = WHOLE, names?: readonly string[]): Imported {
  const clusters = state.clusters
    .filter(({ name }) => names === undefined || names.includes(name))
    .map((cluster) => ({ place: { name: cluster.name, region: cluster.region }, cluster }))
  const imported = importYaml({ clusters, observed: state, scope })
  const { clusters: read } = readDesired([{ name: 'imported.yaml', text: imported.text }])
  expect(read.length).toBe(clusters.length)
  const { refusals, steps } = makePlan(read, state)
  expect(refusals).toEqual([])
  expect(steps.map(({ action }) => action)).toEqual([])
  return imported
}

/** What a file can say: an association and its role have the same tags, one inline policy, … */
const sayable = (clusters: readonly DesiredCluster[]): readonly DesiredCluster[] =>
  clusters.map((cluster) => ({
    ...cluster,
    ...(cluster.serviceAccounts !== undefined && {
      serviceAccounts: cluster.serviceAccounts.map((one) => {
        const { subjectPattern: pattern, ...others } = one
        const { name } = one.serviceAccount
        // Nothing names a service account that is not there and that its role does not admit.
        const isNamed = !one.roleOnly || pattern === undefined || admits(pattern, name)
        const made = isNamed ? one : others
        return { ...made, role: plain(one.role, cluster, isNamed ? pattern : undefined) }
      }),
    }),
    ...(cluster.associations !== undefined && {
      associations: cluster.associations.map((one) => {
        const role = plain(one.role, cluster)
        if (role.kind === 'given') return { ...one, role }
        const { policy: _policy, ...others } = one
        const own = role.name === undefined ? one : { ...others, disableSessionTags: false }
        return { ...own, role, tags: role.tags }
      }),
    }),
    ...(cluster.addons !== undefined && {
      addons: cluster.addons.map((one) => ({ ...one, tags: {}, identity: bare(one.identity) })),
    }),
  }))

const admits = (pattern: string, name: string): boolean =>
  pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name

/** A role is shared by a list of one cluster alone, and two lists ask for the same of it. */
function plain(
  role: DesiredRole,
  { name: cluster }: DesiredCluster,
  subjectPattern?: string,
): DesiredRole {
  if (role.kind === 'given') return role
  const { name } = role
  const isShared = name !== undefined && subjectPattern === undefined
  const [text] = Object.values(role.inline)
  return {
    ...withoutName(role),
    policyArns: ['arn:aws:iam::aws:policy/A', ...role.policyArns.slice(1)].filter(isFirst),
    inline: text === undefined ? {} : { podrole: text },
    ...(isShared && { name: `${name}-${cluster}` }),
  }
}

const isFirst = (one: string, at: number, all: readonly string[]): boolean =>
  all.indexOf(one) === at

const withoutName = ({ name: _name, ...role }: MadeRole): MadeRole & { readonly kind: 'made' } => ({
  ...role,
  kind: 'made',
})

function bare(identity: AddonIdentity): AddonIdentity {
  const role = (one: DesiredRole): DesiredRole =>
    one.kind === 'given'
      ? one
      : { ...one, tags: {}, trustConditions: {}, inline: {}, policyArns: [ADDON_POLICY] }
  if (identity.kind === 'irsa') return { ...identity, role: role(identity.role) }
  if (identity.kind !== 'associations') return identity
  const associations = identity.associations.map((one) => ({ ...one, role: role(one.role) }))
  return { ...identity, associations }
}

const ADDON_POLICY = 'arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy'

describe('an imported file plans to nothing', () => {
  test('where files made all of it', () => {
    fc.assert(
      fc.property(desiredClusters, desiredClusters, (first, second) => {
        planned(applied(second, applied(first, startState())))
      }),
      { numRuns: RUNS },
    )
  })

  test('and says all that the file before it said', () => {
    fc.assert(
      fc.property(desiredClusters, (clusters) => {
        const wanted = sayable(clusters)
        const { leftOut, text } = planned(applied(wanted, { ...startState(), trustQuota: ROOMY }))
        expect(leftOut).toEqual([])
        expect(text).not.toMatch(/ (?:role|attachRole|serviceAccountRole)ARN: \S*role\/(?!team)/)
      }),
      { numRuns: RUNS },
    )
  })

  test('where others made all of it, and then nothing of it is claimed', () => {
    fc.assert(
      fc.property(desiredClusters, (clusters) => {
        const { text } = planned(disowned(applied(clusters, startState())))
        expect(text).not.toMatch(/roleName|permissionPolic|attachPolic|createServiceAccount/)
      }),
      { numRuns: RUNS },
    )
  })

  test('where both did, for one cluster of two, and for a namespace', () => {
    fc.assert(
      fc.property(desiredClusters, (clusters) => {
        const state = applied(clusters, othersState())
        planned(state)
        planned(state, WHOLE, ['one'])
        planned(state, { namespaces: ['shop'], serviceAccounts: [] })
      }),
      { numRuns: RUNS },
    )
  })

  test('whatever was changed by hand', () => {
    fc.assert(
      fc.property(desiredClusters, (clusters) => {
        const state = applied(clusters, startState())
        for (const { state: changed } of mutationsOf(state)) planned(changed)
      }),
      { numRuns: Math.ceil(RUNS / 20), endOnFailure: true },
    )
  })
})
