import { fieldFault, type Cause } from '../faults.ts'
import { isRecord, listAt, sameJson, type JsonRecord } from '../objects.ts'
import { checkFormat } from './formats.ts'
import { childSchema, listKeys } from './schema-values.ts'
import { patternOf, type SchemaNode } from './structural-schema.ts'

/** Steps that one object may cost: a hostile schema multiplies branches by elements. */
const STEPS_MAX = 2_000_000
const FAULTS_MAX = 50

interface Run {
  readonly faults: Cause[]
  readonly budget: { steps: number }
}

/** What is wrong with a value by its schema, in kube-apiserver's words; at most 50 faults. */
export function validateValue(node: SchemaNode, value: unknown, path = ''): Cause[] {
  const run: Run = { faults: [], budget: { steps: STEPS_MAX } }
  check(run, node, value, path)
  if (run.budget.steps <= 0) {
    return [fieldFault.forbidden(path, 'the object costs too much to validate by its schema')]
  }
  return run.faults.slice(0, FAULTS_MAX)
}

function check(run: Run, node: SchemaNode, value: unknown, path: string): void {
  run.budget.steps -= 1
  if (run.budget.steps <= 0 || run.faults.length >= FAULTS_MAX) return
  if (value === null && node['nullable'] === true) return
  if (!hasType(node, value)) {
    const type = node['x-kubernetes-int-or-string'] === true ? 'integer,string' : node['type']
    run.faults.push(wrongType(path, value, String(type)))
    return
  }
  checkEnum(run, node, value, path)
  if (typeof value === 'string') checkString(run, node, value, path)
  else if (typeof value === 'number') checkNumber(run, node, value, path)
  else if (Array.isArray(value)) checkList(run, node, value, path)
  else if (isRecord(value)) checkRecord(run, node, value, path)
  checkJunctors(run, node, value, path)
}

function hasType(node: SchemaNode, value: unknown): boolean {
  if (node['x-kubernetes-int-or-string'] === true) {
    return typeof value === 'string' || Number.isInteger(value)
  }
  switch (node['type']) {
    case 'string':
      return typeof value === 'string'
    case 'integer':
      return Number.isInteger(value)
    case 'number':
      return typeof value === 'number'
    case 'boolean':
      return typeof value === 'boolean'
    case 'array':
      return Array.isArray(value)
    case 'object':
      return isRecord(value)
    default:
      return true
  }
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return typeof value === 'number' ? (Number.isInteger(value) ? 'integer' : 'number') : typeof value
}

const named = (path: string): string => (path === '' ? '<nil>' : path)

function wrongType(path: string, value: unknown, wanted: string): Cause {
  const found = typeOf(value)
  return {
    reason: 'FieldValueTypeInvalid',
    message: `Invalid value: ${JSON.stringify(found)}: ${named(path)} in body must be of type ${wanted}: ${JSON.stringify(found)}`,
    field: named(path),
  }
}

/** `PATH in body SAYS`, with the value. */
function refuse(run: Run, path: string, value: unknown, says: string): void {
  run.faults.push(fieldFault.invalid(named(path), value, `${named(path)} in body ${says}`))
}

function checkEnum(run: Run, node: SchemaNode, value: unknown, path: string): void {
  const { enum: values } = node
  if (!Array.isArray(values)) return
  run.budget.steps -= values.length
  if (values.some((allowed) => sameJson(allowed, value))) return
  run.faults.push(fieldFault.notSupported(named(path), value, values.map(textOf)))
}

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value) ?? '')

function checkString(run: Run, node: SchemaNode, value: string, path: string): void {
  const { minLength, maxLength, pattern, format } = node
  const { length } = Array.from(value)
  run.budget.steps -= value.length >> 4
  if (typeof maxLength === 'number' && length > maxLength) {
    run.faults.push(fieldFault.tooLong(named(path), maxLength))
  }
  if (typeof minLength === 'number' && length < minLength) {
    refuse(run, path, value, `should be at least ${minLength} chars long`)
  }
  if (typeof pattern === 'string') {
    const matches = patternOf(pattern)
    // States are walked for every sign.
    run.budget.steps -= value.length * Math.min(pattern.length, 200)
    if (run.budget.steps > 0 && typeof matches === 'function' && !matches(value)) {
      refuse(run, path, value, `should match '${pattern}'`)
    }
  }
  if (typeof format === 'string' && !checkFormat(format, value)) {
    refuse(run, path, value, `must be of type ${format}: ${JSON.stringify(value)}`)
  }
}

