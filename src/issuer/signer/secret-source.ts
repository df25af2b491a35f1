import type { KubeClient } from '../../kube/client.ts'
import { PodroleError } from '../../lib/errors.ts'
import {
  missingInSecret,
  PUBLIC_KEY,
  readSecretData,
  type SecretData,
  secretName,
  type SecretKeyName,
} from '../cluster-keys.ts'
import { mergeKeys } from '../key-lists.ts'
import { loadSigningKey, type SigningKey } from '../keys.ts'
import { readPublicKeys } from '../public-keys.ts'
import { ISSUER_FILE } from '../rotation/issuer-folder.ts'
import { parseIssuerState } from '../rotation/state.ts'
import { localKey } from './active-key.ts'
import { createKmsKeys, type KmsKeys } from './kms-key.ts'
import type { IssuerKeys, SigningSource } from './signing-source.ts'
import { checkTokenLife, keysOfState } from './state-keys.ts'

/** Where cluster-api keeps the private half of `CLUSTER-sa`. */
export const PRIVATE_KEY = 'tls.key'
/**
 * Seconds. The Secret is in another cluster, whose API server may be away for a while (an upgrade),
 * and without a signature no pod starts in this one.
 */
const MAX_STALE_SECONDS = 3600

export interface SecretSourceOptions {
  readonly client: KubeClient
  readonly secret: SecretKeyName
  /** Of a Secret that holds a bare key; the files of an issuer's folder say it themselves. */
  readonly maxTokenSeconds: number
  readonly kms?: KmsKeys
}

/**
 * A Secret that holds the files of an issuer's folder (`issuer.json`, `KID.pem`), or one private
 * key, with further public ones in `tls.crt`: what kubeadm, cluster-api and EKS Anywhere write.
 */
export function secretSource(options: SecretSourceOptions): SigningSource {
  const { client, secret, kms = createKmsKeys() } = options
  const name = secretName(secret)
  return {
    name,
    maxStaleSeconds: MAX_STALE_SECONDS,
    read: async () => {
      const data = await readSecretData(client, secret)
      const json = data.get(ISSUER_FILE)
      if (json === undefined) return bareKey(data, options)
      const state = parseIssuerState(json.reveal(), `${ISSUER_FILE} of ${name}`)
      const load = async ({ kid }: { readonly kid: string }): Promise<SigningKey> => {
        const key = loadSecretKey(data, { ...secret, key: `${kid}.pem` })
        if (key.kid === kid) return key
        throw new PodroleError('WrongKeyInFile', `${kid}.pem of ${name} holds key ${key.kid}`)
      }
      return keysOfState(state, name, { load, kms })
    },
  }
}

function bareKey(data: SecretData, { secret, maxTokenSeconds }: SecretSourceOptions): IssuerKeys {
  const name = secretName(secret)
  checkTokenLife(maxTokenSeconds, name)
  const key = loadSecretKey(data, secret)
  const others = data.get(PUBLIC_KEY)
  const { kid, publicJwk } = key
  const published = mergeKeys([
    [{ kid, publicJwk }],
    others === undefined ? [] : readPublicKeys(others.reveal(), `${PUBLIC_KEY} of ${name}`),
  ])
  return { published, active: localKey(key), maxTokenSeconds }
}

function loadSecretKey(data: SecretData, secret: SecretKeyName): SigningKey {
  const pem = data.get(secret.key)
  if (pem === undefined) throw missingInSecret(secret, data, 'private key')
  return loadSigningKey(pem.reveal())
}
