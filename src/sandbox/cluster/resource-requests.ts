import { textResponse } from '../../lib/handler.ts'
import { readAppliedText } from './applied-text.ts'
import { applyObject } from './applying.ts'
import { bindPod } from './binding.ts'
import { mediaTypeOf, readObject, readText } from './bodies.ts'
import type { ClusterCore, Operation } from './core.ts'
import { createObject } from './creating.ts'
import { deleteObject, readDeleteOptions, type DeleteOptions, type Deletion } from './deleting.ts'
import {
  badRequest,
  forbidden,
  methodNotAllowed,
  notAcceptable,
  notFound,
  resourceNotFound,
} from './faults.ts'
import { evictPod } from './evicting.ts'
import { encodedResponse, negotiate, type Negotiated } from './negotiation.ts'
import { proxyAttach, proxyExec, proxyLog } from './node-proxy.ts'
import type { ApiObject, JsonRecord } from './objects.ts'
import { APPLY_PATCH, readPatch } from './patching.ts'
import { listObject, listObjects, readVersion, type Scope } from './reading.ts'
import { isForced, operationOf } from './request-options.ts'
import type { ResourcePath } from './request-path.ts'
import type { ResourceType, Verb } from './resource-types.ts'
import { answerReview } from './reviews.ts'
import { applyScale, readScale, SCALES, updateScale } from './scaling.ts'
import { createTokenRequest } from './service-account-tokens.ts'
import { type IncludedObject, partialOf, tableOf } from './tables.ts'
import { findObject, updateObject, type Target } from './updating.ts'
import type { UserInfo } from './users.ts'
import { watchObjects } from './watching.ts'

interface Call {
  readonly url: URL
  readonly path: ResourcePath
  readonly user: UserInfo
  readonly warnings: Set<string>
  /** Throws where the user may not create what the path names. */
  readonly mayCreate: () => void
}

/** The verb that a method means at a path, as authorization names it. */
export function verbOf(method: string, path: ResourcePath, query: URLSearchParams): string {
  switch (method) {
    case 'GET':
    case 'HEAD': {
      const watch = query.get('watch')
      if (path.subresource === undefined && (watch === 'true' || watch === '1')) return 'watch'
      return path.name === undefined ? 'list' : 'get'
    }
    case 'POST':
      return 'create'
    case 'PUT':
      return 'update'
    case 'PATCH':
      return 'patch'
    case 'DELETE':
      return path.name === undefined ? 'deletecollection' : 'delete'
    default:
      return method.toLowerCase()
  }
}

/** One request on a resource, taken apart. */
interface ResourceRequest {
  readonly request: Request
  readonly query: URLSearchParams
  readonly type: ResourceType
  readonly path: ResourcePath
  readonly operation: Operation
  readonly negotiated: Negotiated
  readonly mayCreate: () => void
}

/**
 * Answers a request on a resource or subresource.
 * @throws ApiFault
 */
export async function answerResource(
  core: ClusterCore,
  request: Request,
  call: Call,
): Promise<Response> {
  const { path } = call
  const query = call.url.searchParams
  const type = core.registry.find(path.group, path.version, path.plural)
  if (type === undefined) {
    if (core.registry.hasVersion(path.group, path.version)) throw resourceNotFound()
    return textResponse('404 page not found\n', 404)
  }
  const verb = verbOf(request.method, path, query)
  checkServed(type, path, verb)
  const operation = operationOf(request, verb, call)
  const isStream = ['log', 'exec', 'attach'].includes(path.subresource ?? '')
  const negotiated: Negotiated = isStream
    ? { shape: 'object', isYaml: false, aggregated: false }
    : negotiate(request)
  const { mayCreate } = call
  const asked = { request, query, type, path, operation, negotiated, mayCreate }
  if (type.custom?.warning !== undefined) operation.warn(type.custom.warning)
  if (type.isVirtual === true) {
    if (negotiated.shape !== 'object') throw notAcceptable(REVIEW_MEDIA_TYPES)
    const scope = { type, ...(path.namespace !== undefined && { namespace: path.namespace }) }
    const review = await answerReview(core, scope, await requireBody(request), operation)
    return encodedResponse(review, 201, negotiated)
  }
  if (path.name === undefined) return answerCollection(core, verb, asked)
  const special = path.subresource === undefined ? undefined : SPECIAL[path.subresource]
  if (special !== undefined && path.namespace !== undefined) {
    return special(core, { namespace: path.namespace, name: path.name }, asked)
  }
  const named = { ...asked, name: path.name }
  return path.subresource === 'scale' ? answerScale(core, named) : answerObject(core, verb, named)
}

/** Answers to questions are no objects that a table could show. */
const REVIEW_MEDIA_TYPES = [
  'application/json',
  'application/yaml',
  'application/vnd.kubernetes.protobuf',
]

