/** Random operations. */
import * as fc from 'fast-check'
import { ACCOUNT, OTHER_ACCOUNT } from '../aws-fixture.suite.ts'
import type { Operation, Plain } from './operations.suite.ts'
import * as pools from './pools.suite.ts'
import { QUOTAS } from './world.suite.ts'

type Inputs = Readonly<Record<string, fc.Arbitrary<unknown>>>

function operation(
  service: Operation['service'],
  name: string,
  inputs: Inputs | fc.Arbitrary<unknown>,
): fc.Arbitrary<Operation> {
  const input = inputs instanceof fc.Arbitrary ? inputs : fc.record({ ...inputs })
  const account = service === 'iam' ? pools.accounts : fc.constant(ACCOUNT)
  return fc.tuple(account, input).map(([accountId, given]) => ({
    service,
    name,
    accountId,
    input: given as Readonly<Record<string, Plain>>,
  }))
}

const iam = (name: string, inputs: Inputs | fc.Arbitrary<unknown>): fc.Arbitrary<Operation> =>
  operation('iam', name, inputs)
const eks = (name: string, inputs: Inputs): fc.Arbitrary<Operation> =>
  operation('eks', name, inputs)

const RoleName = pools.roleNames
const descriptions = pools.mostly(
  fc.constantFrom('', 'plain', 'two\nlines', 'über <b>&amp;'),
  fc.constantFrom('d'.repeat(1001), 'an arrow →'),
)
const seconds = pools.mostly(fc.constantFrom(3600, 7200, 43_200), fc.constantFrom(3599, 43_201, 0))
/** NEXT is what the same list answered last, where it did. */
const page = {
  MaxItems: fc.constantFrom(undefined, 1, 2, 3, 0),
  Marker: fc.constantFrom(undefined, 'NEXT', 'NEXT'),
}
const PolicyName = pools.needed(
  pools.mostly(fc.constantFrom('one', 'two', 'three'), fc.constantFrom('', 'a b', 'p'.repeat(129))),
)
const InstanceProfileName = pools.needed(
  pools.mostly(
    fc.constantFrom('node', 'NODE', 'i'.repeat(128)),
    fc.constantFrom('', 'i'.repeat(129)),
  ),
)

const newRole = (trusts: fc.Arbitrary<Plain>): fc.Arbitrary<unknown> =>
  fc
    .tuple(
      pools.newRoles,
      fc.record({
        AssumeRolePolicyDocument: trusts,
        Description: pools.optional(descriptions),
        MaxSessionDuration: pools.optional(seconds),
        PermissionsBoundary: pools.rarely(pools.boundaryArns),
        Tags: pools.optional(pools.tags),
      }),
    )
    .map(([names, rest]) => ({ ...names, ...rest }))
const createRole = iam('CreateRole', newRole(pools.trustDocuments))

const roles = fc.oneof(
  { weight: 8, arbitrary: createRole },
  { weight: 3, arbitrary: iam('GetRole', { RoleName }) },
  { weight: 3, arbitrary: iam('ListRoles', { ...page, PathPrefix: pools.pathPrefixes }) },
  {
    weight: 1,
    arbitrary: iam('UpdateRole', {
      RoleName,
      Description: pools.optional(descriptions),
      MaxSessionDuration: pools.optional(seconds),
    }),
  },
  {
    weight: 5,
    arbitrary: iam('UpdateAssumeRolePolicy', { RoleName, PolicyDocument: pools.trustDocuments }),
  },
  { weight: 3, arbitrary: iam('DeleteRole', { RoleName }) },
  {
    weight: 1,
    arbitrary: iam('PutRolePermissionsBoundary', {
      RoleName,
      PermissionsBoundary: pools.needed(pools.boundaryArns),
    }),
  },
  { weight: 1, arbitrary: iam('DeleteRolePermissionsBoundary', { RoleName }) },
  { weight: 2, arbitrary: iam('TagRole', { RoleName, Tags: pools.tags }) },
  { weight: 1, arbitrary: iam('UntagRole', { RoleName, TagKeys: pools.tagKeys }) },
  { weight: 1, arbitrary: iam('ListRoleTags', { ...page, RoleName }) },
  { weight: 4, arbitrary: iam('AttachRolePolicy', { RoleName, PolicyArn: pools.policyArns }) },
  { weight: 2, arbitrary: iam('DetachRolePolicy', { RoleName, PolicyArn: pools.policyArns }) },
  { weight: 1, arbitrary: iam('ListAttachedRolePolicies', { ...page, RoleName }) },
  {
    weight: 4,
    arbitrary: iam('PutRolePolicy', {
      RoleName,
      PolicyName,
      PolicyDocument: pools.permissionDocuments,
    }),
  },
  { weight: 1, arbitrary: iam('GetRolePolicy', { RoleName, PolicyName }) },
  { weight: 2, arbitrary: iam('DeleteRolePolicy', { RoleName, PolicyName }) },
  { weight: 1, arbitrary: iam('ListRolePolicies', { ...page, RoleName }) },
)

