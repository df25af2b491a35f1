import { readApiServerKeys, parseSecretKeyName, readSecretKeys } from '../issuer/cluster-keys.ts'
import { makeKey, readKeyFile, readKeyStream, writeKeyFiles } from '../issuer/key-files.ts'
import { mergeKeys, publishedJwks, withLegacyEmptyKid } from '../issuer/key-lists.ts'
import type { PublicSigningKey } from '../issuer/keys.ts'
import type { KubeClient } from '../kube/client.ts'
import { PodroleError } from '../lib/errors.ts'
import type { KeysFlags, KeySourceFlags } from './commands/issuer.ts'
import { printData, printNote } from './output.ts'

/** Prints the JWKS of what the sources hold, and of the pair that is made. */
export async function printKeys(files: readonly string[], flags: KeysFlags): Promise<void> {
  checkGenerate(flags)
  const { generate, privateKeyFile, publicKeyFile } = flags
  const made = generate === undefined ? [] : [await makeKey(generate)]
  const keys = mergeKeys([await readKeySources(files, flags, made.length > 0), made])
  for (const key of made) {
    if (privateKeyFile === undefined) continue
    await writeKeyFiles(key, { privateKeyFile, publicKeyFile })
    printNote(`key ${key.kid} made; its private key is in ${privateKeyFile} (mode 0600)`)
  }
  printKeyList(flags.legacyEmptyKid ? withEmptyKid(keys) : keys, flags)
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

/**
 * The keys of all sources, each once; none of them is left out.
 * @throws PodroleError `NoKeySource` and what reading throws
 */
async function readKeySources(
  files: readonly string[],
  flags: KeySourceFlags,
  mayBeNone = false,
): Promise<readonly PublicSigningKey[]> {
  const isNone = files.length === 0 && flags.secret.length === 0 && !flags.fromApiServer
  if (isNone && !mayBeNone) {
    throw new PodroleError('NoKeySource', 'no keys are named', {
      hint: 'name files of public keys, --secret NAMESPACE/NAME or --from-api-server',
    })
  }
  const secrets = flags.secret.map((text) => parseSecretKeyName(text))
  const sources: (readonly PublicSigningKey[])[] = []
  for (const file of files) {
    const isInput = file === '-'
    sources.push(
      isInput ? await readKeyStream(Bun.stdin.stream(), 'standard input') : await readKeyFile(file),
    )
  }
  if (secrets.length > 0 || flags.fromApiServer) {
    const client = await kubeClientOf(flags)
    for (const secret of secrets) sources.push(await readSecretKeys(client, secret))
    if (flags.fromApiServer) sources.push(await readApiServerKeys(client))
  }
  return mergeKeys(sources)
}

/** Keys in files alone need nothing of Kubernetes. */
async function kubeClientOf({ kubeconfig, context }: KeySourceFlags): Promise<KubeClient> {
  const { loadKubeAccess } = await import('../kube/kubeconfig.ts')
  const { createKubeClient } = await import('../kube/transport.ts')
  const access = await loadKubeAccess({
    environment: process.env,
    ...(kubeconfig !== undefined && { kubeconfig }),
    ...(context !== undefined && { context }),
  })
  return createKubeClient(access)
}

function withEmptyKid(keys: readonly PublicSigningKey[]): readonly PublicSigningKey[] {
  const [first] = keys
  printNote(
    `the last key is ${first?.kid ?? ''} once more, with an empty kid: for tokens without a kid, which clusters before Kubernetes 1.16 sign; leave it out when no such token is in use`,
  )
  return withLegacyEmptyKid(keys)
}

function printKeyList(keys: readonly PublicSigningKey[], { output }: KeysFlags): void {
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
