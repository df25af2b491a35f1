/** Inline and managed policies of roles, users and groups. */
import { type QuotaName, quotaOf } from '../quotas/quotas.ts'
import type { QueryOperations, ResultMembers } from '../wire/call-table.ts'
import { Constraints } from '../wire/constraints.ts'
import { AwsFault } from '../wire/fault.ts'
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
import { DOCUMENT, PATH_PREFIX, POLICY_ARN, POLICY_NAME } from './shapes.ts'
import { pageMembers, readPage } from './tags.ts'

/** What can hold policies. */
export interface PolicyHolder {
  readonly inlinePolicies: Readonly<Record<string, string>>
  readonly attachedPolicyArns: readonly string[]
}

/** Roles, users or groups. */
export interface HolderKind<T extends PolicyHolder> {
  /** As the operations name it: `Role` of PutRolePolicy. */
  readonly word: 'Role' | 'User' | 'Group'
  /** Of all its inline policies together, without white space. */
  readonly inlineQuota: QuotaName
  readonly attachedQuota: QuotaName
  readonly readName: (parameters: QueryParameters, constraints: Constraints) => string
  /** The one of that name that the caller may do the operation on. @throws AwsFault */
  readonly require: (
    call: Call,
    name: string,
    context?: Readonly<Record<string, string | readonly string[]>>,
  ) => T
  readonly save: (call: Call, holder: T) => void
  readonly nameOf: (holder: T) => string
}

/** `PutRolePolicy` … `ListAttachedRolePolicies`, and the same for users and groups. */
export function holderOperations<T extends PolicyHolder>(kind: HolderKind<T>): QueryOperations {
  const { word } = kind
  return {
    ...inlineOperations(kind),
    ...attachmentOperations(kind),
    [`List${word}Policies`]: (call, parameters) => {
      const constraints = new Constraints()
      const name = kind.readName(parameters, constraints)
      const ask = readPage(parameters, constraints)
      constraints.check()
      const { inlinePolicies } = kind.require(call, name)
      const page = pageOf(Object.keys(inlinePolicies), (one) => one, ask)
      return { ...pageMembers(page.next), PolicyNames: page.items }
    },
    [`ListAttached${word}Policies`]: (call, parameters) => {
      const constraints = new Constraints()
      const name = kind.readName(parameters, constraints)
      const given = parameters.get('PathPrefix')
      const prefix = constraints.text('pathPrefix', given, PATH_PREFIX) ?? '/'
      const ask = readPage(parameters, constraints)
      constraints.check()
      const { policies } = call.world.tables
      const attached = kind
        .require(call, name)
        .attachedPolicyArns.filter((arn) => policies.get(arn)?.path.startsWith(prefix))
      const page = pageOf(attached, (arn) => arn, ask)
      return { ...pageMembers(page.next), AttachedPolicies: page.items.map(attachedNode) }
    },
  }
}

/** A managed policy as lists of attached ones show it. */
export const attachedNode = (arn: string): { PolicyName: string; PolicyArn: string } => ({
  PolicyName: arn.slice(arn.lastIndexOf('/') + 1),
  PolicyArn: arn,
})

