/** What random operations are made of: few names, so that they meet each other, and wrong ones. */
import * as fc from 'fast-check'
import { ACCOUNT, EKS_ISSUER, ISSUER, OTHER_ACCOUNT, REGION } from '../aws-fixture.suite.ts'
import type { Condition, PolicyText, Principal, Statement } from './operations.suite.ts'
import {
  MALFORMED_PERMISSIONS,
  MALFORMED_TRUSTS,
  permissionText,
  trustText,
} from './policies.suite.ts'
import { AWS_POLICIES, SERVICE_POLICY } from './roles.suite.ts'

/** The first mostly, the second now and then. */
export const mostly = <T, U>(good: fc.Arbitrary<T>, bad: fc.Arbitrary<U>): fc.Arbitrary<T | U> =>
  fc.oneof({ weight: 30, arbitrary: good }, { weight: 1, arbitrary: bad })

/** There mostly, and left out now and then: for what a call must have. */
export const needed = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 80 })

/** There or not. */
export const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 2 })

/** Left out mostly. */
export const rarely = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, arbitrary)

export const accounts = fc.oneof(
  { weight: 10, arbitrary: fc.constant(ACCOUNT) },
  { weight: 1, arbitrary: fc.constant(OTHER_ACCOUNT) },
)

/** Role names with the path that each mostly has; two differ by case alone. */
const PATHS: Readonly<Record<string, string>> = {
  web: '/',
  WEB: '/team/',
  'a+b=c,d.e@f-g_h': '/team/eu/',
  db: '/',
}
const LONGEST = 'r'.repeat(64)
/** Most of all is done with two of them. */
const names = fc.oneof(
  { weight: 5, arbitrary: fc.constant('web') },
  { weight: 3, arbitrary: fc.constant('db') },
  { weight: 2, arbitrary: fc.constantFrom(...Object.keys(PATHS), LONGEST) },
)
const WRONG_NAMES = ['', `${LONGEST}r`, 'a b', 'a/b', 'ünï', '*']

export const roleNames = needed(mostly(names, fc.constantFrom(...WRONG_NAMES)))

/** A name for a new role, with its path. */
export const newRoles = fc
  .tuple(
    roleNames,
    mostly(
      fc.constant('own'),
      fc.constantFrom('/', '/other/', 'team', '/team', '', `/${'p'.repeat(512)}/`),
    ),
  )
  .map(([name, path]) => ({
    RoleName: name,
    Path: path === 'own' ? PATHS[name ?? ''] : path,
  }))

export const pathPrefixes = fc.constantFrom(undefined, '/', '/team/', '/team/eu', '/none/', 'team')

export const roleArnOf = (accountId: string, name: string): string =>
  `arn:aws:iam::${accountId}:role${PATHS[name] ?? '/'}${name}`

/** ARNs of roles as they mostly are; of the second account now and then. */
export const roleArns = fc.tuple(accounts, names).map(([account, name]) => roleArnOf(account, name))

export const tags = fc.array(
  fc.record({
    Key: mostly(
      fc.constantFrom('team', 'Team', 'stage', 'cost:centre', 'q'),
      fc.constantFrom('', 'k'.repeat(129), 'aws:x', 'AWS:y', 'a#b'),
    ),
    Value: mostly(
      fc.constantFrom('', 'one', 'two words', 'v'.repeat(256)),
      fc.constantFrom('v'.repeat(257), 'a<b'),
    ),
  }),
  { maxLength: 3 },
)
export const tagKeys = fc.array(
  mostly(fc.constantFrom('team', 'TEAM', 'stage', 'none'), fc.constant('')),
  { minLength: 1, maxLength: 3 },
)

/** Providers' URLs without scheme; the first two have an issuer behind them. */
export const AMBER = 'https://amber.issuer.sandbox'
const PROVIDER_URLS = [ISSUER, AMBER, `${ISSUER}/`, 'https://Case.example/ID/a'].map((url) =>
  url.slice('https://'.length),
)
export const providerUrls = fc.oneof(
  { weight: 2, arbitrary: fc.constant(ISSUER.slice('https://'.length)) },
  fc.constantFrom(...PROVIDER_URLS),
)
/** As the caller writes them. */
export const givenUrls = needed(
  mostly(
    fc
      .tuple(providerUrls, fc.constantFrom('', ':443'))
      .map(([url, port]) => `https://${url.replace(/^[^/]*/, (host) => host + port)}`),
    fc.constantFrom(
      '',
      'http://a.example',
      'https://',
      'https://a.example?x=1',
      'https://a.example:8443/x',
      'https://a.example/#x',
      `https://a.example/${'x'.repeat(240)}`,
      'a.example',
    ),
  ),
)
const providerArn = (account: string, url: string): string =>
  `arn:aws:iam::${account}:oidc-provider/${url}`
