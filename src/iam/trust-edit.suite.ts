/** Trust policies of others, and grants, for the tests of trust edits. */
import * as fc from 'fast-check'
import type { JsonNode } from './json-document.ts'
import { parseJsonDocument } from './json-document.ts'
import type { ServiceAccountName } from './service-account-name.ts'
import type { TrustGrant } from './trust-grant.ts'

export const ACCOUNT = '111122223333'
export const ISSUER_A = 'https://issuer.example.com/a'
export const ISSUER_B = 'https://s3.eu-west-1.amazonaws.com/clusters/b'
export const FLEET = 'https://fleet.example.com'
export const CLUSTER_ARN = `arn:aws:eks:eu-west-1:${ACCOUNT}:cluster/prod`
const PROVIDER_A = `arn:aws:iam::${ACCOUNT}:oidc-provider/issuer.example.com/a`

export const account = (text: string): ServiceAccountName => {
  const [namespace = '', name = ''] = text.split('/')
  return { namespace, name }
}

export const irsa = (issuer: string, ...names: readonly string[]): TrustGrant => ({
  way: 'irsa',
  partition: 'aws',
  accountId: ACCOUNT,
  issuer,
  serviceAccounts: names.map(account),
})

export const fleet = (clusters: readonly string[], ...names: readonly string[]): TrustGrant => ({
  way: 'fleet',
  partition: 'aws',
  accountId: ACCOUNT,
  issuer: FLEET,
  clusters,
  serviceAccounts: names.map(account),
})

export const podIdentity = (...names: readonly string[]): TrustGrant => ({
  way: 'pod-identity',
  clusterArn: CLUSTER_ARN,
  accountId: ACCOUNT,
  serviceAccounts: names.map(account),
})

