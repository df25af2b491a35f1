import { boundedText } from '../lib/bounded-text.ts'
import { PodroleError } from '../lib/errors.ts'
import { proxyOption } from '../lib/proxy.ts'

/** One attempt of a call: through no proxy but the one that is named, never redirected, bounded in time and size. */
export interface BoundedCall {
  readonly url: string
  readonly method: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly timeoutMs: number
  readonly maxBytes: number
  readonly signal?: AbortSignal | undefined
  /** PEM, in place of the public authorities. */
  readonly ca?: string | undefined
  /** Its URL; none by default. */
  readonly proxy?: string | undefined
}

export interface BoundedAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** @throws what `fetch` throws, and PodroleError `AnswerTooLarge` */
export async function fetchBounded(call: BoundedCall): Promise<BoundedAnswer> {
  const timeout = AbortSignal.timeout(call.timeoutMs)
  const response = await fetch(call.url, {
    method: call.method,
    ...(call.headers && { headers: call.headers }),
    ...(call.body !== undefined && { body: call.body }),
    ...(call.ca !== undefined && { tls: { ca: call.ca } }),
    signal: call.signal ? AbortSignal.any([call.signal, timeout]) : timeout,
    redirect: 'error',
    ...proxyOption(call.proxy),
  })
  const text = await boundedText(response.body, call.maxBytes)
  if (text === undefined) {
    throw new PodroleError('AnswerTooLarge', `the answer has more than ${call.maxBytes} bytes`)
  }
  return { status: response.status, headers: response.headers, text }
}
