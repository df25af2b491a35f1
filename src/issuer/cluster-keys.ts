/** Public keys that a cluster tells. */
import { type KubeClient, SECRETS } from '../kube/client.ts'
import type { KubeObject } from '../kube/objects.ts'
import { boundedText } from '../lib/bounded-text.ts'
import { codeOf, PodroleError } from '../lib/errors.ts'
import { Secret } from '../lib/secret.ts'
import { MAX_KEY_TEXT, readJwksKeys, tooLong } from './jwks-keys.ts'
import type { PublicSigningKey } from './keys.ts'
import { readPublicKeys } from './public-keys.ts'

/** Where in a Secret a public key is. */
export interface SecretKeyName {
  readonly namespace: string
  readonly name: string
  /** Of its data. */
  readonly key: string
}

interface SecretObject extends KubeObject {
  /** Base64. */
  data?: Record<string, string>
}

/**
 * Where cluster-api, and with it EKS Anywhere, keeps the public half of `CLUSTER-sa`: a bare PUBLIC
 * KEY in spite of the name.
 */
export const PUBLIC_KEY = 'tls.crt'
const SECRET = /^([a-z0-9-]{1,63})\/([a-z0-9.-]{1,253})(?::([\w.-]{1,253}))?$/

/**
 * Reads `NAMESPACE/NAME[:KEY]`; `defaultKey` is meant where it names none.
 * @throws PodroleError `InvalidSecretName`
 */
export function parseSecretKeyName(text: string, defaultKey: string = PUBLIC_KEY): SecretKeyName {
  const [, namespace, name, key = defaultKey] = SECRET.exec(text) ?? []
  if (namespace === undefined || name === undefined) {
    throw new PodroleError(
      'InvalidSecretName',
      `secret ${JSON.stringify(text.slice(0, 300))} is not one: wanted NAMESPACE/NAME or NAMESPACE/NAME:KEY`,
      { hint: 'for example eksa-system/my-cluster-sa, whose public key is in tls.crt' },
    )
  }
  return { namespace, name, key }
}

/**
 * The public keys in a Secret; of the rest of it nothing is kept.
 * @throws PodroleError `NoSuchSecret`, `NoKeyFound`, what `readPublicKeys` and the client throw
 */
export async function readSecretKeys(
  client: KubeClient,
  { namespace, name, key }: SecretKeyName,
): Promise<readonly PublicSigningKey[]> {
  const from = secretName({ namespace, name })
  const data = await readSecretData(client, { namespace, name })
  const text = data.get(key)
  if (text === undefined) {
    throw missingInSecret({ namespace, name, key }, data, 'public key')
  }
  return readPublicKeys(text.reveal(), `${key} of ${from}`)
}

/** How messages call a Secret. */
export const secretName = ({ namespace, name }: Omit<SecretKeyName, 'key'>): string =>
  `secret ${namespace}/${name}`

/** What a Secret lacks, and what it has. */
export function missingInSecret(
  secret: SecretKeyName,
  data: SecretData,
  wanted: 'public key' | 'private key',
): PodroleError {
  const names = [...data.keys()].slice(0, 20).join(', ')
  return new PodroleError(
    'NoKeyFound',
    `${secretName(secret)} has no ${secret.key}: it has ${names || 'nothing'}`,
    { hint: `name the one that holds the ${wanted}: --secret NAMESPACE/NAME:KEY` },
  )
}

/** The texts in a Secret by their names. */
export type SecretData = ReadonlyMap<string, Secret>

/**
 * What a Secret holds.
 * @throws PodroleError `NoSuchSecret`, and what the client throws
 */
export async function readSecretData(
  client: KubeClient,
  { namespace, name }: Omit<SecretKeyName, 'key'>,
): Promise<SecretData> {
  let secret: SecretObject
  try {
    secret = await client.get<SecretObject>(SECRETS, { namespace, name })
  } catch (error) {
    if (codeOf(error) !== 'NotFound') throw error
    const from = secretName({ namespace, name })
    throw new PodroleError('NoSuchSecret', `${from} is not in the cluster at ${client.server}`, {
      hint: 'EKS Anywhere keeps CLUSTER-sa in namespace eksa-system of the management cluster',
      cause: error,
    })
  }
  return new Map(
    Object.entries(secret.data ?? {}).map(([key, base64]) => [
      key,
      new Secret(Buffer.from(base64, 'base64').toString('utf8')),
    ]),
  )
}

/**
 * The keys that an API server publishes itself, with the kids that its tokens name.
 * @throws PodroleError what `readJwksKeys` and the client throw
 */
export async function readApiServerKeys(client: KubeClient): Promise<readonly PublicSigningKey[]> {
  const from = `/openid/v1/jwks of ${client.server}`
  // kube-apiserver gives it in this form alone, and 406 to who asks for another.
  const response = await client.raw('GET', '/openid/v1/jwks', {
    accept: 'application/jwk-set+json, application/json',
  })
  const text = await boundedText(response.body, MAX_KEY_TEXT)
  if (text === undefined) throw tooLong(from)
  return readJwksKeys(text, from, { kids: 'any' })
}
