/** Wishes and worlds for the laws of plans. */
import * as fc from 'fast-check'
import { parseJsonDocument } from '../../iam/json-document.ts'
import type {
  DesiredAccessEntry,
  DesiredAddon,
  DesiredAssociation,
  DesiredCluster,
  DesiredRole,
  DesiredServiceAccount,
} from '../desired/desired-state.ts'
import { canonicalJson } from './canonical-json.ts'
import { ACCOUNT, emptyState, REGION } from './in-memory.suite.ts'
import type { ObservedState } from './observed-state.ts'

const POLICIES = [
  'AmazonS3ReadOnlyAccess',
  'AmazonS3FullAccess',
  'AmazonEC2ContainerRegistryReadOnly',
].map((name) => `arn:aws:iam::aws:policy/${name}`)
export const GIVEN = `arn:aws:iam::${ACCOUNT}:role/team/given`
const policyText = (action: string): string =>
  `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"${action}","Resource":"*"}]}`

const tags = fc.dictionary(fc.constantFrom('team', 'env', 'Owner'), fc.constantFrom('a', 'b', ''), {
  maxKeys: 2,
})

const made = fc.record({
  kind: fc.constant('made' as const),
  policyArns: fc.uniqueArray(fc.constantFrom(...POLICIES), { maxLength: 3 }),
  inline: fc.dictionary(
    fc.constantFrom('podrole', 'Policy1'),
    fc.constantFrom(policyText('s3:*'), policyText('sqs:*')),
    { maxKeys: 2 },
  ),
  tags,
  trustConditions: fc.constantFrom({}, {}, { Bool: { 'aws:SecureTransport': 'true' } }),
})

const withBoundary = fc
  .tuple(made, fc.constantFrom(undefined, undefined, 'arn:aws:iam::aws:policy/AdministratorAccess'))
  .map(([role, boundaryArn]): DesiredRole =>
    boundaryArn === undefined ? role : { ...role, boundaryArn },
  )

/** One that several service accounts share, of both clusters. */
const shared: DesiredRole = {
  kind: 'made',
  name: 'shared',
  policyArns: POLICIES.slice(0, 1),
  inline: {},
  tags: { team: 'all' },
  trustConditions: {},
}

const role = fc.oneof(
  { weight: 4, arbitrary: withBoundary },
  { weight: 1, arbitrary: fc.constant<DesiredRole>({ kind: 'given', arn: GIVEN }) },
  { weight: 2, arbitrary: fc.constant(shared) },
)

const name = fc.constantFrom('a', 'b', 'c', 'd')
const serviceAccountName = fc.record({
  namespace: fc.constantFrom('default', 'shop', 'ops'),
  name,
})
const keyOf = ({
  serviceAccount,
}: {
  serviceAccount: { namespace: string; name: string }
}): string => `${serviceAccount.namespace}/${serviceAccount.name}`

const associations = fc
  .uniqueArray(
    fc.record({
      serviceAccount: serviceAccountName,
      createServiceAccount: fc.boolean(),
      role,
      tags,
      extra: fc.constantFrom(
        { disableSessionTags: false },
        { disableSessionTags: false },
        { disableSessionTags: true },
        { disableSessionTags: true, policy: policyText('s3:Get*') },
        { disableSessionTags: false, targetRoleArn: 'arn:aws:iam::444455556666:role/far' },
      ),
    }),
    { selector: keyOf, maxLength: 6 },
  )
  .map((list) =>
    list.map(({ extra, ...one }, at): DesiredAssociation => ({
      path: `iam.podIdentityAssociations[${at}]`,
      ...one,
      ...extra,
    })),
  )

const serviceAccounts = fc
  .uniqueArray(
    fc.record({
      serviceAccount: serviceAccountName,
      labels: fc.dictionary(fc.constantFrom('app', 'tier'), fc.constantFrom('x', 'y'), {
        maxKeys: 1,
      }),
      annotations: fc.dictionary(fc.constant('note'), fc.constantFrom('x', 'y'), { maxKeys: 1 }),
      roleOnly: fc.boolean(),
      role,
      subjectPattern: fc.constantFrom(undefined, undefined, 'a*'),
    }),
    { selector: keyOf, maxLength: 5 },
  )
  .map((list) =>
    list.map(({ subjectPattern, ...one }, at): DesiredServiceAccount => {
      const path = `iam.serviceAccounts[${at}]`
      const isPattern = subjectPattern !== undefined && one.role.kind === 'made'
      return isPattern ? { path, ...one, subjectPattern } : { path, ...one }
    }),
  )

