import { authorize } from '../identity/authorization.ts'
import { newUniqueId } from '../identifiers.ts'
import { quotaOf } from '../quotas/quotas.ts'
import type { RoleRecord } from '../records.ts'
import { nameKey } from '../records.ts'
import type { QueryOperations, ResultMembers } from '../wire/call-table.ts'
import { Constraints } from '../wire/constraints.ts'
import { AwsFault } from '../wire/fault.ts'
import { pageOfTable } from '../wire/pages.ts'
import type { QueryParameters } from '../wire/query.ts'
import { KeptNode, type Node } from '../wire/xml.ts'
import { accountOf, type Call } from '../world.ts'
import { boundaryMembers, boundaryOperations, requireBoundary } from './boundaries.ts'
import { holderOperations } from './entity-policies.ts'
import {
  alreadyExists,
  deleteConflict,
  encodeDocument,
  invalidInput,
  limitExceeded,
  malformedPolicy,
  noSuchEntity,
  readDocument,
} from './faults.ts'
import { currentText, type PrincipalIds, readPrincipals } from './principals.ts'
import { findOpenIssuer } from './shared-issuers.ts'
import { DOCUMENT, PATH, PATH_PREFIX, ROLE_NAME } from './shapes.ts'
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

const SESSION_SECONDS = { min: 3600, max: 43_200 }
export const DESCRIPTION = {
  max: 1000,
  pattern: '[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u00A1-\\u00FF]*',
}

/** What only a role's service may do where the role is linked to one. */
const PROTECTED = new Set([
  'UpdateAssumeRolePolicy',
  'DeleteRole',
  'AttachRolePolicy',
  'DetachRolePolicy',
  'PutRolePolicy',
  'DeleteRolePolicy',
  'PutRolePermissionsBoundary',
  'DeleteRolePermissionsBoundary',
])
const LINKED_PATH = '/aws-service-role/'

export const isServiceLinked = ({ path }: RoleRecord): boolean => path.startsWith(LINKED_PATH)

/** Reads RoleName. @throws AwsFault `ValidationError` */
export function readRoleName(parameters: QueryParameters, constraints: Constraints): string {
  return constraints.text('roleName', parameters.get('RoleName'), ROLE_NAME) ?? ''
}

/** The role of the caller's account. @throws AwsFault `AccessDenied`, `NoSuchEntity` */
export function requireRole(
  call: Call,
  name: string,
  context: Readonly<Record<string, string | readonly string[]>> = {},
): RoleRecord {
  const role = call.world.tables.roles.get(nameKey(accountOf(call), name))
  authorize(call, {
    action: `iam:${call.operation}`,
    resource: role?.arn ?? roleArnOf(call, '/', name),
    context: { ...resourceTagKeys(role?.tags ?? {}), ...context },
  })
  if (role === undefined) throw noSuchEntity(`The role with name ${name} cannot be found.`)
  if (isServiceLinked(role) && PROTECTED.has(call.operation)) throw unmodifiable(role)
  return role
}

const unmodifiable = ({ roleName }: RoleRecord): AwsFault =>
  new AwsFault(
    'UnmodifiableEntity',
    `Cannot perform the operation on the protected role '${roleName}' - this role is only modifiable by AWS`,
  )

/** Replaces a role's record. */
export function saveRole(call: Call, role: RoleRecord): void {
  call.world.tables.roles.set(nameKey(role.accountId, role.roleName), role)
}

const roleArnOf = (call: Call, path: string, name: string): string =>
  `arn:${call.world.partition}:iam::${accountOf(call)}:role${path}${name}`

/** A trust policy with the ids of those it names. @throws AwsFault `MalformedPolicyDocument` … */
function readTrust(call: Call, text: string): PrincipalIds {
  const most = quotaOf(call, 'trustPolicyCharacters')
  if (text.length > most) {
    throw limitExceeded(`Cannot exceed quota for ACLSizePerRole: ${most}`)
  }
  const document = readDocument(text, 'trust')
  const open = findOpenIssuer(document)
  if (open !== undefined) {
    throw malformedPolicy(`Trust in ${open} must evaluate a claim such as ${open}:sub`)
  }
  const principals = readPrincipals(call.world.tables, document)
  if ('unknown' in principals) {
    throw malformedPolicy(`Invalid principal in policy: "AWS":"${principals.unknown}"`)
  }
  return principals.ids
}

