import { authorize } from '../identity/authorization.ts'
import { newUniqueId } from '../identifiers.ts'
import { quotaOf } from '../quotas/quotas.ts'
import type { InstanceProfileRecord } from '../records.ts'
import { nameKey } from '../records.ts'
import type { QueryOperations, ResultMembers } from '../wire/call-table.ts'
import { Constraints } from '../wire/constraints.ts'
import { pageOf } from '../wire/pages.ts'
import type { QueryParameters } from '../wire/query.ts'
import { accountOf, type Call } from '../world.ts'
import { alreadyExists, deleteConflict, limitExceeded, noSuchEntity } from './faults.ts'
import { readRoleName, requireRole, roleNode } from './roles.ts'
import { PATH, PATH_PREFIX, PROFILE_NAME } from './shapes.ts'
import { taggingOperations } from './tagging.ts'
import {
  mergeTags,
  pageMembers,
  readPage,
  readTags,
  requestTagKeys,
  resourceTagKeys,
  tagNodes,
} from './tags.ts'

const readProfileName = (parameters: QueryParameters, constraints: Constraints): string =>
  constraints.text('instanceProfileName', parameters.get('InstanceProfileName'), PROFILE_NAME) ?? ''

const profileArnOf = (call: Call, path: string, name: string): string =>
  `arn:${call.world.partition}:iam::${accountOf(call)}:instance-profile${path}${name}`

/** The profile of the caller's account. @throws AwsFault `AccessDenied`, `NoSuchEntity` */
function requireProfile(
  call: Call,
  name: string,
  context: Readonly<Record<string, string | readonly string[]>> = {},
): InstanceProfileRecord {
  const profile = call.world.tables.instanceProfiles.get(nameKey(accountOf(call), name))
  authorize(call, {
    action: `iam:${call.operation}`,
    resource: profile?.arn ?? profileArnOf(call, '/', name),
    context: { ...resourceTagKeys(profile?.tags ?? {}), ...context },
  })
  if (profile === undefined) throw noSuchEntity(`Instance Profile ${name} cannot be found.`)
  return profile
}

function saveProfile(call: Call, profile: InstanceProfileRecord): void {
  const key = nameKey(profile.accountId, profile.profileName)
  call.world.tables.instanceProfiles.set(key, profile)
}

/** An instance profile as the wire shows it; lists leave out its tags. */
export function profileNode(
  call: Call,
  profile: InstanceProfileRecord,
  full: boolean,
): ResultMembers {
  const { roles } = call.world.tables
  const role =
    profile.roleName === undefined
      ? undefined
      : roles.get(nameKey(profile.accountId, profile.roleName))
  return {
    Path: profile.path,
    InstanceProfileName: profile.profileName,
    InstanceProfileId: profile.profileId,
    Arn: profile.arn,
    CreateDate: new Date(profile.createdAtMs),
    Roles: role === undefined ? [] : [roleNode(call, role, false)],
    ...(full && Object.keys(profile.tags).length > 0 && { Tags: tagNodes(profile.tags) }),
  }
}

/** The instance profiles of the caller's account. */
export function profilesOf(call: Call): readonly InstanceProfileRecord[] {
  const accountId = accountOf(call)
  return [...call.world.tables.instanceProfiles.values()].filter(
    (profile) => profile.accountId === accountId,
  )
}

function createProfile(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const profileName = readProfileName(parameters, constraints)
  const path = constraints.text('path', parameters.get('Path'), PATH) ?? '/'
  const tags = readTags(call, parameters, constraints)
  constraints.check()
  const arn = profileArnOf(call, path, profileName)
  const context = requestTagKeys(tags)
  authorize(call, { action: 'iam:CreateInstanceProfile', resource: arn, context })
  const { tables } = call.world
  const accountId = accountOf(call)
  if (tables.instanceProfiles.has(nameKey(accountId, profileName))) {
    throw alreadyExists(`Instance Profile ${profileName} already exists.`)
  }
  const most = quotaOf(call, 'instanceProfiles')
  if (profilesOf(call).length >= most) {
    throw limitExceeded(`Cannot exceed quota for InstanceProfilesPerAccount: ${most}`)
  }
  const profile: InstanceProfileRecord = {
    accountId,
    profileName,
    path,
    profileId: newUniqueId('AIPA'),
    arn,
    tags: mergeTags(call, {}, tags, 'exact'),
    createdAtMs: call.nowMs,
  }
  saveProfile(call, profile)
  return { InstanceProfile: profileNode(call, profile, true) }
}