export const providerArns = needed(
  mostly(
    fc.tuple(accounts, providerUrls).map(([account, url]) => providerArn(account, url)),
    fc.constantFrom('short', `arn:aws:iam::${ACCOUNT}:role/web`, 'arn:aws:s3:::bucket/object'),
  ),
)
export const AUDIENCES = ['sts.amazonaws.com', 'STS.amazonaws.com', 'other']
export const clientIds = mostly(fc.constantFrom(...AUDIENCES), fc.constantFrom('', 'c'.repeat(256)))
export const thumbprints = fc.array(
  mostly(
    fc.constantFrom('a'.repeat(40), 'B'.repeat(40), '0123456789'.repeat(4)),
    fc.constantFrom('a'.repeat(39), 'g'.repeat(40)),
  ),
  { maxLength: 3 },
)

export const policyArns = needed(
  mostly(
    fc.constantFrom(...Object.keys(AWS_POLICIES)),
    fc.constantFrom(SERVICE_POLICY, 'arn:aws:iam::aws:policy/NoSuchPolicy', 'short'),
  ),
)
/** A boundary may be whichever policy is there. */
export const boundaryArns = mostly(
  fc.constantFrom(...Object.keys(AWS_POLICIES)),
  fc.constantFrom(`arn:aws:iam::${ACCOUNT}:policy/none`, 'short'),
)

export const NAMESPACES = ['apps', 'apps', 'web']
export const SERVICE_ACCOUNTS = ['web', 'web', 'a.b-c']
export const subjects = fc
  .tuple(fc.constantFrom(...NAMESPACES), fc.constantFrom(...SERVICE_ACCOUNTS))
  .map(([namespace, name]) => `system:serviceaccount:${namespace}:${name}`)

const condition = (
  operator: Condition['operator'],
  key: string,
  values: readonly string[],
): Condition => ({ operator, key, values })

const some = <T>(...arbitraries: readonly fc.Arbitrary<T>[]): fc.Arbitrary<readonly T[]> =>
  fc
    .tuple(...arbitraries.map((one) => optional(one)))
    .map((found) => found.filter((one) => one !== undefined))

const webIdentityConditions = (url: string): fc.Arbitrary<readonly Condition[]> =>
  some(
    fc.constantFrom(...AUDIENCES).map((one) => condition('StringEquals', `${url}:aud`, [one])),
    fc.oneof(
      subjects.map((one) => condition('StringEquals', `${url}:sub`, [one])),
      fc
        .tuple(subjects, subjects)
        .map((both) => condition('StringEquals', `${url.toUpperCase()}:SUB`, both)),
      fc
        // A star in StringEquals is a star.
        .constantFrom<Condition['operator']>('StringLike', 'StringEquals')
        .map((operator) => condition(operator, `${url}:sub`, ['system:serviceaccount:apps:*'])),
    ),
  )

const podConditions = some(
  fc
    .constantFrom(...NAMESPACES)
    .map((one) => condition('StringEquals', 'aws:RequestTag/kubernetes-namespace', [one])),
  fc
    .constantFrom('web', 'a.?-*')
    .map((one) => condition('StringLike', 'aws:RequestTag/kubernetes-service-account', [one])),
)

const effects = fc.constantFrom<Statement['effect'][]>('Allow', 'Allow', 'Allow', 'Allow', 'Deny')

function statements(
  principal: Principal,
  actions: fc.Arbitrary<readonly string[]>,
  conditions: fc.Arbitrary<readonly Condition[]>,
): fc.Arbitrary<Statement> {
  return fc.record({ effect: effects, principal: fc.constant(principal), actions, conditions })
}

const WEB = 'sts:AssumeRoleWithWebIdentity'
const webIdentityStatements = fc
  .tuple(accounts, providerUrls)
  .chain(([account, url]) =>
    statements(
      { kind: 'Federated', values: [providerArn(account, url)] },
      fc.constantFrom<readonly string[]>(
        [WEB],
        [WEB, 'sts:TagSession'],
        ['STS:assumerolewithwebidentity'],
      ),
      webIdentityConditions(url),
    ),
  )
