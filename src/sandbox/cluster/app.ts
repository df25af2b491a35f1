import { faultFields } from '../../lib/log.ts'
import { type Client, type Handler, jsonResponse } from '../../lib/handler.ts'
import { isUpgrade } from '../../lib/upgrade.ts'
import { authenticate } from './authentication.ts'
import type { AccessAttributes } from './authorization.ts'
import { decideAccess } from './deciding.ts'
import type { ClusterCore } from './core.ts'
import { ApiFault, badRequest, forbidden, forbiddenPath, internalError } from './faults.ts'
import { impersonated } from './impersonation.ts'
import { omit } from './objects.ts'
import { parseResourcePath, type ResourcePath } from './request-path.ts'
import { answerPath } from './path-requests.ts'
import { answerResource, verbOf } from './resource-requests.ts'
import type { UserInfo } from './users.ts'

/**
 * A cluster's Kubernetes API as a handler: authentication, authorization, then what the path names.
 * Every fault is answered as a `Status`.
 */
export function clusterApp(core: ClusterCore): Handler {
  return async (request, client) => {
    const warnings = new Set<string>()
    let response: Response
    try {
      response = await answer(core, request, { client, warnings })
    } catch (thrown) {
      response = faultResponse(core, thrown)
    }
    response.headers.set('x-content-type-options', 'nosniff')
    for (const text of warnings) response.headers.append('warning', warningHeader(text))
    return response
  }
}

function faultResponse(core: ClusterCore, thrown: unknown): Response {
  if (thrown instanceof ApiFault) {
    const seconds = thrown.body.details?.retryAfterSeconds
    const headers = seconds === undefined ? {} : { 'retry-after': String(seconds) }
    return jsonResponse(thrown.body, thrown.status ?? 500, headers)
  }
  core.log.error('request failed', faultFields(thrown))
  return jsonResponse(internalError('the sandbox failed').body, 500)
}

/** RFC 7234 section 5.5, as kube-apiserver writes it: one line, printable ASCII, bounded. */
function warningHeader(text: string): string {
  const printable = text.replace(/[^\x20-\x7e]/g, ' ').slice(0, 1024)
  return `299 - "${printable.replace(/(["\\])/g, '\\$1')}"`
}

async function answer(
  core: ClusterCore,
  request: Request,
  { client, warnings }: { readonly client: Client; readonly warnings: Set<string> },
): Promise<Response> {
  const url = new URL(request.url)
  let path: ResourcePath | undefined
  try {
    path = parseResourcePath(url.pathname)
  } catch {
    throw badRequest('the path is not well encoded')
  }
  const user = impersonated(core, request, await authenticate(core, request, client))
  const attributes = attributesOf(request, url, { user, path })
  authorize(core, attributes)
  // A WebSocket is opened with GET, but to run a command or to type is no reading (Kubernetes
  // 1.35, KEP-4006).
  const isStream = ['exec', 'attach'].includes(path?.subresource ?? '')
  if (isStream && isUpgrade(request)) authorize(core, { ...attributes, verb: 'create' })
  return path === undefined
    ? answerPath(core, request, url)
    : answerResource(core, request, {
        url,
        path,
        user,
        warnings,
        mayCreate: () => authorize(core, { ...attributes, verb: 'create' }),
      })
}

function attributesOf(
  request: Request,
  url: URL,
  { user, path }: { readonly user: UserInfo; readonly path: ResourcePath | undefined },
): AccessAttributes {
  if (path === undefined) {
    const verb = request.method === 'HEAD' ? 'get' : request.method.toLowerCase()
    return { user, verb, path: url.pathname }
  }
  const resource = omit(path, 'version')
  const fieldSelector = url.searchParams.get('fieldSelector')
  const isNamespace = path.plural === 'namespaces' && path.group === ''
  return {
    user,
    verb: verbOf(request.method, path, url.searchParams),
    resource: {
      ...resource,
      ...(isNamespace && path.name !== undefined && { namespace: path.name }),
      ...(fieldSelector !== null && { fieldSelector }),
    },
  }
}

function authorize(core: ClusterCore, attributes: AccessAttributes): void {
  const why = decideAccess(core, attributes)
  if (why === undefined) return
  const { resource } = attributes
  if (resource === undefined) throw forbiddenPath(why)
  throw forbidden(resource, resource.name ?? '', why)
}
