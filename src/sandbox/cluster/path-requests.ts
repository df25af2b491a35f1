import { jsonResponse, textResponse } from '../../lib/handler.ts'
import type { ClusterCore } from './core.ts'
import { methodNotAllowed } from './faults.ts'
import { aggregatedDiscovery, discoveryAt, openidConfiguration, VERSION } from './discovery.ts'
import { encodedResponse, negotiate } from './negotiation.ts'
import { openapiAt } from './openapi.ts'

const AGGREGATED_TYPE = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'

/**
 * Answers what is no resource: health, version, discovery, the issuer's documents.
 * @throws ApiFault MethodNotAllowed, NotAcceptable
 */
export function answerPath(core: ClusterCore, request: Request, url: URL): Response {
  const pathname = url.pathname.replace(/(?<=.)\/$/, '')
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  switch (pathname) {
    case '/healthz':
    case '/livez':
    case '/readyz':
      return textResponse('ok')
    case '/version':
      return jsonResponse(VERSION)
    case '/.well-known/openid-configuration':
      return jsonResponse(openidConfiguration(core, url.origin), 200, {
        'cache-control': 'public, max-age=3600',
      })
    case '/openid/v1/jwks':
      return jsonResponse(core.tokenKeys.jwks(), 200, {
        'content-type': 'application/jwk-set+json',
        'cache-control': 'public, max-age=3600',
      })
    case '/':
      return jsonResponse({ paths: ['/api', '/apis', '/healthz', '/livez', '/readyz', '/version'] })
    default:
  }
  const discovered = discoveryAt(core.registry, pathname) ?? openapiAt(core.registry, pathname)
  if (discovered === undefined) return textResponse('404 page not found\n', 404)
  if (!isRead) throw methodNotAllowed()
  const negotiated = negotiate(request)
  if (negotiated.aggregated && (pathname === '/api' || pathname === '/apis')) {
    return jsonResponse(aggregatedDiscovery(core.registry, pathname === '/api'), 200, {
      'content-type': AGGREGATED_TYPE,
    })
  }
  return encodedResponse(discovered, 200, negotiated)
}
