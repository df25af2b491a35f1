import { type ApplyBody, applyObject, checkConfig } from './applying.ts'
import type { ClusterCore, Operation } from './core.ts'
import { customScale, replicasOf, withCustomReplicas } from './custom/custom-scale.ts'
import { decodeResource } from './decoding.ts'
import { fieldFault, invalid, unnamedFault } from './faults.ts'
import { checkSubdomainName } from './names.ts'
import { listAt, recordAt, stringAt, type ApiObject, type JsonRecord } from './objects.ts'
import { apiVersionOf, OBJECT_VERBS, type ResourceType } from './resource-types.ts'
import { int, obj, str } from './schema.ts'
import { AGE_COLUMN, column, NAME_COLUMN } from './types/columns.ts'
import { countOf } from './types/workloads.ts'
import { checkPlace, findObject, type SpokenPart, updateObject, type Target } from './updating.ts'

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
  const { type } = target
  const own = await updateObject(
    core,
    scaleTarget(target),
    (stored) => {
      const wanted = decodeResource(SCALES, change(scaleOf(stored, type)), operation)
      checkPlace(target, wanted)
      // A custom object's own rules judge the count.
      if (type.custom?.scale === undefined) checkCount(target, wanted)
      const { resourceVersion, uid } = wanted.metadata
      const next = withReplicas(type, stored, wanted)
      const metadata = {
        ...next.metadata,
        ...(resourceVersion && { resourceVersion }),
        ...(uid && { uid }),
      }
      return { ...next, metadata }
    },
    operation,
  )
  return scaleOf(own, type)
}

/** A workload as it is written through its Scale. */
function scaleTarget(target: Target): Target {
  const { type } = target
  const part: SpokenPart = {
    kind: { group: SCALES.group, version: SCALES.version, kind: SCALES.kind },
    of: (object) => scaleOf(object, type),
    into: (object, scale) => withReplicas(type, object, scale),
  }
  return { ...target, subresource: 'scale', part }
}

function withReplicas(type: ResourceType, object: ApiObject, scale: ApiObject): ApiObject {
  const replicas = recordAt(scale, 'spec')['replicas'] ?? 0
  const path = type.custom?.scale?.spec
  return path === undefined
    ? { ...object, spec: { ...recordAt(object, 'spec'), replicas } }
    : withCustomReplicas(object, path, replicas)
}

/**
 * Applies a Scale: the manager owns the replicas of the workload and nothing else.
 * @throws ApiFault NotFound, BadRequest, Conflict, Invalid
 */
export async function applyScale(
  core: ClusterCore,
  target: Target,
  { text, force }: ApplyBody,
  operation: Operation,
): Promise<ApiObject> {
  const { type, name } = target
  checkConfig(SCALES, text.config)
  const scale = decodeResource(SCALES, text.config, operation)
  checkPlace(target, scale)
  if (type.custom?.scale === undefined) checkCount(target, scale)
  const { resourceVersion } = scale.metadata
  const replicas = recordAt(text.config, 'spec')['replicas']
  const bare: ApiObject = {
    apiVersion: apiVersionOf(type),
    kind: type.kind,
    metadata: { name, ...(resourceVersion !== undefined && { resourceVersion }) },
  }
  const path = type.custom?.scale?.spec
  const config =
    replicas === undefined
      ? bare
      : path === undefined
        ? { ...bare, spec: { replicas } }
        : withCustomReplicas(bare, path, recordAt(scale, 'spec')['replicas'] ?? 0)
  const wanted = { text: { ...text, config }, force }
  const scaled = scaleTarget(target)
  if (type.custom === undefined) {
    const { object } = await applyObject(core, scaled, wanted, operation)
    return scaleOf(object, type)
  }
  // kube-apiserver finds conflicts and then fails.
  await applyObject(core, scaled, wanted, { ...operation, dryRun: true })
  throw unnamedFault(
    `failed to convert new object (/${name}; autoscaling/v1, Kind=Scale) to proper version: request to convert CR to an invalid group/version: autoscaling/v1`,
  )
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
