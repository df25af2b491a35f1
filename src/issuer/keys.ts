import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
} from 'node:crypto'
import { promisify } from 'node:util'
import { PodroleError } from '../lib/errors.ts'
import { Secret } from '../lib/secret.ts'
import type { Jwk } from '../token/jwks.ts'

/** What an issuer signs with: the algorithms of Kubernetes' ExternalJWTSigner, all taken by STS. */
export type SigningAlgorithm = 'RS256' | 'ES256' | 'ES384' | 'ES512'

/** An issuer's key pair. */
export interface SigningKey {
  readonly kid: string
  readonly algorithm: SigningAlgorithm
  readonly privateKey: KeyObject
  /** With `kid`, `use` and `alg`. */
  readonly publicJwk: Jwk
}

const CURVES = { ES256: 'prime256v1', ES384: 'secp384r1', ES512: 'secp521r1' } as const
const RSA_BITS = 2048

const generate = promisify(generateKeyPair) as unknown as (
  type: string,
  options: object,
) => Promise<{ privateKey: KeyObject }>

/** A new key; ES256 by default, RSA with 2,048 bits. */
export async function generateSigningKey(
  algorithm: SigningAlgorithm = 'ES256',
): Promise<SigningKey> {
  const { privateKey } =
    algorithm === 'RS256'
      ? await generate('rsa', { modulusLength: RSA_BITS, publicExponent: 0x1_00_01 })
      : await generate('ec', { namedCurve: CURVES[algorithm] })
  return signingKey(privateKey)
}

/**
 * A key from PEM: PKCS#8, or PKCS#1 and SEC 1 as ssh-keygen and openssl write them. Its type decides
 * the algorithm: RSA signs RS256, as kube-apiserver does.
 * @throws PodroleError `InvalidSigningKey`, never with a part of the text
 */
export function loadSigningKey(pem: string): SigningKey {
  let privateKey: KeyObject
  try {
    privateKey = createPrivateKey(pem)
  } catch {
    throw invalid('the signing key is not an unencrypted PRIVATE KEY in PEM')
  }
  return signingKey(privateKey)
}

/** The private key as PKCS#8 PEM. */
export function exportSigningKey(key: SigningKey): Secret {
  return new Secret(key.privateKey.export({ format: 'pem', type: 'pkcs8' }))
}

/**
 * The id that kube-apiserver gives a key: base64url without padding of SHA-256 over its DER
 * SubjectPublicKeyInfo (kubernetes/kubernetes pkg/serviceaccount/jwt.go, keyIDFromPublicKey).
 */
export function kidOf(publicKey: KeyObject): string {
  const der = publicKey.export({ format: 'der', type: 'spki' })
  return createHash('sha256').update(der).digest('base64url')
}

function signingKey(privateKey: KeyObject): SigningKey {
  const algorithm = algorithmOf(privateKey)
  const publicKey = createPublicKey(privateKey)
  const kid = kidOf(publicKey)
  const { n, e, crv, x, y } = publicKey.export({ format: 'jwk' }) as Jwk
  const use = 'sig'
  const publicJwk: Jwk =
    n !== undefined && e !== undefined
      ? { use, kty: 'RSA', kid, alg: algorithm, n, e }
      : { use, kty: 'EC', kid, alg: algorithm, ...ecMembers(crv, x, y) }
  return { kid, algorithm, privateKey, publicJwk }
}

function ecMembers(crv?: string, x?: string, y?: string): Pick<Jwk, 'crv' | 'x' | 'y'> {
  if (crv === undefined || x === undefined || y === undefined) {
    throw invalid('the signing key has no public part')
  }
  return { crv, x, y }
}

function algorithmOf(key: KeyObject): SigningAlgorithm {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {}
  if (key.asymmetricKeyType === 'rsa') {
    if (modulusLength !== undefined && modulusLength >= RSA_BITS) return 'RS256'
    throw invalid(`the signing key is RSA with ${modulusLength} bits: wanted ${RSA_BITS} or more`)
  }
  const found = Object.entries(CURVES).find(([, curve]) => curve === namedCurve)
  if (key.asymmetricKeyType === 'ec' && found !== undefined) return found[0] as keyof typeof CURVES
  const name = namedCurve ?? key.asymmetricKeyType
  throw invalid(`the signing key is ${name}: wanted RSA, or EC on P-256, P-384 or P-521`)
}

const invalid = (message: string): PodroleError => new PodroleError('InvalidSigningKey', message)