function checkServed(type: ResourceType, path: ResourcePath, verb: string): void {
  const hasNamespace = path.namespace !== undefined
  if (!type.namespaced && hasNamespace) throw resourceNotFound()
  if (type.isVirtual === true && path.name !== undefined) throw resourceNotFound()
  if (path.subresource !== undefined) {
    const found = type.subresources.find(({ name }) => name === path.subresource)
    if (found === undefined && type.custom !== undefined) throw notFound(type, path.name ?? '')
    if (found === undefined || type.namespaced !== hasNamespace) throw resourceNotFound()
    if (!found.verbs.includes(verb as Verb)) throw methodNotAllowed()
    return
  }
  if (type.namespaced && !hasNamespace && path.name !== undefined) throw resourceNotFound()
  const isOnName = ['get', 'update', 'patch', 'delete'].includes(verb)
  const isMisplaced =
    verb === 'create' ? path.name !== undefined : isOnName !== (path.name !== undefined)
  const isWatchOfOne = verb === 'watch' && path.name !== undefined
  // The custom ones have no such path at all.
  if (type.custom !== undefined && verb === 'create' && type.namespaced && !hasNamespace) {
    throw resourceNotFound()
  }
  const isAcross =
    type.namespaced && !hasNamespace && (verb === 'create' || verb === 'deletecollection')
  const isTerminating = type.custom?.isTerminating === true
  if (isTerminating && verb === 'create') {
    const says = 'create not allowed while custom resource definition is terminating'
    throw forbidden(type, '', says)
  }
  const isServed = isTerminating || type.verbs.includes(verb as Verb)
  if (!isServed || (isMisplaced && !isWatchOfOne) || isAcross) {
    throw methodNotAllowed()
  }
}

async function requireBody(request: Request): Promise<JsonRecord> {
  return (await readObject(request)) ?? {}
}

async function answerCollection(
  core: ClusterCore,
  verb: string,
  asked: ResourceRequest,
): Promise<Response> {
  const { request, query, type, path, operation } = asked
  const scope: Scope = { type, ...(path.namespace !== undefined && { namespace: path.namespace }) }
  switch (verb) {
    case 'create': {
      const body = await readObject(request)
      if (body === undefined) throw badRequest('EOF: the request has no body')
      return shaped(core, await createObject(core, scope, body, operation), asked, 201)
    }
    case 'watch':
      return watchObjects(core, scope, query, (object) => shapeOf(core, object, asked))
    case 'deletecollection':
      return deleteCollection(core, scope, asked)
    default: {
      const result = listObjects(core, scope, query)
      const { shape } = asked.negotiated
      if (shape === 'table') {
        const { metadata } = result
        return encodedResponse(
          tableOf(type, result.items, { ...tableOptions(core, query), metadata }),
          200,
          asked.negotiated,
        )
      }
      const list =
        shape === 'object'
          ? listObject(type, result)
          : {
              kind: 'PartialObjectMetadataList',
              apiVersion: 'meta.k8s.io/v1',
              metadata: result.metadata,
              items: result.items.map(partialOf),
            }
      return encodedResponse(list, 200, asked.negotiated)
    }
  }
}

async function deleteOptionsOf(asked: ResourceRequest): Promise<DeleteOptions> {
  const { request, query, type, operation } = asked
  const options = readDeleteOptions(await readObject(request), query, operation)
  if (type.orphansByDefault !== true || options.propagationPolicy !== undefined) return options
  operation.warn(ORPHANS_SAYS)
  return { ...options, propagationPolicy: 'Orphan' }
}

/** What batch/v1 keeps from its first days. */
const ORPHANS_SAYS =
  'child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning'

async function deleteCollection(
  core: ClusterCore,
  scope: Scope,
  asked: ResourceRequest,
): Promise<Response> {
  const { query, type, operation } = asked
  const options = await deleteOptionsOf(asked)
  const result = listObjects(core, scope, query)
  for (const { metadata } of result.items) {
    const target = targetOf(type, metadata.namespace, metadata.name ?? '')
    if (core.store.get(type, target.namespace, target.name) === undefined) continue
    await deleteObject(core, target, { ...options, isOneOfMany: true }, operation)
  }
  return encodedResponse(listObject(type, result), 200, asked.negotiated)
}

function targetOf(type: ResourceType, namespace: string | undefined, name: string): Target {
  return { type, name, ...(namespace !== undefined && { namespace }) }
}