/** A role as the wire shows it; lists leave out what Get tells. */
export function roleNode(call: Call, role: RoleRecord, full: boolean): ResultMembers {
  const trust = currentText(call.world.tables, role.trustPolicy, role.trustPrincipalIds)
  return {
    Path: role.path,
    RoleName: role.roleName,
    RoleId: role.roleId,
    Arn: role.arn,
    CreateDate: new Date(role.createdAtMs),
    AssumeRolePolicyDocument: encodeDocument(trust),
    Description: role.description,
    MaxSessionDuration: role.maxSessionSeconds,
    ...(full && boundaryMembers(role)),
    ...(full && Object.keys(role.tags).length > 0 && { Tags: tagNodes(role.tags) }),
    ...(full && call.operation === 'GetRole' && { RoleLastUsed: lastUsed(role) }),
  }
}

const listed = new WeakMap<RoleRecord, KeptNode>()

/** As lists show it; kept where nothing but the record itself decides how. */
function listedRole(call: Call, role: RoleRecord): Node {
  if (Object.keys(role.trustPrincipalIds).length > 0) return roleNode(call, role, false)
  const known = listed.get(role) ?? new KeptNode(roleNode(call, role, false))
  listed.set(role, known)
  return known
}

function lastUsed(role: RoleRecord): Node {
  if (role.lastUsedAtMs === undefined) return {}
  return { LastUsedDate: new Date(role.lastUsedAtMs), Region: role.lastUsedRegion }
}

function createRole(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const roleName = readRoleName(parameters, constraints)
  const path = constraints.text('path', parameters.get('Path'), PATH) ?? '/'
  const trust = parameters.get('AssumeRolePolicyDocument')
  const trustPolicy = constraints.text('assumeRolePolicyDocument', trust, DOCUMENT) ?? ''
  const description = constraints.text('description', parameters.get('Description'), DESCRIPTION)
  const boundaryArn = parameters.get('PermissionsBoundary')
  constraints.text('permissionsBoundary', boundaryArn, { min: 20, max: 2048 })
  const maxSessionSeconds = readMaxSession(parameters, constraints) ?? 3600
  const tags = readTags(call, parameters, constraints)
  constraints.check()
  const { tables } = call.world
  authorize(call, {
    action: 'iam:CreateRole',
    resource: roleArnOf(call, path, roleName),
    context: {
      ...requestTagKeys(tags),
      ...(boundaryArn !== undefined && { 'iam:PermissionsBoundary': boundaryArn }),
    },
  })
  if (tags.length > 0) {
    authorize(call, {
      action: 'iam:TagRole',
      resource: roleArnOf(call, path, roleName),
      context: requestTagKeys(tags),
    })
  }
  if (path.startsWith(LINKED_PATH)) {
    throw invalidInput(`The path ${LINKED_PATH} is reserved for service-linked roles.`)
  }
  const key = nameKey(accountOf(call), roleName)
  if (tables.roles.has(key)) throw alreadyExists(`Role with name ${roleName} already exists.`)
  checkRoleQuota(call)
  const trustPrincipalIds = readTrust(call, trustPolicy)
  if (boundaryArn !== undefined) requireBoundary(call, boundaryArn)
  const role: RoleRecord = {
    accountId: accountOf(call),
    roleName,
    path,
    roleId: newUniqueId('AROA'),
    arn: roleArnOf(call, path, roleName),
    ...(description !== undefined && { description }),
    maxSessionSeconds,
    trustPolicy,
    trustPrincipalIds,
    ...(boundaryArn !== undefined && { boundaryArn }),
    inlinePolicies: {},
    attachedPolicyArns: [],
    tags: mergeTags(call, {}, tags, 'folded'),
    createdAtMs: call.nowMs,
  }
  tables.roles.set(key, role)
  return { Role: roleNode(call, role, true) }
}

/** @throws AwsFault `LimitExceeded` */
export function checkRoleQuota(call: Call): void {
  let count = 0
  for (const role of call.world.tables.roles.values()) {
    if (role.accountId === accountOf(call)) count += 1
  }
  const most = quotaOf(call, 'roles')
  if (count >= most) {
    throw limitExceeded(`Cannot exceed quota for RolesPerAccount: ${most}`)
  }
}

