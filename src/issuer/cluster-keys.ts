/** Public keys that a cluster tells. */
import { type KubeClient, SECRETS } from '../kube/client.ts'
import type { KubeObject } from '../kube/objects.ts'
import { boundedText } from '../lib/bounded-text.ts'
import { codeOf, PodroleError } from '../lib/errors.ts'
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

interface Secret extends KubeObject {
  /** Base64. */
  data?: Record<string, string>
}

/**
 * Where cluster-api, and with it EKS Anywhere, keeps the public half of `CLUSTER-sa`: a bare PUBLIC
 * KEY in spite of the name.
 */
const DEFAULT_KEY = 'tls.crt'
const SECRET = /^([a-z0-9-]{1,63})\/([a-z0-9.-]{1,253})(?::([\w.-]{1,253}))?$/

/** Reads `NAMESPACE/NAME[:KEY]`. @throws PodroleError `InvalidSecretName` */
export function parseSecretKeyName(text: string): SecretKeyName {
  const [, namespace, name, key = DEFAULT_KEY] = SECRET.exec(text) ?? []
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
  const from = `secret ${namespace}/${name}`
  let secret: Secret
  try {
    secret = await client.get<Secret>(SECRETS, { namespace, name })
  } catch (error) {
    if (codeOf(error) !== 'NotFound') throw error
    throw new PodroleError('NoSuchSecret', `${from} is not in the cluster at ${client.server}`, {
      hint: 'EKS Anywhere keeps CLUSTER-sa in namespace eksa-system of the management cluster',
      cause: error,
    })
  }
  const data = secret.data ?? {}
  const encoded = Object.hasOwn(data, key) ? data[key] : undefined
  if (encoded === undefined) {
    const names = Object.keys(data).slice(0, 20).join(', ')
    throw new PodroleError('NoKeyFound', `${from} has no ${key}: it has ${names || 'nothing'}`, {
      hint: 'name the one that holds the public key: --secret NAMESPACE/NAME:KEY',
    })
  }
  return readPublicKeys(Buffer.from(encoded, 'base64').toString('utf8'), `${key} of ${from}`)
}

/**
 * The keys that an API server publishes itself, with the kids that its tokens name.
 * @throws PodroleError what `readJwksKeys` and the client throw
 */
export async function readApiServerKeys(client: KubeClient): Promise<readonly PublicSigningKey[]> {
  const from = `/openid/v1/jwks of ${client.server}`
  const response = await client.raw('GET', '/openid/v1/jwks')
  const text = await boundedText(response.body, MAX_KEY_TEXT)
  if (text === undefined) throw tooLong(from)
  return readJwksKeys(text, from, { kids: 'any' })
}