const profiles = fc.oneof(
  iam('CreateInstanceProfile', {
    InstanceProfileName,
    Path: fc.constantFrom(undefined, '/', '/team/'),
    Tags: pools.optional(pools.tags),
  }),
  iam('GetInstanceProfile', { InstanceProfileName }),
  iam('AddRoleToInstanceProfile', { InstanceProfileName, RoleName }),
  iam('RemoveRoleFromInstanceProfile', { InstanceProfileName, RoleName }),
  iam('DeleteInstanceProfile', { InstanceProfileName }),
  iam('ListInstanceProfilesForRole', { ...page, RoleName }),
)

const OpenIDConnectProviderArn = pools.providerArns
const providers = fc.oneof(
  {
    weight: 5,
    arbitrary: iam('CreateOpenIDConnectProvider', {
      Url: pools.givenUrls,
      ClientIDList: pools.optional(fc.array(pools.clientIds, { maxLength: 3 })),
      ThumbprintList: pools.optional(pools.thumbprints),
      Tags: pools.optional(pools.tags),
    }),
  },
  { weight: 2, arbitrary: iam('GetOpenIDConnectProvider', { OpenIDConnectProviderArn }) },
  { weight: 1, arbitrary: iam('ListOpenIDConnectProviders', {}) },
  { weight: 2, arbitrary: iam('DeleteOpenIDConnectProvider', { OpenIDConnectProviderArn }) },
  {
    weight: 4,
    arbitrary: iam('AddClientIDToOpenIDConnectProvider', {
      OpenIDConnectProviderArn,
      ClientID: pools.needed(pools.clientIds),
    }),
  },
  {
    weight: 1,
    arbitrary: iam('RemoveClientIDFromOpenIDConnectProvider', {
      OpenIDConnectProviderArn,
      ClientID: pools.needed(pools.clientIds),
    }),
  },
  {
    weight: 1,
    arbitrary: iam('UpdateOpenIDConnectProviderThumbprint', {
      OpenIDConnectProviderArn,
      ThumbprintList: pools.thumbprints,
    }),
  },
  {
    weight: 1,
    arbitrary: iam('TagOpenIDConnectProvider', { OpenIDConnectProviderArn, Tags: pools.tags }),
  },
  {
    weight: 1,
    arbitrary: iam('UntagOpenIDConnectProvider', {
      OpenIDConnectProviderArn,
      TagKeys: pools.tagKeys,
    }),
  },
  { weight: 1, arbitrary: iam('ListOpenIDConnectProviderTags', { OpenIDConnectProviderArn }) },
)

const clusterName = pools.mostly(
  fc.constantFrom('blue', 'blue', 'blue', 'blue', 'blue', 'red'),
  fc.constant('none'),
)
/** Which of those that were ever there; none where there was none. */
const associationId = fc.nat({ max: 30 })
const namespace = pools.mostly(
  fc.constantFrom(...pools.NAMESPACES),
  fc.constantFrom('', 'Apps', '-a', 'n'.repeat(64)),
)
const serviceAccount = pools.mostly(
  fc.constantFrom(...pools.SERVICE_ACCOUNTS),
  fc.constantFrom('', 'a..b', 'Web', 's'.repeat(254)),
)
const roleArn = pools.mostly(
  pools.roleArns,
  fc.constantFrom(
    '',
    'web',
    `arn:aws:iam::${ACCOUNT}:user/web`,
    'arn:aws-cn:iam::111122223333:role/web',
  ),
)
const tagMaps = pools.tags.map((list) =>
  Object.fromEntries(list.map(({ Key, Value }) => [Key, Value])),
)
/** Half of all have neither target nor policy. */
const choices = {
  targetRoleArn: fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, roleArn),
  disableSessionTags: fc.constantFrom(undefined, undefined, false, true),
}

