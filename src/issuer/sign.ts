import { type KeyObject, sign, webcrypto } from 'node:crypto'
import { Secret } from '../lib/secret.ts'
import type { SigningKey } from './keys.ts'

const EC_HASHES = { ES256: 'sha256', ES384: 'sha384', ES512: 'sha512' } as const
const RSA = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } as const

/** RSA keys in WebCrypto's form, imported once each. */
const rsaKeys = new WeakMap<KeyObject, Promise<webcrypto.CryptoKey>>()

/**
 * Signs claims as a JWS in compact form (RFC 7515), header `alg`, `kid` and `typ`. EC signs at once
 * (0.02 ms); RSA takes 0.7 ms and runs off the main thread.
 */
export async function signToken(
  key: SigningKey,
  claims: Readonly<Record<string, unknown>>,
): Promise<Secret> {
  const signed = `${jwsHeader(key)}.${encode(claims)}`
  const signature = await signBytes(key, Buffer.from(signed))
  return new Secret(`${signed}.${signature.toString('base64url')}`)
}

/** The first segment of a token: base64url of its header. */
export const jwsHeader = ({ algorithm, kid }: Pick<SigningKey, 'algorithm' | 'kid'>): string =>
  encode({ alg: algorithm, kid, typ: 'JWT' })

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A JWS's signature over its first two segments; by an EC key at once. */
export function signBytes(key: SigningKey, data: Buffer): Buffer | Promise<Buffer> {
  const { algorithm, privateKey } = key
  if (algorithm === 'RS256') return signByRsa(privateKey, data)
  // JWS wants r || s, not DER (RFC 7518 section 3.4).
  return sign(EC_HASHES[algorithm], data, { key: privateKey, dsaEncoding: 'ieee-p1363' })
}

async function signByRsa(privateKey: KeyObject, data: Buffer): Promise<Buffer> {
  let rsaKey = rsaKeys.get(privateKey)
  if (rsaKey === undefined) {
    const der = privateKey.export({ format: 'der', type: 'pkcs8' })
    rsaKey = webcrypto.subtle.importKey('pkcs8', der, RSA, false, ['sign'])
    rsaKeys.set(privateKey, rsaKey)
  }
  return Buffer.from(await webcrypto.subtle.sign(RSA, await rsaKey, new Uint8Array(data)))
}
