import { parsePolicy } from '../../../iam/policy.ts'
import type { PolicyKind } from '../../../iam/policy-document.ts'
import { messageOf, PodroleError } from '../../../lib/errors.ts'
import { quoteValue } from '../faults.ts'
import { isFields } from './check.ts'

/** Of all inline policies of a role together, white space not counted; fixed. */
export const INLINE_CHARACTERS = 10_240

/** The text of a policy that is given as text or as the document itself. */
export function policyTextOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  return isFields(value) ? JSON.stringify(value) : undefined
}

/** How IAM counts it. */
export const policyCharacters = (text: string): number => text.replaceAll(/\s/g, '').length

/** The fault of a policy's text by the grammar of its kind, with where it is. */
export function policyFault(text: string, kind: PolicyKind): string | undefined {
  try {
    parsePolicy(text, kind)
    return undefined
  } catch (error) {
    const hint = error instanceof PodroleError && error.hint ? ` (${error.hint})` : ''
    return `it is not a policy: ${messageOf(error)}${hint}`
  }
}

const OPERATORS_OF_OURS = ['StringEquals', 'StringLike', 'Bool']
const KEYS_OF_OURS = [
  /:(?:aud|sub)$/i,
  /^aws:RequestTag\/(?:eks-cluster-arn|kubernetes-namespace|kubernetes-service-account)$/i,
  /^sts:RoleAuthorizedByIdp$/i,
]

/**
 * The faults of conditions that are to stand beside podrole's own, by operator and key; a key of
 * podrole's own under one of its operators would be in the statement twice.
 */
export function trustConditionFaults(
  conditions: Readonly<Record<string, unknown>>,
): readonly { readonly path: readonly string[]; readonly message: string }[] {
  const statement = {
    Effect: 'Allow',
    Principal: { Service: 'pods.eks.amazonaws.com' },
    Action: 'sts:AssumeRole',
    Condition: conditions,
  }
  const text = JSON.stringify({ Version: '2012-10-17', Statement: statement })
  const fault = policyFault(text, 'trust')
  if (fault !== undefined) return [{ path: [], message: fault }]
  return Object.entries(conditions).flatMap(([operator, keys]) =>
    Object.keys(isFields(keys) ? keys : {})
      .filter((key) => isOfOurs(operator, key))
      .map((key) => ({
        path: [operator, key],
        message: `podrole writes a condition on ${quoteValue(key)} itself: wanted another key, or an operator that denies`,
      })),
  )
}

/** Whether podrole writes such a condition itself. */
export const isOfOurs = (operator: string, key: string): boolean =>
  OPERATORS_OF_OURS.some((own) => own.toLowerCase() === operator.toLowerCase()) &&
  KEYS_OF_OURS.some((own) => own.test(key))
