import type { QueryOperations, ResultMembers } from '../wire/call-table.ts'
import { Constraints } from '../wire/constraints.ts'
import { pageOf } from '../wire/pages.ts'
import type { QueryParameters } from '../wire/query.ts'
import type { Call } from '../world.ts'
import {
  countedLength,
  encodeDocument,
  limitExceeded,
  noSuchEntity,
  readDocument,
} from './faults.ts'
import { requirePolicy } from './managed-policies.ts'
import { DOCUMENT, POLICY_ARN, POLICY_NAME, readRoleName, requireRole, saveRole } from './roles.ts'
import { pageMembers, readMaxItems } from './tags.ts'

const MAX_INLINE_CHARACTERS = 10_240
const MAX_ATTACHED = 20

function putRolePolicy(call: Call, parameters: QueryParameters): undefined {
  const constraints = new Constraints()
  const roleName = readRoleName(parameters, constraints)
  const given = parameters.get('PolicyName')
  const policyName = constraints.text('policyName', given, POLICY_NAME) ?? ''
  const text = parameters.get('PolicyDocument')
  const document = constraints.text('policyDocument', text, DOCUMENT) ?? ''
  constraints.check()
  const role = requireRole(call, roleName)
  readDocument(document, 'identity')
  const inlinePolicies = { ...role.inlinePolicies, [policyName]: document }
  const size = Object.values(inlinePolicies).reduce((sum, one) => sum + countedLength(one), 0)
  if (size > MAX_INLINE_CHARACTERS) {
    throw limitExceeded(
      `Maximum policy size of ${MAX_INLINE_CHARACTERS} bytes exceeded for role ${roleName}`,
    )
  }
  saveRole(call, { ...role, inlinePolicies })
}

function getRolePolicy(call: Call, parameters: QueryParameters): ResultMembers {
  const { role, policyName, document } = readInline(call, parameters)
  return {
    RoleName: role.roleName,
    PolicyName: policyName,
    PolicyDocument: encodeDocument(document),
  }
}

function deleteRolePolicy(call: Call, parameters: QueryParameters): undefined {
  const { role, policyName } = readInline(call, parameters)
  const { [policyName]: _gone, ...inlinePolicies } = role.inlinePolicies
  saveRole(call, { ...role, inlinePolicies })
}

function readInline(
  call: Call,
  parameters: QueryParameters,
): { role: ReturnType<typeof requireRole>; policyName: string; document: string } {
  const constraints = new Constraints()
  const roleName = readRoleName(parameters, constraints)
  const given = parameters.get('PolicyName')
  const policyName = constraints.text('policyName', given, POLICY_NAME) ?? ''
  constraints.check()
  const role = requireRole(call, roleName)
  const document = Object.hasOwn(role.inlinePolicies, policyName)
    ? role.inlinePolicies[policyName]
    : undefined
  if (document === undefined) {
    throw noSuchEntity(`The role policy with name ${policyName} cannot be found.`)
  }
  return { role, policyName, document }
}

function listRolePolicies(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const roleName = readRoleName(parameters, constraints)
  const limit = readMaxItems(parameters, constraints)
  constraints.check()
  const role = requireRole(call, roleName)
  const token = parameters.get('Marker')
  const ask = { limit, token, fault: 'ValidationError' }
  const page = pageOf(Object.keys(role.inlinePolicies), (name) => name, ask)
  return { ...pageMembers(page.next), PolicyNames: page.items }
}

function attachRolePolicy(call: Call, parameters: QueryParameters): undefined {
  const { role, policyArn } = readAttachment(call, parameters)
  requirePolicy(call, policyArn)
  if (role.attachedPolicyArns.includes(policyArn)) return
  if (role.attachedPolicyArns.length >= MAX_ATTACHED) {
    throw limitExceeded(`Cannot exceed quota for PoliciesPerRole: ${MAX_ATTACHED}`)
  }
  saveRole(call, { ...role, attachedPolicyArns: [...role.attachedPolicyArns, policyArn] })
}

function detachRolePolicy(call: Call, parameters: QueryParameters): undefined {
  const { role, policyArn } = readAttachment(call, parameters)
  if (!role.attachedPolicyArns.includes(policyArn)) {
    throw noSuchEntity(`Policy ${policyArn} was not found.`)
  }
  const attachedPolicyArns = role.attachedPolicyArns.filter((arn) => arn !== policyArn)
  saveRole(call, { ...role, attachedPolicyArns })
}

function readAttachment(
  call: Call,
  parameters: QueryParameters,
): { role: ReturnType<typeof requireRole>; policyArn: string } {
  const constraints = new Constraints()
  const roleName = readRoleName(parameters, constraints)
  const given = parameters.get('PolicyArn')
  const policyArn = constraints.text('policyArn', given, POLICY_ARN) ?? ''
  constraints.check()
  return { role: requireRole(call, roleName, { 'iam:PolicyARN': policyArn }), policyArn }
}

function listAttachedRolePolicies(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const roleName = readRoleName(parameters, constraints)
  const limit = readMaxItems(parameters, constraints)
  constraints.check()
  const role = requireRole(call, roleName)
  const token = parameters.get('Marker')
  const ask = { limit, token, fault: 'ValidationError' }
  const page = pageOf(role.attachedPolicyArns, (arn) => arn, ask)
  const attached = page.items.map((arn) => ({
    PolicyName: arn.slice(arn.lastIndexOf('/') + 1),
    PolicyArn: arn,
  }))
  return { ...pageMembers(page.next), AttachedPolicies: attached }
}

export const ROLE_POLICY_OPERATIONS: QueryOperations = {
  PutRolePolicy: putRolePolicy,
  GetRolePolicy: getRolePolicy,
  DeleteRolePolicy: deleteRolePolicy,
  ListRolePolicies: listRolePolicies,
  AttachRolePolicy: attachRolePolicy,
  DetachRolePolicy: detachRolePolicy,
  ListAttachedRolePolicies: listAttachedRolePolicies,
}