const ASSUME = fc.constantFrom<readonly string[]>(
  ['sts:AssumeRole', 'sts:TagSession'],
  ['sts:AssumeRole', 'sts:TagSession'],
  ['sts:AssumeRole'],
)
const podStatements = statements(
  { kind: 'Service', values: ['pods.eks.amazonaws.com'] },
  ASSUME,
  fc.oneof(fc.constant([]), podConditions),
)
const rootOf = (account: string): readonly string[] => [`arn:aws:iam::${account}:root`]
const externalIds = fc
  .constantFrom('apps/web', 'web/web')
  .map((account) =>
    condition('StringEquals', 'sts:ExternalId', [`${REGION}/${ACCOUNT}/blue/${account}`]),
  )
/** A statement that lets in roles, by their names or by their account's. */
const statementsFor = (values: readonly string[]): fc.Arbitrary<Statement> =>
  statements(
    { kind: 'AWS', values },
    ASSUME,
    fc.oneof(
      fc.constant([]),
      podConditions,
      externalIds.map((one) => [one]),
    ),
  )
const roleStatements = fc
  .oneof(fc.uniqueArray(roleArns, { minLength: 1, maxLength: 2 }), accounts.map(rootOf))
  .chain(statementsFor)
/** Trust policies of roles that a pod reaches by way of another one. */
export const targetTrusts = (baseArn: string): fc.Arbitrary<PolicyText> =>
  fc.oneof(statementsFor([baseArn]), statementsFor(rootOf(ACCOUNT))).map((one) => trustText([one]))

const trusts: fc.Arbitrary<PolicyText> = fc
  .oneof(
    fc.array(webIdentityStatements, { minLength: 1, maxLength: 2 }),
    fc.array(podStatements, { minLength: 1, maxLength: 2 }),
    fc.array(roleStatements, { minLength: 1, maxLength: 2 }),
    fc.tuple(webIdentityStatements, podStatements, roleStatements),
  )
  .map(trustText)
/** Of roles as they are made for pods, for issuers and for each other. */
export const commonTrusts: fc.Arbitrary<PolicyText> = fc
  .tuple(
    webIdentityStatements,
    fc.constant<Statement>({
      effect: 'Allow',
      principal: { kind: 'Service', values: ['pods.eks.amazonaws.com'] },
      actions: ['sts:AssumeRole', 'sts:TagSession'],
      conditions: [],
    }),
  )
  .map(trustText)
export const trustDocuments = needed(mostly(trusts, fc.constantFrom(...MALFORMED_TRUSTS)))

const permissions: fc.Arbitrary<PolicyText> = fc
  .array(
    fc.record({
      effect: effects,
      actions: fc.constantFrom<readonly string[]>(['s3:GetObject'], ['sts:*'], ['sts:AssumeRole']),
      conditions: fc.constant([]),
    }),
    { minLength: 1, maxLength: 2 },
  )
  .map(permissionText)
export const permissionDocuments = needed(
  mostly(permissions, fc.constantFrom(...MALFORMED_PERMISSIONS)),
)
/** Session policies of associations: refused ones too, and one that is too long. */
export const sessionPolicies = mostly(
  permissions,
  fc.constantFrom(...MALFORMED_PERMISSIONS, {
    ...permissionText([{ effect: 'Allow', actions: [`s3:${'x'.repeat(2048)}`], conditions: [] }]),
  }),
)

/** Tokens of the issuers, for STS. */
export const webIdentityTokens = fc.record(
  {
    issuer: fc.constantFrom(ISSUER, ISSUER, ISSUER, AMBER),
    audience: fc.oneof(
      { weight: 4, arbitrary: fc.constant('sts.amazonaws.com') },
      fc.constantFrom(...AUDIENCES),
    ),
    subject: subjects,
    tags: fc.constantFrom(undefined, undefined, undefined, { team: 'one' }),
    roles: fc.oneof(
      { weight: 6, arbitrary: fc.constant(undefined) },
      fc.array(roleArns, { maxLength: 4 }),
    ),
    fault: mostly(fc.constant(undefined), fc.constantFrom('signature', 'expired')),
  },
  { requiredKeys: ['issuer', 'audience', 'subject'] },
)
/** A good one of the service account that most associations are for. */
export const goodPodTokens = fc.record({
  issuer: fc.constant(EKS_ISSUER),
  audience: fc.constant('pods.eks.amazonaws.com'),
  subject: fc.constantFrom('system:serviceaccount:apps:web', 'system:serviceaccount:web:web'),
})
/** Tokens of the clusters, for EKS Auth. */
export const podTokens = fc.record({
  issuer: fc.constant(EKS_ISSUER),
  audience: mostly(fc.constant('pods.eks.amazonaws.com'), fc.constant('sts.amazonaws.com')),
  subject: subjects,
  fault: mostly(fc.constant(undefined), fc.constantFrom('signature', 'expired')),
})
