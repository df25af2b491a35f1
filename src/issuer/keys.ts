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

/** A public key as an issuer publishes it. */
export interface PublicSigningKey {
  /** Empty for the copy of a key that tokens without a kid are verified with. */
  readonly kid: string
  /** With `kid`, `use` and `alg`. */
  readonly publicJwk: Jwk
}

/** An issuer's key pair. */
export interface SigningKey extends PublicSigningKey {
  readonly algorithm: SigningAlgorithm
  readonly privateKey: KeyObject
}

const CURVES = { ES256: 'prime256v1', ES384: 'secp384r1', ES512: 'secp521r1' } as const
const RSA_BITS = 2048
/** What verifiers take at most (OpenSSL's OPENSSL_RSA_MAX_MODULUS_BITS). */
const MAX_RSA_BITS = 16_384

const generate = promisify(generateKeyPair) as unknown as (
  type: string,
  options: object,
) => Promise<{ privateKey: KeyObject }>

/** A new key; ES256 by default. RSA has `rsaBits` (2,048 by default). */
export async function generateSigningKey(
  algorithm: SigningAlgorithm = 'ES256',
  rsaBits: number = RSA_BITS,
): Promise<SigningKey> {
  const { privateKey } =
    algorithm === 'RS256'
      ? await generate('rsa', { modulusLength: rsaBits, publicExponent: 0x1_00_01 })
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
 * Public keys as PEM (`PUBLIC KEY`), one after another, as kube-apiserver reads a file of
 * `--service-account-key-file`; it takes no EC key in PKCS#8 there.
 */
export const publicKeysPem = (keys: readonly PublicSigningKey[]): string => {
  const pems = keys.map(({ publicJwk }) =>
    createPublicKey({ key: { ...publicJwk }, format: 'jwk' }).export({
      format: 'pem',
      type: 'spki',
    }),
  )
  return [...new Set(pems)].join('')
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
  const fault = unsuitabilityOf(privateKey)
  if (fault !== undefined) throw invalid(`the signing key ${fault}`)
  const published = publicSigningKey(createPublicKey(privateKey))
  return { ...published, algorithm: signingAlgorithmOf(privateKey), privateKey }
}

/** The public half as it is published. @throws PodroleError `InvalidSigningKey` */
function publicSigningKey(publicKey: KeyObject): PublicSigningKey {
  const kid = kidOf(publicKey)
  const alg = signingAlgorithmOf(publicKey)
  const { n, e, crv, x, y } = publicKey.export({ format: 'jwk' }) as Jwk
  const use = 'sig'
  if (n !== undefined && e !== undefined) {
    return { kid, publicJwk: { use, kty: 'RSA', kid, alg, n, e } }
  }
  if (crv === undefined || x === undefined || y === undefined) {
    throw invalid('the signing key has no public part')
  }
  return { kid, publicJwk: { use, kty: 'EC', kid, alg, crv, x, y } }
}

/**
 * The public half of a key that somebody gives; `what` says which, for messages.
 * @throws PodroleError `UnsuitableKey`: it cannot be loaded, or is none that STS takes
 */
export function suitableKey(load: () => KeyObject, what: string): PublicSigningKey {
  let key: KeyObject
  try {
    key = load()
  } catch {
    throw new PodroleError(
      'UnsuitableKey',
      `${what} cannot be read: wanted RSA, or EC on P-256, P-384 or P-521`,
    )
  }
  const fault = unsuitabilityOf(key)
  if (fault !== undefined) throw new PodroleError('UnsuitableKey', `${what} ${fault}`)
  return publicSigningKey(key)
}

/** The same key under another kid. */
export const withKid = (key: PublicSigningKey, kid: string): PublicSigningKey => ({
  kid,
  publicJwk: { ...key.publicJwk, kid },
})

/** The kid that Kubernetes computes for a published key. */
export const kidOfJwk = (jwk: Jwk): string =>
  kidOf(createPublicKey({ key: { ...jwk }, format: 'jwk' }))

/** Whether two published keys are one, whatever their kids. */
export const isSameKey = (a: Jwk, b: Jwk): boolean =>
  a.kty === b.kty && a.crv === b.crv && a.x === b.x && a.y === b.y && a.n === b.n && a.e === b.e

/**
 * Why a key cannot be an issuer's, or undefined: STS takes RSA with PKCS#1 signatures and EC on
 * three curves, and an exponent of 1 lets anybody sign.
 */
function unsuitabilityOf(key: KeyObject): string | undefined {
  const { modulusLength = 0, publicExponent = 0n, namedCurve } = key.asymmetricKeyDetails ?? {}
  if (key.asymmetricKeyType === 'rsa') {
    if (modulusLength < RSA_BITS) {
      return `is RSA with ${modulusLength} bits: wanted ${RSA_BITS} or more`
    }
    if (modulusLength > MAX_RSA_BITS) {
      return `is RSA with ${modulusLength} bits: wanted at most ${MAX_RSA_BITS}`
    }
    if (publicExponent < 3n || publicExponent % 2n === 0n) {
      return `is RSA with the exponent ${publicExponent}: wanted 65537`
    }
    return undefined
  }
  if (key.asymmetricKeyType === 'ec' && curveAlgorithmOf(namedCurve) !== undefined) return undefined
  const name = namedCurve ?? key.asymmetricKeyType
  return `is ${name}: wanted RSA, or EC on P-256, P-384 or P-521`
}

function signingAlgorithmOf(key: KeyObject): SigningAlgorithm {
  return curveAlgorithmOf(key.asymmetricKeyDetails?.namedCurve) ?? 'RS256'
}

function curveAlgorithmOf(name: string | undefined): keyof typeof CURVES | undefined {
  const found = Object.entries(CURVES).find(([, curve]) => curve === name)
  return found?.[0] as keyof typeof CURVES | undefined
}

const invalid = (message: string): PodroleError => new PodroleError('InvalidSigningKey', message)