const associations = fc.oneof(
  {
    weight: 7,
    arbitrary: eks('CreatePodIdentityAssociation', {
      clusterName,
      namespace: pools.needed(namespace),
      serviceAccount: pools.needed(serviceAccount),
      roleArn: pools.needed(roleArn),
      ...choices,
      policy: pools.rarely(pools.sessionPolicies),
      tags: pools.optional(tagMaps),
    }),
  },
  { weight: 2, arbitrary: eks('DescribePodIdentityAssociation', { clusterName, associationId }) },
  {
    weight: 4,
    arbitrary: eks('UpdatePodIdentityAssociation', {
      clusterName,
      associationId,
      roleArn: pools.optional(roleArn),
      ...choices,
      policy: fc.oneof(
        { weight: 3, arbitrary: fc.constant(undefined) },
        pools.sessionPolicies,
        fc.constant({ text: '', isMalformed: false, statements: [] }),
      ),
    }),
  },
  { weight: 2, arbitrary: eks('DeletePodIdentityAssociation', { clusterName, associationId }) },
  {
    weight: 3,
    arbitrary: eks('ListPodIdentityAssociations', {
      clusterName,
      namespace: fc.constantFrom(undefined, undefined, ...pools.NAMESPACES),
      serviceAccount: fc.constantFrom(undefined, undefined, ...pools.SERVICE_ACCOUNTS),
      maxResults: fc.constantFrom(undefined, 1, 2, 0, 101),
      nextToken: fc.constantFrom(undefined, 'NEXT', 'NEXT'),
    }),
  },
  { weight: 1, arbitrary: eks('TagResource', { resourceArn: associationId, tags: tagMaps }) },
  {
    weight: 1,
    arbitrary: eks('UntagResource', { resourceArn: associationId, TagKeys: pools.tagKeys }),
  },
  { weight: 1, arbitrary: eks('ListTagsForResource', { resourceArn: associationId }) },
)

const sessions = fc.oneof(
  operation('sts', 'AssumeRoleWithWebIdentity', {
    RoleArn: pools.needed(pools.mostly(pools.roleArns, fc.constant('short'))),
    RoleSessionName: pools.mostly(fc.constant('session'), fc.constantFrom('', 'a b', 's')),
    DurationSeconds: pools.mostly(
      fc.constantFrom(undefined, undefined, 900, 3600, 7200),
      fc.constantFrom(899, 43_201),
    ),
    token: pools.webIdentityTokens,
  }),
  operation('eks-auth', 'AssumeRoleForPodIdentity', { clusterName, token: pools.podTokens }),
)

const SMALL: Readonly<Partial<Record<keyof typeof QUOTAS, readonly number[]>>> = {
  oidcProviders: [1, 2, 3],
  clientIdsPerProvider: [1, 2],
  thumbprintsPerProvider: [1, 2],
  roles: [2, 3, 4],
  trustPolicyCharacters: [300, 600],
  rolePolicyCharacters: [150, 300],
  policiesPerRole: [1, 2],
  instanceProfiles: [1],
  tagsPerResource: [1, 2, 3],
  associations: [1, 2, 3],
}
const quotas = operation(
  'test',
  'SetQuota',
  fc
    .constantFrom(...(Object.keys(SMALL) as (keyof typeof QUOTAS)[]))
    .chain((name) =>
      fc.constantFrom(...(SMALL[name] ?? []), QUOTAS[name]).map((value) => ({ name, value })),
    ),
)
const waits = operation('test', 'Wait', { ms: fc.constantFrom(400, 1000, 61_000) })