async function answerObject(
  core: ClusterCore,
  verb: string,
  asked: ResourceRequest & { readonly name: string },
): Promise<Response> {
  const { request, query, type, path, operation, name } = asked
  const target: Target = {
    ...targetOf(type, path.namespace, name),
    ...(path.subresource !== undefined && { subresource: path.subresource }),
  }
  switch (verb) {
    case 'get': {
      const version = readVersion(query)
      if (version !== undefined) core.store.checkRevision(version)
      return shaped(core, findObject(core, target), asked)
    }
    case 'watch':
      return watchObjects(core, target, query, (object) => shapeOf(core, object, asked))
    case 'update': {
      const body = await readObject(request)
      if (body === undefined) throw badRequest('EOF: the request has no body')
      return shaped(core, await updateObject(core, target, () => body, operation), asked)
    }
    case 'patch': {
      const [text, mediaType] = [await readText(request), mediaTypeOf(request)]
      if (mediaType !== APPLY_PATCH) {
        const change = readPatch(type, text, mediaType)
        const patching = { ...operation, isPatch: true }
        return shaped(core, await updateObject(core, target, change, patching), asked)
      }
      const { mayCreate } = asked
      const wanted = { text: readAppliedText(text), force: isForced(query), mayCreate }
      const applied = await applyObject(core, target, wanted, operation)
      return shaped(core, applied.object, asked, applied.isCreated ? 201 : 200)
    }
    default: {
      const options = await deleteOptionsOf(asked)
      const deletion = await deleteObject(core, target, options, operation)
      return deletionResponse(core, deletion, { ...asked, type, name })
    }
  }
}

function deletionResponse(
  core: ClusterCore,
  { object, isGone }: Deletion,
  asked: ResourceRequest & { readonly name: string },
): Response {
  const { type, name } = asked
  if (!isGone || type.returnsDeleted === true) return shaped(core, object, asked)
  const status = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: {
      name,
      ...(type.group !== '' && { group: type.group }),
      kind: type.plural,
      uid: object.metadata.uid,
    },
  }
  return encodedResponse(status, 200, { ...asked.negotiated, shape: 'object' })
}

type Special = (
  core: ClusterCore,
  ref: { readonly namespace: string; readonly name: string },
  asked: ResourceRequest,
) => Promise<Response>

/** Subresources that are no part of their object. */
const SPECIAL: Readonly<Record<string, Special>> = {
  token: async (core, ref, { request, operation, negotiated }) => {
    const answer = await createTokenRequest(core, ref, await requireBody(request), operation)
    return encodedResponse(answer, 201, negotiated)
  },
  binding: async (core, ref, { request, operation, negotiated }) => {
    await bindPod(core, ref, await requireBody(request), operation)
    const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 }
    return encodedResponse(status, 201, negotiated)
  },
  eviction: async (core, ref, { request, operation, negotiated }) => {
    await evictPod(core, ref, await requireBody(request), operation)
    const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 }
    return encodedResponse(status, 201, negotiated)
  },
  log: (core, ref, { request, query }) => proxyLog(core, ref, request, query),
  exec: (core, ref, { request, query }) => proxyExec(core, ref, request, query),
  attach: (core, ref, { request, query }) => proxyAttach(core, ref, request, query),
}

async function answerScale(
  core: ClusterCore,
  asked: ResourceRequest & { readonly name: string },
): Promise<Response> {
  const { request, type, path, operation, name } = asked
  const target = targetOf(type, path.namespace, name)
  const spoken = { ...asked, type: SCALES }
  if (request.method === 'GET') return shaped(core, readScale(core, target), spoken)
  if (request.method === 'PATCH' && mediaTypeOf(request) === APPLY_PATCH) {
    const wanted = { text: readAppliedText(await readText(request)), force: isForced(asked.query) }
    return shaped(core, await applyScale(core, target, wanted, operation), spoken)
  }
  // No strategic merge patch is for anything of a custom object.
  const patched = type.custom === undefined ? SCALES : type
  const change =
    request.method === 'PATCH'
      ? readPatch(patched, await readText(request), mediaTypeOf(request))
      : await requireBody(request).then((body) => () => body)
  const changing = { ...operation, isPatch: request.method === 'PATCH' }
  return shaped(core, await updateScale(core, target, change, changing), spoken)
}

function tableOptions(
  core: ClusterCore,
  query: URLSearchParams,
): { nowMs: number; included: IncludedObject } {
  const included = query.get('includeObject')
  return {
    nowMs: core.clock.now(),
    included: included === 'None' || included === 'Object' ? included : 'Metadata',
  }
}

function shapeOf(core: ClusterCore, object: ApiObject, asked: ResourceRequest): unknown {
  const { shape } = asked.negotiated
  if (shape === 'table') return tableOf(asked.type, [object], tableOptions(core, asked.query))
  return shape === 'metadata' ? partialOf(object) : object
}

function shaped(
  core: ClusterCore,
  object: ApiObject,
  asked: ResourceRequest,
  status = 200,
): Response {
  return encodedResponse(shapeOf(core, object, asked), status, asked.negotiated)
}
