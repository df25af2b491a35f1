import {
  type AttachedPolicy,
  type IAM,
  type InstanceProfile,
  paginateListAttachedRolePolicies,
  paginateListInstanceProfiles,
  paginateListRolePolicies,
  paginateListRoles,
  paginateListRoleTags,
  type Role,
} from '@aws-sdk/client-iam'
import { did, equal, listed, mapped, present, refused } from './checks.ts'
import {
  BOTH_TAGS,
  type IamSteps,
  LEFT_TAGS,
  READ_POLICY,
  sameDocument,
  TAGS,
  tagsOf,
  trustOf,
  WRITE_POLICY,
} from './iam-documents.ts'

const APPS = '/apps/'
const WEB = { RoleName: 'web' }

const readWeb = async (iam: IAM): Promise<Role> => present((await iam.getRole(WEB)).Role)

export async function roleSteps(steps: IamSteps): Promise<void> {
  await roles(steps)
  await roleTags(steps)
  await roleBoundary(steps)
  await rolePolicies(steps)
  await roleAttachments(steps)
}

async function roles({ iam }: IamSteps): Promise<void> {
  const trust = trustOf('ec2.amazonaws.com')
  for (const RoleName of ['web', 'worker']) {
    const made = await iam.createRole({ RoleName, Path: APPS, AssumeRolePolicyDocument: trust })
    equal("a role's path", made.Role?.Path, APPS)
  }
  did('iam', 'role', 'create')
  const read = await readWeb(iam)
  equal("a role's longest session", read.MaxSessionDuration, 3600)
  did('iam', 'role', 'read')
  sameDocument("a role's trust policy", read.AssumeRolePolicyDocument, trust)
  did('iam', 'role-trust-policy', 'read')
  const namesOf = (found: readonly Role[] | undefined): string[] =>
    mapped(found, (one) => one.RoleName)
  const input = { PathPrefix: APPS }
  equal('roles', namesOf((await iam.listRoles(input)).Roles), ['web', 'worker'])
  did('iam', 'role', 'list')
  const pages = paginateListRoles({ client: iam, pageSize: 1 }, { ...input })
  equal('roles by pages', namesOf(await listed(pages, (page) => page.Roles)), ['web', 'worker'])
  did('iam', 'role', 'pages')
  await iam.updateRole({ ...WEB, Description: 'serves', MaxSessionDuration: 7200 })
  const updated = await readWeb(iam)
  equal("a role's description", updated.Description, 'serves')
  equal('its longest session', updated.MaxSessionDuration, 7200)
  did('iam', 'role', 'update')
  const other = trustOf('pods.eks.amazonaws.com', 'sts:AssumeRole', 'sts:TagSession')
  await iam.updateAssumeRolePolicy({ ...WEB, PolicyDocument: other })
  sameDocument('another trust policy', (await readWeb(iam)).AssumeRolePolicyDocument, other)
  did('iam', 'role-trust-policy', 'update')
  await iam.deleteRole({ RoleName: 'worker' })
  await refused('NoSuchEntityException', iam.getRole({ RoleName: 'worker' }))
  did('iam', 'role', 'delete')
}

async function roleTags({ iam }: IamSteps): Promise<void> {
  const found = async (): Promise<unknown> => tagsOf((await iam.listRoleTags(WEB)).Tags)
  await iam.tagRole({ ...WEB, Tags: TAGS })
  equal("a role's tags", await found(), BOTH_TAGS)
  did('iam', 'role-tags', 'create', 'list')
  const pages = paginateListRoleTags({ client: iam, pageSize: 1 }, { ...WEB })
  equal('tags by pages', tagsOf(await listed(pages, (page) => page.Tags)), BOTH_TAGS)
  did('iam', 'role-tags', 'pages')
  await iam.untagRole({ ...WEB, TagKeys: ['team'] })
  equal('the tags that are left', await found(), LEFT_TAGS)
  did('iam', 'role-tags', 'delete')
}

async function roleBoundary({ iam, policy }: IamSteps): Promise<void> {
  const found = async (): Promise<string | undefined> =>
    (await readWeb(iam)).PermissionsBoundary?.PermissionsBoundaryArn
  await iam.putRolePermissionsBoundary({ ...WEB, PermissionsBoundary: policy })
  equal("a role's boundary", await found(), policy)
  did('iam', 'role-boundary', 'create', 'read')
  await iam.deleteRolePermissionsBoundary(WEB)
  equal('no boundary', await found(), undefined)
  did('iam', 'role-boundary', 'delete')
}

