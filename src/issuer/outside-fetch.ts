import { boundedText } from '../lib/bounded-text.ts'
import { messageOf, PodroleError } from '../lib/errors.ts'
import type { IssuerNames, IssuerTarget } from './outside/issuer-names.ts'

const TIMEOUT_MS = 5000
const MAX_BYTES = 1 << 20

/**
 * The JSON that a public URL answers with, as STS would read it: HTTPS, no redirect, 5 seconds.
 * @param options `isVerified` false reads over a certificate that nobody vouches for
 * @throws PodroleError `IssuerUnreachable`, `InvalidIssuerDocument`
 */
export async function fetchOutside(
  names: IssuerNames,
  url: string,
  options: { readonly isVerified: boolean },
): Promise<unknown> {
  const target = new URL(url)
  const place = names.resolve(target.hostname)
  const response = await sendOutside(target, { ...options, place })
  if (response.status !== 200) {
    await response.body?.cancel()
    throw unusable(url, `it answers with HTTP ${response.status}`)
  }
  const text = await boundedText(response.body, MAX_BYTES)
  if (text === undefined) throw unusable(url, 'it is longer than 1 MB')
  try {
    return JSON.parse(text)
  } catch {
    throw unusable(url, 'it is not JSON')
  }
}

async function sendOutside(
  target: URL,
  options: { readonly isVerified: boolean; readonly place: IssuerTarget | undefined },
): Promise<Response> {
  const { place, isVerified } = options
  const at = new URL(target)
  if (place !== undefined) {
    at.hostname = place.address.includes(':') ? `[${place.address}]` : place.address
    at.port = String(place.port)
  }
  try {
    return await fetch(at, {
      headers: { host: target.hostname, accept: 'application/json' },
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      tls: {
        serverName: target.hostname,
        rejectUnauthorized: isVerified,
        ...(place?.ca !== undefined && { ca: place.ca }),
      },
      // A sandbox is on loopback.
      ...(place !== undefined && { proxy: false as const }),
    })
  } catch (error) {
    throw new PodroleError(
      'IssuerUnreachable',
      `${target.href} cannot be read: ${messageOf(error).slice(0, 300)}`,
      { cause: error },
    )
  }
}

const unusable = (url: string, why: string): PodroleError =>
  new PodroleError('InvalidIssuerDocument', `${url} is of no use: ${why}`)

/** A member of what was answered, where it is a text. */
export function textMember(value: unknown, name: string): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const found: unknown = Reflect.get(value, name)
  return typeof found === 'string' ? found : undefined
}
