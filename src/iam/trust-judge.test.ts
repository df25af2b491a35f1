import { describe, expect, test } from 'bun:test'
import { addTrust, EMPTY_TRUST } from './trust-edit.ts'
import { judgeTrust, type TrustVerdict } from './trust-judge.ts'
import type { PodIdentityGrant, TrustGrant } from './trust-grant.ts'

const accountId = '111122223333'
const clusterArn = `arn:aws:eks:eu-west-1:${accountId}:cluster/prod`
const orders: PodIdentityGrant = {
  way: 'pod-identity',
  clusterArn,
  accountId,
  serviceAccounts: [{ namespace: 'shop', name: 'orders' }],
}
const untagged: PodIdentityGrant = { ...orders, disableSessionTags: true }
const fleet: TrustGrant = {
  way: 'fleet',
  partition: 'aws',
  accountId,
  issuer: 'https://fleet.example.com',
  clusters: ['edge'],
  serviceAccounts: [{ namespace: 'shop', name: 'orders' }],
}
const pods = (change: object = {}): object => ({
  Effect: 'Allow',
  Principal: { Service: 'pods.eks.amazonaws.com' },
  Action: ['sts:AssumeRole', 'sts:TagSession'],
  ...change,
})
const when = (operator: string, key: string, value: string): object => ({
  Condition: { [operator]: { [key]: value } },
})
const judge = (statements: readonly object[], grant: TrustGrant = orders): TrustVerdict =>
  judgeTrust(JSON.stringify({ Version: '2012-10-17', Statement: statements }), grant)
const yes: TrustVerdict = { admits: 'yes' }

describe('a trust policy admits a service account', () => {
  test('that podrole wrote for it, whatever the way', () => {
    for (const grant of [orders, untagged, fleet]) {
      expect(judgeTrust(addTrust(EMPTY_TRUST, grant).after, grant)).toEqual(yes)
    }
    const twice = addTrust(addTrust(EMPTY_TRUST, orders).after, untagged).after
    expect([judgeTrust(twice, orders), judgeTrust(twice, untagged)]).toEqual([yes, yes])
  })

  test('without conditions, by patterns, in one statement or in two', () => {
    expect(judge([pods()])).toEqual(yes)
    expect(judge([pods(when('StringLike', 'aws:RequestTag/kubernetes-namespace', 'sh*'))])).toEqual(
      yes,
    )
    const [assume, tag] = ['sts:AssumeRole', 'sts:TagSession'].map((Action) => pods({ Action }))
    expect(judge([assume ?? {}, tag ?? {}])).toEqual(yes)
    expect(judge([assume ?? {}], untagged)).toEqual(yes)
    expect(judge([pods(when('StringEquals', 'aws:SourceAccount', accountId))], untagged)).toEqual(
      yes,
    )
  })
})

test('by a broker that passes no tags it is admitted without them alone', () => {
  const bare: TrustGrant = { ...fleet, disableSessionTags: true }
  const written = addTrust(EMPTY_TRUST, bare).after
  expect([judgeTrust(written, bare), judgeTrust(written, fleet)]).toEqual([yes, yes])
  const document = JSON.parse(written) as { Statement: { Condition: { StringEquals: object } }[] }
  const [statement] = document.Statement
  if (statement === undefined) throw new Error('no statement')
  statement.Condition.StringEquals = {
    ...statement.Condition.StringEquals,
    'aws:RequestTag/kubernetes-namespace': 'shop',
  }
  expect(judge([statement], fleet)).toEqual(yes)
  expect(judge([statement], bare)).not.toEqual(yes)
})

describe('it does not', () => {
  test.each<[string, readonly object[], TrustGrant, string]>([
    [
      'another service',
      [pods({ Principal: { Service: 'ec2.amazonaws.com' } })],
      orders,
      'no statement trusts the service pods.eks.amazonaws.com',
    ],
    [
      'no TagSession',
      [pods({ Action: 'sts:AssumeRole' })],
      orders,
      'no statement allows sts:TagSession',
    ],
    [
      'another namespace',
      [
        pods({
          Sid: 'Bank',
          ...when('StringEquals', 'aws:RequestTag/kubernetes-namespace', 'bank'),
        }),
      ],
      orders,
      'the conditions of statement Bank keep it out',
    ],
    [
      'tags that are not there',
      [pods(when('StringEquals', 'aws:RequestTag/kubernetes-namespace', 'shop'))],
      untagged,
      'statement #1 asks for session tags, which the association disables',
    ],
    [
      'a Deny',
      [pods(), pods({ Effect: 'Deny', ...when('StringEquals', 'aws:SourceAccount', accountId) })],
      orders,
      'statement #2 denies it',
    ],
    [
      'no provider',
      [pods()],
      fleet,
      `no statement trusts arn:aws:iam::${accountId}:oidc-provider/fleet.example.com`,
    ],
  ])('%s', (_name, statements, grant, why) => {
    expect(judge(statements, grant)).toEqual({ admits: 'no', why })
  })

  test('say where only AWS knows a key', () => {
    const arn = when('StringEquals', 'aws:SourceArn', clusterArn)
    expect(judge([pods(arn)])).toEqual({ admits: 'maybe', keys: ['aws:SourceArn'] })
    const pod = when('StringLike', 'aws:RequestTag/kubernetes-pod-name', 'orders-*')
    expect(judge([pods(pod)])).toMatchObject({ admits: 'maybe' })
    expect(judge([pods(pod)], untagged)).toMatchObject({ admits: 'no' })
    const both = {
      Condition: {
        StringEquals: { 'aws:SourceArn': clusterArn, 'aws:RequestTag/kubernetes-namespace': 'x' },
      },
    }
    expect(judge([pods(both)])).toMatchObject({ admits: 'no' })
  })
})