function readProfile(call: Call, parameters: QueryParameters): InstanceProfileRecord {
  const constraints = new Constraints()
  const name = readProfileName(parameters, constraints)
  constraints.check()
  return requireProfile(call, name)
}

function listProfiles(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const given = parameters.get('PathPrefix')
  const prefix = constraints.text('pathPrefix', given, PATH_PREFIX) ?? '/'
  const ask = readPage(parameters, constraints)
  constraints.check()
  const resource = profileArnOf(call, prefix, '')
  authorize(call, { action: 'iam:ListInstanceProfiles', resource })
  const found = profilesOf(call).filter(({ path }) => path.startsWith(prefix))
  return profilePage(call, found, ask)
}

function listProfilesForRole(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const name = readRoleName(parameters, constraints)
  const ask = readPage(parameters, constraints)
  constraints.check()
  const role = requireRole(call, name)
  const found = profilesOf(call).filter(({ roleName }) => roleName === role.roleName)
  return profilePage(call, found, ask)
}

function profilePage(
  call: Call,
  found: readonly InstanceProfileRecord[],
  ask: ReturnType<typeof readPage>,
): ResultMembers {
  const page = pageOf(found, ({ profileName }) => profileName, ask)
  return {
    ...pageMembers(page.next),
    InstanceProfiles: page.items.map((profile) => profileNode(call, profile, false)),
  }
}

function deleteProfile(call: Call, parameters: QueryParameters): undefined {
  const profile = readProfile(call, parameters)
  if (profile.roleName !== undefined) {
    throw deleteConflict('Cannot delete entity, must remove roles from instance profile first.')
  }
  const key = nameKey(profile.accountId, profile.profileName)
  call.world.tables.instanceProfiles.delete(key)
}

/** The profile, and the role's name, that a call joins or parts. */
function readPair(
  call: Call,
  parameters: QueryParameters,
): { readonly profile: InstanceProfileRecord; readonly roleName: string } {
  const constraints = new Constraints()
  const profileName = readProfileName(parameters, constraints)
  const roleName = readRoleName(parameters, constraints)
  constraints.check()
  const profile = requireProfile(call, profileName)
  const role = call.world.tables.roles.get(nameKey(profile.accountId, roleName))
  if (role === undefined) throw noSuchEntity(`The role with name ${roleName} cannot be found.`)
  if (call.operation === 'AddRoleToInstanceProfile') {
    const context = { 'iam:PassedToService': 'ec2.amazonaws.com' }
    authorize(call, { action: 'iam:PassRole', resource: role.arn, context })
  }
  return { profile, roleName: role.roleName }
}

function addRole(call: Call, parameters: QueryParameters): undefined {
  const { profile, roleName } = readPair(call, parameters)
  if (profile.roleName !== undefined) {
    throw limitExceeded('Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1')
  }
  saveProfile(call, { ...profile, roleName })
}

function removeRole(call: Call, parameters: QueryParameters): undefined {
  const { profile, roleName } = readPair(call, parameters)
  if (profile.roleName !== roleName) {
    throw noSuchEntity(`The role with name ${roleName} cannot be found in the instance profile.`)
  }
  const { roleName: _gone, ...rest } = profile
  saveProfile(call, rest)
}

export const INSTANCE_PROFILE_OPERATIONS: QueryOperations = {
  CreateInstanceProfile: createProfile,
  GetInstanceProfile: (call, parameters) => ({
    InstanceProfile: profileNode(call, readProfile(call, parameters), true),
  }),
  ListInstanceProfiles: listProfiles,
  ListInstanceProfilesForRole: listProfilesForRole,
  DeleteInstanceProfile: deleteProfile,
  AddRoleToInstanceProfile: addRole,
  RemoveRoleFromInstanceProfile: removeRole,
  ...taggingOperations({
    word: 'InstanceProfile',
    tagCase: 'exact',
    readName: readProfileName,
    require: requireProfile,
    save: saveProfile,
  }),
}
