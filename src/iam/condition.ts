import { OPERATOR_RULES } from './condition-operators/table.ts'
import type { ContextEntry, ContextLookup } from './context-lookup.ts'
import type { PolicyCondition, PolicyDocument } from './policy-document.ts'

/**
 * Whether one condition holds in a request's context.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
 */
export function conditionHolds(
  condition: PolicyCondition,
  context: ContextLookup,
  version: PolicyDocument['version'],
): boolean {
  const { base, set, ifExists } = condition.operator
  const entry = context.find(condition.key)
  if (base === 'Null') return nullHolds(condition.values, entry)
  if (entry === undefined && ifExists) return true
  const rule = OPERATOR_RULES[base]
  const variables = version === '2012-10-17' ? context : undefined
  const matchesAny = (value: string): boolean =>
    condition.values.some((wanted) => rule.matches(wanted, value, variables))
  const actual = entry?.values ?? []
  switch (set) {
    case 'ForAllValues':
      return isNullDataSet(actual) || actual.every((value) => matchesAny(value) !== rule.negated)
    case 'ForAnyValue':
      return !isNullDataSet(actual) && actual.some((value) => matchesAny(value) !== rule.negated)
    case undefined:
      // A missing key fails a positive operator and satisfies a negated one, and negation is over
      // all of the policy's values.
      return actual.some(matchesAny) !== rule.negated
    default:
      return set satisfies never
  }
}

/** "true" wants the key absent, "false" wants it present. */
function nullHolds(values: readonly string[], entry: ContextEntry | undefined): boolean {
  const absent = String(entry === undefined)
  return values.some((value) => value.toLowerCase() === absent)
}

/** AWS's words: no key, or one whose value "resolves to a null dataset, such as an empty string". */
function isNullDataSet(values: readonly string[]): boolean {
  return values.every((value) => value === '')
}
