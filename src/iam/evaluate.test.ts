import { describe, expect, test } from 'bun:test'
import { ask, HOME, pod, policy, root, service, session, source, user } from './callers.suite.ts'
import { authorize, authorizeTrust } from './evaluate.ts'
import { explainDecision } from './explain.ts'
import { principalContext } from './principal.ts'

describe('callers', () => {
  const star = source(
    policy({ Effect: 'Allow', Principal: '*', Action: 'sts:AssumeRole' }),
    'trust',
  )
  const toRole = { action: 'sts:AssumeRole', resource: `arn:aws:iam::${HOME}:role/app` }

  test('a root user may do what nobody denies, but assumes no role', () => {
    expect(authorize(ask({ caller: root }), { identity: [] }).reason).toBe('allowed-as-root')
    const denying = source(
      policy({ Effect: 'Deny', Principal: '*', Action: 's3:*', Resource: '*' }),
      'resource',
    )
    expect(authorize(ask({ caller: root }), { identity: [], resource: denying }).reason).toBe(
      'explicit-deny-in-resource-policy',
    )
    expect(authorizeTrust(ask({ ...toRole, caller: root }), star, { identity: [] }).reason).toBe(
      'root-cannot-assume-roles',
    )
  })

  test('an anonymous caller assumes no role', () => {
    const decision = authorizeTrust(ask({ ...toRole, caller: { kind: 'anonymous' } }), star, {
      identity: [],
    })
    expect(decision.reason).toBe('trust-policy-does-not-allow')
  })

  test('policies handed in for a web identity count for nothing', () => {
    const trust = source(
      policy({
        Effect: 'Allow',
        Principal: { Federated: 'provider' in pod && pod.provider },
        Action: 'sts:*',
      }),
      'trust',
    )
    const deny = source(policy({ Effect: 'Deny', Action: '*', Resource: '*' }))
    const request = ask({ ...toRole, action: 'sts:AssumeRoleWithWebIdentity', caller: pod })
    expect(authorizeTrust(request, trust, { identity: [deny], boundary: deny }).reason).toBe(
      'allowed-by-trust-policy',
    )
  })

  test('the account of another partition is another account', () => {
    const trust = source(
      policy({
        Effect: 'Allow',
        Principal: { AWS: `arn:aws-cn:iam::${HOME}:root` },
        Action: 'sts:AssumeRole',
      }),
      'trust',
    )
    const identity = [source(policy({ Effect: 'Allow', Action: '*', Resource: '*' }))]
    expect(authorizeTrust(ask(toRole), trust, { identity }).reason).toBe(
      'trust-policy-does-not-allow',
    )
  })

  test('principalContext', () => {
    expect(principalContext(session)).toEqual({
      'aws:PrincipalAccount': HOME,
      'aws:PrincipalArn': `arn:aws:iam::${HOME}:role/team/worker`,
      'aws:PrincipalIsAWSService': 'false',
      'aws:PrincipalType': 'AssumedRole',
      'aws:userid': 'AROAWORKEREXAMPLE001:run1',
    })
    expect(principalContext(user)).toMatchObject({
      'aws:PrincipalArn': `arn:aws:iam::${HOME}:user/path/alice`,
      'aws:PrincipalType': 'User',
      'aws:userid': 'AIDAALICEEXAMPLE00001',
      'aws:username': 'alice',
    })
    expect(principalContext(root)).toMatchObject({
      'aws:userid': HOME,
      'aws:PrincipalType': 'Account',
    })
    expect(principalContext(pod)).toEqual({})
    expect(principalContext(service)).toMatchObject({
      'aws:PrincipalServiceName': 'pods.eks.amazonaws.com',
    })
    expect(principalContext({ kind: 'anonymous' })).toMatchObject({
      'aws:PrincipalType': 'Anonymous',
    })
  })
})

