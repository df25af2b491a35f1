/** What an account holds, all in one: its summary, its details, and who has a policy. */
import { authorize } from '../identity/authorization.ts'
import { groupsOfUser } from '../identity/policies.ts'
import { type QuotaName, quotaOf } from '../quotas/quotas.ts'
import type { PolicyRecord, RoleRecord, UserRecord } from '../records.ts'
import type { QueryOperations, ResultMembers } from '../wire/call-table.ts'
import { Constraints } from '../wire/constraints.ts'
import { pageOf } from '../wire/pages.ts'
import type { QueryParameters } from '../wire/query.ts'
import type { Node } from '../wire/xml.ts'
import { accountOf, type Call } from '../world.ts'
import { attachedNode, type PolicyHolder } from './entity-policies.ts'
import { encodeDocument } from './faults.ts'
import { groupNode, groupsOf } from './groups.ts'
import { profileNode, profilesOf } from './instance-profiles.ts'
import { policyNode, requirePolicy, versionNode } from './managed-policies.ts'
import { roleNode } from './roles.ts'
import { PATH, POLICY_ARN } from './shapes.ts'
import { pageMembers, readPage, resourceTagKeys } from './tags.ts'
import { userNode, usersOf } from './users.ts'

function rolesOf(call: Call): readonly RoleRecord[] {
  const accountId = accountOf(call)
  return [...call.world.tables.roles.values()].filter((role) => role.accountId === accountId)
}

const isAttached = (call: Call, arn: string): boolean =>
  [...rolesOf(call), ...usersOf(call), ...groupsOf(call)].some(
    (holder) =>
      holder.attachedPolicyArns.includes(arn) ||
      ('boundaryArn' in holder && holder.boundaryArn === arn),
  )

const inlineNodes = (holder: PolicyHolder): readonly Node[] =>
  Object.entries(holder.inlinePolicies).map(([name, document]) => ({
    PolicyName: name,
    PolicyDocument: encodeDocument(document),
  }))

const attachedNodes = (holder: PolicyHolder): readonly Node[] =>
  holder.attachedPolicyArns.map(attachedNode)

function roleDetail(call: Call, role: RoleRecord): ResultMembers {
  const mine = profilesOf(call).filter(({ roleName }) => roleName === role.roleName)
  // Details have neither a description nor a longest session.
  const { Description: _text, MaxSessionDuration: _seconds, ...shown } = roleNode(call, role, true)
  return {
    ...shown,
    InstanceProfileList: mine.map((profile) => profileNode(call, profile, false)),
    RolePolicyList: inlineNodes(role),
    AttachedManagedPolicies: attachedNodes(role),
  }
}

const userDetail = (call: Call, user: UserRecord): ResultMembers => ({
  ...userNode(user, true),
  UserPolicyList: inlineNodes(user),
  GroupList: groupsOfUser(call.world.tables, user).map(({ groupName }) => groupName),
  AttachedManagedPolicies: attachedNodes(user),
})

function policyDetail(call: Call, policy: PolicyRecord): ResultMembers {
  const { Tags: _tags, ...shown } = policyNode(call, policy, true)
  const versions = policy.versions.map((version) => versionNode(policy, version, true))
  return { ...shown, PolicyVersionList: versions.toReversed() }
}

const FILTERS = ['User', 'Role', 'Group', 'LocalManagedPolicy', 'AWSManagedPolicy'] as const

/** The lists of the details, and the one that each filter chooses. */
const LISTS = {
  User: 'UserDetailList',
  Group: 'GroupDetailList',
  Role: 'RoleDetailList',
  LocalManagedPolicy: 'Policies',
  AWSManagedPolicy: 'Policies',
} as const

interface Detail {
  readonly kind: (typeof FILTERS)[number]
  readonly key: string
  readonly node: () => ResultMembers
}

function detailsOf(call: Call): readonly Detail[] {
  const users = usersOf(call).map((user): Detail => ({
    kind: 'User',
    key: `1${user.userName}`,
    node: () => userDetail(call, user),
  }))
  const groups = groupsOf(call).map((group): Detail => ({
    kind: 'Group',
    key: `2${group.groupName}`,
    node: () => ({
      ...groupNode(group),
      GroupPolicyList: inlineNodes(group),
      AttachedManagedPolicies: attachedNodes(group),
    }),
  }))
  const roles = rolesOf(call).map((role): Detail => ({
    kind: 'Role',
    key: `3${role.roleName}`,
    node: () => roleDetail(call, role),
  }))
  const policies = [...call.world.tables.policies.values()]
    // Of AWS's own, those that are in use.
    .filter(({ accountId, arn }) =>
      accountId === 'aws' ? isAttached(call, arn) : accountId === accountOf(call),
    )
    .map((policy): Detail => ({
      kind: policy.accountId === 'aws' ? 'AWSManagedPolicy' : 'LocalManagedPolicy',
      key: `4${policy.arn}`,
      node: () => policyDetail(call, policy),
    }))
  return [...users, ...groups, ...roles, ...policies]
}

/** One list after the other: a page goes on where the one before it ended. */
function authorizationDetails(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const filter = parameters.list('Filter')
  filter.forEach((one, index) => {
    constraints.text(`filter.${index + 1}.member`, one, { oneOf: FILTERS })
  })
  const ask = readPage(parameters, constraints)
  constraints.check()
  authorize(call, { action: 'iam:GetAccountAuthorizationDetails', resource: '*' })
  const wanted = detailsOf(call).filter(({ kind }) => filter.length === 0 || filter.includes(kind))
  const page = pageOf(wanted, ({ key }) => key, ask)
  const lists = Object.fromEntries(
    [...new Set(Object.values(LISTS))].map((list) => [
      list,
      page.items.filter(({ kind }) => LISTS[kind] === list).map(({ node }) => node()),
    ]),
  )
  return { ...pageMembers(page.next), ...lists }
}