function checkNumber(run: Run, node: SchemaNode, value: number, path: string): void {
  const { minimum, maximum, multipleOf, format } = node
  if (typeof maximum === 'number') {
    const isExclusive = node['exclusiveMaximum'] === true
    if (value > maximum || (isExclusive && value === maximum)) {
      refuse(run, path, value, `should be less than ${isExclusive ? '' : 'or equal to '}${maximum}`)
    }
  }
  if (typeof minimum === 'number') {
    const isExclusive = node['exclusiveMinimum'] === true
    if (value < minimum || (isExclusive && value === minimum)) {
      refuse(
        run,
        path,
        value,
        `should be greater than ${isExclusive ? '' : 'or equal to '}${minimum}`,
      )
    }
  }
  if (typeof multipleOf === 'number' && !Number.isInteger(value / multipleOf)) {
    refuse(run, path, value, `should be a multiple of ${multipleOf}`)
  }
  if (format === 'int32' && (value > 2_147_483_647 || value < -2_147_483_648)) {
    refuse(run, path, value, `must be of type int32: ${JSON.stringify(String(value))}`)
  }
}

const tooMany = (path: string, count: number, limit: number): Cause => ({
  reason: 'FieldValueTooMany',
  message: `Too many: ${count}: must have at most ${limit} items`,
  field: named(path),
})

function checkList(run: Run, node: SchemaNode, value: readonly unknown[], path: string): void {
  const { minItems, maxItems, items } = node
  if (typeof maxItems === 'number' && value.length > maxItems) {
    run.faults.push(tooMany(path, value.length, maxItems))
  }
  if (typeof minItems === 'number' && value.length < minItems) {
    refuse(run, path, value.length, `should have at least ${minItems} items`)
  }
  const keys = listKeys(node, value)
  const seen = new Set<string>()
  for (const [at, key] of (keys ?? []).entries()) {
    if (seen.has(key)) run.faults.push(fieldFault.duplicate(`${path}[${at}]`, JSON.parse(key)))
    seen.add(key)
  }
  if (!isRecord(items)) return
  for (const [at, item] of value.entries()) check(run, items, item, `${path}[${at}]`)
}

function checkRecord(run: Run, node: SchemaNode, value: JsonRecord, path: string): void {
  const { minProperties, maxProperties } = node
  const entries = Object.entries(value)
  if (typeof maxProperties === 'number' && entries.length > maxProperties) {
    run.faults.push(tooMany(path, entries.length, maxProperties))
  }
  if (typeof minProperties === 'number' && entries.length < minProperties) {
    refuse(run, path, entries.length, `should have at least ${minProperties} properties`)
  }
  const at = (name: string): string => (path === '' ? name : `${path}.${name}`)
  for (const name of listAt(node, 'required')) {
    run.budget.steps -= 1
    if (!Object.hasOwn(value, String(name))) {
      run.faults.push(fieldFault.required(at(String(name))))
    }
  }
  for (const [name, inner] of entries) {
    const child = childSchema(node, name)
    if (child !== undefined) check(run, child, inner, at(name))
  }
}

function checkJunctors(run: Run, node: SchemaNode, value: unknown, path: string): void {
  const shown = JSON.stringify(named(path))
  const say = (says: string): unknown =>
    run.faults.push(fieldFault.invalid(named(path), '', `${shown} must ${says}`))
  const passing = (branches: readonly unknown[]): number =>
    branches.filter((branch) => isRecord(branch) && passes(run, branch, value)).length
  const [all, some, one] = [listAt(node, 'allOf'), listAt(node, 'anyOf'), listAt(node, 'oneOf')]
  for (const branch of all) if (isRecord(branch)) check(run, branch, value, path)
  if (some.length > 0 && passing(some) === 0) say('validate at least one schema (anyOf)')
  const count = one.length === 0 ? 1 : passing(one)
  if (count !== 1) {
    const found = count === 0 ? 'Found none valid' : `Found ${count} valid alternatives`
    say(`validate one and only one schema (oneOf). ${found}`)
  }
  const { not } = node
  if (isRecord(not) && passes(run, not, value)) say('not validate the schema (not)')
}

function passes(run: Run, branch: SchemaNode, value: unknown): boolean {
  const inner: Run = { faults: [], budget: run.budget }
  check(inner, branch, value, '')
  return inner.faults.length === 0
}
