import { admit } from './admission.ts'
import type { ClusterCore, Operation } from './core.ts'
import { checkKind, decodeAs } from './decoding.ts'
import { conflict, fieldFault, invalid } from './faults.ts'
import {
  cloneObject,
  formatTime,
  omit,
  recordAt,
  stringAt,
  type ApiObject,
  type JsonRecord,
} from './objects.ts'
import { JOBS } from './types/batch.ts'
import { PODS } from './types/pods.ts'
import { DELETE_OPTIONS } from './types/reviews.ts'
import { findObject, isFinished, type Target } from './updating.ts'

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number
  readonly uid?: string
  readonly resourceVersion?: string
  readonly propagationPolicy?: string
  readonly dryRun?: boolean
  /** The request names a collection: webhooks are told of each object, without its name. */
  readonly isOneOfMany?: boolean
}

const OPTIONS = { group: 'meta.k8s.io', kind: 'DeleteOptions' }
const PROPAGATIONS = ['Foreground', 'Background', 'Orphan', 'nil']
const FOREGROUND = 'foregroundDeletion'
const ORPHAN = 'orphan'

/**
 * DeleteOptions from a body and the query.
 * @throws ApiFault BadRequest, Invalid
 */
export function readDeleteOptions(
  body: JsonRecord | undefined,
  query: URLSearchParams,
  operation: Operation,
): DeleteOptions {
  const kind = body?.['kind']
  const rest = omit(body ?? {}, 'apiVersion', 'kind')
  // The group of DeleteOptions is every group's own, so any apiVersion passes, as in Kubernetes.
  if (kind !== undefined) checkKind('', 'DeleteOptions', { kind })
  const decoded = decodeAs(
    DELETE_OPTIONS,
    { kind: 'DeleteOptions', version: 'v1' },
    rest,
    operation,
  )
  const asked = query.get('gracePeriodSeconds')
  const grace = decoded['gracePeriodSeconds'] ?? (asked === null ? undefined : Number(asked))
  const propagation = stringAt(decoded, 'propagationPolicy') || query.get('propagationPolicy') || ''
  if (propagation !== '' && !PROPAGATIONS.slice(0, 3).includes(propagation)) {
    throw invalid(OPTIONS, '', [
      fieldFault.notSupported('propagationPolicy', propagation, PROPAGATIONS),
    ])
  }
  const orphans = decoded['orphanDependents'] ?? query.get('orphanDependents') ?? undefined
  if (propagation !== '' && orphans !== undefined) {
    const why = 'orphanDependents and deletionPropagation cannot be both set'
    throw invalid(OPTIONS, '', [fieldFault.invalid('propagationPolicy', propagation, why)])
  }
  if (grace !== undefined && !Number.isSafeInteger(grace)) {
    throw invalid(OPTIONS, '', [
      fieldFault.invalid('gracePeriodSeconds', asked, 'must be a whole number'),
    ])
  }
  const preconditions = recordAt(decoded, 'preconditions')
  const [uid, version] = [
    stringAt(preconditions, 'uid'),
    stringAt(preconditions, 'resourceVersion'),
  ]
  return {
    ...(grace !== undefined && { gracePeriodSeconds: Math.max(0, Number(grace)) }),
    ...(uid !== '' && { uid }),
    ...(version !== '' && { resourceVersion: version }),
    ...(propagation !== '' && { propagationPolicy: propagation }),
    ...(Array.isArray(decoded['dryRun']) && { dryRun: decoded['dryRun'].includes('All') }),
  }
}

export interface Deletion {
  readonly object: ApiObject
  /** False while finalizers, a grace period or a namespace's content keep it. */
  readonly isGone: boolean
}

/**
 * Deletes an object, or marks it where something must happen first: pods that run are ended by
 * their node, namespaces are emptied, finalizers are waited for.
 * @throws ApiFault NotFound, Conflict, Forbidden
 */
