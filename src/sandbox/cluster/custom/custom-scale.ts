import { fieldFault, type Cause } from '../faults.ts'
import {
  cloneObject,
  isRecord,
  recordAt,
  setOwn,
  stringAt,
  type ApiObject,
  type JsonRecord,
} from '../objects.ts'
import type { CustomBehaviour } from '../resource-types.ts'

type Paths = NonNullable<CustomBehaviour['scale']>

const REPLICAS_MAX = 2_147_483_647

/** Names between dots: what looks like an index is a name too, as apiextensions takes it. */
function valueAt(object: ApiObject, path: string): unknown {
  const names = path.split('.').slice(1)
  return names.reduce<unknown>(
    (at, name) => (isRecord(at) && Object.hasOwn(at, name) ? at[name] : undefined),
    object,
  )
}

/** A Scale's spec: Go leaves out a count of none. */
export const replicasOf = (replicas: number): JsonRecord => (replicas === 0 ? {} : { replicas })

/** Spec and status of a custom object's Scale, by the paths of its definition. */
export function customScale(object: ApiObject, paths: Paths): JsonRecord {
  const selector = valueAt(object, paths.selector)
  return {
    spec: replicasOf(Number(valueAt(object, paths.spec) ?? 0)),
    status: {
      replicas: Number(valueAt(object, paths.status) ?? 0),
      ...(typeof selector === 'string' && selector !== '' && { selector }),
    },
  }
}

/** A custom object with the replicas of a Scale at its definition's path. */
export function withCustomReplicas(object: ApiObject, path: string, replicas: unknown): ApiObject {
  const next = cloneObject(object)
  const fields = path.split('.').slice(1)
  const last = fields.pop() ?? 'replicas'
  let holder: JsonRecord = next
  for (const field of fields) {
    const inner = Object.hasOwn(holder, field) ? holder[field] : undefined
    const made = isRecord(inner) ? inner : {}
    setOwn(holder, field, made)
    holder = made
  }
  setOwn(holder, last, replicas)
  return next
}

/** What is wrong with the counts that a version's scale subresource would show. */
export function scaleFaults(
  object: ApiObject,
  version: JsonRecord,
  fields: readonly ('specReplicasPath' | 'statusReplicasPath')[],
): Cause[] {
  const scale: unknown = recordAt(version, 'subresources')['scale']
  return fields.flatMap((field) => {
    const path = stringAt(scale, field)
    if (path === '') return []
    const value = valueAt(object, path) ?? 0
    const refuse = (shown: unknown, says: string): Cause[] => [
      fieldFault.invalid(path, shown, says),
    ]
    if (typeof value !== 'number' || !Number.isInteger(value)) {
      const type = typeof value === 'number' ? 'float64' : typeof value
      const says = `${path} accessor error: ${JSON.stringify(value)} is of the type ${type}, expected int64`
      return refuse(0, says)
    }
    if (value < 0) return refuse(value, 'should be a non-negative integer')
    return value > REPLICAS_MAX
      ? refuse(value, `should be less than or equal to ${REPLICAS_MAX}`)
      : []
  })
}
