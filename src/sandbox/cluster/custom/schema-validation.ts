import { fieldFault, type Cause } from '../faults.ts'
import { validateAnnotations, validateLabels } from '../names.ts'
import { isRecord, listAt, recordAt, sameJson, type JsonRecord } from '../objects.ts'
import { checkFormat } from './formats.ts'
import { childSchema, listKeys } from './schema-values.ts'
import { patternOf } from './pattern-cache.ts'
import type { SchemaNode } from './structural-schema.ts'

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
    if (type === 'integer' && typeof value === 'number') {
      const { format } = node
      const form = typeof format === 'string' ? `with format ${format}` : '(default format)'
      refuseWhole(run, `Checked value must be of type integer ${form} in ${named(path)}`)
    }
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

/** What is said of a value as a whole has no field in kube-apiserver. */
function refuseWhole(run: Run, says: string): void {
  run.faults.push(fieldFault.invalid('<nil>', '', says))
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
    refuseWhole(run, `Checked value must be of type integer with format int32 in ${named(path)}`)
  }
}

function checkList(run: Run, node: SchemaNode, value: readonly unknown[], path: string): void {
  const { minItems, maxItems, items } = node
  if (typeof maxItems === 'number' && value.length > maxItems) {
    run.faults.push(fieldFault.tooMany(named(path), value.length, maxItems))
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
    run.faults.push(fieldFault.tooMany(named(path), entries.length, maxProperties))
  }
  if (typeof minProperties === 'number' && entries.length < minProperties) {
    refuse(run, path, entries.length, `should have at least ${minProperties} properties`)
  }
  const at = (name: string): string => (path === '' ? name : `${path}.${name}`)
  if (node['x-kubernetes-embedded-resource'] === true) checkEmbedded(run, value, at)
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
  const shown = JSON.stringify(path)
  const faultsOf = (name: string): Cause[][] =>
    listAt(node, name).map((branch) =>
      isRecord(branch) ? branchFaults(run, branch, value, path) : [],
    )
  const count = (branches: readonly Cause[][]): number =>
    branches.filter((faults) => faults.length === 0).length
  const [some, one, all] = [faultsOf('anyOf'), faultsOf('oneOf'), faultsOf('allOf')]
  if (some.length > 0 && count(some) === 0) {
    refuseWhole(run, `${shown} must validate at least one schema (anyOf)`)
    run.faults.push(...(some[0] ?? []))
  }
  if (one.length > 0 && count(one) !== 1) {
    const valid = count(one)
    const found = valid === 0 ? 'Found none valid' : `Found ${valid} valid alternatives`
    refuseWhole(run, `${shown} must validate one and only one schema (oneOf). ${found}`)
    if (valid === 0) run.faults.push(...(one[0] ?? []))
  }
  run.faults.push(...all.flat())
  if (count(all) < all.length) {
    const none = count(all) === 0 ? '. None validated' : ''
    refuseWhole(run, `${shown} must validate all the schemas (allOf)${none}`)
  }
  const { not } = node
  if (isRecord(not) && branchFaults(run, not, value, path).length === 0) {
    refuseWhole(run, `${shown} must not validate the schema (not)`)
  }
}

function branchFaults(run: Run, branch: SchemaNode, value: unknown, path: string): Cause[] {
  const inner: Run = { faults: [], budget: run.budget }
  check(inner, branch, value, path)
  return inner.faults
}

/** Whoever embeds an object says what it is, and has metadata like everybody's. */
function checkEmbedded(run: Run, value: JsonRecord, at: (name: string) => string): void {
  for (const name of ['apiVersion', 'kind']) {
    if (!Object.hasOwn(value, name)) run.faults.push(fieldFault.required(at(name)))
    else if (typeof value[name] !== 'string') {
      run.faults.push(fieldFault.invalid(at(name), value[name], 'must be a string'))
    } else if (value[name] === '') {
      run.faults.push(fieldFault.invalid(at(name), '', 'must not be empty'))
    }
  }
  const { labels, annotations } = recordAt(value, 'metadata')
  if (isTexts(labels)) run.faults.push(...validateLabels(labels, at('metadata.labels')))
  if (isTexts(annotations)) {
    run.faults.push(...validateAnnotations(annotations, at('metadata.annotations')))
  }
}

const isTexts = (value: unknown): value is Record<string, string> =>
  isRecord(value) && Object.values(value).every((text) => typeof text === 'string')
