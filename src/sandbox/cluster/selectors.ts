import { badRequest, fieldFault, type Cause } from './faults.ts'
import { checkLabelValue, checkQualifiedName } from './names.ts'
import { isRecord, listAt, recordAt, stringAt } from './objects.ts'

type Labels = Readonly<Record<string, string>>

/** One condition on labels. */
interface Requirement {
  readonly key: string
  readonly operator: 'in' | 'notin' | 'exists' | 'absent' | 'gt' | 'lt'
  readonly values: readonly string[]
}

/** Whether labels meet a selector. */
export type LabelMatch = (labels: Labels) => boolean

export const everything: LabelMatch = () => true

const SELECTOR_MAX = 16_384

function matchAll(requirements: readonly Requirement[]): LabelMatch {
  return (labels) => requirements.every((requirement) => meets(requirement, labels))
}

function meets({ key, operator, values }: Requirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined
  switch (operator) {
    case 'exists':
      return value !== undefined
    case 'absent':
      return value === undefined
    case 'in':
      return value !== undefined && values.includes(value)
    case 'notin':
      return value === undefined || !values.includes(value)
    case 'gt':
      return value !== undefined && Number(value) > Number(values[0])
    case 'lt':
      return value !== undefined && Number(value) < Number(values[0])
    default:
      return operator satisfies never
  }
}

/**
 * A `labelSelector` parameter: `a=b,c!=d,e in (f,g),h,!i`.
 * @throws ApiFault BadRequest
 */
export function parseLabelSelector(text: string): LabelMatch {
  if (text.trim() === '') return everything
  if (text.length > SELECTOR_MAX) throw badRequest('unable to parse requirement: too long')
  const parts = text.match(/[^,(]+(?:\([^)]*\)?[^,]*)?|,/g) ?? []
  const requirements: Requirement[] = []
  let isComma = true
  for (const part of parts) {
    if (part === ',') {
      if (isComma) throw badRequest("found ',', expected: !, identifier, or 'end of string'")
      isComma = true
      continue
    }
    if (!isComma) throw badRequest(`unable to parse requirement: ${JSON.stringify(part)}`)
    requirements.push(parseRequirement(part.trim()))
    isComma = false
  }
  if (isComma) throw badRequest("found '', expected: identifier after ','")
  return matchAll(requirements)
}

function parseRequirement(text: string): Requirement {
  const set = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(text)
  if (set !== null) {
    const values = (set[3] ?? '').split(',').map((value) => value.trim())
    return checked({ key: set[1] ?? '', operator: set[2] as 'in' | 'notin', values }, text)
  }
  const compared = /^([^\s=!<>]+)\s*(==|=|!=|>|<)\s*([^\s=!<>]*)$/.exec(text)
  if (compared !== null) {
    const sign = compared[2]
    const operator = sign === '!=' ? 'notin' : sign === '>' ? 'gt' : sign === '<' ? 'lt' : 'in'
    return checked({ key: compared[1] ?? '', operator, values: [compared[3] ?? ''] }, text)
  }
  const exists = /^(!?)\s*([^\s=!<>()]+)$/.exec(text)
  if (exists === null) throw badRequest(`unable to parse requirement: ${JSON.stringify(text)}`)
  const operator = exists[1] === '!' ? 'absent' : 'exists'
  return checked({ key: exists[2] ?? '', operator, values: [] }, text)
}

function checked(requirement: Requirement, text: string): Requirement {
  const { key, operator, values } = requirement
  const faults = [
    ...checkQualifiedName(key).map((fault) => `key: Invalid value: "${key}": ${fault}`),
    ...values.flatMap((value) =>
      checkLabelValue(value).map(
        (fault) => `values[0][${key}]: Invalid value: "${value}": ${fault}`,
      ),
    ),
  ]
  if ((operator === 'gt' || operator === 'lt') && !/^-?\d{1,18}$/.test(values[0] ?? '')) {
    faults.push(
      `values[0]: Invalid value: "${values[0]}": for 'Gt', 'Lt' operators, the value must be an integer`,
    )
  }
  if (faults.length > 0) {
    throw badRequest(`unable to parse requirement: ${faults[0] ?? JSON.stringify(text)}`)
  }
  return requirement
}

