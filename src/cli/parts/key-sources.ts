/** The public keys that the options of a command name. */
import { parseSecretKeyName, readApiServerKeys, readSecretKeys } from '../../issuer/cluster-keys.ts'
import { readKeyStream } from '../../issuer/key-files.ts'
import { readKeyPath } from '../../issuer/key-folder.ts'
import { mergeKeys, withLegacyEmptyKid } from '../../issuer/key-lists.ts'
import type { PublicSigningKey } from '../../issuer/keys.ts'
import type { KubeClient } from '../../kube/client.ts'
import { PodroleError } from '../../lib/errors.ts'
import type { KeySourceFlags } from '../commands/issuer.ts'
import { printNote } from '../output.ts'

/** True where the options name keys to be read. */
export function namesKeys(files: readonly string[], flags: KeySourceFlags): boolean {
  return files.length > 0 || flags.secret.length > 0 || flags.fromApiServer
}

/**
 * The keys of all sources, each once, in the order files, Secrets, API server; none is left out.
 * @throws PodroleError `NoKeySource` and what reading throws
 */
export async function readKeySources(
  files: readonly string[],
  flags: KeySourceFlags,
): Promise<readonly PublicSigningKey[]> {
  if (!namesKeys(files, flags)) {
    throw new PodroleError('NoKeySource', 'no keys are named', {
      hint: 'name files of public keys, --secret NAMESPACE/NAME or --from-api-server',
    })
  }
  const secrets = flags.secret.map((text) => parseSecretKeyName(text))
  const sources: (readonly PublicSigningKey[])[] = []
  for (const file of files) {
    const isInput = file === '-'
    sources.push(
      isInput ? await readKeyStream(Bun.stdin.stream(), 'standard input') : await readKeyPath(file),
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
export async function kubeClientOf({
  kubeconfig,
  context,
}: Pick<KeySourceFlags, 'kubeconfig' | 'context'>): Promise<KubeClient> {
  const { loadKubeAccess } = await import('../../kube/kubeconfig.ts')
  const { createKubeClient } = await import('../../kube/transport.ts')
  const access = await loadKubeAccess({
    environment: process.env,
    ...(kubeconfig !== undefined && { kubeconfig }),
    ...(context !== undefined && { context }),
  })
  return createKubeClient(access)
}

/** With `--legacy-empty-kid` the copy that tokens without a kid need, and a line on it. */
export function withRequestedCopy(
  keys: readonly PublicSigningKey[],
  { legacyEmptyKid }: { readonly legacyEmptyKid: boolean },
): readonly PublicSigningKey[] {
  const [first] = keys
  if (!legacyEmptyKid || first === undefined) return keys
  printNote(
    `the last key is ${first.kid} once more, with an empty kid: for tokens without a kid, which clusters before Kubernetes 1.16 sign; leave it out when no such token is in use`,
  )
  return withLegacyEmptyKid(keys)
}