function inlineOperations<T extends PolicyHolder>(kind: HolderKind<T>): QueryOperations {
  const { word } = kind
  const put = (call: Call, parameters: QueryParameters): undefined => {
    const constraints = new Constraints()
    const { name, policyName } = readInlineNames(kind, parameters, constraints)
    const text = parameters.get('PolicyDocument')
    const document = constraints.text('policyDocument', text, DOCUMENT) ?? ''
    constraints.check()
    const holder = kind.require(call, name)
    readDocument(document, 'identity')
    const inlinePolicies = { ...holder.inlinePolicies, [policyName]: document }
    const size = Object.values(inlinePolicies).reduce((sum, one) => sum + countedLength(one), 0)
    const most = quotaOf(call, kind.inlineQuota)
    if (size > most) {
      throw limitExceeded(
        `Maximum policy size of ${most} bytes exceeded for ${word.toLowerCase()} ${name}`,
      )
    }
    kind.save(call, { ...holder, inlinePolicies })
  }
  const get = (call: Call, parameters: QueryParameters): ResultMembers => {
    const { holder, policyName, document } = readInline(kind, call, parameters)
    return {
      [`${word}Name`]: kind.nameOf(holder),
      PolicyName: policyName,
      PolicyDocument: encodeDocument(document),
    }
  }
  const remove = (call: Call, parameters: QueryParameters): undefined => {
    const { holder, policyName } = readInline(kind, call, parameters)
    const { [policyName]: _gone, ...inlinePolicies } = holder.inlinePolicies
    kind.save(call, { ...holder, inlinePolicies })
  }
  return {
    [`Put${word}Policy`]: put,
    [`Get${word}Policy`]: get,
    [`Delete${word}Policy`]: remove,
  }
}

function readInlineNames<T extends PolicyHolder>(
  kind: HolderKind<T>,
  parameters: QueryParameters,
  constraints: Constraints,
): { readonly name: string; readonly policyName: string } {
  const name = kind.readName(parameters, constraints)
  const given = parameters.get('PolicyName')
  return { name, policyName: constraints.text('policyName', given, POLICY_NAME) ?? '' }
}

function readInline<T extends PolicyHolder>(
  kind: HolderKind<T>,
  call: Call,
  parameters: QueryParameters,
): { holder: T; policyName: string; document: string } {
  const constraints = new Constraints()
  const { name, policyName } = readInlineNames(kind, parameters, constraints)
  constraints.check()
  const holder = kind.require(call, name)
  const { inlinePolicies } = holder
  const document = Object.hasOwn(inlinePolicies, policyName)
    ? inlinePolicies[policyName]
    : undefined
  if (document === undefined) {
    throw noSuchEntity(
      `The ${kind.word.toLowerCase()} policy with name ${policyName} cannot be found.`,
    )
  }
  return { holder, policyName, document }
}

function attachmentOperations<T extends PolicyHolder>(kind: HolderKind<T>): QueryOperations {
  const { word } = kind
  const read = (call: Call, parameters: QueryParameters): { holder: T; policyArn: string } => {
    const constraints = new Constraints()
    const name = kind.readName(parameters, constraints)
    const given = parameters.get('PolicyArn')
    const policyArn = constraints.text('policyArn', given, POLICY_ARN) ?? ''
    constraints.check()
    return { holder: kind.require(call, name, { 'iam:PolicyARN': policyArn }), policyArn }
  }
  const attach = (call: Call, parameters: QueryParameters): undefined => {
    const { holder, policyArn } = read(call, parameters)
    if (requirePolicy(call, policyArn).path.startsWith('/aws-service-role/')) {
      throw new AwsFault(
        'PolicyNotAttachable',
        'Cannot attach a Service Role Policy to a Customer Role.',
      )
    }
    const { attachedPolicyArns } = holder
    if (attachedPolicyArns.includes(policyArn)) return
    const limit = quotaOf(call, kind.attachedQuota)
    if (attachedPolicyArns.length >= limit) {
      throw limitExceeded(`Cannot exceed quota for PoliciesPer${word}: ${limit}`)
    }
    kind.save(call, { ...holder, attachedPolicyArns: [...attachedPolicyArns, policyArn] })
  }
  const detach = (call: Call, parameters: QueryParameters): undefined => {
    const { holder, policyArn } = read(call, parameters)
    if (!holder.attachedPolicyArns.includes(policyArn)) {
      throw noSuchEntity(`Policy ${policyArn} was not found.`)
    }
    const attachedPolicyArns = holder.attachedPolicyArns.filter((arn) => arn !== policyArn)
    kind.save(call, { ...holder, attachedPolicyArns })
  }
  return { [`Attach${word}Policy`]: attach, [`Detach${word}Policy`]: detach }
}
