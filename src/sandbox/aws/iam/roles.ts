import { authorize } from '../identity/authorization.ts'
import { newUniqueId } from '../identifiers.ts'
import type { RoleRecord } from '../records.ts'
import { nameKey } from '../records.ts'
import type { QueryOperations, ResultMembers } from '../wire/call-table.ts'
import { Constraints } from '../wire/constraints.ts'
import { pageOf } from '../wire/pages.ts'
import type { QueryParameters } from '../wire/query.ts'
import type { Node } from '../wire/xml.ts'
import { accountOf, type Call } from '../world.ts'
import {
  alreadyExists,
  deleteConflict,
  encodeDocument,
  limitExceeded,
  malformedPolicy,
  noSuchEntity,
  readDocument,
} from './faults.ts'
import { currentText, type PrincipalIds, readPrincipals } from './principals.ts'
import { findOpenIssuer } from './shared-issuers.ts'
import {
  mergeTags,
  pageMembers,
  readMaxItems,
  readTags,
  requestTagKeys,
  resourceTagKeys,
  tagNodes,
  withoutTags,
} from './tags.ts'

export const ROLE_NAME = { required: true, min: 1, max: 64, pattern: '[\\w+=,.@-]+' }
export const PATH = { min: 1, max: 512, pattern: '(\\u002F)|(\\u002F[\\u0021-\\u007E]+\\u002F)' }
export const POLICY_NAME = { required: true, min: 1, max: 128, pattern: '[\\w+=,.@-]+' }
export const POLICY_ARN = { required: true, min: 20, max: 2048 }
export const DOCUMENT = {
  required: true,
  min: 1,
  max: 131_072,
  pattern: '[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+',
}
const SESSION_SECONDS = { min: 3600, max: 43_200 }
const DESCRIPTION = { max: 1000 }

/** IAM's default quotas. Source: IAM User Guide, "IAM and AWS STS quotas". */
const MAX_TRUST_CHARACTERS = 2048
const MAX_ROLES = 1000

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
  return role
}

/** Replaces a role's record. */
export function saveRole(call: Call, role: RoleRecord): void {
  call.world.tables.roles.set(nameKey(role.accountId, role.roleName), role)
}

const roleArnOf = (call: Call, path: string, name: string): string =>
  `arn:${call.world.partition}:iam::${accountOf(call)}:role${path}${name}`

