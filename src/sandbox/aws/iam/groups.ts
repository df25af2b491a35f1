import { authorize } from '../identity/authorization.ts'
import { newUniqueId } from '../identifiers.ts'
import { quotaOf } from '../quotas/quotas.ts'
import type { GroupRecord } from '../records.ts'
import { nameKey } from '../records.ts'
import type { QueryOperations, ResultMembers } from '../wire/call-table.ts'
import { Constraints } from '../wire/constraints.ts'
import { pageOf } from '../wire/pages.ts'
import type { QueryParameters } from '../wire/query.ts'
import { accountOf, type Call } from '../world.ts'
import { holderOperations } from './entity-policies.ts'
import { alreadyExists, deleteConflict, limitExceeded, noSuchEntity } from './faults.ts'
import { GROUP_NAME, PATH, PATH_PREFIX } from './shapes.ts'
import { pageMembers, readPage } from './tags.ts'
import { readUserName, requireUser, userNode, usersOf } from './users.ts'

const readGroupName = (parameters: QueryParameters, constraints: Constraints): string =>
  constraints.text('groupName', parameters.get('GroupName'), GROUP_NAME) ?? ''

/** The group of the caller's account. @throws AwsFault `AccessDenied`, `NoSuchEntity` */
function requireGroup(
  call: Call,
  name: string,
  context: Readonly<Record<string, string | readonly string[]>> = {},
): GroupRecord {
  const group = call.world.tables.groups.get(nameKey(accountOf(call), name))
  const resource = group?.arn ?? groupArnOf(call, '/', name)
  authorize(call, { action: `iam:${call.operation}`, resource, context })
  if (group === undefined) throw noSuchEntity(`The group with name ${name} cannot be found.`)
  return group
}

function saveGroup(call: Call, group: GroupRecord): void {
  call.world.tables.groups.set(nameKey(group.accountId, group.groupName), group)
}

const groupArnOf = (call: Call, path: string, name: string): string =>
  `arn:${call.world.partition}:iam::${accountOf(call)}:group${path}${name}`

export const groupNode = (group: GroupRecord): ResultMembers => ({
  Path: group.path,
  GroupName: group.groupName,
  GroupId: group.groupId,
  Arn: group.arn,
  CreateDate: new Date(group.createdAtMs),
})

/** The groups of the caller's account. */
export function groupsOf(call: Call): readonly GroupRecord[] {
  const accountId = accountOf(call)
  return [...call.world.tables.groups.values()].filter((group) => group.accountId === accountId)
}

function createGroup(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const groupName = readGroupName(parameters, constraints)
  const path = constraints.text('path', parameters.get('Path'), PATH) ?? '/'
  constraints.check()
  const arn = groupArnOf(call, path, groupName)
  authorize(call, { action: 'iam:CreateGroup', resource: arn })
  const { tables } = call.world
  const accountId = accountOf(call)
  if (tables.groups.has(nameKey(accountId, groupName))) {
    throw alreadyExists(`Group with name ${groupName} already exists.`)
  }
  const limit = quotaOf(call, 'groups')
  if (groupsOf(call).length >= limit) {
    throw limitExceeded(`Cannot exceed quota for GroupsPerAccount: ${limit}`)
  }
  const group: GroupRecord = {
    accountId,
    groupName,
    path,
    groupId: newUniqueId('AGPA'),
    arn,
    inlinePolicies: {},
    attachedPolicyArns: [],
    userIds: [],
    createdAtMs: call.nowMs,
  }
  saveGroup(call, group)
  return { Group: groupNode(group) }
}

/** A group with its users, by pages. */
function getGroup(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const name = readGroupName(parameters, constraints)
  const ask = readPage(parameters, constraints)
  constraints.check()
  const group = requireGroup(call, name)
  const members = usersOf(call).filter(({ userId }) => group.userIds.includes(userId))
  const page = pageOf(members, ({ userName }) => userName, ask)
  return {
    Group: groupNode(group),
    ...pageMembers(page.next),
    Users: page.items.map((user) => userNode(user, false)),
  }
}

function listGroups(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const given = parameters.get('PathPrefix')
  const prefix = constraints.text('pathPrefix', given, PATH_PREFIX) ?? '/'
  const ask = readPage(parameters, constraints)
  constraints.check()
  authorize(call, { action: 'iam:ListGroups', resource: groupArnOf(call, prefix, '') })
  const found = groupsOf(call).filter(({ path }) => path.startsWith(prefix))
  const page = pageOf(found, ({ groupName }) => groupName, ask)
  return { ...pageMembers(page.next), Groups: page.items.map(groupNode) }
}

