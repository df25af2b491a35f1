import { type ClusterCore, systemOperation } from '../core.ts'
import { typesOf } from '../custom/custom-types.ts'
import { deleteObject } from '../deleting.ts'
import {
  formatTime,
  listAt,
  recordAt,
  sameJson,
  stringAt,
  type ApiObject,
  type JsonRecord,
} from '../objects.ts'
import {
  conditionOf,
  CUSTOM_FINALIZER,
  CUSTOM_RESOURCE_DEFINITIONS as TYPE,
} from '../types/custom-resource-definitions.ts'
import { updateObject } from '../updating.ts'
import { systemUser } from '../users.ts'
import type { Controller } from './work-queue.ts'

const OPERATION = systemOperation(systemUser('apiserver'))

/**
 * Accepts the names of definitions and establishes them; empties definitions that are being
 * deleted, then lets them go.
 */
export const customResources: Controller = {
  name: 'custom-resources',
  keysOf: (core, { resource, type, object }) => {
    if (resource === TYPE) {
      // Names that a deleted one had may now be another's.
      return type === 'DELETED'
        ? core.store.list(TYPE).map(({ metadata }) => metadata.name ?? '')
        : [object.metadata.name ?? '']
    }
    const name = `${resource.plural}.${resource.group}`
    return type === 'DELETED' && resource.custom !== undefined ? [name] : []
  },
  reconcile: async (core, name) => {
    const definition = core.store.get(TYPE, undefined, name)
    if (definition === undefined) return
    if (definition.metadata.deletionTimestamp !== undefined) return empty(core, definition)
    const target = { type: TYPE, name, subresource: 'status' }
    const status = statusOf(core, definition)
    if (sameJson(status, definition['status'])) return
    await updateObject(core, target, (stored) => ({ ...stored, status }), OPERATION)
  },
}

async function empty(core: ClusterCore, definition: ApiObject): Promise<void> {
  if (!(definition.metadata.finalizers ?? []).includes(CUSTOM_FINALIZER)) return
  const [type] = typesOf(definition)
  if (type !== undefined && conditionOf(definition, 'Established') === 'True') {
    for (const { metadata } of core.store.list(type)) {
      if (metadata.deletionTimestamp !== undefined) continue
      const { namespace, name = '' } = metadata
      const target = { type, name, ...(namespace !== undefined && { namespace }) }
      await deleteObject(core, target, {}, OPERATION)
    }
    if (core.store.list(type).length > 0) return
  }
  const target = { type: TYPE, name: definition.metadata.name ?? '' }
  const change = (stored: ApiObject): ApiObject => ({
    ...stored,
    metadata: {
      ...stored.metadata,
      finalizers: (stored.metadata.finalizers ?? []).filter((name) => name !== CUSTOM_FINALIZER),
    },
  })
  await updateObject(core, target, change, OPERATION)
}

interface Condition {
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
}

function statusOf(core: ClusterCore, definition: ApiObject): JsonRecord {
  const old = recordAt(definition, 'status')
  const names = recordAt(definition['spec'], 'names')
  const conflict = conflictOf(core, definition, names)
  const isEstablished = conditionOf(definition, 'Established') === 'True'
  const accepted: Condition =
    conflict === undefined
      ? {
          type: 'NamesAccepted',
          status: 'True',
          reason: 'NoConflicts',
          message: 'no conflicts found',
        }
      : { type: 'NamesAccepted', status: 'False', ...conflict }
  const established: Condition =
    conflict === undefined || isEstablished
      ? {
          type: 'Established',
          status: 'True',
          reason: 'InitialNamesAccepted',
          message: 'the initial names have been accepted',
        }
      : {
          type: 'Established',
          status: 'False',
          reason: 'NotAccepted',
          message: 'not all names are accepted',
        }
  const conditions = [accepted, established].map((condition) => {
    const before = listAt(old, 'conditions').find(
      (known) => stringAt(known, 'type') === condition.type,
    )
    const isSame = stringAt(before, 'status') === condition.status
    const since = isSame ? stringAt(before, 'lastTransitionTime') : formatTime(core.clock.now())
    return { ...condition, lastTransitionTime: since }
  })
  const acceptedNames = conflict === undefined ? names : recordAt(old, 'acceptedNames')
  return { ...old, conditions, acceptedNames }
}

/** A name of the definition that another type of its group has already. */
function conflictOf(
  core: ClusterCore,
  definition: ApiObject,
  names: JsonRecord,
): { reason: string; message: string } | undefined {
  const group = stringAt(definition['spec'], 'group')
  const plural = stringAt(names, 'plural')
  const others = core.registry.types.filter(
    (type) => type.group === group && type.plural !== plural,
  )
  const taken = new Set(others.flatMap((type) => [type.plural, type.singular, ...type.shortNames]))
  const kinds = new Set(others.flatMap((type) => [type.kind, type.listKind ?? `${type.kind}List`]))
  const checks = [
    ['PluralConflict', [plural], taken],
    ['SingularConflict', [stringAt(names, 'singular')], taken],
    ['ShortNamesConflict', listAt(names, 'shortNames').map(String), taken],
    ['KindConflict', [stringAt(names, 'kind')], kinds],
    ['ListKindConflict', [stringAt(names, 'listKind')], kinds],
  ] as const
  for (const [reason, wanted, known] of checks) {
    const used = wanted.find((name) => known.has(name))
    if (used !== undefined) return { reason, message: `${JSON.stringify(used)} is already in use` }
  }
  return undefined
}
