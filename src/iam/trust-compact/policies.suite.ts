/** Generated trust policies, and every token that they could be about; for tests. */
import * as fc from 'fast-check'
import type { PolicyDocument } from '../policy-document.ts'
import type { Caller } from '../request.ts'
import { authorizeTrust } from '../evaluate.ts'

const ACCOUNT = '111122223333'
const HOSTS = ['one.example.com', 'two.example.com/id/A'] as const
const SUBJECTS = ['a:x', 'a:y', 'a:yy', 'b:x', 'b:z', 'a:*', 'b:?', 'a:y*', '*:x'] as const
const AUDIENCES = ['sts.amazonaws.com', 'vault'] as const
const CLUSTERS = ['blue', 'green', 'grey'].map(
  (name) => `arn:aws:eks:eu-west-1:${ACCOUNT}:cluster/${name}`,
)
const NAMESPACES = ['a', 'b'] as const
const NAMES = ['x', 'y', 'z', 'x*'] as const
const TAG = 'aws:RequestTag/'
const WEB = ['sts:AssumeRoleWithWebIdentity', 'sts:TagSession'] as const
const EKS = ['sts:AssumeRole', 'sts:TagSession'] as const

interface Token {
  readonly caller: Caller
  readonly action: string
  readonly context: Readonly<Record<string, string>>
}

const absent = undefined
const SEEN_SUBJECTS = [
  absent,
  'a:x',
  'a:y',
  'a:yy',
  'a:q',
  'b:x',
  'b:z',
  'b:zz',
  'c:x',
  'A:X',
  'a:*',
]
const SEEN_AUDIENCES = [absent, ...AUDIENCES, 'other']

function product(
  keys: Readonly<Record<string, readonly (string | undefined)[]>>,
): Record<string, string>[] {
  return Object.entries(keys).reduce<Record<string, string>[]>(
    (contexts, [key, values]) =>
      contexts.flatMap((context) =>
        values.map((value) => (value === undefined ? context : { ...context, [key]: value })),
      ),
    [{}],
  )
}

/** Members and near misses of all policies that are generated. */
export const UNIVERSE: readonly Token[] = [
  ...HOSTS.flatMap((host, at) => {
    const caller: Caller = {
      kind: 'web-identity',
      provider: `arn:aws:iam::${ACCOUNT}:oidc-provider/${host}`,
    }
    const contexts = product({
      [`${host}:sub`]: SEEN_SUBJECTS,
      [`${host}:aud`]: SEEN_AUDIENCES,
      'aws:SourceIp': ['192.0.2.1', '198.51.100.1'],
    })
    const stranger = product({
      [`${HOSTS[1 - at]}:sub`]: ['a:x'],
      [`${HOSTS[1 - at]}:aud`]: AUDIENCES,
    })
    return [...WEB, 'sts:AssumeRole'].flatMap((action) =>
      [...contexts, ...stranger].map((context) => ({ caller, action, context })),
    )
  }),
  ...['pods.eks.amazonaws.com', 'ec2.amazonaws.com'].flatMap((service) =>
    EKS.flatMap((action) =>
      product({
        [`${TAG}eks-cluster-arn`]: [absent, ...CLUSTERS, `${CLUSTERS[0]}x`],
        [`${TAG}kubernetes-namespace`]: [absent, ...NAMESPACES, 'c'],
        [`${TAG}kubernetes-service-account`]: [absent, 'x', 'xx', 'y', 'z', 'q'],
        'aws:SourceAccount': [ACCOUNT],
      }).map((context) => ({ caller: { kind: 'service' as const, service }, action, context })),
    ),
  ),
]

/** Which of the universe's tokens a role with these policies takes, as one string of 0 and 1. */
export const admittedOf = (documents: readonly PolicyDocument[]): string =>
  UNIVERSE.map((token) =>
    documents.some((document) => isAdmitted(document, token)) ? '1' : '0',
  ).join('')

function isAdmitted(document: PolicyDocument, token: Token): boolean {
  const request = { ...token, resource: '*', resourceAccountId: ACCOUNT }
  return authorizeTrust(request, { name: 'trust', document }, { identity: [] }).allowed
}

const some = <T>(values: readonly T[], maxLength = 4): fc.Arbitrary<T | T[]> =>
  fc
    .subarray([...values], { minLength: 1, maxLength: Math.min(maxLength, values.length) })
    .map((chosen) => (chosen.length === 1 && chosen[0] !== undefined ? chosen[0] : chosen))

