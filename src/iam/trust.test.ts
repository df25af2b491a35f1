import { describe, expect, test } from 'bun:test'
import { PodroleError } from '../lib/errors.ts'
import { authorizeTrust } from './evaluate.ts'
import { parsePolicy } from './policy.ts'
import type { Caller, ContextKeys } from './request.ts'
import { fleetSubject, parseServiceAccountName, subjectOf } from './service-account-name.ts'
import { fleetTrust, irsaTrust, podIdentityTrust } from './trust.ts'
import type { TrustPolicyDocument } from './trust.ts'

const accountId = '111122223333'
const partition = 'aws'
const issuer = 'https://issuer.example.com/One'
const HOST = 'issuer.example.com/One'
const WEB = 'sts:AssumeRoleWithWebIdentity'
const worker = parseServiceAccountName('payments/worker')
const pod: Caller = {
  kind: 'web-identity',
  provider: `arn:aws:iam::${accountId}:oidc-provider/${HOST}`,
}
const service: Caller = { kind: 'service', service: 'pods.eks.amazonaws.com' }

const allows = (
  trust: TrustPolicyDocument,
  action: string,
  context: ContextKeys,
  caller: Caller = pod,
): boolean => {
  const document = parsePolicy(JSON.stringify(trust), 'trust')
  const request = {
    caller,
    action,
    resource: `arn:aws:iam::${accountId}:role/app`,
    resourceAccountId: accountId,
    context,
  }
  return authorizeTrust(request, { name: 'trust', document }, { identity: [] }).allowed
}

const token = (sub: string, aud: string | undefined = 'sts.amazonaws.com'): ContextKeys => ({
  [`${HOST}:sub`]: sub,
  ...(aud === undefined ? {} : { [`${HOST}:aud`]: aud }),
})

const codeThrownBy = (act: () => unknown): string => {
  try {
    act()
  } catch (error) {
    expect(error).toBeInstanceOf(PodroleError)
    return (error as PodroleError).code
  }
  return 'nothing was thrown'
}