const accessPolicy = fc
  .tuple(
    fc.constantFrom('AmazonEKSViewPolicy', 'AmazonEKSEditPolicy', 'AmazonEKSAdminPolicy'),
    fc.constantFrom(undefined, ['shop'], ['ops', 'x']),
  )
  .map(([policy, namespaces]) => {
    const policyArn = `arn:aws:eks::aws:cluster-access-policy/${policy}`
    return namespaces === undefined ? { policyArn } : { policyArn, namespaces }
  })

const entries = fc
  .uniqueArray(
    fc.record({
      principalArn: name.map((one) => `arn:aws:iam::${ACCOUNT}:role/person-${one}`),
      type: fc.constantFrom('STANDARD', 'STANDARD', 'EC2'),
      policies: fc.uniqueArray(accessPolicy, { selector: (one) => one.policyArn, maxLength: 2 }),
      tags,
      groups: fc.constantFrom(undefined, ['readers'], ['writers', 'readers']),
    }),
    { selector: (one) => one.principalArn, maxLength: 3 },
  )
  .map((list) =>
    list.map(({ groups, ...one }, at): DesiredAccessEntry => {
      const path = `accessConfig.accessEntries[${at}]`
      return groups === undefined ? { path, ...one } : { path, ...one, groups }
    }),
  )

const agent = fc
  .record({ version: fc.constantFrom('latest', 'default', 'v1.3.8-eksbuild.2'), tags })
  .map((one): DesiredAddon => ({
    path: 'addons[0]',
    name: 'eks-pod-identity-agent',
    identity: { kind: 'unspoken' },
    ...one,
  }))
const driverRole = withBoundary.map((one): DesiredAddon['identity'] => ({
  kind: 'associations',
  associations: [
    {
      path: 'addons[1].podIdentityAssociations[0]',
      serviceAccount: { namespace: 'kube-system', name: 'ebs-csi-controller-sa' },
      role: one,
    },
  ],
}))
const driver = fc
  .record({
    identity: fc.oneof(
      fc.constant<DesiredAddon['identity']>({ kind: 'recommended' }),
      fc.constant<DesiredAddon['identity']>({ kind: 'associations', associations: [] }),
      driverRole,
      withBoundary.map((one): DesiredAddon['identity'] => ({ kind: 'irsa', role: one })),
    ),
    tags,
  })
  .map((one): DesiredAddon => ({ path: 'addons[1]', name: 'aws-ebs-csi-driver', ...one }))

const addons = fc
  .tuple(fc.option(agent), fc.option(driver))
  .map((both) => both.filter((one): one is DesiredAddon => one !== null))

/** What one cluster is to be; where both lists name a service account, with the same role. */
const cluster = (clusterName: string): fc.Arbitrary<DesiredCluster> =>
  fc
    .record({
      tags: fc.constant({}),
      associations: fc.option(associations, { nil: undefined }),
      serviceAccounts: fc.option(serviceAccounts, { nil: undefined }),
      addons: fc.option(addons, { nil: undefined }),
      entries: fc.option(entries, { nil: undefined }),
    })
    .map((one): DesiredCluster => {
      const roles = new Map((one.associations ?? []).map((each) => [keyOf(each), each.role]))
      const irsa = one.serviceAccounts?.map((each) => ({
        ...each,
        role: roles.get(keyOf(each)) ?? each.role,
      }))
      return {
        source: 'cluster.yaml',
        kind: 'eks',
        name: clusterName,
        region: REGION,
        tags: one.tags,
        withOidc: true,
        ...(one.associations !== undefined && { associations: one.associations }),
        ...(irsa !== undefined && { serviceAccounts: irsa }),
        ...(one.addons !== undefined && { addons: one.addons }),
        ...(one.entries !== undefined && {
          access: { path: 'accessConfig', entries: one.entries },
        }),
      }
    })

export const CLUSTERS = ['one', 'two'] as const

export const desiredClusters: fc.Arbitrary<readonly DesiredCluster[]> = fc
  .tuple(cluster(CLUSTERS[0]), fc.option(cluster(CLUSTERS[1])))
  .map(([first, second]) => (second === null ? [first] : [first, second]))

/** Where nothing is yet but a role of somebody's that lets every service account in. */
export function startState(): ObservedState {
  const state = emptyState(...CLUSTERS)
  const statements = [
    {
      Effect: 'Allow',
      Principal: { Service: 'pods.eks.amazonaws.com' },
      Action: ['sts:AssumeRole', 'sts:TagSession'],
    },
    ...state.clusters.map(({ issuer = '' }) => ({
      Effect: 'Allow',
      Principal: {
        Federated: `arn:aws:iam::${ACCOUNT}:oidc-provider/${issuer.replace('https://', '')}`,
      },
      Action: 'sts:AssumeRoleWithWebIdentity',
    })),
  ]
  const given = {
    name: 'given',
    arn: GIVEN,
    trustPolicy: JSON.stringify({ Version: '2012-10-17', Id: 'theirs', Statement: statements }),
    tags: { owner: 'somebody' },
    policyArns: [POLICIES[0] ?? ''],
    inline: { theirs: policyText('ec2:*') },
  }
  return { ...state, roles: [given] }
}

