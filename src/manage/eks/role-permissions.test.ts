import { expect, test } from 'bun:test'
import { codeOf } from '../../lib/errors.ts'
import { parsePolicy } from '../../iam/policy.ts'
import { WELL_KNOWN_POLICIES } from '../desired/well-known-policies.ts'
import { permissionsOf, type PermissionWishes } from './role-permissions.ts'

const own = (change: object = {}): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: { Sid: 'Own', Effect: 'Allow', Action: 's3:GetObject', Resource: '*' },
    ...change,
  })
const READ = 'arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess'
const wishes = (change: Partial<PermissionWishes>): PermissionWishes => ({
  policyArns: [],
  wellKnown: [],
  ...change,
})

test('without well-known ones all is as it is typed', () => {
  const policy = own({ Version: '2008-10-17' })
  expect(permissionsOf(wishes({ policyArns: [READ], policy }), 'aws')).toEqual({
    policyArns: [READ],
    policy,
  })
  expect(permissionsOf(wishes({}), 'aws')).toEqual({ policyArns: [] })
})

test('managed ones are attached, documents come behind the own statements, in the partition', () => {
  const asked = { wellKnown: ['EBScsicontroller', 'externalDNS', 'certManager'], policy: own() }
  const { policy = '', policyArns } = permissionsOf(wishes(asked), 'aws-cn')
  expect(policyArns).toEqual(['arn:aws-cn:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy'])
  const { statements } = parsePolicy(policy, 'identity')
  expect(statements[0]).toMatchObject({ sid: 'Own', actions: ['s3:GetObject'] })
  expect(statements.flatMap(({ actions = [] }) => actions)).toContain('route53:GetChange')
  expect(policy).not.toContain('"arn:aws:')
  expect(policy).toContain('"arn:aws-cn:route53:::hostedzone/*"')
})

test('all of them at once are a policy that IAM takes', () => {
  const all = wishes({ wellKnown: Object.keys(WELL_KNOWN_POLICIES) })
  const { policy = '', policyArns } = permissionsOf(all, 'aws')
  expect(policyArns).toHaveLength(2)
  expect(parsePolicy(policy, 'identity').statements.length).toBeGreaterThan(20)
  expect(policy.replaceAll(/\s/g, '').length).toBeLessThan(10_240)
})

test('what cannot be joined is refused', () => {
  const codes = [
    wishes({ wellKnown: ['dns'] }),
    wishes({ wellKnown: ['certManager'], policy: own({ Version: '2008-10-17' }) }),
    wishes({ wellKnown: ['certManager'], policy: '{"Statement":[]}' }),
  ].map((asked) => {
    try {
      return permissionsOf(asked, 'aws')
    } catch (error) {
      return codeOf(error)
    }
  })
  expect(codes).toEqual(['InvalidWellKnownPolicy', 'PolicyVersion', 'MalformedPolicyDocument'])
})
