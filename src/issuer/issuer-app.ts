import { createHash } from 'node:crypto'
import { type Handler, textResponse } from '../lib/handler.ts'
import type { Jwks } from '../token/jwks.ts'
import {
  algorithmsOf,
  DISCOVERY_PATH,
  discoveryDocument,
  issuerBase,
  JWKS_PATH,
} from './documents.ts'

const DEFAULT_MAX_AGE_SECONDS = 300
/**
 * Serves an issuer's discovery document and keys under the issuer's path, with a strong ETag
 * (RFC 9110 section 13.1.2), and `/healthz`. `jwks` is asked at every request, so a rotation needs
 * no restart.
 * @throws PodroleError `InvalidIssuer`
 */
export function issuerApp(options: {
  readonly issuer: string
  readonly jwks: () => Jwks
  readonly maxAgeSeconds?: number
}): Handler {
  const { issuer } = options
  const base = new URL(issuerBase(issuer)).pathname.replace(/\/$/, '')
  const maxAge = options.maxAgeSeconds ?? DEFAULT_MAX_AGE_SECONDS
  const documents: Readonly<Record<string, () => unknown>> = {
    [base + DISCOVERY_PATH]: () =>
      discoveryDocument(issuer, { algorithms: algorithmsOf(options.jwks()) }),
    [base + JWKS_PATH]: options.jwks,
  }
  return (request) => {
    const { pathname } = new URL(request.url)
    const document = Object.hasOwn(documents, pathname) ? documents[pathname] : undefined
    if (document === undefined && pathname !== '/healthz') return textResponse('Not Found\n', 404)
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return new Response('Method Not Allowed\n', { status: 405, headers: { allow: 'GET, HEAD' } })
    }
    if (document === undefined) return textResponse('ok\n')
    return documentResponse(request, JSON.stringify(document()), maxAge)
  }
}

function documentResponse(request: Request, body: string, maxAge: number): Response {
  const etag = `"${createHash('sha256').update(body).digest('base64url')}"`
  const headers = {
    etag,
    'cache-control': `public, max-age=${maxAge}`,
    'x-content-type-options': 'nosniff',
  }
  if (matches(request.headers.get('if-none-match'), etag)) {
    return new Response(null, { status: 304, headers })
  }
  // The server sends no body for HEAD but keeps its length.
  return new Response(body, { headers: { ...headers, 'content-type': 'application/json' } })
}

const matches = (header: string | null, etag: string): boolean =>
  (header ?? '').split(',').some((tag) => ['*', etag, `W/${etag}`].includes(tag.trim()))