describe('irsaTrust', () => {
  const input = { partition, accountId, issuer, subjects: [worker] }

  test('is one narrow statement', () => {
    expect(irsaTrust(input)).toEqual({
      Version: '2012-10-17',
      Statement: [
        {
          Sid: 'PodroleIrsa',
          Effect: 'Allow',
          Principal: { Federated: `arn:aws:iam::${accountId}:oidc-provider/${HOST}` },
          Action: WEB,
          Condition: {
            StringEquals: {
              [`${HOST}:aud`]: 'sts.amazonaws.com',
              [`${HOST}:sub`]: 'system:serviceaccount:payments:worker',
            },
          },
        },
      ],
    })
  })

  test('admits its subject and no near miss', () => {
    const trust = irsaTrust(input)
    const sub = subjectOf(worker)
    expect(allows(trust, WEB, token(sub))).toBe(true)
    for (const near of [
      'system:serviceaccount:payments:worker2',
      'system:serviceaccount:payments:Worker',
      'system:serviceaccount:payments2:worker',
      'system:serviceaccount:default:worker',
      `cluster:a:${sub}`,
      'system:serviceaccount:payments:*',
      '',
    ]) {
      expect([near, allows(trust, WEB, token(near))]).toEqual([near, false])
    }
    expect(allows(trust, WEB, { [`${HOST}:sub`]: sub })).toBe(false)
    expect(allows(trust, WEB, token(sub, 'kubernetes.default.svc'))).toBe(false)
    expect(allows(trust, WEB, { [`${HOST}:aud`]: 'sts.amazonaws.com' })).toBe(false)
    expect(allows(trust, 'sts:AssumeRole', token(sub))).toBe(false)
    expect(allows(trust, 'sts:TagSession', token(sub))).toBe(false)
    const otherIssuer: Caller = {
      kind: 'web-identity',
      provider: `${'provider' in pod && pod.provider}2`,
    }
    expect(allows(trust, WEB, token(sub), otherIssuer)).toBe(false)
    expect(allows(trust, WEB, token(sub), service)).toBe(false)
  })

  test('several subjects are a list, a name with a star makes it StringLike', () => {
    const subjects = [worker, parseServiceAccountName('payments/cron')]
    const listed = irsaTrust({ ...input, subjects })
    expect(Object.keys(listed.Statement[0].Condition)).toEqual(['StringEquals'])
    expect(allows(listed, WEB, token('system:serviceaccount:payments:cron'))).toBe(true)
    expect(allows(listed, WEB, token('system:serviceaccount:payments:other'))).toBe(false)
    const like = irsaTrust({ ...input, subjects: [worker, { namespace: 'jobs', name: 'batch-*' }] })
    expect(Object.keys(like.Statement[0].Condition)).toEqual(['StringEquals', 'StringLike'])
    expect(allows(like, WEB, token('system:serviceaccount:jobs:batch-7'))).toBe(true)
    expect(allows(like, WEB, token(subjectOf(worker)))).toBe(true)
    expect(allows(like, WEB, token('system:serviceaccount:jobs:other'))).toBe(false)
    expect(allows(like, WEB, token('system:serviceaccount:jobs2:batch-7'))).toBe(false)
    expect(allows(like, WEB, { [`${HOST}:sub`]: 'system:serviceaccount:jobs:batch-7' })).toBe(false)
  })

  test('another audience', () => {
    const trust = irsaTrust({ ...input, audience: 'sts.example.com' })
    expect(allows(trust, WEB, token(subjectOf(worker), 'sts.example.com'))).toBe(true)
    expect(allows(trust, WEB, token(subjectOf(worker)))).toBe(false)
  })

  test('refuses what would be wide or broken', () => {
    const refused = (change: Partial<Parameters<typeof irsaTrust>[0]>): string =>
      codeThrownBy(() => irsaTrust({ ...input, ...change }))
    expect(refused({ subjects: [] })).toBe('InvalidTrust')
    expect(refused({ subjects: [{ namespace: '*', name: 'worker' }] })).toBe(
      'InvalidServiceAccountName',
    )
    expect(refused({ subjects: [{ namespace: 'a', name: 'b:c' }] })).toBe(
      'InvalidServiceAccountName',
    )
    expect(refused({ subjects: [{ namespace: 'a', name: '${aws:x}' }] })).toBe(
      'InvalidServiceAccountName',
    )
    expect(refused({ issuer: 'https://a.example:8443' })).toBe('InvalidIssuerUrl')
    expect(refused({ audience: '' })).toBe('InvalidAudience')
    expect(refused({ audience: '${aws:x}' })).toBe('InvalidAudience')
    expect(refused({ accountId: '1' })).toBe('InvalidArn')
  })
})

