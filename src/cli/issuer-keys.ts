import { makeKey, writeKeyFiles } from '../issuer/key-files.ts'
import { mergeKeys, publishedJwks } from '../issuer/key-lists.ts'
import { type PublicSigningKey, publicKeysPem } from '../issuer/keys.ts'
import { PodroleError } from '../lib/errors.ts'
import type { KeysFlags } from './commands/issuer.ts'
import { printData, printNote } from './output.ts'
import { namesKeys, readKeySources, withRequestedCopy } from './parts/key-sources.ts'

/** Prints the JWKS of what the sources hold, and of the pair that is made. */
export async function printKeys(files: readonly string[], flags: KeysFlags): Promise<void> {
  checkGenerate(flags)
  const { generate, privateKeyFile, publicKeyFile } = flags
  const made = generate === undefined ? [] : [await makeKey(generate)]
  const isMadeAlone = made.length > 0 && !namesKeys(files, flags)
  const read = isMadeAlone ? [] : await readKeySources(files, flags)
  const keys = withRequestedCopy(mergeKeys([read, made]), flags)
  for (const key of made) {
    if (privateKeyFile === undefined) continue
    await writeKeyFiles(key, { privateKeyFile, publicKeyFile })
    printNote(`key ${key.kid} made; its private key is in ${privateKeyFile} (mode 0600)`)
  }
  printKeyList(keys, flags)
}

function checkGenerate({ generate, privateKeyFile, publicKeyFile }: KeysFlags): void {
  const named = privateKeyFile !== undefined || publicKeyFile !== undefined
  if (generate !== undefined && privateKeyFile === undefined) {
    throw new PodroleError('NoKeyFile', `--generate ${generate} has nowhere to write the key`, {
      hint: 'name a file for it: --private-key-file FILE',
    })
  }
  if (generate === undefined && named) {
    throw new PodroleError('NoKeyKind', 'files for a pair are named, and none is made', {
      hint: 'say which kind to make, such as --generate p-256; files to read are plain arguments',
    })
  }
}

function printKeyList(keys: readonly PublicSigningKey[], { output }: KeysFlags): void {
  if (output === 'pem') {
    process.stdout.write(publicKeysPem(keys))
    return
  }
  printData(output, publishedJwks(keys), {
    columns: ['kid', 'type', 'algorithm'],
    rows: keys.map(({ kid, publicJwk: { kty, crv, n, alg } }) => [
      kid === '' ? '(empty)' : kid,
      kty === 'EC' ? `EC ${crv}` : `RSA ${bitsOf(n)}`,
      alg ?? '',
    ]),
  })
}

/** Of a modulus in base64url, which has no leading zero byte. */
function bitsOf(modulus = ''): number {
  const bytes = Buffer.from(modulus, 'base64url')
  return bytes.length * 8 - Math.clz32(bytes[0] ?? 0) + 24
}
