import { isRecord, recordAt, type ApiObject, type JsonRecord } from '../objects.ts'
import type { CustomBehaviour } from '../resource-types.ts'
import { findValues, parseJsonPath } from './json-path.ts'

type Paths = NonNullable<CustomBehaviour['scale']>

const valueAt = (object: ApiObject, path: string): unknown =>
  path === '' ? undefined : findValues(parseJsonPath(path) ?? [], object)[0]

/** Spec and status of a custom object's Scale, by the paths of its definition. */
export function customScale(object: ApiObject, paths: Paths): JsonRecord {
  const selector = valueAt(object, paths.selector)
  return {
    spec: { replicas: Number(valueAt(object, paths.spec) ?? 0) },
    status: {
      replicas: Number(valueAt(object, paths.status) ?? 0),
      ...(typeof selector === 'string' && selector !== '' && { selector }),
    },
  }
}

/** A custom object with the replicas of a Scale at its definition's path. */
export function withCustomScale(stored: ApiObject, paths: Paths, wanted: ApiObject): JsonRecord {
  const next: ApiObject = structuredClone(stored)
  const fields = paths.spec.split('.').slice(1)
  const last = fields.pop() ?? 'replicas'
  let holder: JsonRecord = next
  for (const field of fields) {
    const inner = Object.hasOwn(holder, field) ? holder[field] : undefined
    const made = isRecord(inner) ? inner : {}
    holder[field] = made
    holder = made
  }
  holder[last] = recordAt(wanted, 'spec')['replicas'] ?? 0
  const { resourceVersion } = wanted.metadata
  if (resourceVersion !== undefined) next.metadata.resourceVersion = resourceVersion
  return next
}