/** A trust policy with the ids of those it names. @throws AwsFault `MalformedPolicyDocument` … */
function readTrust(call: Call, text: string): PrincipalIds {
  if (text.length > MAX_TRUST_CHARACTERS) {
    throw limitExceeded(`Cannot exceed quota for ACLSizePerRole: ${MAX_TRUST_CHARACTERS}`)
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
function roleNode(call: Call, role: RoleRecord, full: boolean): ResultMembers {
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

function boundaryMembers(role: RoleRecord): ResultMembers {
  if (role.boundaryArn === undefined) return {}
  const boundary = {
    PermissionsBoundaryType: 'Policy',
    PermissionsBoundaryArn: role.boundaryArn,
  }
  return { PermissionsBoundary: boundary }
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
  const tags = readTags(parameters, constraints)
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
    tags: mergeTags({}, tags),
    createdAtMs: call.nowMs,
  }
  tables.roles.set(key, role)
  return { Role: roleNode(call, role, true) }
}

function checkRoleQuota(call: Call): void {
  let count = 0
  for (const role of call.world.tables.roles.values()) {
    if (role.accountId === accountOf(call)) count += 1
  }
  if (count >= MAX_ROLES) {
    throw limitExceeded(`Cannot exceed quota for RolesPerAccount: ${MAX_ROLES}`)
  }
}

function readMaxSession(parameters: QueryParameters, constraints: Constraints): number | undefined {
  const text = parameters.get('MaxSessionDuration')
  return constraints.integer('maxSessionDuration', text, SESSION_SECONDS)
}

function requireBoundary(call: Call, arn: string): void {
  if (call.world.tables.policies.has(arn)) return
  throw noSuchEntity(`Scope ARN: ${arn} does not exist or is not attachable.`)
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
  const pathShape = { min: 1, max: 512, pattern: '\\u002F[\\u0021-\\u007F]*' }
  const prefix = constraints.text('pathPrefix', parameters.get('PathPrefix'), pathShape) ?? '/'
  const limit = readMaxItems(parameters, constraints)
  constraints.check()
  authorize(call, { action: 'iam:ListRoles', resource: roleArnOf(call, prefix, '') })
  const mine = [...call.world.tables.roles.values()].filter(
    (role) => role.accountId === accountOf(call) && role.path.startsWith(prefix),
  )
  const token = parameters.get('Marker')
  const page = pageOf(mine, (role) => role.roleName, { limit, token, fault: 'ValidationError' })
  return {
    ...pageMembers(page.next),
    Roles: page.items.map((role) => roleNode(call, role, false)),
  }
}

function updateRole(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const name = readRoleName(parameters, constraints)
  const description = constraints.text('description', parameters.get('Description'), DESCRIPTION)
  const maxSessionSeconds = readMaxSession(parameters, constraints)
  constraints.check()
  const role = requireRole(call, name)
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
  if (role.attachedPolicyArns.length > 0) {
    throw deleteConflict('Cannot delete entity, must detach all policies first.')
  }
  if (Object.keys(role.inlinePolicies).length > 0) {
    throw deleteConflict('Cannot delete entity, must delete policies first.')
  }
  call.world.tables.roles.delete(nameKey(role.accountId, role.roleName))
}

function putBoundary(call: Call, parameters: QueryParameters): undefined {
  const constraints = new Constraints()
  const name = readRoleName(parameters, constraints)
  const given = parameters.get('PermissionsBoundary')
  const boundaryArn = constraints.text('permissionsBoundary', given, POLICY_ARN) ?? ''
  constraints.check()
  const role = requireRole(call, name, { 'iam:PermissionsBoundary': boundaryArn })
  requireBoundary(call, boundaryArn)
  saveRole(call, { ...role, boundaryArn })
}

function deleteBoundary(call: Call, parameters: QueryParameters): undefined {
  const { boundaryArn, ...rest } = readRole(call, parameters)
  if (boundaryArn === undefined) {
    throw noSuchEntity(`Entity ${rest.roleName} does not have a permissions boundary.`)
  }
  saveRole(call, rest)
}

function tagRole(call: Call, parameters: QueryParameters): undefined {
  const constraints = new Constraints()
  const name = readRoleName(parameters, constraints)
  const tags = readTags(parameters, constraints)
  constraints.check()
  const role = requireRole(call, name, requestTagKeys(tags))
  saveRole(call, { ...role, tags: mergeTags(role.tags, tags) })
}

function untagRole(call: Call, parameters: QueryParameters): undefined {
  const constraints = new Constraints()
  const name = readRoleName(parameters, constraints)
  const keys = parameters.list('TagKeys')
  constraints.count('tagKeys', keys.length, 50)
  constraints.check()
  const role = requireRole(call, name, { 'aws:TagKeys': keys })
  saveRole(call, { ...role, tags: withoutTags(role.tags, keys) })
}

function listRoleTags(call: Call, parameters: QueryParameters): ResultMembers {
  return { IsTruncated: false, Tags: tagNodes(readRole(call, parameters).tags) }
}

export const ROLE_OPERATIONS: QueryOperations = {
  CreateRole: createRole,
  GetRole: getRole,
  ListRoles: listRoles,
  UpdateRole: updateRole,
  UpdateAssumeRolePolicy: updateAssumeRolePolicy,
  DeleteRole: deleteRole,
  PutRolePermissionsBoundary: putBoundary,
  DeleteRolePermissionsBoundary: deleteBoundary,
  TagRole: tagRole,
  UntagRole: untagRole,
  ListRoleTags: listRoleTags,
}