export async function deleteObject(
  core: ClusterCore,
  target: Target,
  options: DeleteOptions,
  operation: Operation,
): Promise<Deletion> {
  checkPreconditions(target, findObject(core, target), options)
  await admit(core, {
    type: target.type,
    operation: 'DELETE',
    ...(target.namespace !== undefined && { namespace: target.namespace }),
    name: options.isOneOfMany === true ? '' : target.name,
    oldObject: findObject(core, target),
    options: shownOptions(options, operation),
    context: operation,
  })
  const stored = findObject(core, target)
  checkPreconditions(target, stored, options)
  const marked = markDeleted(core, target, stored, options)
  const isGone = isFinished(marked)
  if (operation.dryRun || options.dryRun === true) return { object: marked, isGone }
  if (isGone) {
    core.store.remove(target.type, marked)
    return { object: marked, isGone }
  }
  const isSame = Bun.deepEquals(marked, stored, true)
  return { object: isSame ? stored : core.store.put(target.type, marked), isGone }
}

/** DeleteOptions as webhooks are told of them. */
function shownOptions(options: DeleteOptions, { dryRun }: Operation): JsonRecord {
  const { gracePeriodSeconds, propagationPolicy, uid, resourceVersion } = options
  const preconditions = { ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) }
  return {
    ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
    ...(Object.keys(preconditions).length > 0 && { preconditions }),
    ...(propagationPolicy !== undefined && { propagationPolicy }),
    ...((dryRun || options.dryRun === true) && { dryRun: ['All'] }),
  }
}

function checkPreconditions(target: Target, stored: ApiObject, options: DeleteOptions): void {
  const { uid, resourceVersion } = stored.metadata
  if (options.uid !== undefined && options.uid !== uid) {
    throw conflict(
      target.type,
      target.name,
      `Precondition failed: UID in precondition: ${options.uid}, UID in object meta: ${uid}`,
    )
  }
  if (options.resourceVersion !== undefined && options.resourceVersion !== resourceVersion) {
    throw conflict(
      target.type,
      target.name,
      `Precondition failed: ResourceVersion in precondition: ${options.resourceVersion}, ResourceVersion in object meta: ${resourceVersion}`,
    )
  }
}

function markDeleted(
  core: ClusterCore,
  { type }: Target,
  stored: ApiObject,
  options: DeleteOptions,
): ApiObject {
  const marked = cloneObject(stored)
  const { metadata } = marked
  const grace = type === PODS ? podGrace(stored, options) : 0
  const before =
    metadata.deletionTimestamp === undefined ? undefined : metadata.deletionGracePeriodSeconds
  // A second delete may shorten the grace period, never lengthen it.
  if (before === undefined || grace < before) {
    if (metadata.deletionTimestamp === undefined) {
      const { generation = 0 } = metadata
      if (generation > 0) metadata.generation = generation + 1
      type.prepareDelete?.(marked, formatTime(core.clock.now()))
    }
    metadata.deletionTimestamp ??= formatTime(core.clock.now() + grace * 1000)
    metadata.deletionGracePeriodSeconds = grace
    if (before !== undefined)
      metadata.deletionTimestamp = formatTime(core.clock.now() + grace * 1000)
  }
  // batch/v1 keeps what the first Jobs did: their pods stay unless told otherwise.
  const policy = options.propagationPolicy ?? (type === JOBS ? 'Orphan' : 'Background')
  const added = policy === 'Foreground' ? FOREGROUND : policy === 'Orphan' ? ORPHAN : undefined
  if (added !== undefined && metadata.finalizers?.includes(added) !== true) {
    metadata.finalizers = [...(metadata.finalizers ?? []), added]
  }
  return marked
}

/** A pod that no node has, or that has ended, needs no grace. */
function podGrace(pod: ApiObject, options: DeleteOptions): number {
  const spec = recordAt(pod, 'spec')
  const phase = stringAt(pod['status'], 'phase')
  if (stringAt(spec, 'nodeName') === '' || phase === 'Succeeded' || phase === 'Failed') return 0
  return options.gracePeriodSeconds ?? Number(spec['terminationGracePeriodSeconds'] ?? 30)
}
