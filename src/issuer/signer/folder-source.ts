import { loadPrivateKey, readIssuerFolder } from '../rotation/issuer-folder.ts'
import { createKmsKeys, type KmsKeys } from './kms-key.ts'
import type { SigningSource } from './signing-source.ts'
import { keysOfState } from './state-keys.ts'

/**
 * Seconds. A folder is of this machine: what cannot be read is broken, and STS takes a token for
 * five minutes after its end, so that a key which signs that much longer outlives no token.
 */
const MAX_STALE_SECONDS = 300

/** An issuer's folder; keys whose private half is in AWS KMS too. */
export const folderSource = (folder: string, kms: KmsKeys = createKmsKeys()): SigningSource => ({
  name: `folder ${folder}`,
  maxStaleSeconds: MAX_STALE_SECONDS,
  read: async () => {
    const { state } = await readIssuerFolder(folder)
    return keysOfState(state, folder, { load: (key) => loadPrivateKey(folder, key), kms })
  },
})
