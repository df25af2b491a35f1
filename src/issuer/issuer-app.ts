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

/** A document as it is sent. */
interface Rendered {
  readonly body: string
  readonly etag: string
  /** Of the document, and of the answer that it has not changed; made once, which is cheaper. */
  readonly headers: Headers
  readonly unchangedHeaders: Headers
}

/**
 * Serves an issuer's discovery document and keys under the issuer's path, with a strong ETag
 * (RFC 9110 section 13.1.2), and `/healthz`. `jwks` is asked at every request, so a rotation needs
 * no restart; while it gives the same object, the documents are made once.
 * @throws PodroleError `InvalidIssuer`
 */
export function issuerApp(options: {
  readonly issuer: string
  readonly jwks: () => Jwks
  readonly maxAgeSeconds?: number
}): Handler {
  const { issuer } = options
  const base = new URL(issuerBase(issuer)).pathname.replace(/\/$/, '')
  const render = (value: unknown): Rendered =>
    rendered(JSON.stringify(value), options.maxAgeSeconds ?? DEFAULT_MAX_AGE_SECONDS)
  const jwks = onceFor(options.jwks, render)
  const discovery = onceFor(options.jwks, (keys) =>
    render(discoveryDocument(issuer, { algorithms: algorithmsOf(keys) })),
  )
  const documents = new Map([
    [base + DISCOVERY_PATH, discovery],
    [base + JWKS_PATH, jwks],
  ])
  return (request) => {
    const { pathname } = new URL(request.url)
    const document = documents.get(pathname)
    if (document === undefined && pathname !== '/healthz') return textResponse('Not Found\n', 404)
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return new Response('Method Not Allowed\n', { status: 405, headers: { allow: 'GET, HEAD' } })
    }
    if (document === undefined) return textResponse('ok\n')
    return documentResponse(request, document())
  }
}

/** What is made of a value, made again when the value is another object. */
function onceFor<T, R>(read: () => T, make: (value: T) => R): () => R {
  let last: { readonly value: T; readonly made: R } | undefined
  return () => {
    const value = read()
    if (last === undefined || last.value !== value) last = { value, made: make(value) }
    return last.made
  }
}

function rendered(body: string, maxAge: number): Rendered {
  const etag = `"${createHash('sha256').update(body).digest('base64url')}"`
  const unchangedHeaders = new Headers({
    etag,
    'cache-control': `public, max-age=${maxAge}`,
    'x-content-type-options': 'nosniff',
  })
  const headers = new Headers(unchangedHeaders)
  headers.set('content-type', 'application/json')
  return { body, etag, headers, unchangedHeaders }
}

function documentResponse(request: Request, document: Rendered): Response {
  const { body, etag, headers, unchangedHeaders } = document
  if (matches(request.headers.get('if-none-match'), etag)) {
    return new Response(null, { status: 304, headers: unchangedHeaders })
  }
  // The server sends no body for HEAD but keeps its length.
  return new Response(body, { headers })
}

const matches = (header: string | null, etag: string): boolean =>
  header !== null && header.split(',').some((tag) => ['*', etag, `W/${etag}`].includes(tag.trim()))
