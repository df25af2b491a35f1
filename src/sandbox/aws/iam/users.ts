import { authorize } from '../identity/authorization.ts'
import { newUniqueId } from '../identifiers.ts'
import { quotaOf } from '../quotas/quotas.ts'
import type { UserRecord } from '../records.ts'
import { nameKey } from '../records.ts'
import type { QueryOperations, ResultMembers } from '../wire/call-table.ts'
import { Constraints } from '../wire/constraints.ts'
import { AwsFault } from '../wire/fault.ts'
import { pageOf } from '../wire/pages.ts'
import type { QueryParameters } from '../wire/query.ts'
import { accountOf, type Call } from '../world.ts'
import { boundaryMembers, boundaryOperations, requireBoundary } from './boundaries.ts'
import { holderOperations } from './entity-policies.ts'
import { alreadyExists, deleteConflict, limitExceeded, noSuchEntity } from './faults.ts'
import { NEW_USER_NAME, PATH, PATH_PREFIX, USER_NAME } from './shapes.ts'
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

export const readUserName = (parameters: QueryParameters, constraints: Constraints): string =>
  constraints.text('userName', parameters.get('UserName'), USER_NAME) ?? ''

/** The user of the caller's account. @throws AwsFault `AccessDenied`, `NoSuchEntity` */
export function requireUser(
  call: Call,
  name: string,
  context: Readonly<Record<string, string | readonly string[]>> = {},
): UserRecord {
  const user = call.world.tables.users.get(nameKey(accountOf(call), name))
  authorize(call, {
    action: `iam:${call.operation}`,
    resource: user?.arn ?? userArnOf(call, '/', name),
    context: { ...resourceTagKeys(user?.tags ?? {}), ...context },
  })
  if (user === undefined) throw noSuchEntity(`The user with name ${name} cannot be found.`)
  return user
}

/**
 * The name that a call is about; the caller's own where it names none.
 * @throws AwsFault `ValidationError` where the caller is no user
 */
export function nameOrOwn(call: Call, name: string | undefined): string {
  if (name !== undefined) return name
  const own = call.identity.key?.userName
  if (own !== undefined) return own
  throw new AwsFault(
    'ValidationError',
    'Must specify userName when calling with non-User credentials',
  )
}

function saveUser(call: Call, user: UserRecord): void {
  call.world.tables.users.set(nameKey(user.accountId, user.userName), user)
}

const userArnOf = (call: Call, path: string, name: string): string =>
  `arn:${call.world.partition}:iam::${accountOf(call)}:user${path}${name}`

/** A user as the wire shows it; lists leave out tags and boundary. */
export function userNode(user: UserRecord, full: boolean): ResultMembers {
  return {
    Path: user.path,
    UserName: user.userName,
    UserId: user.userId,
    Arn: user.arn,
    CreateDate: new Date(user.createdAtMs),
    ...(full && boundaryMembers(user)),
    ...(full && Object.keys(user.tags).length > 0 && { Tags: tagNodes(user.tags) }),
  }
}

/** The users of the caller's account. */
export function usersOf(call: Call): readonly UserRecord[] {
  const accountId = accountOf(call)
  return [...call.world.tables.users.values()].filter((user) => user.accountId === accountId)
}

function createUser(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const given = parameters.get('UserName')
  const userName = constraints.text('userName', given, NEW_USER_NAME) ?? ''
  const path = constraints.text('path', parameters.get('Path'), PATH) ?? '/'
  const boundaryArn = parameters.get('PermissionsBoundary')
  constraints.text('permissionsBoundary', boundaryArn, { min: 20, max: 2048 })
  const tags = readTags(call, parameters, constraints)
  constraints.check()
  const arn = userArnOf(call, path, userName)
  const context = {
    ...requestTagKeys(tags),
    ...(boundaryArn !== undefined && { 'iam:PermissionsBoundary': boundaryArn }),
  }
  authorize(call, { action: 'iam:CreateUser', resource: arn, context })
  if (tags.length > 0) authorize(call, { action: 'iam:TagUser', resource: arn, context })
  const { tables } = call.world
  const accountId = accountOf(call)
  if (tables.users.has(nameKey(accountId, userName))) {
    throw alreadyExists(`User with name ${userName} already exists.`)
  }
  const limit = quotaOf(call, 'users')
  if (usersOf(call).length >= limit) {
    throw limitExceeded(`Cannot exceed quota for UsersPerAccount: ${limit}`)
  }
  if (boundaryArn !== undefined) requireBoundary(call, boundaryArn)
  const user: UserRecord = {
    accountId,
    userName,
    path,
    userId: newUniqueId('AIDA'),
    arn,
    ...(boundaryArn !== undefined && { boundaryArn }),
    inlinePolicies: {},
    attachedPolicyArns: [],
    tags: mergeTags(call, {}, tags, 'folded'),
    createdAtMs: call.nowMs,
  }
  saveUser(call, user)
  return { User: userNode(user, true) }
}