function readMaxSession(parameters: QueryParameters, constraints: Constraints): number | undefined {
  const text = parameters.get('MaxSessionDuration')
  return constraints.integer('maxSessionDuration', text, SESSION_SECONDS)
}

function getRole(call: Call, parameters: QueryParameters): ResultMembers {
  return { Role: roleNode(call, readRole(call, parameters), true) }
}

/** The role that RoleName names, with nothing else to read. */
function readRole(call: Call, parameters: QueryParameters): RoleRecord {
  const constraints = new Constraints()
  const name = readRoleName(parameters, constraints)
  constraints.check()
  return requireRole(call, name)
}

function listRoles(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const prefix = constraints.text('pathPrefix', parameters.get('PathPrefix'), PATH_PREFIX) ?? '/'
  const ask = readPage(parameters, constraints)
  constraints.check()
  authorize(call, { action: 'iam:ListRoles', resource: roleArnOf(call, prefix, '') })
  const page = pageOfTable(
    call.world.tables.roles,
    ({ accountId, roleName }) => `${accountId}/${roleName}`,
    { ...ask, prefix: `${accountOf(call)}/`, isWanted: ({ path }) => path.startsWith(prefix) },
  )
  return {
    ...pageMembers(page.next),
    Roles: page.items.map((role) => listedRole(call, role)),
  }
}

function updateRole(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const name = readRoleName(parameters, constraints)
  const description = constraints.text('description', parameters.get('Description'), DESCRIPTION)
  const maxSessionSeconds = readMaxSession(parameters, constraints)
  constraints.check()
  const role = requireRole(call, name)
  if (isServiceLinked(role) && maxSessionSeconds !== undefined) throw unmodifiable(role)
  saveRole(call, {
    ...role,
    ...(description !== undefined && { description }),
    ...(maxSessionSeconds !== undefined && { maxSessionSeconds }),
  })
  return {}
}

function updateAssumeRolePolicy(call: Call, parameters: QueryParameters): undefined {
  const constraints = new Constraints()
  const name = readRoleName(parameters, constraints)
  const given = parameters.get('PolicyDocument')
  const trustPolicy = constraints.text('policyDocument', given, DOCUMENT) ?? ''
  constraints.check()
  const role = requireRole(call, name)
  saveRole(call, { ...role, trustPolicy, trustPrincipalIds: readTrust(call, trustPolicy) })
}

function deleteRole(call: Call, parameters: QueryParameters): undefined {
  const role = readRole(call, parameters)
  for (const profile of call.world.tables.instanceProfiles.values()) {
    if (profile.accountId !== role.accountId || profile.roleName !== role.roleName) continue
    throw deleteConflict('Cannot delete entity, must remove roles from instance profile first.')
  }
  if (role.attachedPolicyArns.length > 0) {
    throw deleteConflict('Cannot delete entity, must detach all policies first.')
  }
  if (Object.keys(role.inlinePolicies).length > 0) {
    throw deleteConflict('Cannot delete entity, must delete policies first.')
  }
  call.world.tables.roles.delete(nameKey(role.accountId, role.roleName))
}

function updateDescription(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const name = readRoleName(parameters, constraints)
  const shape = { ...DESCRIPTION, required: true }
  const description = constraints.text('description', parameters.get('Description'), shape) ?? ''
  constraints.check()
  const role = { ...requireRole(call, name), description }
  saveRole(call, role)
  return { Role: roleNode(call, role, true) }
}

/** Roles as things with policies, tags and a boundary. */
const ROLES = {
  word: 'Role',
  inlineQuota: 'rolePolicyCharacters',
  attachedQuota: 'policiesPerRole',
  readName: readRoleName,
  require: requireRole,
  save: saveRole,
  nameOf: ({ roleName }: RoleRecord): string => roleName,
  tagCase: 'folded',
} as const

export const ROLE_OPERATIONS: QueryOperations = {
  CreateRole: createRole,
  GetRole: getRole,
  ListRoles: listRoles,
  UpdateRole: updateRole,
  UpdateAssumeRolePolicy: updateAssumeRolePolicy,
  DeleteRole: deleteRole,
  UpdateRoleDescription: updateDescription,
  ...boundaryOperations(ROLES),
  ...taggingOperations(ROLES),
  ...holderOperations(ROLES),
}
