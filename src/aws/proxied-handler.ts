/** The AWS SDK's requests over `fetch`, which can go through a proxy; its own handler cannot. */
import { Readable } from 'node:stream'
import { type HttpHandler, type HttpRequest, HttpResponse } from '@smithy/protocol-http'
import { type Environment, proxyFor, proxyOption } from '../lib/proxy.ts'

/** Of one attempt with its answer: the SDK itself sets none. */
const TIMEOUT_MS = 60_000

type HandlerOptions = Parameters<HttpHandler['handle']>[1]

/** For clients of the SDK: each request goes through the proxy that the environment names for it. */
export const proxiedHandler = (environment: Environment): HttpHandler => ({
  metadata: { handlerProtocol: 'http/1.1' },
  handle: (request, options) => handle(request, options, environment),
  updateHttpClientConfig: () => undefined,
  httpHandlerConfigs: () => ({}),
})

async function handle(
  request: HttpRequest,
  options: HandlerOptions,
  environment: Environment,
): Promise<{ readonly response: HttpResponse }> {
  const url = urlOf(request)
  const timeout = AbortSignal.timeout(options?.requestTimeout ?? TIMEOUT_MS)
  const given = options?.abortSignal
  const signal = given instanceof AbortSignal ? AbortSignal.any([given, timeout]) : timeout
  const body = request.body as string | Uint8Array<ArrayBuffer> | undefined
  const answer = await fetch(url, {
    method: request.method,
    headers: request.headers,
    ...(body !== undefined && body !== '' && { body }),
    signal,
    redirect: 'manual',
    ...proxyOption(proxyFor(url, environment)),
  })
  const headers = Object.fromEntries(answer.headers)
  return {
    response: new HttpResponse({
      statusCode: answer.status,
      reason: answer.statusText,
      headers,
      body: answer.body === null ? Readable.from([]) : Readable.fromWeb(answer.body),
    }),
  }
}

function urlOf({ hostname, path, port, protocol, query }: HttpRequest): string {
  const words = Object.entries(query).flatMap(([key, value]) =>
    (Array.isArray(value) ? value : [value]).map((one) =>
      one === null ? encodeQuery(key) : `${encodeQuery(key)}=${encodeQuery(one)}`,
    ),
  )
  const search = words.length === 0 ? '' : `?${words.join('&')}`
  return `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}${search}`
}

/** As the signature has it (RFC 3986). */
const encodeQuery = (text: string): string =>
  encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  )