/** Statements that others wrote; none of them is podrole's, whatever they look like. */
export const FOREIGN: readonly unknown[] = [
  { Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' },
  {
    Sid: 'Team',
    Effect: 'Allow',
    Principal: { AWS: ['111122223333', 'arn:aws:iam::444455556666:root'] },
    Action: ['sts:AssumeRole', 'sts:TagSession', 'sts:SetSourceIdentity'],
    Condition: { StringEquals: { 'sts:ExternalId': 'é ü ß \\ "quoted"' } },
  },
  {
    Sid: '',
    Effect: 'Allow',
    Principal: '*',
    NotAction: 'sts:AssumeRoleWithSAML',
    Condition: { ArnLike: { 'aws:PrincipalArn': 'arn:aws:iam::*:role/ci-*' } },
  },
  { Effect: 'Deny', NotPrincipal: { AWS: '111122223333' }, Action: 'sts:*' },
  // Looks like podrole's own: for another provider, with another action, without its audience.
  {
    Sid: 'PodroleIrsa',
    Effect: 'Allow',
    Principal: { Federated: 'arn:aws:iam::111122223333:oidc-provider/issuer.example.com/other' },
    Action: 'sts:AssumeRoleWithWebIdentity',
    Condition: {
      StringEquals: {
        'issuer.example.com/other:aud': 'sts.amazonaws.com',
        'issuer.example.com/other:sub': 'system:serviceaccount:shop:orders',
      },
    },
  },
  {
    Sid: 'PodroleIrsaTeam',
    Effect: 'Allow',
    Principal: { Federated: [PROVIDER_A] },
    Action: 'sts:AssumeRoleWithWebIdentity',
    Condition: {
      StringEquals: {
        'issuer.example.com/a:aud': 'sts.amazonaws.com',
        'issuer.example.com/a:sub': 'system:serviceaccount:theirs:app',
      },
    },
  },
  {
    Sid: 'PodroleIrsa0123abcd',
    Effect: 'Allow',
    Principal: { Federated: PROVIDER_A },
    Action: 'sts:AssumeRoleWithWebIdentity',
    Condition: {
      StringEquals: {
        'issuer.example.com/a:aud': 'sts.amazonaws.com',
        'issuer.example.com/a:sub': 'system:serviceaccount:*:*',
      },
    },
  },
  {
    Effect: 'Allow',
    Principal: { Federated: PROVIDER_A },
    Action: 'sts:AssumeRoleWithWebIdentity',
    Condition: {
      StringEquals: { 'issuer.example.com/a:aud': 'sts.amazonaws.com' },
      StringLike: { 'Issuer.Example.com/A:SUB': ['system:serviceaccount:open:*'] },
    },
  },
  {
    Sid: 'Vpce',
    Effect: 'Deny',
    Principal: { AWS: '*' },
    Action: 'sts:AssumeRoleWithWebIdentity',
    Condition: {
      StringNotEquals: { 'aws:SourceVpce': 'vpce-1' },
      Bool: { 'aws:ViaAWSService': false },
    },
  },
  {
    Sid: 'NotIntruder',
    Effect: 'Deny',
    Principal: '*',
    Action: 'sts:AssumeRoleWithWebIdentity',
    Condition: { StringLike: { 'issuer.example.com/a:sub': 'system:serviceaccount:barred:*' } },
  },
  {
    Effect: 'Allow',
    Principal: { Service: 'pods.eks.amazonaws.com' },
    Action: ['sts:AssumeRole', 'sts:TagSession'],
    Condition: { StringEquals: { 'aws:RequestTag/kubernetes-namespace': 'open' } },
  },
]

const NAMES = ['shop/orders', 'shop/stock', 'open/any', 'theirs/app', 'barred/app'] as const
const PATTERNS = ['shop/*', 'shop/o*', 'jobs-*/batch'] as const
const MANY = [...NAMES, ...PATTERNS]

const names = fc.uniqueArray(fc.constantFrom(...MANY), { minLength: 1, maxLength: 3 })
const clusters = fc.uniqueArray(fc.constantFrom('edge', 'prod-1', 'prod-*'), {
  minLength: 1,
  maxLength: 2,
})

export const grants: fc.Arbitrary<TrustGrant> = fc.oneof(
  fc
    .tuple(fc.constantFrom(ISSUER_A, ISSUER_B), names)
    .map(([issuer, some]) => irsa(issuer, ...some)),
  fc.tuple(clusters, names).map(([some, all]) => fleet(some, ...all)),
  names.map((some) => podIdentity(...some)),
)

const shuffled = (value: unknown): fc.Arbitrary<unknown> => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return fc.constant(value)
  const entries = Object.entries(value)
  return fc
    .shuffledSubarray(entries, { minLength: entries.length, maxLength: entries.length })
    .map((members) => Object.fromEntries(members))
}

/** Policies of others as text: statements with members in any order, an Id, white space. */
export const foreignPolicies: fc.Arbitrary<string> = fc
  .record({
    statements: fc
      .uniqueArray(fc.nat({ max: FOREIGN.length - 1 }), { minLength: 1, maxLength: 5 })
      .chain((all) => fc.tuple(...all.map((at) => shuffled(FOREIGN[at])))),
    id: fc.option(fc.constantFrom('policy 1', 'é'), { nil: undefined }),
    version: fc.constantFrom('2012-10-17', '2008-10-17', undefined),
    indent: fc.constantFrom(0, 2),
    stray: fc.boolean(),
  })
  .map(({ statements, id, version, indent, stray }) =>
    JSON.stringify(
      {
        ...(id !== undefined && { Id: id }),
        ...(stray && { Comment: { count: 1.5, list: [null, true, 1e3] } }),
        Statement: statements,
        ...(version !== undefined && { Version: version }),
      },
      null,
      indent,
    ),
  )

/** A node with the members of objects in order of their keys: what parsed JSON compares. */
export function canonical(node: JsonNode): unknown {
  if (node.kind === 'array') return node.items.map(canonical)
  if (node.kind !== 'object') return node
  return node.members
    .map(({ key, value }) => [key, canonical(value)] as const)
    .sort(([one], [other]) => (one < other ? -1 : Number(one > other)))
}

export const parsed = (text: string): unknown => canonical(parseJsonDocument(text))
