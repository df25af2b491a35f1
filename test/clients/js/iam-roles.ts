import {
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
import { type IamSteps, sameDocument, trustOf } from './iam-documents.ts'
import { attachmentSteps, boundarySteps, inlinePolicySteps, tagSteps } from './iam-holders.ts'

const APPS = '/apps/'
/** A policy of AWS's own. */
const READ_ONLY = 'arn:aws:iam::aws:policy/IAMReadOnlyAccess'
const WEB = { RoleName: 'web' }

const readWeb = async (iam: IAM): Promise<Role> => present((await iam.getRole(WEB)).Role)

export async function roleSteps(steps: IamSteps): Promise<void> {
  const { iam, policy } = steps
  const paged = { client: iam, pageSize: 1 }
  await roles(iam)
  await tagSteps('role-tags', {
    tag: (Tags) => iam.tagRole({ ...WEB, Tags }),
    list: () => iam.listRoleTags(WEB),
    pages: paginateListRoleTags(paged, { ...WEB }),
    untag: (TagKeys) => iam.untagRole({ ...WEB, TagKeys }),
  })
  await boundarySteps('role-boundary', policy, {
    put: (boundary) => iam.putRolePermissionsBoundary({ ...WEB, ...boundary }),
    read: async () => (await readWeb(iam)).PermissionsBoundary?.PermissionsBoundaryArn,
    remove: () => iam.deleteRolePermissionsBoundary(WEB),
  })
  await inlinePolicySteps('role-policy', {
    put: (inline) => iam.putRolePolicy({ ...WEB, ...inline }),
    get: (named) => iam.getRolePolicy({ ...WEB, ...named }),
    list: () => iam.listRolePolicies(WEB),
    pages: paginateListRolePolicies(paged, { ...WEB }),
    remove: (named) => iam.deleteRolePolicy({ ...WEB, ...named }),
  })
  await attachmentSteps('role-attachment', [READ_ONLY, policy], {
    attach: (attached) => iam.attachRolePolicy({ ...WEB, ...attached }),
    list: () => iam.listAttachedRolePolicies(WEB),
    pages: paginateListAttachedRolePolicies(paged, { ...WEB }),
    detach: (attached) => iam.detachRolePolicy({ ...WEB, ...attached }),
  })
  await policyEntities(steps)
}

async function roles(iam: IAM): Promise<void> {
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

async function policyEntities({ iam, policy: PolicyArn }: IamSteps): Promise<void> {
  await iam.attachRolePolicy({ ...WEB, PolicyArn })
  const { PolicyRoles, PolicyUsers } = await iam.listEntitiesForPolicy({ PolicyArn })
  equal(
    'who has a policy',
    mapped(PolicyRoles, (one) => one.RoleName),
    ['web'],
  )
  equal('no user has it', PolicyUsers ?? [], [])
  did('iam', 'policy-entities', 'list')
  await iam.detachRolePolicy({ ...WEB, PolicyArn })
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