describe('fleetTrust', () => {
  const input = {
    partition,
    accountId,
    issuer,
    clusters: ['prod-1', 'prod-2'],
    serviceAccount: worker,
  }
  const fleetToken = (cluster: string, authorized = 'true'): ContextKeys => ({
    ...token(fleetSubject(cluster, worker)),
    'sts:RoleAuthorizedByIdp': authorized,
  })

  test('is one narrow statement', () => {
    expect(fleetTrust(input).Statement).toEqual([
      {
        Sid: 'PodroleFleet',
        Effect: 'Allow',
        Principal: { Federated: `arn:aws:iam::${accountId}:oidc-provider/${HOST}` },
        Action: [WEB, 'sts:TagSession'],
        Condition: {
          StringEquals: {
            [`${HOST}:aud`]: 'sts.amazonaws.com',
            [`${HOST}:sub`]: [
              'cluster:prod-1:system:serviceaccount:payments:worker',
              'cluster:prod-2:system:serviceaccount:payments:worker',
            ],
          },
          Bool: { 'sts:RoleAuthorizedByIdp': 'true' },
        },
      },
    ])
  })

  test('admits its clusters and no near miss, for both actions', () => {
    const trust = fleetTrust(input)
    for (const action of [WEB, 'sts:TagSession']) {
      expect(allows(trust, action, fleetToken('prod-1'))).toBe(true)
      expect(allows(trust, action, fleetToken('prod-2'))).toBe(true)
      expect(allows(trust, action, fleetToken('prod-3'))).toBe(false)
      expect(allows(trust, action, fleetToken('prod-1', 'false'))).toBe(false)
      expect(allows(trust, action, token(fleetSubject('prod-1', worker)))).toBe(false)
      expect(allows(trust, action, { ...fleetToken('prod-1'), ...token(subjectOf(worker)) })).toBe(
        false,
      )
      const other = fleetSubject('prod-1', { namespace: 'payments2', name: 'worker' })
      expect(allows(trust, action, { ...fleetToken('prod-1'), ...token(other) })).toBe(false)
      const noAudience = { [`${HOST}:sub`]: fleetSubject('prod-1', worker) }
      const authorized = { 'sts:RoleAuthorizedByIdp': 'true' }
      expect(allows(trust, action, { ...noAudience, ...authorized })).toBe(false)
    }
  })

  test('a pattern admits later clusters inside it only', () => {
    const trust = fleetTrust({ ...input, clusters: { pattern: 'prod-*' } })
    expect(allows(trust, WEB, fleetToken('prod-99'))).toBe(true)
    expect(allows(trust, WEB, fleetToken('stage-1'))).toBe(false)
    expect(allows(trust, WEB, fleetToken('xprod-1'))).toBe(false)
    expect(allows(trust, WEB, fleetToken('prod-99', 'false'))).toBe(false)
    const other = fleetSubject('prod-99', { namespace: 'payments', name: 'worker2' })
    expect(allows(trust, WEB, { ...fleetToken('prod-99'), ...token(other) })).toBe(false)
  })

  test('refuses clusters that are no names', () => {
    const refused = (clusters: Parameters<typeof fleetTrust>[0]['clusters']): string =>
      codeThrownBy(() => fleetTrust({ ...input, clusters }))
    expect(refused([])).toBe('InvalidTrust')
    expect(refused(['prod-*'])).toBe('InvalidClusterName')
    expect(refused(['a:b'])).toBe('InvalidClusterName')
    expect(refused({ pattern: '' })).toBe('InvalidClusterName')
    expect(refused({ pattern: '*:*' })).toBe('InvalidClusterName')
    expect(refused({ pattern: 'a'.repeat(101) })).toBe('InvalidClusterName')
  })
})