function accountSummary(call: Call): ResultMembers {
  authorize(call, { action: 'iam:GetAccountSummary', resource: '*' })
  const { tables } = call.world
  const accountId = accountOf(call)
  const quota = (name: QuotaName): number => quotaOf(call, name)
  const own = [...tables.policies.values()].filter((policy) => policy.accountId === accountId)
  const providers = [...tables.providers.values()].filter((one) => one.accountId === accountId)
  const summary = {
    Users: usersOf(call).length,
    UsersQuota: quota('users'),
    Groups: groupsOf(call).length,
    GroupsQuota: quota('groups'),
    Roles: rolesOf(call).length,
    RolesQuota: quota('roles'),
    InstanceProfiles: profilesOf(call).length,
    InstanceProfilesQuota: quota('instanceProfiles'),
    Policies: own.length,
    PoliciesQuota: quota('policies'),
    PolicySizeQuota: quota('policyCharacters'),
    PolicyVersionsInUse: own.reduce((sum, { versions }) => sum + versions.length, 0),
    PolicyVersionsInUseQuota: 10_000,
    VersionsPerPolicyQuota: quota('versionsPerPolicy'),
    AssumeRolePolicySizeQuota: quota('trustPolicyCharacters'),
    RolePolicySizeQuota: quota('rolePolicyCharacters'),
    UserPolicySizeQuota: quota('userPolicyCharacters'),
    GroupPolicySizeQuota: quota('groupPolicyCharacters'),
    AttachedPoliciesPerRoleQuota: quota('policiesPerRole'),
    AttachedPoliciesPerUserQuota: quota('policiesPerUser'),
    AttachedPoliciesPerGroupQuota: quota('policiesPerGroup'),
    AccessKeysPerUserQuota: quota('accessKeysPerUser'),
    GroupsPerUserQuota: quota('groupsPerUser'),
    Providers: providers.length,
    ServerCertificates: 0,
    ServerCertificatesQuota: 20,
    SigningCertificatesPerUserQuota: 2,
    MFADevices: 0,
    MFADevicesInUse: 0,
    AccountMFAEnabled: 0,
    AccountAccessKeysPresent: 0,
    AccountSigningCertificatesPresent: 0,
    AccountPasswordPresent: 1,
    GlobalEndpointTokenVersion: 2,
  }
  return { SummaryMap: new Map(Object.entries(summary)) }
}

const ENTITY_FILTERS = ['User', 'Role', 'Group', 'LocalManagedPolicy', 'AWSManagedPolicy']

function listEntitiesForPolicy(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const given = parameters.get('PolicyArn')
  const arn = constraints.text('policyArn', given, POLICY_ARN) ?? ''
  const only = parameters.get('EntityFilter')
  const filter = constraints.text('entityFilter', only, { oneOf: ENTITY_FILTERS })
  const prefix = constraints.text('pathPrefix', parameters.get('PathPrefix'), PATH) ?? '/'
  const oneOf = ['PermissionsPolicy', 'PermissionsBoundary']
  const usage = constraints.text('policyUsageFilter', parameters.get('PolicyUsageFilter'), {
    oneOf,
  })
  const ask = readPage(parameters, constraints)
  constraints.check()
  const tags = call.world.tables.policies.get(arn)?.tags ?? {}
  const context = resourceTagKeys(tags)
  authorize(call, { action: 'iam:ListEntitiesForPolicy', resource: arn, context })
  requirePolicy(call, arn)
  const has = (one: PolicyHolder & { readonly boundaryArn?: string }): boolean =>
    (usage !== 'PermissionsBoundary' && one.attachedPolicyArns.includes(arn)) ||
    (usage !== 'PermissionsPolicy' && one.boundaryArn === arn)
  const all = [
    ...rolesOf(call).map((role) => ({
      kind: 'Role',
      name: role.roleName,
      id: role.roleId,
      holder: role,
    })),
    ...usersOf(call).map((user) => ({
      kind: 'User',
      name: user.userName,
      id: user.userId,
      holder: user,
    })),
    ...groupsOf(call).map((group) => ({
      kind: 'Group',
      name: group.groupName,
      id: group.groupId,
      holder: group,
    })),
  ]
  const found = all.filter(
    ({ kind, holder }) =>
      (filter === undefined || filter === kind) && holder.path.startsWith(prefix) && has(holder),
  )
  const page = pageOf(found, ({ kind, name }) => `${kind}/${name}`, ask)
  const nodes = (wanted: string): readonly Node[] =>
    page.items
      .filter(({ kind }) => kind === wanted)
      .map(({ name, id }) => ({ [`${wanted}Name`]: name, [`${wanted}Id`]: id }))
  return {
    ...pageMembers(page.next),
    PolicyGroups: nodes('Group'),
    PolicyUsers: nodes('User'),
    PolicyRoles: nodes('Role'),
  }
}

export const ACCOUNT_OPERATIONS: QueryOperations = {
  GetAccountAuthorizationDetails: authorizationDetails,
  GetAccountSummary: accountSummary,
  ListEntitiesForPolicy: listEntitiesForPolicy,
}