/** What a sequence begins with, so that there is something: roles and providers, then associations. */
const rolesAndProviders: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 3, arbitrary: iam('CreateRole', newRole(pools.commonTrusts)) },
  {
    weight: 2,
    arbitrary: iam(
      'CreateOpenIDConnectProvider',
      pools.providerUrls.map((url) => ({
        Url: `https://${url}`,
        ClientIDList: [pools.AUDIENCES[0]],
      })),
    ),
  },
)
const newAssociations = eks('CreatePodIdentityAssociation', {
  clusterName: fc.constantFrom('blue', 'blue', 'blue', 'red'),
  namespace: fc.constantFrom(...pools.NAMESPACES),
  serviceAccount: fc.constantFrom(...pools.SERVICE_ACCOUNTS),
  roleArn: pools.roleArns,
  ...choices,
})

/** One operation, whatever was before. */
const operations: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 38, arbitrary: roles },
  { weight: 8, arbitrary: profiles },
  { weight: 16, arbitrary: providers },
  { weight: 20, arbitrary: associations },
  { weight: 20, arbitrary: sessions },
  { weight: 3, arbitrary: quotas },
  { weight: 2, arbitrary: waits },
)

/** What a pod needs to reach a role by way of another one, with what may be in its way. */
const chains: fc.Arbitrary<readonly Operation[]> = fc
  .constantFrom([ACCOUNT, 'db'], [OTHER_ACCOUNT, 'web'])
  .chain(([account = '', target = '']) => {
    const base = pools.roleArnOf(ACCOUNT, 'web')
    const as = (accountId: string, made: fc.Arbitrary<Operation>): fc.Arbitrary<Operation> =>
      made.map((one) => ({ ...one, accountId }))
    const trust = { AssumeRolePolicyDocument: pools.targetTrusts(base) }
    return fc.tuple(
      as(
        ACCOUNT,
        iam('CreateRole', {
          RoleName: fc.constant('web'),
          AssumeRolePolicyDocument: pools.commonTrusts,
        }),
      ),
      as(account, iam('CreateRole', { RoleName: fc.constant(target), ...trust })),
      as(
        account,
        iam('UpdateAssumeRolePolicy', {
          RoleName: fc.constant(target),
          PolicyDocument: trust.AssumeRolePolicyDocument,
        }),
      ),
      as(
        ACCOUNT,
        fc.oneof(
          iam('PutRolePolicy', {
            RoleName: fc.constant('web'),
            PolicyName,
            PolicyDocument: pools.permissionDocuments,
          }),
          iam('PutRolePermissionsBoundary', {
            RoleName: fc.constant('web'),
            PermissionsBoundary: pools.boundaryArns,
          }),
          iam('AttachRolePolicy', { RoleName: fc.constant('web'), PolicyArn: pools.policyArns }),
          iam('GetRole', { RoleName: fc.constant('web') }),
        ),
      ),
      eks('CreatePodIdentityAssociation', {
        clusterName: fc.constant('blue'),
        namespace: fc.constantFrom(...pools.NAMESPACES),
        serviceAccount: fc.constant('web'),
        roleArn: fc.constant(base),
        targetRoleArn: fc.constant(pools.roleArnOf(account, target)),
        disableSessionTags: fc.boolean(),
      }),
      operation('eks-auth', 'AssumeRoleForPodIdentity', {
        clusterName: fc.constant('blue'),
        token: pools.goodPodTokens,
      }),
    )
  })

const FIRST = 7
const SECOND = 3
const CHAIN = 6

/** So many operations. */
export const sequencesOf = (steps: number): fc.Arbitrary<readonly Operation[]> => {
  const many = (one: fc.Arbitrary<Operation>, count: number): fc.Arbitrary<readonly Operation[]> =>
    fc.array(one, { minLength: count, maxLength: count })
  const rest = steps - FIRST - SECOND - CHAIN
  return fc
    .nat({ max: rest })
    .chain((before) =>
      fc.tuple(
        many(rolesAndProviders, FIRST),
        many(newAssociations, SECOND),
        many(operations, before),
        chains,
        many(operations, rest - before),
      ),
    )
    .map((parts) => parts.flat())
}
