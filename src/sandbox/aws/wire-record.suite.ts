/**
 * Keeps what goes over the wire in tests, for a check against AWS's own service models: one JSON
 * line an exchange, appended to the file that PODROLE_WIRE_LOG names; nothing without it.
 */
import { appendFileSync } from 'node:fs'
import type { Handler } from '../../lib/handler.ts'

export interface Exchange {
  readonly method: string
  /** Path and query. */
  readonly target: string
  /** Signing name; empty where the request is not signed. */
  readonly service: string
  /** `X-Amz-Target`; empty without. */
  readonly operation: string
  /** With `X-Amz-Copy-Source`, which makes a write of S3 another operation. */
  readonly isCopy: boolean
  readonly request: string
  readonly status: number
  /** `X-Amzn-ErrorType`; empty without. */
  readonly error: string
  readonly response: string
}

export function recordWire(handler: Handler): Handler {
  const file = process.env['PODROLE_WIRE_LOG']
  if (file === undefined || file === '') return handler
  return async (request, client) => {
    const url = new URL(request.url)
    const scope = /Credential=[^/]+\/\d+\/[^/]*\/([\w-]+)\/aws4_request/.exec(
      request.headers.get('authorization') ?? '',
    )
    const copy = request.clone()
    const response = await handler(request, client)
    const exchange: Exchange = {
      method: request.method,
      target: url.pathname + url.search,
      service: scope?.[1] ?? '',
      operation: request.headers.get('x-amz-target') ?? '',
      isCopy: request.headers.has('x-amz-copy-source'),
      request: scope?.[1] === 's3' ? '' : await copy.text(),
      status: response.status,
      error: response.headers.get('x-amzn-errortype') ?? '',
      response: await response.clone().text(),
    }
    appendFileSync(file, `${JSON.stringify(exchange)}\n`)
    return response
  }
}
