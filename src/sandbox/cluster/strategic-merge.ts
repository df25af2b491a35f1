import { badRequest, unnamedFault } from './faults.ts'
import { isRecord, sameJson, setOwn, type JsonRecord } from './objects.ts'
import { fieldSchema, type ObjectSchema, type Schema } from './schema.ts'

const ORDER = '$setElementOrder/'
const DELETE_FROM = '$deleteFromPrimitiveList/'

/**
 * Applies a strategic merge patch: lists of objects merge by the key that their schema names,
 * `$patch`, `$retainKeys`, `$setElementOrder` and `$deleteFromPrimitiveList` are obeyed
 * (Kubernetes' strategic-merge-patch document). Nothing is changed in place.
 * @throws ApiFault BadRequest, and a nameless one for an unknown `$patch`
 */
export function applyStrategicMerge(
  schema: ObjectSchema,
  original: JsonRecord,
  patch: JsonRecord,
): JsonRecord {
  const directive = patch['$patch']
  if (directive === 'delete') return {}
  if (directive === 'replace') return withoutDirectives(patch)
  if (directive !== undefined && directive !== 'merge') {
    const shown = JSON.stringify(directive).slice(0, 100)
    throw unnamedFault(`unknown patch type: ${shown} in map`)
  }
  const merged: JsonRecord = retained(original, patch['$retainKeys'])
  for (const [field, value] of Object.entries(patch)) {
    if (field.startsWith(DELETE_FROM)) {
      removeScalars(merged, field.slice(DELETE_FROM.length), value)
    } else if (!field.startsWith('$')) mergeField(schema, merged, field, value)
  }
  for (const [field, value] of Object.entries(patch)) {
    if (field.startsWith(ORDER)) orderList(schema, merged, field.slice(ORDER.length), value)
  }
  return merged
}

function retained(original: JsonRecord, keys: unknown): JsonRecord {
  if (!Array.isArray(keys)) return { ...original }
  return Object.fromEntries(Object.entries(original).filter(([field]) => keys.includes(field)))
}

function withoutDirectives(patch: JsonRecord): JsonRecord {
  return Object.fromEntries(Object.entries(patch).filter(([field]) => !field.startsWith('$')))
}

function mergeField(schema: ObjectSchema, merged: JsonRecord, field: string, value: unknown): void {
  if (value === null) {
    delete merged[field]
    return
  }
  const current = Object.hasOwn(merged, field) ? merged[field] : undefined
  setOwn(merged, field, mergeValue(fieldSchema(schema, field), current, value))
}

function mergeValue(schema: Schema | undefined, current: unknown, value: unknown): unknown {
  if (isRecord(value)) {
    const inner = schema?.kind === 'object' ? schema : mapSchema(schema, value)
    return applyStrategicMerge(inner, isRecord(current) ? current : {}, value)
  }
  if (Array.isArray(value) && schema?.kind === 'list') {
    const original = Array.isArray(current) ? current : []
    if (schema.mergeKey !== undefined && schema.of.kind === 'object') {
      return mergeList({ of: schema.of, mergeKey: schema.mergeKey }, original, value)
    }
    if (schema.isMerged === true) {
      return [...original, ...value.filter((item) => !original.includes(item))]
    }
  }
  return value
}

/** A map's fields all have its element's schema. */
function mapSchema(schema: Schema | undefined, value: JsonRecord): ObjectSchema {
  const of = schema?.kind === 'map' ? schema.of : undefined
  if (of === undefined) return { kind: 'object', fields: {} }
  return {
    kind: 'object',
    fields: Object.fromEntries(Object.keys(value).map((key) => [key, of])),
  }
}

interface MergedList {
  readonly of: ObjectSchema
  readonly mergeKey: string
}

function mergeList(
  { of, mergeKey }: MergedList,
  original: readonly unknown[],
  patch: readonly unknown[],
): unknown[] {
  const isDirective = (item: unknown, name: string): boolean =>
    isRecord(item) && item['$patch'] === name
  const items = patch.filter((item) => !isDirective(item, 'replace'))
  const isReplaced = items.length < patch.length
  const merged: unknown[] = isReplaced ? [] : [...original]
  for (const item of items) {
    if (!isRecord(item)) throw badRequest(`invalid strategic merge patch: list item is no object`)
    const key = item[mergeKey]
    if (key === undefined || key === null) {
      throw badRequest(
        `map: ${JSON.stringify(item).slice(0, 200)} does not contain declared merge key: ${mergeKey}`,
      )
    }
    const at = merged.findIndex((other) => isRecord(other) && other[mergeKey] === key)
    const known = at < 0 ? undefined : merged[at]
    if (isDirective(item, 'delete')) {
      if (at >= 0) merged.splice(at, 1)
    } else if (isRecord(known)) merged[at] = applyStrategicMerge(of, known, item)
    else merged.push(applyStrategicMerge(of, {}, item))
  }
  return merged
}

function removeScalars(merged: JsonRecord, field: string, values: unknown): void {
  const current = Object.hasOwn(merged, field) ? merged[field] : undefined
  if (!Array.isArray(current) || !Array.isArray(values)) return
  merged[field] = current.filter((item) => !values.some((value) => sameJson(value, item)))
}

function orderList(schema: ObjectSchema, merged: JsonRecord, field: string, order: unknown): void {
  const list = Object.hasOwn(merged, field) ? merged[field] : undefined
  if (!Array.isArray(list) || !Array.isArray(order)) return
  const known = fieldSchema(schema, field)
  const mergeKey = known?.kind === 'list' ? known.mergeKey : undefined
  const keyOf = (item: unknown): unknown =>
    mergeKey !== undefined && isRecord(item) ? item[mergeKey] : item
  const wanted = order.map(keyOf)
  const rank = (item: unknown): number => {
    const at = wanted.findIndex((key) => sameJson(key, keyOf(item)))
    return at < 0 ? wanted.length : at
  }
  merged[field] = list
    .map((item: unknown, at) => ({ item, at }))
    .sort((left, right) => rank(left.item) - rank(right.item) || left.at - right.at)
    .map(({ item }) => item)
}
