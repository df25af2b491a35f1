/** Without session tags a role's trust is for the whole account: no statement names a cluster. */
import { describe, expect, test } from 'bun:test'
import type {
  DesiredAssociation,
  DesiredCluster,
  DesiredServiceAccount,
} from '../desired/desired-state.ts'
import { applySteps, emptyState } from './in-memory.suite.ts'
import { makeDeletePlan } from './make-delete-plan.ts'
import { makePlan } from './make-plan.ts'
import type { ObservedState } from './observed-state.ts'

const OPTIONS = { adopt: false, force: true }
const role = {
  kind: 'made',
  name: 'shared',
  policyArns: [],
  inline: {},
  tags: {},
  trustConditions: {},
} as const

const cluster = (
  name: string,
  lists: Pick<DesiredCluster, 'associations' | 'serviceAccounts'>,
): DesiredCluster => ({
  source: `${name}.yaml`,
  kind: 'eks',
  name,
  region: 'eu-central-1',
  tags: {},
  withOidc: true,
  ...lists,
})
const untagged = (name: string): DesiredAssociation => ({
  path: `iam.podIdentityAssociations[0]`,
  serviceAccount: { namespace: 'apps', name },
  createServiceAccount: false,
  disableSessionTags: true,
  tags: {},
  role,
})
const irsa = (name: string): DesiredServiceAccount => ({
  path: `iam.serviceAccounts[0]`,
  serviceAccount: { namespace: 'apps', name },
  labels: {},
  annotations: {},
  roleOnly: true,
  role,
})

function apply(state: ObservedState, ...clusters: DesiredCluster[]): ObservedState {
  const plan = makePlan(clusters, state, OPTIONS)
  expect(plan.refusals).toEqual([])
  const after = applySteps(state, plan.steps)
  expect(makePlan(clusters, after, OPTIONS).steps).toEqual([])
  return after
}

const sidsOf = ({ roles }: ObservedState): readonly string[] => {
  const text = roles.find(({ name }) => name === 'shared')?.trustPolicy ?? '{"Statement":[]}'
  const { Statement } = JSON.parse(text) as { readonly Statement: readonly { Sid: string }[] }
  return Statement.map(({ Sid }) => Sid.replace(/[0-9a-f]{8}$/, ''))
}

describe('the statement of a role that was made for a cluster with service accounts alone', () => {
  const one = cluster('one', { serviceAccounts: [irsa('web')] })
  const both = apply(
    emptyState('one', 'two'),
    one,
    cluster('two', { associations: [untagged('job')] }),
  )

  test('goes with the last association without tags', () => {
    expect(both.roles.map(({ tags }) => tags['podrole.dev/cluster'])).toEqual([
      both.clusters[0]?.arn ?? '',
    ])
    expect(sidsOf(both)).toEqual(['PodroleIrsa', 'PodrolePodIdentityUntagged'])
    expect(sidsOf(apply(both, one, cluster('two', { associations: [] })))).toEqual(['PodroleIrsa'])
  })

  test('goes with the role', () => {
    const none = [cluster('one', { serviceAccounts: [] }), cluster('two', { associations: [] })]
    expect(apply(both, ...none).roles).toEqual([])
  })

  test('stays while no file speaks of that cluster', () => {
    const after = apply(both, cluster('two', { associations: [] }))
    expect(sidsOf(after)).toContain('PodrolePodIdentityUntagged')
  })

  test('stays while somebody has the role by an association that no file speaks of', () => {
    const more = apply(both, one, cluster('two', { associations: [untagged('job')] }))
    const byHand: ObservedState = {
      ...more,
      clusters: more.clusters.map((each) =>
        each.name === 'one'
          ? {
              ...each,
              associations: more.clusters.flatMap(({ associations }) =>
                associations.map((association) => ({ ...association, tags: {} })),
              ),
            }
          : each,
      ),
    }
    const after = apply(byHand, one, cluster('two', { associations: [] }))
    expect(sidsOf(after)).toEqual(['PodroleIrsa', 'PodrolePodIdentityUntagged'])
  })

  test('goes with a delete of both files', () => {
    const files = [one, cluster('two', { associations: [untagged('job')] })]
    const plan = makeDeletePlan(files, both, OPTIONS)
    expect(applySteps(both, plan.steps).roles).toEqual([])
  })
})
