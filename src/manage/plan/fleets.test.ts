/** One statement of a fleet is for all of its clusters; a file speaks of some. */
import { describe, expect, test } from 'bun:test'
import type { DesiredCluster } from '../desired/desired-state.ts'
import { ACCOUNT, applySteps, emptyState } from './in-memory.suite.ts'
import { makePlan } from './make-plan.ts'
import type { ObservedState } from './observed-state.ts'

const FLEET = 'https://broker.example.com/fleet'

function fleetState(...names: string[]): ObservedState {
  const empty = emptyState(...names)
  const clusters = empty.clusters.map((one) => ({
    ...one,
    arn: one.arn.replace(':eks:', ':podrole:'),
    fleetIssuer: FLEET,
  }))
  const arn = `arn:aws:iam::${ACCOUNT}:oidc-provider/broker.example.com/fleet`
  return { ...empty, clusters, providers: [{ arn, clientIds: ['sts.amazonaws.com'], tags: {} }] }
}

const shared = (cluster: string, ...names: string[]): DesiredCluster => ({
  source: `${cluster}.yaml`,
  kind: 'self-managed',
  name: cluster,
  region: 'eu-central-1',
  tags: {},
  broker: 'https://broker.example.com',
  associations: names.map((name, at) => ({
    path: `iam.podIdentityAssociations[${at}]`,
    serviceAccount: { namespace: 'apps', name },
    createServiceAccount: false,
    disableSessionTags: false,
    tags: {},
    role: {
      kind: 'made',
      name: 'fleet',
      policyArns: [],
      inline: {},
      tags: {},
      trustConditions: {},
    },
  })),
})

function subjectsOf(state: ObservedState): readonly string[] {
  const [role] = state.roles
  return [...(role?.trustPolicy ?? '').matchAll(/"cluster:([^"]+)"/g)].map(([, one = '']) => one)
}

function apply(state: ObservedState, ...clusters: DesiredCluster[]): ObservedState {
  const plan = makePlan(clusters, state)
  expect(plan.refusals).toEqual([])
  const after = applySteps(state, plan.steps)
  expect(makePlan(clusters, after).steps).toEqual([])
  return after
}

describe('a role that clusters of a fleet share', () => {
  const both = apply(
    fleetState('edge-1', 'edge-2'),
    shared('edge-1', 'a'),
    shared('edge-2', 'a', 'b'),
  )

  test('has one statement for all', () => {
    expect(both.roles).toHaveLength(1)
    expect(subjectsOf(both)).toEqual([
      'edge-1:system:serviceaccount:apps:a',
      'edge-2:system:serviceaccount:apps:a',
      'edge-2:system:serviceaccount:apps:b',
    ])
  })

  test('keeps the other clusters when a file speaks of one', () => {
    expect(subjectsOf(apply(both, shared('edge-1', 'c')))).toEqual([
      'edge-1:system:serviceaccount:apps:c',
      'edge-2:system:serviceaccount:apps:a',
      'edge-2:system:serviceaccount:apps:b',
    ])
    expect(subjectsOf(apply(both, shared('edge-1')))).toEqual([
      'edge-2:system:serviceaccount:apps:a',
      'edge-2:system:serviceaccount:apps:b',
    ])
  })

  test('goes with the last of them', () => {
    const one = apply(both, shared('edge-2'))
    expect(subjectsOf(one)).toEqual(['edge-1:system:serviceaccount:apps:a'])
    expect(apply(one, shared('edge-1')).roles).toEqual([])
  })
})

test('a fleet whose issuer the account does not know is refused', () => {
  const state = { ...fleetState('edge-1'), providers: [] }
  expect(makePlan([shared('edge-1', 'a')], state).refusals).toMatchObject([{ code: 'NoProvider' }])
})