/** The same with things that others made, none of them in a file. */
export function othersState(): ObservedState {
  const state = startState()
  const tags = { owner: 'somebody' }
  const role = {
    name: 'podrole-one-theirs',
    arn: `arn:aws:iam::${ACCOUNT}:role/podrole-one-theirs`,
    trustPolicy: policyText('sts:AssumeRole'),
    tags,
    policyArns: [...POLICIES],
    inline: {},
  }
  const clusters = state.clusters.map((one) => ({
    ...one,
    associations: [
      {
        serviceAccount: { namespace: 'theirs', name: 'a' },
        associationId: 'a-theirs',
        arn: `${one.arn}/theirs`,
        settings: { roleArn: role.arn, disableSessionTags: false },
        tags,
      },
    ],
    accessEntries: [
      {
        principalArn: role.arn,
        arn: `${one.arn}/entry`,
        type: 'STANDARD',
        groups: ['theirs'],
        username: 'theirs',
        policies: [],
        tags,
      },
    ],
    addons: [
      {
        name: 'coredns',
        arn: `${one.arn}/coredns`,
        settings: { version: 'v1', associations: [] },
        tags,
      },
    ],
    serviceAccounts: [
      {
        serviceAccount: { namespace: 'theirs', name: 'a' },
        labels: { app: 'theirs' },
        annotations: { 'eks.amazonaws.com/role-arn': role.arn },
      },
    ],
    namespaces: [...one.namespaces, 'theirs'],
  }))
  return { ...state, roles: [...state.roles, role], clusters }
}

/** The same, with nothing on it that says that podrole made it. */
export function disowned(state: ObservedState): ObservedState {
  const bare = (tags: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(Object.entries(tags).filter(([key]) => !key.startsWith('podrole.dev/')))
  const strip = <T extends { readonly tags: Readonly<Record<string, string>> }>(one: T): T => ({
    ...one,
    tags: bare(one.tags),
  })
  return {
    ...state,
    roles: state.roles.map(strip),
    providers: state.providers.map(strip),
    clusters: state.clusters.map((one) => ({
      ...one,
      associations: one.associations.map(strip),
      accessEntries: one.accessEntries.map(strip),
      addons: one.addons.map(strip),
      serviceAccounts: one.serviceAccounts.map((each) => ({
        ...each,
        annotations: bare(each.annotations),
      })),
    })),
  }
}

/** A state in one spelling: lists that are sets are sorted, policies are compared by what they say. */
export function canonicalState(state: ObservedState): string {
  return [
    ...textsOf('role', state.roles),
    ...textsOf('provider', state.providers),
    ...state.clusters.flatMap((one) => [
      `cluster ${one.arn} ${one.authenticationMode ?? ''} ${stable(one.workloadIdentity)}`,
      ...textsOf(`association ${one.name}`, one.associations),
      ...textsOf(`entry ${one.name}`, one.accessEntries),
      ...textsOf(`addon ${one.name}`, one.addons),
      ...textsOf(`service account ${one.name}`, one.serviceAccounts),
      ...one.namespaces.map((namespace) => `namespace ${one.name} ${namespace}`).sort(),
    ]),
  ].join('\n')
}

/** The same object is written once. */
const known = new WeakMap<object, string>()

const textsOf = (what: string, list: readonly object[]): readonly string[] =>
  list
    .map((one) => {
      const text = known.get(one) ?? stable(one)
      known.set(one, text)
      return `${what} ${text}`
    })
    .sort()

const SETS = new Set(['policyArns', 'groups', 'policies', 'associations'])

const stable = (value: unknown): string =>
  JSON.stringify(value, (key, part: unknown) => {
    if (key === 'trustPolicy') return canonicalJson(parseJsonDocument(String(part)))
    if (Array.isArray(part)) {
      return SETS.has(key) ? part.map((one: unknown) => stable(one)).sort() : part
    }
    return typeof part === 'object' && part !== null ? sortedKeys(part) : part
  })

const sortedKeys = (record: object): object =>
  Object.fromEntries(Object.entries(record).sort(([one], [other]) => (one < other ? -1 : 1)))
