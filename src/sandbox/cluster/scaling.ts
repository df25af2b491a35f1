import type { ClusterCore, Operation } from './core.ts'
import { customScale, replicasOf, withCustomScale } from './custom/custom-scale.ts'
import { decodeResource } from './decoding.ts'
import { fieldFault, invalid } from './faults.ts'
import { checkSubdomainName } from './names.ts'
import { listAt, recordAt, stringAt, type ApiObject, type JsonRecord } from './objects.ts'
import { OBJECT_VERBS, type ResourceType } from './resource-types.ts'
import { int, obj, str } from './schema.ts'
import { AGE_COLUMN, column, NAME_COLUMN } from './types/columns.ts'
import { countOf } from './types/workloads.ts'
import { checkPlace, findObject, updateObject, type Target } from './updating.ts'

/** The kind that the scale subresource speaks; nothing of it is kept. */
export const SCALES: ResourceType = {
  group: 'autoscaling',
  version: 'v1',
  kind: 'Scale',
  plural: 'scales',
  singular: 'scale',
  shortNames: [],
  namespaced: true,
  verbs: OBJECT_VERBS,
  subresources: [],
  nameRule: checkSubdomainName,
  schema: obj({ spec: obj({ replicas: int }), status: obj({ replicas: int, selector: str }) }),
  columns: [
    { ...NAME_COLUMN, format: '' },
    column('Desired', (scale) => countOf(scale, 'spec', 'replicas'), { type: 'integer' }),
    column('Available', (scale) => countOf(scale, 'status', 'replicas'), { type: 'integer' }),
    AGE_COLUMN,
  ],
}

/** The Scale of a stored workload. */
export function scaleOf(object: ApiObject, type?: ResourceType): ApiObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata
  const spec = recordAt(object, 'spec')
  const paths = type?.custom?.scale
  return {
    apiVersion: 'autoscaling/v1',
    kind: 'Scale',
    metadata: {
      ...(name !== undefined && { name }),
      ...(namespace !== undefined && { namespace }),
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
      ...(creationTimestamp !== undefined && { creationTimestamp }),
    },
    ...(paths === undefined
      ? {
          spec: replicasOf(Number(spec['replicas'] ?? 1)),
          status: {
            replicas: Number(recordAt(object, 'status')['replicas'] ?? 0),
            selector: formatSelector(spec['selector']),
          },
        }
      : customScale(object, paths)),
  }
}

/** A label selector as a query writes it, in the order of its keys. */
function formatSelector(selector: unknown): string {
  const labels = Object.entries(recordAt({ selector }, 'selector')['matchLabels'] ?? {})
  const parts = labels.map(([key, value]): [string, string] => [key, `${key}=${String(value)}`])
  for (const expression of listAt(selector, 'matchExpressions')) {
    const key = stringAt(expression, 'key')
    const values = listAt(expression, 'values').map(String).toSorted().join(',')
    const texts: Readonly<Record<string, string>> = {
      In: `${key} in (${values})`,
      NotIn: `${key} notin (${values})`,
      Exists: key,
      DoesNotExist: `!${key}`,
    }
    parts.push([key, texts[stringAt(expression, 'operator')] ?? ''])
  }
  return parts
    .toSorted(([left], [right]) => (left < right ? -1 : Number(left > right)))
    .map(([, text]) => text)
    .join(',')
}

/**
 * Changes a workload's replicas through its Scale: `change` gives the wanted Scale for the present
 * one.
 * @throws ApiFault NotFound, BadRequest, Conflict, Invalid
 */
export async function updateScale(
  core: ClusterCore,
  target: Target,
  change: (scale: ApiObject) => JsonRecord,
  operation: Operation,
): Promise<ApiObject> {
  const own = await updateObject(
    core,
    target,
    (stored) => {
      const wanted = decodeResource(SCALES, change(scaleOf(stored, target.type)), operation)
      checkPlace(target, wanted)
      const { resourceVersion, uid } = wanted.metadata
      const paths = target.type.custom?.scale
      // The custom object's own rules judge the count.
      if (paths !== undefined) return withCustomScale(stored, paths, wanted)
      checkCount(target, wanted)
      return {
        ...stored,
        metadata: {
          ...stored.metadata,
          ...(resourceVersion && { resourceVersion }),
          ...(uid && { uid }),
        },
        spec: { ...recordAt(stored, 'spec'), replicas: recordAt(wanted, 'spec')['replicas'] ?? 0 },
      }
    },
    operation,
  )
  return scaleOf(own, target.type)
}

/** @throws ApiFault NotFound */
export function readScale(core: ClusterCore, target: Target): ApiObject {
  return scaleOf(findObject(core, target), target.type)
}

function checkCount({ name }: Target, wanted: ApiObject): void {
  const replicas = Number(recordAt(wanted, 'spec')['replicas'] ?? 0)
  if (replicas >= 0) return
  const says = 'must be greater than or equal to 0'
  throw invalid(SCALES, name, [fieldFault.invalid('spec.replicas', replicas, says)])
}
