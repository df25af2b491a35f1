import { tagFaults } from '../../../iam/tags.ts'
import { listOf, quoteValue, type FaultPath } from '../faults.ts'
import { wellKnownPermissions } from '../well-known-policies.ts'
import { policyArnFault } from './arns.ts'
import {
  type CheckContext,
  type Fields,
  fieldsOf,
  isSet,
  textOf,
  textsByKey,
  textsOf,
} from './check.ts'
import {
  INLINE_CHARACTERS,
  policyCharacters,
  policyFault,
  policyTextOf,
  trustConditionFaults,
} from './policies.ts'

/** What the fields about a role are called in a block. */
export interface RoleFieldNames {
  readonly given: string
  readonly policy: string
  readonly policyName?: string
  readonly policyArns: string
  readonly boundary: string
}

export const ASSOCIATION_ROLE: RoleFieldNames = {
  given: 'roleARN',
  policy: 'permissionPolicy',
  policyName: 'permissionPolicyName',
  policyArns: 'permissionPolicyARNs',
  boundary: 'permissionsBoundaryARN',
}

export const SERVICE_ACCOUNT_ROLE: RoleFieldNames = {
  given: 'attachRoleARN',
  policy: 'attachPolicy',
  policyArns: 'attachPolicyARNs',
  boundary: 'permissionsBoundary',
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html */
const MAX_POLICY_ARNS = 25
const ROLE_NAME = /^[\w+=,.@-]{1,64}$/
const POLICY_NAME = /^[\w+=,.@-]{1,128}$/

/** A role is given, or made with permissions: one of both. */
export function checkRole(
  item: Fields,
  at: FaultPath,
  names: RoleFieldNames,
  context: CheckContext,
): void {
  const { boundary, given, policy, policyArns, policyName = '' } = names
  const making = [policy, policyArns, 'wellKnownPolicies'].filter((field) => isSet(item[field]))
  if (textOf(item[given]) !== undefined) {
    const idle = [policyName, boundary, 'roleName', 'roleOnly', 'trustConditions'].filter((field) =>
      isSet(item[field]),
    )
    for (const field of [...making, ...idle]) {
      context.complain([...at, field], `it cannot be specified when ${given} is set`)
    }
  } else if (!grants(item, names)) {
    const wanted = listOf([given, policy, policyArns, 'wellKnownPolicies'])
    context.complain(at, `no role and no permissions are given: wanted at least one of ${wanted}`)
  }
  checkRoleName(item['roleName'], [...at, 'roleName'], context)
  checkPolicyArns(item[policyArns], [...at, policyArns], context)
  const boundaryArn = textOf(item[boundary])
  if (boundaryArn !== undefined) {
    context.complain([...at, boundary], policyArnFault(boundaryArn, context))
  }
  checkInline(item, at, names, context)
  checkTags(item['tags'], [...at, 'tags'], context)
  if (item['trustConditions'] === undefined) return
  for (const { message, path } of trustConditionFaults(fieldsOf(item['trustConditions']))) {
    context.complain([...at, 'trustConditions', ...path], message)
  }
}

/** Whether the fields come to any permission at all. */
export const grants = (item: Fields, { policy, policyArns }: RoleFieldNames): boolean =>
  isSet(item[policy]) ||
  isSet(item[policyArns]) ||
  Object.values(fieldsOf(item['wellKnownPolicies'])).includes(true)

function checkRoleName(value: unknown, path: FaultPath, { complain }: CheckContext): void {
  const name = textOf(value)
  if (name === undefined || ROLE_NAME.test(name)) return
  const what = name.startsWith('arn:') ? 'is an ARN' : 'is not the name of a role'
  complain(path, `${quoteValue(name)} ${what}: wanted 1 to 64 letters, digits and _+=,.@-`)
}

function checkPolicyArns(value: unknown, path: FaultPath, context: CheckContext): void {
  const arns = textsOf(value).filter(([, arn]) => arn !== '')
  const seen = new Set<string>()
  for (const [at, arn] of arns) {
    const twice = seen.has(arn) ? `policy ${arn} is given twice` : undefined
    seen.add(arn)
    context.complain([...path, at], policyArnFault(arn, context) ?? twice)
  }
  if (arns.length > MAX_POLICY_ARNS) {
    const most = `a role has at most ${MAX_POLICY_ARNS} managed policies`
    context.complain(path, `${arns.length} policies are given: ${most}`)
  }
}

function checkInline(
  item: Fields,
  at: FaultPath,
  names: RoleFieldNames,
  context: CheckContext,
): void {
  const { policy, policyName } = names
  const text = policyTextOf(item[policy])
  if (text !== undefined && text !== '') {
    context.complain([...at, policy], policyFault(text, 'identity'))
  }
  const name = policyName === undefined ? undefined : textOf(item[policyName])
  if (policyName !== undefined && name !== undefined) {
    context.complain([...at, policyName], policyNameFault(name, names, isSet(item[policy])))
  }
  const { inline } = wellKnownPermissions(booleansOf(item['wellKnownPolicies']), 'aws')
  const characters = [text ?? '', ...Object.values(inline)].reduce(
    (sum, one) => sum + policyCharacters(one),
    0,
  )
  if (characters > INLINE_CHARACTERS) {
    const fields = [policy, 'wellKnownPolicies'].filter((field) => isSet(item[field]))
    context.complain(
      [...at, fields[0] ?? policy],
      `${fields.join(' and ')}: ${characters} characters without white space; the inline policies of a role have at most ${INLINE_CHARACTERS} together`,
    )
  }
}

function policyNameFault(
  name: string,
  { policy }: RoleFieldNames,
  hasPolicy: boolean,
): string | undefined {
  if (!hasPolicy) return `it requires ${policy} to be set`
  if (!/[A-Za-z0-9]/.test(name)) {
    return `${quoteValue(name)} must contain at least one alphanumeric character`
  }
  if (POLICY_NAME.test(name)) return undefined
  return `${quoteValue(name)} is not a policy's name: wanted 1 to 128 letters, digits and _+=,.@-`
}

export const booleansOf = (value: unknown): Readonly<Record<string, boolean>> =>
  Object.fromEntries(
    Object.entries(fieldsOf(value)).map(([key, flag]) => [key, flag === true] as const),
  )

export function checkTags(value: unknown, path: FaultPath, context: CheckContext): void {
  const tags = textsByKey(value)
  const faults = tagFaults(tags)
  for (const { key, message } of faults) {
    context.complain(key === undefined ? path : [...path, key], message)
  }
  const together = tagFaults({ ...context.tags, ...tags }).find(({ key }) => key === undefined)
  const isTold = faults.some(({ key }) => key === undefined)
  if (together !== undefined && !isTold && Object.keys(tags).length > 0) {
    context.complain(path, `with metadata.tags ${together.message}`)
  }
}