async function rolePolicies({ iam }: IamSteps): Promise<void> {
  const put = async (PolicyName: string, PolicyDocument: string): Promise<void> => {
    await iam.putRolePolicy({ ...WEB, PolicyName, PolicyDocument })
    const read = await iam.getRolePolicy({ ...WEB, PolicyName })
    sameDocument("a role's policy", read.PolicyDocument, PolicyDocument)
  }
  await put('p1', READ_POLICY)
  await put('p2', READ_POLICY)
  did('iam', 'role-policy', 'create', 'read')
  equal("a role's policies", (await iam.listRolePolicies(WEB)).PolicyNames, ['p1', 'p2'])
  did('iam', 'role-policy', 'list')
  const pages = paginateListRolePolicies({ client: iam, pageSize: 1 }, { ...WEB })
  equal('by pages', await listed(pages, (page) => page.PolicyNames), ['p1', 'p2'])
  did('iam', 'role-policy', 'pages')
  await put('p1', WRITE_POLICY)
  did('iam', 'role-policy', 'update')
  for (const PolicyName of ['p1', 'p2']) await iam.deleteRolePolicy({ ...WEB, PolicyName })
  await refused('NoSuchEntityException', iam.getRolePolicy({ ...WEB, PolicyName: 'p1' }))
  did('iam', 'role-policy', 'delete')
}

async function roleAttachments({ iam, policy }: IamSteps): Promise<void> {
  const arns = ['arn:aws:iam::aws:policy/IAMReadOnlyAccess', policy]
  const namesOf = (found: readonly AttachedPolicy[] | undefined): string[] =>
    mapped(found, (one) => one.PolicyName).sort()
  const list = async (): Promise<string[]> =>
    namesOf((await iam.listAttachedRolePolicies(WEB)).AttachedPolicies)
  for (const PolicyArn of arns) await iam.attachRolePolicy({ ...WEB, PolicyArn })
  const both = ['IAMReadOnlyAccess', 'second']
  equal('attached to a role', await list(), both)
  did('iam', 'role-attachment', 'create', 'list')
  const pages = paginateListAttachedRolePolicies({ client: iam, pageSize: 1 }, { ...WEB })
  equal('by pages', namesOf(await listed(pages, (page) => page.AttachedPolicies)), both)
  did('iam', 'role-attachment', 'pages')
  const { PolicyRoles, PolicyUsers } = await iam.listEntitiesForPolicy({ PolicyArn: policy })
  equal(
    'who has a policy',
    mapped(PolicyRoles, (one) => one.RoleName),
    ['web'],
  )
  equal('no user has it', PolicyUsers ?? [], [])
  did('iam', 'policy-entities', 'list')
  for (const PolicyArn of arns) await iam.detachRolePolicy({ ...WEB, PolicyArn })
  equal('attached no more', await list(), [])
  did('iam', 'role-attachment', 'delete')
}

export async function instanceProfileSteps(iam: IAM): Promise<void> {
  for (const InstanceProfileName of ['node-a', 'node-b']) {
    const made = await iam.createInstanceProfile({ InstanceProfileName, Path: APPS })
    equal("a profile's path", made.InstanceProfile?.Path, APPS)
  }
  did('iam', 'instance-profile', 'create')
  const one = { InstanceProfileName: 'node-a' }
  const rolesOf = async (): Promise<string[]> =>
    mapped((await iam.getInstanceProfile(one)).InstanceProfile?.Roles, (role) => role.RoleName)
  equal('it holds no role', await rolesOf(), [])
  did('iam', 'instance-profile', 'read')
  const namesOf = (found: readonly InstanceProfile[] | undefined): string[] =>
    mapped(found, (profile) => profile.InstanceProfileName)
  const input = { PathPrefix: APPS }
  const both = ['node-a', 'node-b']
  equal('profiles', namesOf((await iam.listInstanceProfiles(input)).InstanceProfiles), both)
  did('iam', 'instance-profile', 'list')
  const pages = paginateListInstanceProfiles({ client: iam, pageSize: 1 }, { ...input })
  equal('by pages', namesOf(await listed(pages, (page) => page.InstanceProfiles)), both)
  did('iam', 'instance-profile', 'pages')
  await iam.addRoleToInstanceProfile({ ...one, ...WEB })
  equal('it holds a role', await rolesOf(), ['web'])
  did('iam', 'instance-profile-role', 'create')
  const { InstanceProfiles } = await iam.listInstanceProfilesForRole(WEB)
  equal("a role's profiles", namesOf(InstanceProfiles), ['node-a'])
  did('iam', 'instance-profile-role', 'list')
  await iam.removeRoleFromInstanceProfile({ ...one, ...WEB })
  equal('it holds none again', await rolesOf(), [])
  did('iam', 'instance-profile-role', 'delete')
  await iam.deleteInstanceProfile(one)
  await refused('NoSuchEntityException', iam.getInstanceProfile(one))
  did('iam', 'instance-profile', 'delete')
}
