import type { ClusterCore } from './core.ts'
import { ApiFault, badRequest, expired } from './faults.ts'
import { checkListOptions } from './list-options.ts'
import { keyOf } from './object-store.ts'
import { omit, type ApiObject, type JsonRecord } from './objects.ts'
import { apiVersionOf, fieldsOf, type ResourceType } from './resource-types.ts'
import { matchFields, parseFieldSelector, parseLabelSelector } from './selectors.ts'

/** Whether an object belongs to a list or watch. */
export type Selection = (object: ApiObject) => boolean

export interface Scope {
  readonly type: ResourceType
  readonly namespace?: string
  /** Of a watch or list of one object by its path. */
  readonly name?: string
}

/**
 * What `labelSelector` and `fieldSelector` of a query select.
 * @throws ApiFault BadRequest
 */
export function readSelection({ type, name }: Scope, query: URLSearchParams): Selection {
  const labels = parseLabelSelector(query.get('labelSelector') ?? '')
  const fields = parseFieldSelector(query.get('fieldSelector') ?? '')
  const known = fieldsOf(type, { metadata: {} })
  for (const { field } of fields) {
    if (!Object.hasOwn(known, field)) throw badRequest(`field label not supported: ${field}`)
  }
  return (object) =>
    (name === undefined || object.metadata.name === name) &&
    labels(object.metadata.labels ?? {}) &&
    (fields.length === 0 || matchFields(fields, fieldsOf(type, object)))
}

/**
 * A resourceVersion parameter as a number; undefined where it is not given.
 * @throws ApiFault BadRequest
 */
export function readVersion(query: URLSearchParams): number | undefined {
  const text = query.get('resourceVersion') ?? ''
  if (text === '') return undefined
  if (!/^\d{1,15}$/.test(text)) {
    throw badRequest(
      `resourceVersion: Invalid value: ${JSON.stringify(text.slice(0, 50))}: strconv.ParseUint: parsing ${JSON.stringify(text.slice(0, 50))}: invalid syntax`,
    )
  }
  return Number(text)
}

export interface ListResult {
  readonly items: readonly ApiObject[]
  readonly metadata: {
    readonly resourceVersion: string
    readonly continue?: string
    readonly remainingItemCount?: number
  }
}

interface Continuation {
  /** Of the list's first page; undefined goes on with the list as it is now. */
  readonly revision: number | undefined
  readonly after: string
}

/**
 * Lists with selectors, `limit` and `continue`: pages after the first show what was there at the
 * first one's resourceVersion, as long as the history reaches back to it. What refuses a page whose
 * history is gone holds a token that goes on with the list of now.
 * @throws ApiFault BadRequest, Expired, Timeout
 */
export function listObjects(core: ClusterCore, scope: Scope, query: URLSearchParams): ListResult {
  const { store } = core
  checkListOptions(query, false)
  const selects = readSelection(scope, query)
  const token = query.get('continue') ?? ''
  const limit = readLimit(query)
  const wanted = readVersion(query)
  if (token !== '' && wanted !== undefined && wanted !== 0) {
    throw badRequest('specifying resource version is not allowed when using continue')
  }
  const from = token === '' ? undefined : readContinuation(token)
  const isExact = query.get('resourceVersionMatch') === 'Exact'
  if (wanted !== undefined) store.checkRevision(wanted)
  const revision = from?.revision ?? (isExact ? (wanted ?? store.revision) : store.revision)
  const objects = listAt(core, scope, revision, from)
  const rest =
    from === undefined ? objects : objects.filter((object) => pathOf(object) > from.after)
  const selected = rest.filter(selects)
  const page = limit === 0 ? selected : selected.slice(0, limit)
  const last = page.at(-1)
  const metadata = { resourceVersion: String(revision) }
  if (page.length === selected.length || last === undefined) return { items: page, metadata }
  const hasSelector = query.get('labelSelector') || query.get('fieldSelector')
  return {
    items: page,
    metadata: {
      ...metadata,
      continue: writeContinuation({ revision, after: pathOf(last) }),
      ...(!hasSelector && { remainingItemCount: selected.length - page.length }),
    },
  }
}

function listAt(
  { store }: ClusterCore,
  { type, namespace }: Scope,
  revision: number,
  from: Continuation | undefined,
): ApiObject[] {
  try {
    return store.listAt(type, namespace, revision)
  } catch (thrown) {
    if (!(thrown instanceof ApiFault) || thrown.code !== 'Expired') throw thrown
    if (from === undefined) throw expired('The resourceVersion for the provided list is too old.')
    throw expired(TOO_OLD_TO_CONTINUE, writeContinuation({ ...from, revision: undefined }))
  }
}

/** A list as the API answers it. */
export function listObject(type: ResourceType, result: ListResult): Record<string, unknown> {
  return {
    kind: type.listKind ?? `${type.kind}List`,
    apiVersion: apiVersionOf(type),
    metadata: result.metadata,
    items:
      type.custom === undefined
        ? result.items.map((item) => omit(item as JsonRecord, 'kind', 'apiVersion'))
        : result.items,
  }
}

const pathOf = ({ metadata }: ApiObject): string => keyOf(metadata.namespace, metadata.name ?? '')

function readLimit(query: URLSearchParams): number {
  const text = query.get('limit') ?? ''
  if (text === '') return 0
  if (!/^-?\d{1,15}$/.test(text))
    throw badRequest(`limit: Invalid value: ${JSON.stringify(text.slice(0, 50))}`)
  return Math.max(0, Number(text))
}

function writeContinuation({ revision, after }: Continuation): string {
  const text = JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision ?? -1, start: after })
  return Buffer.from(text).toString('base64url')
}

function readContinuation(token: string): Continuation {
  try {
    const value: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'))
    if (typeof value === 'object' && value !== null) {
      const revision: unknown = Reflect.get(value, 'rv')
      const after: unknown = Reflect.get(value, 'start')
      if (Number.isSafeInteger(revision) && typeof after === 'string') {
        return { revision: revision === -1 ? undefined : Number(revision), after }
      }
    }
  } catch {
    // Not JSON: the same fault as one that says something else.
  }
  throw badRequest('continue key is not valid')
}

const TOO_OLD_TO_CONTINUE =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.'
