import { expect, test } from 'bun:test'
import { parsePolicy } from '../../../iam/policy.ts'
import { WELL_KNOWN_POLICIES } from '../../../manage/desired/well-known-policies.ts'
import catalog from '../eks/addon-catalog.json'
import awsPolicies from './aws-managed-policies.json'

const named = [
  ...catalog.flatMap(({ podIdentity }) => podIdentity.flatMap(({ policies }) => policies)),
  ...Object.values(WELL_KNOWN_POLICIES).flatMap((one) => ('managed' in one ? one.managed : [])),
]

test('the policies that add-ons and well-known workloads name are there', () => {
  const there = awsPolicies.map(({ name, path }) => `${path}${name}`.slice(1))
  expect(named.length).toBeGreaterThan(3)
  expect(named.filter((one) => !there.includes(one))).toEqual([])
})

test.each(awsPolicies.map(({ document, name }) => [name, document] as const))(
  '%s is a policy as IAM reads it',
  (_, document) => {
    expect(parsePolicy(JSON.stringify(document), 'identity').statements.length).toBeGreaterThan(0)
  },
)