const OPERATORS: Readonly<Record<string, Requirement['operator']>> = {
  In: 'in',
  NotIn: 'notin',
  Exists: 'exists',
  DoesNotExist: 'absent',
}

/** A LabelSelector object; undefined selects nothing, `{}` everything. */
export function labelSelectorOf(selector: unknown): LabelMatch {
  if (!isRecord(selector)) return () => false
  const requirements: Requirement[] = []
  for (const [key, value] of Object.entries(recordAt(selector, 'matchLabels'))) {
    requirements.push({ key, operator: 'in', values: [String(value)] })
  }
  for (const expression of listAt(selector, 'matchExpressions')) {
    const operator = OPERATORS[stringAt(expression, 'operator')]
    if (operator === undefined) return () => false
    const values = listAt(expression, 'values').map(String)
    requirements.push({ key: stringAt(expression, 'key'), operator, values })
  }
  return matchAll(requirements)
}

/** Faults of a LabelSelector object at a field. */
export function validateLabelSelector(selector: unknown, field: string): Cause[] {
  const faults: Cause[] = []
  for (const [key, value] of Object.entries(recordAt(selector, 'matchLabels'))) {
    for (const fault of checkQualifiedName(key)) {
      faults.push(fieldFault.invalid(`${field}.matchLabels`, key, fault))
    }
    for (const fault of checkLabelValue(String(value))) {
      faults.push(fieldFault.invalid(`${field}.matchLabels`, value, fault))
    }
  }
  for (const [at, expression] of listAt(selector, 'matchExpressions').entries()) {
    const path = `${field}.matchExpressions[${at}]`
    const operator = stringAt(expression, 'operator')
    const count = listAt(expression, 'values').length
    if (OPERATORS[operator] === undefined) {
      faults.push(fieldFault.invalid(`${path}.operator`, operator, 'not a valid selector operator'))
    } else if (operator.endsWith('In') && count === 0) {
      faults.push(
        fieldFault.required(
          `${path}.values`,
          "must be specified when `operator` is 'In' or 'NotIn'",
        ),
      )
    } else if (!operator.endsWith('In') && count > 0) {
      faults.push(
        fieldFault.forbidden(
          `${path}.values`,
          "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        ),
      )
    }
    for (const fault of checkQualifiedName(stringAt(expression, 'key'))) {
      faults.push(fieldFault.invalid(`${path}.key`, stringAt(expression, 'key'), fault))
    }
  }
  return faults
}

/** Fields that a type can be selected by, with an object's values of them. */
export type SelectableFields = Readonly<Record<string, string>>

/** One condition of a field selector. */
export interface FieldRequirement {
  readonly field: string
  readonly value: string
  readonly isNegated: boolean
}

/**
 * A `fieldSelector` parameter: `spec.nodeName=a,status.phase!=Running`.
 * @throws ApiFault BadRequest
 */
export function parseFieldSelector(text: string): FieldRequirement[] {
  if (text.trim() === '') return []
  if (text.length > SELECTOR_MAX) throw badRequest('invalid field selector: too long')
  return (text.match(/(?:\\.|[^,\\])+/g) ?? []).map((part) => {
    const match = /^\s*([^=!\s]+)\s*(==|=|!=)((?:\\[\\,=]|[^\\=])*)$/.exec(part)
    if (match === null) {
      throw badRequest(`invalid selector: '${text}'; can't understand '${part}'`)
    }
    return {
      field: match[1] ?? '',
      value: (match[3] ?? '').replace(/\\([\\,=])/g, '$1').trim(),
      isNegated: match[2] === '!=',
    }
  })
}

/** Whether an object's fields meet all conditions. */
export function matchFields(
  requirements: readonly FieldRequirement[],
  fields: SelectableFields,
): boolean {
  return requirements.every(
    ({ field, value, isNegated }) => (fields[field] === value) !== isNegated,
  )
}
