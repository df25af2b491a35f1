/** What a job's podFailurePolicy and successPolicy may say, in Kubernetes' words. */
import { fieldFault, type Cause } from '../faults.ts'
import { checkIndexes } from '../job-indexes.ts'
import { checkQualifiedName } from '../names.ts'
import { isRecord, listAt, recordAt, stringAt, type JsonRecord } from '../objects.ts'
import { containersOf } from './pod-defaults.ts'
import { textOf, validateNotNegative } from './workloads.ts'

const RULES_MAX = 20
const EXIT_CODES_MAX = 255
const INDEXES_TEXT_MAX = 64 * 1024

const ACTIONS = ['Count', 'FailIndex', 'FailJob', 'Ignore']
const OPERATORS = ['In', 'NotIn']
const STATUSES = ['False', 'True', 'Unknown']
const quoted = (values: readonly string[]): string =>
  `[${values.map((value) => JSON.stringify(value)).join(' ')}]`

/** Faults of a spec's podFailurePolicy. */
export function validateFailurePolicy(spec: JsonRecord, at: string): Cause[] {
  const field = `${at}.podFailurePolicy.rules`
  const rules = listAt(spec['podFailurePolicy'], 'rules')
  const names = containersOf(recordAt(recordAt(spec, 'template'), 'spec')).map((container) =>
    stringAt(container, 'name'),
  )
  return [
    ...(rules.length > RULES_MAX ? [fieldFault.tooMany(field, rules.length, RULES_MAX)] : []),
    ...rules.flatMap((rule, index) => {
      const where = `${field}[${index}]`
      const codes = isRecord(rule) ? rule['onExitCodes'] : undefined
      const conditions = listAt(rule, 'onPodConditions')
      return [
        ...validateAction(stringAt(rule, 'action'), spec, `${where}.action`),
        ...(isRecord(codes) ? validateExitCodes(codes, `${where}.onExitCodes`, names) : []),
        ...validateConditions(conditions, `${where}.onPodConditions`),
        ...(isRecord(codes) === conditions.length > 0
          ? [omittedValue(where, isRecord(codes) ? BOTH_SAYS : NEITHER_SAYS)]
          : []),
      ]
    }),
  ]
}

const BOTH_SAYS = 'specifying both OnExitCodes and OnPodConditions is not supported'
const NEITHER_SAYS = 'specifying one of OnExitCodes and OnPodConditions is required'

/** A fault that does not say the value. */
const omittedValue = (field: string, says: string): Cause => ({
  reason: 'FieldValueInvalid',
  message: `Invalid value: ${says}`,
  field,
})

function validateAction(action: string, spec: JsonRecord, field: string): Cause[] {
  if (action === '') return [fieldFault.required(field, `valid values: ${quoted(ACTIONS)}`)]
  if (!ACTIONS.includes(action)) return [fieldFault.notSupported(field, action, ACTIONS)]
  return action === 'FailIndex' && spec['backoffLimitPerIndex'] === undefined
    ? [fieldFault.invalid(field, action, 'requires the backoffLimitPerIndex to be set')]
    : []
}

