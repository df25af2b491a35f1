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
  type DefinitionCondition,
  setCondition,
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
  const isEstablished = conditionOf(definition, 'Established') === 'True'
  if (type !== undefined && isEstablished) {
    await report(core, definition, {
      type: 'Terminating',
      status: 'True',
      reason: 'InstanceDeletionInProgress',
      message: 'CustomResource deletion is in progress',
    })
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

/** Writes a condition where it says something new. */
async function report(
  core: ClusterCore,
  definition: ApiObject,
  condition: DefinitionCondition,
): Promise<void> {
  const target = { type: TYPE, name: definition.metadata.name ?? '', subresource: 'status' }
  const change = (stored: ApiObject): ApiObject => {
    const next = structuredClone(stored)
    setCondition(next, formatTime(core.clock.now()), condition)
    return next
  }
  await updateObject(core, target, change, OPERATION)
}

function statusOf(core: ClusterCore, definition: ApiObject): JsonRecord {
  const { accepted, conflict } = acceptNames(core, definition)
  const isEstablished = conditionOf(definition, 'Established') === 'True'
  const next = structuredClone(definition)
  const at = formatTime(core.clock.now())
  setCondition(next, at, {
    type: 'NamesAccepted',
    ...(conflict === undefined
      ? { status: 'True', reason: 'NoConflicts', message: 'no conflicts found' }
      : { status: 'False', ...conflict }),
  })
  setCondition(next, at, {
    type: 'Established',
    ...(conflict === undefined || isEstablished
      ? {
          status: 'True',
          reason: 'InitialNamesAccepted',
          message: 'the initial names have been accepted',
        }
      : { status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' }),
  })
  return { ...recordAt(next, 'status'), acceptedNames: accepted }
}

interface Naming {
  /** The names that the definition has: those that it wants and nobody else of its group has. */
  readonly accepted: JsonRecord
  /** The last conflict, as apiextensions reports it. */
  readonly conflict?: { readonly reason: string; readonly message: string }
}

/** What of its names a definition may have, with those that it has already. */
function acceptNames(core: ClusterCore, definition: ApiObject): Naming {
  const group = stringAt(definition['spec'], 'group')
  const wanted = recordAt(definition['spec'], 'names')
  const owned = recordAt(recordAt(definition, 'status'), 'acceptedNames')
  const others = core.store
    .list(TYPE)
    .filter(({ metadata }) => metadata.name !== definition.metadata.name)
    .filter((other) => stringAt(other['spec'], 'group') === group)
    .map((other) => recordAt(recordAt(other, 'status'), 'acceptedNames'))
  const namesOf = (...fields: readonly string[]): Set<string> =>
    new Set(others.flatMap((names) => fields.map((field) => stringAt(names, field))))
  const short = others.flatMap((names) => listAt(names, 'shortNames').map(String))
  const resources = new Set([...namesOf('plural', 'singular'), ...short])
  const kinds = namesOf('kind', 'listKind')
  const checks = [
    ['PluralConflict', 'plural', resources],
    ['SingularConflict', 'singular', resources],
    ['ShortNamesConflict', 'shortNames', resources],
    ['KindConflict', 'kind', kinds],
    ['ListKindConflict', 'listKind', kinds],
  ] as const
  const accepted: JsonRecord = { ...owned }
  let conflict: Naming['conflict']
  for (const [reason, field, taken] of checks) {
    const names = [wanted[field] ?? []].flat().map(String)
    const used = names.filter((name) => taken.has(name) && owned[field] !== name)
    if (used.length > 0) {
      const texts = used.map((name) => `${JSON.stringify(name)} is already in use`)
      conflict = { reason, message: texts.length > 1 ? `[${texts.join(', ')}]` : (texts[0] ?? '') }
    } else if (wanted[field] === undefined) delete accepted[field]
    else accepted[field] = wanted[field]
  }
  if (wanted['categories'] !== undefined) accepted['categories'] = wanted['categories']
  return { accepted, ...(conflict && { conflict }) }
}