describe('reasons of statements', () => {
  const trust = source(
    policy(
      {
        Sid: 'Other',
        Effect: 'Allow',
        Principal: { Service: 'ec2.amazonaws.com' },
        Action: 'sts:AssumeRole',
      },
      { Effect: 'Allow', Principal: { AWS: HOME }, Action: 'sts:TagSession' },
      {
        Sid: 'Red',
        Effect: 'Allow',
        Principal: { AWS: HOME },
        Action: 'sts:AssumeRole',
        Condition: { StringEquals: { 'aws:PrincipalTag/team': ['red', 'blue'] } },
      },
    ),
    'trust',
  )
  const identity = [
    source(policy({ Effect: 'Allow', Action: 'sts:*', Resource: 'arn:aws:iam::*:role/b' })),
  ]
  const request = ask({ action: 'sts:AssumeRole', resource: `arn:aws:iam::${HOME}:role/app` })

  test('name the first thing that did not match', () => {
    const { statements, reason } = authorizeTrust(
      { ...request, context: { 'aws:principaltag/TEAM': 'green' } },
      trust,
      { identity },
    )
    expect(reason).toBe('trust-policy-does-not-allow')
    expect(statements).toEqual([
      {
        policy: 'trust:1',
        policyUse: 'trust',
        statement: 'Other',
        effect: 'Allow',
        matched: false,
        mismatch: {
          reason: 'principal',
          wanted: ['Service:ec2.amazonaws.com'],
          negated: false,
          actual: `arn:aws:sts::${HOME}:assumed-role/worker/run1`,
        },
      },
      {
        policy: 'trust:1',
        policyUse: 'trust',
        statement: '#2',
        effect: 'Allow',
        matched: false,
        mismatch: {
          reason: 'action',
          wanted: ['sts:TagSession'],
          negated: false,
          actual: 'sts:AssumeRole',
        },
      },
      {
        policy: 'trust:1',
        policyUse: 'trust',
        statement: 'Red',
        effect: 'Allow',
        matched: false,
        mismatch: {
          reason: 'condition',
          operator: 'StringEquals',
          key: 'aws:PrincipalTag/team',
          wanted: ['red', 'blue'],
          actual: ['green'],
        },
      },
      {
        policy: 'identity:1',
        policyUse: 'identity',
        statement: '#1',
        effect: 'Allow',
        matched: false,
        mismatch: {
          reason: 'resource',
          wanted: ['arn:aws:iam::*:role/b'],
          negated: false,
          actual: `arn:aws:iam::${HOME}:role/app`,
        },
      },
    ])
  })

  test('explainDecision says them in sentences', () => {
    expect(explainDecision(authorizeTrust(request, trust, { identity }))).toEqual([
      `arn:aws:sts::${HOME}:assumed-role/worker/run1 may not call sts:AssumeRole on arn:aws:iam::${HOME}:role/app: no statement of the role's trust policy allows it.`,
      `Statement Other of trust policy trust:1 did not match: its principal wants "Service:ec2.amazonaws.com", the request has "arn:aws:sts::${HOME}:assumed-role/worker/run1".`,
      'Statement #2 of trust policy trust:1 did not match: its action wants "sts:TagSession", the request has "sts:AssumeRole".',
      'Statement Red of trust policy trust:1 did not match: condition StringEquals on aws:PrincipalTag/team wants "red" or "blue", the request has no such key.',
      `Statement #1 of identity policy identity:1 did not match: its resource wants "arn:aws:iam::*:role/b", the request has "arn:aws:iam::${HOME}:role/app".`,
    ])
  })

  test('a statement that matched says what its conditions found', () => {
    const Condition = {
      StringLike: { 's3:prefix': ['a/*', 'b/*'] },
      StringNotEquals: { 's3:delimiter': '|' },
    }
    const { statements } = authorize(
      { ...ask(), context: { ...ask().context, 's3:prefix': 'b/x' } },
      { identity: [source(policy({ Effect: 'Allow', Action: 's3:*', Resource: '*', Condition }))] },
    )
    expect(statements).toMatchObject([
      {
        matched: true,
        conditions: [
          { operator: 'StringLike', key: 's3:prefix', wanted: ['a/*', 'b/*'], actual: ['b/x'] },
          { operator: 'StringNotEquals', key: 's3:delimiter', wanted: ['|'], actual: undefined },
        ],
      },
    ])
  })

  test('explainDecision of a yes says how far it goes', () => {
    const sentences = explainDecision(
      authorize(ask(), {
        identity: [source(policy({ Effect: 'Allow', Action: 's3:*', Resource: '*' }))],
      }),
    )
    expect(sentences.slice(1)).toEqual([
      'Statement #1 of identity policy identity:1 allows it.',
      'As far as account policies go: policies of an organization (SCP, RCP) were not asked.',
    ])
  })
})