function getUser(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const shape = { ...USER_NAME, required: false }
  const given = constraints.text('userName', parameters.get('UserName'), shape)
  constraints.check()
  return { User: userNode(requireUser(call, nameOrOwn(call, given)), true) }
}

function listUsers(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const given = parameters.get('PathPrefix')
  const prefix = constraints.text('pathPrefix', given, PATH_PREFIX) ?? '/'
  const ask = readPage(parameters, constraints)
  constraints.check()
  authorize(call, { action: 'iam:ListUsers', resource: userArnOf(call, prefix, '') })
  const found = usersOf(call).filter(({ path }) => path.startsWith(prefix))
  const page = pageOf(found, ({ userName }) => userName, ask)
  return { ...pageMembers(page.next), Users: page.items.map((user) => userNode(user, false)) }
}

/** A user keeps its unique id, keys and groups under another name. */
function updateUser(call: Call, parameters: QueryParameters): undefined {
  const constraints = new Constraints()
  const name = readUserName(parameters, constraints)
  const newShape = { ...NEW_USER_NAME, required: false }
  const newName = constraints.text('newUserName', parameters.get('NewUserName'), newShape)
  const newPath = constraints.text('newPath', parameters.get('NewPath'), PATH)
  constraints.check()
  const user = requireUser(call, name)
  const userName = newName ?? user.userName
  const path = newPath ?? user.path
  const arn = userArnOf(call, path, userName)
  authorize(call, { action: 'iam:UpdateUser', resource: arn })
  const { tables } = call.world
  const from = nameKey(user.accountId, user.userName)
  const to = nameKey(user.accountId, userName)
  if (from !== to && tables.users.has(to)) {
    throw alreadyExists(`User with name ${userName} already exists.`)
  }
  tables.users.set(to, { ...user, userName, path, arn })
  if (from !== to) tables.users.delete(from)
  for (const key of tables.keys.values()) {
    if (key.accountId !== user.accountId || key.userName !== user.userName) continue
    tables.keys.set(key.accessKeyId, { ...key, userName })
  }
}

function deleteUser(call: Call, parameters: QueryParameters): undefined {
  const constraints = new Constraints()
  const name = readUserName(parameters, constraints)
  constraints.check()
  const user = requireUser(call, name)
  const { tables } = call.world
  const hasKeys = [...tables.keys.values()].some(
    ({ accountId, userName, session, temporary }) =>
      accountId === user.accountId &&
      userName === user.userName &&
      (session ?? temporary) === undefined,
  )
  if (hasKeys) throw deleteConflict('Cannot delete entity, must delete access keys first.')
  if (user.attachedPolicyArns.length > 0) {
    throw deleteConflict('Cannot delete entity, must detach all policies first.')
  }
  if (Object.keys(user.inlinePolicies).length > 0) {
    throw deleteConflict('Cannot delete entity, must delete policies first.')
  }
  if ([...tables.groups.values()].some(({ userIds }) => userIds.includes(user.userId))) {
    throw deleteConflict('Cannot delete entity, must remove users from group first.')
  }
  tables.users.delete(nameKey(user.accountId, user.userName))
}

const USERS = {
  word: 'User',
  inlineQuota: 'userPolicyCharacters',
  attachedQuota: 'policiesPerUser',
  readName: readUserName,
  require: requireUser,
  save: saveUser,
  nameOf: ({ userName }: UserRecord): string => userName,
  tagCase: 'folded',
} as const

export const USER_OPERATIONS: QueryOperations = {
  CreateUser: createUser,
  GetUser: getUser,
  ListUsers: listUsers,
  UpdateUser: updateUser,
  DeleteUser: deleteUser,
  ...boundaryOperations(USERS),
  ...taggingOperations(USERS),
  ...holderOperations(USERS),
}
