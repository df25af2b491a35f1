import type { ClusterCore } from './core.ts'
import { ApiFault, badRequest, unnamedFault } from './faults.ts'
import { checkListOptions } from './list-options.ts'
import type { StoreEvent } from './object-store.ts'
import { sameJson, type ApiObject } from './objects.ts'
import { readSelection, readVersion, type Scope, type Selection } from './reading.ts'
import { apiVersionOf, type ResourceType, sharesObjects, viewOf } from './resource-types.ts'
import { CUSTOM_RESOURCE_DEFINITIONS } from './types/custom-resource-definitions.ts'

const BOOKMARK_EVERY_MS = 60_000
const WATCH_SECONDS_MAX = 3600
/** A watcher that does not read is ended, as kube-apiserver ends it. */
const QUEUE_MAX = 10_000

/** How objects are written into events: as they are, or as rows of a table. */
export type EventFormat = (object: ApiObject) => unknown

interface WatchPlan {
  readonly scope: Scope
  readonly selects: Selection
  readonly after: number
  readonly initial: readonly unknown[]
  readonly hasBookmarks: boolean
  readonly seconds: number
  readonly format: EventFormat
}

/**
 * Answers `?watch=true`: JSON lines, from a resourceVersion's events on, or everything that is there
 * first. A version that the history does not hold is answered by an ERROR event with a Status 410.
 * @throws ApiFault BadRequest
 */
export function watchObjects(
  core: ClusterCore,
  scope: Scope,
  query: URLSearchParams,
  format: EventFormat,
): Response {
  const headers = { 'content-type': 'application/json;stream=watch', 'cache-control': 'no-cache' }
  try {
    return new Response(streamOf(core, planWatch(core, scope, query, format)), { headers })
  } catch (thrown) {
    if (!(thrown instanceof ApiFault) || thrown.code !== 'Expired') throw thrown
    return new Response(`${JSON.stringify({ type: 'ERROR', object: thrown.body })}\n`, { headers })
  }
}

const isTrue = (value: string | null): boolean => value === 'true' || value === '1'

/** kube-apiserver answers a version that is none with a plain error here, and only here. */
function readWatchVersion(query: URLSearchParams): number | undefined {
  try {
    return readVersion(query)
  } catch (thrown) {
    throw thrown instanceof ApiFault ? unnamedFault(thrown.message) : thrown
  }
}

function planWatch(
  core: ClusterCore,
  scope: Scope,
  query: URLSearchParams,
  format: EventFormat,
): WatchPlan {
  const { store } = core
  checkListOptions(query, true)
  const selects = readSelection(scope, query)
  const version = readWatchVersion(query)
  const hasBookmarks = isTrue(query.get('allowWatchBookmarks'))
  const wantsInitial = isTrue(query.get('sendInitialEvents'))
  if (wantsInitial && !hasBookmarks) {
    throw badRequest('sendInitialEvents requires allowWatchBookmarks')
  }
  const asked = Number(query.get('timeoutSeconds') ?? WATCH_SECONDS_MAX)
  const plan = {
    scope,
    selects,
    hasBookmarks,
    format,
    seconds: asked > 0 && asked < WATCH_SECONDS_MAX ? asked : WATCH_SECONDS_MAX,
  }
  const isFromNow = query.get('sendInitialEvents') === 'false'
  if (wantsInitial || (!isFromNow && (version === undefined || version === 0))) {
    const objects = store.list(scope.type, scope.namespace).filter(selects)
    const initial: unknown[] = objects.map((object) => ({ type: 'ADDED', object: format(object) }))
    if (wantsInitial) initial.push(bookmark(scope, store.revision, true))
    return { ...plan, after: store.revision, initial }
  }
  const after = version === undefined || version === 0 ? store.revision : version
  const initial = store
    .eventsSince(scope.type, after)
    .flatMap((event) => eventFor(event, scope, selects, format) ?? [])
  return { ...plan, after: Math.max(after, store.revision), initial }
}

function bookmark({ type }: Scope, revision: number, endsInitial = false): unknown {
  const annotations = endsInitial ? { 'k8s.io/initial-events-end': 'true' } : undefined
  return {
    type: 'BOOKMARK',
    object: {
      kind: type.kind,
      apiVersion: apiVersionOf(type),
      metadata: { resourceVersion: String(revision), ...(annotations && { annotations }) },
    },
  }
}

/** An event as this watcher sees it: an object that leaves the selection is deleted for it. */
function eventFor(
  event: StoreEvent,
  scope: Scope,
  selects: Selection,
  format: EventFormat,
): unknown {
  const { namespace } = event.object.metadata
  if (!sharesObjects(event.resource, scope.type)) return undefined
  if (scope.namespace !== undefined && scope.namespace !== namespace) return undefined
  const object = viewOf(scope.type, event.object)
  const was = event.previous !== undefined && selects(viewOf(scope.type, event.previous))
  const is = event.type !== 'DELETED' && selects(object)
  if (!was && !is) return undefined
  const type = !is ? 'DELETED' : was ? 'MODIFIED' : 'ADDED'
  return { type, object: format(object) }
}

/** Whether a definition goes or changes what its objects are, which ends their watches. */
function replacesStorage(event: StoreEvent, { custom, plural, group }: ResourceType): boolean {
  const { resource, object, previous, type } = event
  if (custom === undefined || resource !== CUSTOM_RESOURCE_DEFINITIONS) return false
  if (object.metadata.name !== `${plural}.${group}`) return false
  return type === 'DELETED' || !sameJson(object['spec'], previous?.['spec'])
}

function streamOf(core: ClusterCore, plan: WatchPlan): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  let end = (): void => undefined
  return new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        let isOpen = true
        const send = (event: unknown): void => {
          if (!isOpen) return
          controller.enqueue(encoder.encode(`${JSON.stringify(event)}\n`))
          if ((controller.desiredSize ?? 0) < -QUEUE_MAX) finish()
        }
        const sendBookmark = (): void => {
          if (plan.hasBookmarks) send(bookmark(plan.scope, core.store.revision))
        }
        const unsubscribe = core.store.subscribe((event) => {
          if (replacesStorage(event, plan.scope.type)) return finish()
          if (event.revision <= plan.after) return
          const seen = eventFor(event, plan.scope, plan.selects, plan.format)
          if (seen !== undefined) send(seen)
        })
        const ticking = setInterval(sendBookmark, BOOKMARK_EVERY_MS)
        const finish = (): void => {
          if (!isOpen) return
          isOpen = false
          end()
          controller.close()
        }
        const timer = setTimeout(() => {
          sendBookmark()
          finish()
        }, plan.seconds * 1000)
        end = () => {
          end = () => undefined
          unsubscribe()
          clearInterval(ticking)
          clearTimeout(timer)
          core.stopping.removeEventListener('abort', finish)
        }
        core.stopping.addEventListener('abort', finish)
        // Headers leave with the first byte; a newline between JSON values means nothing.
        if (plan.initial.length === 0) controller.enqueue(encoder.encode('\n'))
        for (const event of plan.initial) send(event)
        if (core.stopping.aborted) finish()
      },
      cancel: () => end(),
    },
    { highWaterMark: QUEUE_MAX },
  )
}