const isWild = (values: string | string[]): boolean =>
  [values].flat().some((one) => /[*?]/.test(one))

type Conditions = Record<string, Record<string, unknown>>

function put(conditions: Conditions, operator: string, key: string, value: unknown): Conditions {
  return { ...conditions, [operator]: { ...conditions[operator], [key]: value } }
}

const list = (conditions: Conditions, key: string, values: string | string[]): Conditions =>
  put(conditions, isWild(values) ? 'StringLike' : 'StringEquals', key, values)

/** Conditions that are wholes, and the rare case that a statement asks for less. */
const EXTRAS: readonly Conditions[] = [
  ...Array.from({ length: 12 }, () => ({})),
  { IpAddress: { 'aws:SourceIp': '192.0.2.0/24' } },
  { StringNotEquals: { 'aws:SourceIp': '192.0.2.1' } },
  { StringNotLike: { 'aws:SourceIp': ['192.*'] } },
  { Bool: { 'sts:RoleAuthorizedByIdp': 'true' } },
  { Null: { 'sts:SourceIdentity': 'true' } },
]

const irsa = fc
  .record({
    host: fc.constantFrom(HOSTS[0], HOSTS[0], HOSTS[1]),
    subjects: some(SUBJECTS),
    audiences: fc.oneof(fc.constant('sts.amazonaws.com'), some(AUDIENCES)),
    action: fc.constantFrom(WEB[0], WEB[0], WEB[0], [...WEB]),
    extra: fc.constantFrom(...EXTRAS),
    lacks: fc.constantFrom('', '', '', '', '', '', '', 'aud'),
    literalStar: fc.integer({ min: 0, max: 19 }).map((roll) => roll === 0),
  })
  .map(({ action, audiences, extra, host, lacks, literalStar, subjects }) => {
    const aud = lacks === 'aud' ? extra : list(extra, `${host}:aud`, audiences)
    const sub = literalStar
      ? put(aud, 'StringEquals', `${host}:sub`, 'a:*')
      : list(aud, `${host}:sub`, subjects)
    return {
      Effect: 'Allow',
      Principal: { Federated: `arn:aws:iam::${ACCOUNT}:oidc-provider/${host}` },
      Action: action,
      Condition: sub,
    }
  })

const podIdentity = fc
  .record({
    clusters: some(CLUSTERS, 2),
    namespaces: some(NAMESPACES, 2),
    names: some(NAMES, 3),
    lacks: fc.constantFrom('', '', '', '', '', '', 'eks-cluster-arn'),
  })
  .map(({ clusters, lacks, names, namespaces }) => {
    const within = list({}, `${TAG}kubernetes-namespace`, namespaces)
    const cluster = lacks === '' ? list(within, `${TAG}eks-cluster-arn`, clusters) : within
    return {
      Effect: 'Allow',
      Principal: { Service: 'pods.eks.amazonaws.com' },
      Action: [...EKS],
      Condition: list(cluster, `${TAG}kubernetes-service-account`, names),
    }
  })

const foreign = fc.constantFrom<object>(
  { Effect: 'Allow', Principal: { AWS: ACCOUNT }, Action: 'sts:AssumeRole' },
  {
    Effect: 'Deny',
    Principal: '*',
    Action: 'sts:*',
    Condition: { StringLike: { [`${HOSTS[0]}:sub`]: 'a:y*' } },
  },
  { Effect: 'Deny', Principal: { AWS: '*' }, Action: 'sts:TagSession' },
  { Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' },
)

/** The text of a trust policy, with Sids here and there, podrole's own among them. */
export const trustPolicies: fc.Arbitrary<string> = fc
  .record({
    statements: fc.array(
      fc.oneof(
        { weight: 8, arbitrary: irsa },
        { weight: 6, arbitrary: podIdentity },
        { weight: 1, arbitrary: foreign },
      ),
      { minLength: 1, maxLength: 9 },
    ),
    sids: fc.array(fc.constantFrom('', 'Mine', 'PodroleIrsa', 'PodrolePodIdentity'), {
      minLength: 9,
      maxLength: 9,
    }),
    indent: fc.constantFrom(0, 0, 2),
  })
  .map(({ indent, sids, statements }) => {
    const Statement = statements.map((statement, at) => {
      const sid = sids[at] ?? ''
      const tail = sid.startsWith('Podrole') ? `0000000${at}` : String(at)
      return sid === '' ? statement : { Sid: `${sid}${tail}`, ...statement }
    })
    return JSON.stringify({ Version: '2012-10-17', Statement }, undefined, indent)
  })