function listGroupsForUser(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const name = readUserName(parameters, constraints)
  const ask = readPage(parameters, constraints)
  constraints.check()
  const { userId } = requireUser(call, name)
  const found = groupsOf(call).filter(({ userIds }) => userIds.includes(userId))
  const page = pageOf(found, ({ groupName }) => groupName, ask)
  return { ...pageMembers(page.next), Groups: page.items.map(groupNode) }
}

function updateGroup(call: Call, parameters: QueryParameters): undefined {
  const constraints = new Constraints()
  const name = readGroupName(parameters, constraints)
  const newShape = { ...GROUP_NAME, required: false }
  const newName = constraints.text('newGroupName', parameters.get('NewGroupName'), newShape)
  const newPath = constraints.text('newPath', parameters.get('NewPath'), PATH)
  constraints.check()
  const group = requireGroup(call, name)
  const groupName = newName ?? group.groupName
  const path = newPath ?? group.path
  const arn = groupArnOf(call, path, groupName)
  authorize(call, { action: 'iam:UpdateGroup', resource: arn })
  const { groups } = call.world.tables
  const from = nameKey(group.accountId, group.groupName)
  const to = nameKey(group.accountId, groupName)
  if (from !== to && groups.has(to)) {
    throw alreadyExists(`Group with name ${groupName} already exists.`)
  }
  groups.set(to, { ...group, groupName, path, arn })
  if (from !== to) groups.delete(from)
}

function deleteGroup(call: Call, parameters: QueryParameters): undefined {
  const constraints = new Constraints()
  const name = readGroupName(parameters, constraints)
  constraints.check()
  const group = requireGroup(call, name)
  if (group.userIds.length > 0) {
    throw deleteConflict('Cannot delete entity, must remove users from group first.')
  }
  if (group.attachedPolicyArns.length > 0) {
    throw deleteConflict('Cannot delete entity, must detach all policies first.')
  }
  if (Object.keys(group.inlinePolicies).length > 0) {
    throw deleteConflict('Cannot delete entity, must delete policies first.')
  }
  call.world.tables.groups.delete(nameKey(group.accountId, group.groupName))
}

/** The group and the id of the user that a call joins or parts. */
function readMembership(
  call: Call,
  parameters: QueryParameters,
): { readonly group: GroupRecord; readonly userName: string; readonly userId: string } {
  const constraints = new Constraints()
  const groupName = readGroupName(parameters, constraints)
  const userName = readUserName(parameters, constraints)
  constraints.check()
  const group = requireGroup(call, groupName)
  const user = call.world.tables.users.get(nameKey(group.accountId, userName))
  if (user === undefined) throw noSuchEntity(`The user with name ${userName} cannot be found.`)
  return { group, userName, userId: user.userId }
}

function addUserToGroup(call: Call, parameters: QueryParameters): undefined {
  const { group, userId } = readMembership(call, parameters)
  if (group.userIds.includes(userId)) return
  const joined = groupsOf(call).filter(({ userIds }) => userIds.includes(userId)).length
  const most = quotaOf(call, 'groupsPerUser')
  if (joined >= most) {
    throw limitExceeded(`Cannot exceed quota for GroupsPerUser: ${most}`)
  }
  saveGroup(call, { ...group, userIds: [...group.userIds, userId] })
}

function removeUserFromGroup(call: Call, parameters: QueryParameters): undefined {
  const { group, userName, userId } = readMembership(call, parameters)
  if (!group.userIds.includes(userId)) {
    throw noSuchEntity(`User ${userName} is not in the group ${group.groupName}.`)
  }
  saveGroup(call, { ...group, userIds: group.userIds.filter((id) => id !== userId) })
}

export const GROUP_OPERATIONS: QueryOperations = {
  CreateGroup: createGroup,
  GetGroup: getGroup,
  ListGroups: listGroups,
  ListGroupsForUser: listGroupsForUser,
  UpdateGroup: updateGroup,
  DeleteGroup: deleteGroup,
  AddUserToGroup: addUserToGroup,
  RemoveUserFromGroup: removeUserFromGroup,
  ...holderOperations({
    word: 'Group',
    inlineQuota: 'groupPolicyCharacters',
    attachedQuota: 'policiesPerGroup',
    readName: readGroupName,
    require: requireGroup,
    save: saveGroup,
    nameOf: ({ groupName }) => groupName,
  }),
}
