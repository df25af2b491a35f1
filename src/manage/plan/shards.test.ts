import { expect, test } from 'bun:test'
import type { DesiredCluster } from '../desired/desired-state.ts'
import { applySteps, emptyState, REGION } from './in-memory.suite.ts'
import { makePlan } from './make-plan.ts'

/** Service accounts of a cluster that share one role. */
const sharing = (cluster: string, ...names: readonly string[]): DesiredCluster => ({
  source: `${cluster}.yaml`,
  kind: 'eks',
  name: cluster,
  region: REGION,
  tags: {},
  associations: names.map((name, at) => ({
    path: `iam.podIdentityAssociations[${at}]`,
    serviceAccount: { namespace: 'shop', name },
    createServiceAccount: false,
    disableSessionTags: false,
    tags: {},
    role: {
      kind: 'made',
      name: 'shared',
      policyArns: [],
      inline: {},
      tags: {},
      trustConditions: {},
    },
  })),
})

test('a role is full to the last character, beside statements for clusters that no file speaks of', () => {
  const start = emptyState('one', 'two')
  const both = makePlan([sharing('one', 'a'), sharing('two', 'a')], start)
  const before = applySteps(start, both.steps)
  const wanted = [sharing('two', 'a', 'b')]
  const trustOf = (value: number): readonly [refusals: number, lengths: readonly number[]] => {
    const state = { ...before, trustQuota: { value, isLive: true, text: String(value) } }
    const { refusals, steps } = makePlan(wanted, state)
    const { roles } = applySteps(state, steps)
    return [refusals.length, roles.map(({ trustPolicy }) => trustPolicy.length)]
  }
  const [, [whole = 0]] = trustOf(8192)
  expect(trustOf(whole)).toEqual([0, [whole]])
  const [refused, lengths] = trustOf(whole - 1)
  expect([refused, lengths.length]).toEqual([0, 2])
})