describe('podIdentityTrust', () => {
  const clusterArn = `arn:aws:eks:eu-west-1:${accountId}:cluster/prod`
  const input = { clusterArn, serviceAccount: worker, accountId }
  const tags = (change: ContextKeys = {}): ContextKeys => ({
    'aws:RequestTag/eks-cluster-arn': clusterArn,
    'aws:RequestTag/eks-cluster-name': 'prod',
    'aws:RequestTag/kubernetes-namespace': 'payments',
    'aws:RequestTag/kubernetes-service-account': 'worker',
    'aws:SourceAccount': accountId,
    ...change,
  })

  test('admits its service account and no near miss, for both actions', () => {
    const trust = podIdentityTrust(input)
    expect(trust.Statement[0].Action).toEqual(['sts:AssumeRole', 'sts:TagSession'])
    for (const action of ['sts:AssumeRole', 'sts:TagSession']) {
      expect(allows(trust, action, tags(), service)).toBe(true)
      const misses: readonly ContextKeys[] = [
        tags({ 'aws:RequestTag/kubernetes-namespace': 'payments2' }),
        tags({ 'aws:RequestTag/kubernetes-service-account': 'worker2' }),
        tags({ 'aws:RequestTag/eks-cluster-arn': `${clusterArn}2` }),
        tags({ 'aws:RequestTag/eks-cluster-arn': clusterArn.replace('eu-west-1', 'eu-west-2') }),
        { 'aws:SourceAccount': accountId },
      ]
      for (const miss of misses) expect(allows(trust, action, miss, service)).toBe(false)
      const other: Caller = { kind: 'service', service: 'ec2.amazonaws.com' }
      expect(allows(trust, action, tags(), other)).toBe(false)
      expect(allows(trust, action, tags())).toBe(false)
    }
  })

  test('without session tags the account is left', () => {
    const trust = podIdentityTrust({ ...input, disableSessionTags: true })
    expect(trust.Statement[0].Condition).toEqual({
      StringEquals: { 'aws:SourceAccount': accountId },
    })
    expect(allows(trust, 'sts:AssumeRole', { 'aws:SourceAccount': accountId }, service)).toBe(true)
    expect(allows(trust, 'sts:AssumeRole', { 'aws:SourceAccount': '444455556666' }, service)).toBe(
      false,
    )
    expect(allows(trust, 'sts:AssumeRole', {}, service)).toBe(false)
  })

  test('refuses what is no cluster of the account', () => {
    const refused = (change: Partial<Parameters<typeof podIdentityTrust>[0]>): string =>
      codeThrownBy(() => podIdentityTrust({ ...input, ...change }))
    expect(refused({ accountId: '444455556666' })).toBe('InvalidTrust')
    expect(refused({ clusterArn: 'prod' })).toBe('InvalidArn')
    expect(refused({ clusterArn: `arn:aws:eks:eu-west-1:${accountId}:nodegroup/prod` })).toBe(
      'InvalidTrust',
    )
    expect(refused({ clusterArn: `arn:aws:eks:eu-west-1:${accountId}:cluster/*` })).toBe(
      'InvalidTrust',
    )
    expect(refused({ serviceAccount: { namespace: 'payments', name: '*' } })).toBe(
      'InvalidServiceAccountName',
    )
  })
})

test('every Sid is letters and digits, and every document fits a role without a quota increase', () => {
  const documents = [
    irsaTrust({ partition, accountId, issuer, subjects: [worker] }),
    fleetTrust({ partition, accountId, issuer, clusters: ['a'], serviceAccount: worker }),
    podIdentityTrust({
      clusterArn: `arn:aws:eks:eu-west-1:${accountId}:cluster/prod`,
      serviceAccount: worker,
      accountId,
    }),
  ]
  for (const document of documents) {
    expect(document.Statement).toHaveLength(1)
    expect(document.Statement[0].Sid).toMatch(/^[A-Za-z0-9]+$/)
    expect(JSON.stringify(document).length).toBeLessThan(2048)
  }
})

describe('parseServiceAccountName', () => {
  test('reads NAMESPACE/NAME', () => {
    expect(parseServiceAccountName('kube-system/aws.node-1')).toEqual({
      namespace: 'kube-system',
      name: 'aws.node-1',
    })
  })

  test.each([
    ['', 'NAMESPACE/NAME'],
    ['a', 'NAMESPACE/NAME'],
    ['a/b/c', 'NAMESPACE/NAME'],
    ['/b', 'namespace is empty'],
    ['a/', 'name is empty'],
    ['a.b/c', 'namespace must be lower-case'],
    ['A/b', 'namespace must be lower-case'],
    ['a/-b', 'name must be lower-case'],
    ['a/b..c', 'name must be lower-case'],
    ['a/b_c', 'name must be lower-case'],
    ['a/b*', 'name must be lower-case'],
    [`${'a'.repeat(64)}/b`, 'at most 63'],
    [`a/${'b'.repeat(254)}`, 'at most 253'],
  ])('refuses %p: %s', (text, wanted) => {
    expect(() => parseServiceAccountName(text)).toThrow(wanted)
    expect(codeThrownBy(() => parseServiceAccountName(text))).toBe('InvalidServiceAccountName')
  })
})