function validateExitCodes(codes: JsonRecord, at: string, containers: readonly string[]): Cause[] {
  const faults: Cause[] = []
  const { containerName: name } = codes
  const operator = stringAt(codes, 'operator')
  if (operator === '') {
    faults.push(fieldFault.required(`${at}.operator`, `valid values: ${quoted(OPERATORS)}`))
  } else if (!OPERATORS.includes(operator)) {
    faults.push(fieldFault.notSupported(`${at}.operator`, operator, OPERATORS))
  }
  if (name !== undefined && !containers.includes(textOf(name))) {
    const says = 'must be one of the container or initContainer names in the pod template'
    faults.push(fieldFault.invalid(`${at}.containerName`, name, says))
  }
  const field = `${at}.values`
  const values = listAt(codes, 'values').map(Number)
  if (values.length === 0) {
    faults.push(
      fieldFault.invalid(field, codes['values'] ?? null, 'at least one value is required'),
    )
  } else if (values.length > EXIT_CODES_MAX) {
    faults.push(fieldFault.tooMany(field, values.length, EXIT_CODES_MAX))
  }
  for (const [index, value] of values.entries()) {
    if (operator === 'In' && value === 0) {
      const says = 'must not be 0 for the In operator'
      faults.push(fieldFault.invalid(`${field}[${index}]`, value, says))
    }
    if (values.indexOf(value) < index) {
      faults.push(fieldFault.duplicate(`${field}[${index}]`, value))
    }
  }
  if (values.some((value, index) => value < (values[index - 1] ?? value))) {
    faults.push(fieldFault.invalid(field, values, 'must be ordered'))
  }
  return faults
}

function validateConditions(conditions: readonly unknown[], at: string): Cause[] {
  const faults = conditions.flatMap((condition, index) => {
    const [type, status] = [stringAt(condition, 'type'), stringAt(condition, 'status')]
    return [
      ...checkQualifiedName(type).map((fault) =>
        fieldFault.invalid(`${at}[${index}].type`, type, fault),
      ),
      ...(STATUSES.includes(status)
        ? []
        : [fieldFault.notSupported(`${at}[${index}].status`, status, STATUSES)]),
    ]
  })
  return conditions.length > RULES_MAX
    ? [fieldFault.tooMany(at, conditions.length, RULES_MAX), ...faults]
    : faults
}

/** Faults of a spec's successPolicy. */
export function validateSuccessPolicy(spec: JsonRecord, at: string): Cause[] {
  const policy = spec['successPolicy']
  const field = `${at}.successPolicy`
  if (spec['completionMode'] !== 'Indexed') {
    return [fieldFault.invalid(field, policy, 'requires indexed completion mode')]
  }
  const rules = listAt(policy, 'rules')
  const says = 'at least one rules must be specified when the successPolicy is specified'
  return [
    ...(rules.length === 0 ? [fieldFault.required(`${field}.rules`, says)] : []),
    ...(rules.length > RULES_MAX
      ? [fieldFault.tooMany(`${field}.rules`, rules.length, RULES_MAX)]
      : []),
    ...rules.flatMap((rule, index) =>
      isRecord(rule)
        ? validateSuccessRule(rule, `${field}.rules[${index}]`, Number(spec['completions'] ?? 0))
        : [],
    ),
  ]
}

function validateSuccessRule(rule: JsonRecord, at: string, completions: number): Cause[] {
  const { succeededCount: count, succeededIndexes: indexes } = rule
  const faults: Cause[] = []
  if (count === undefined && indexes === undefined) {
    const says = 'at least one of succeededCount or succeededIndexes must be specified'
    faults.push(fieldFault.required(at, says))
  }
  let total = 0
  if (indexes !== undefined) {
    const field = `${at}.succeededIndexes`
    const text = textOf(indexes)
    if (text.length > INDEXES_TEXT_MAX) faults.push(fieldFault.tooLong(field, INDEXES_TEXT_MAX))
    const checked = checkIndexes(text, completions)
    if (typeof checked === 'number') total = checked
    else {
      faults.push(fieldFault.invalid(field, text, `error parsing succeededIndexes: ${checked}`))
    }
  }
  if (typeof count !== 'number') return faults
  const field = `${at}.succeededCount`
  faults.push(...validateNotNegative(rule, ['succeededCount'], at))
  const limits: (readonly [number, string])[] = [[completions, 'specified completions']]
  if (indexes !== undefined) limits.push([total, 'indexes in the specified succeededIndexes field'])
  for (const [most, what] of limits) {
    const says = `must be less than or equal to ${most} (the number of ${what})`
    if (count > most) faults.push(fieldFault.invalid(field, count, says))
  }
  return faults
}
