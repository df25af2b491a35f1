import { writeFileSync } from 'node:fs'
import { parseSecretKeyName } from '../issuer/cluster-keys.ts'
import { readKeyPath } from '../issuer/key-folder.ts'
import { mergeKeys } from '../issuer/key-lists.ts'
import { folderSource } from '../issuer/signer/folder-source.ts'
import { PRIVATE_KEY, secretSource } from '../issuer/signer/secret-source.ts'
import type { SigningSource } from '../issuer/signer/signing-source.ts'
import { startSigner } from '../issuer/signer/start-signer.ts'
import { systemClock } from '../lib/clock.ts'
import { parseDurationMs } from '../lib/durations.ts'
import { PodroleError } from '../lib/errors.ts'
import { createLog } from '../lib/log.ts'
import type { SignerFlags } from './commands/issuer-signer.ts'
import { kubeClientOf } from './parts/key-sources.ts'
import { stopSignal } from './stop-signal.ts'

/** What EKS gives a token at most; the API server takes it as its own limit. */
const MAX_TOKEN_EXPIRATION = '24h'

/** Runs until it is told to stop. */
export async function runSigner(flags: SignerFlags): Promise<number> {
  const stopped = stopSignal()
  const source = await sourceOf(flags)
  const signer = await startSigner({
    socket: flags.socket,
    source: {
      ...source,
      ...(flags.maxStale !== undefined && { maxStaleSeconds: secondsOf(flags.maxStale) }),
    },
    verifyOnly: mergeKeys(await Promise.all(flags.verifyOnly.map((path) => readKeyPath(path)))),
    clock: systemClock,
    log: createLog(flags.logLevel),
  })
  if (flags.readyFile !== undefined) {
    writeFileSync(flags.readyFile, JSON.stringify({ socket: signer.socket }))
  }
  await stopped
  await signer.stop()
  return 0
}

/** @throws PodroleError `NoKeySource` */
async function sourceOf(flags: SignerFlags): Promise<SigningSource> {
  const { dir, secret, maxTokenExpiration } = flags
  if ((dir === undefined) === (secret === undefined)) {
    throw new PodroleError(
      'NoKeySource',
      dir === undefined ? 'no keys are named' : 'two sources of keys are named',
      { hint: 'name one: --dir FOLDER or --secret NAMESPACE/NAME' },
    )
  }
  if (dir !== undefined) {
    if (maxTokenExpiration === undefined) return folderSource(dir)
    throw new PodroleError(
      'ConflictingOptions',
      '--max-token-expiration is not for an issuer folder, which says it itself',
      { hint: 'podrole issuer rotate status shows it' },
    )
  }
  return secretSource({
    client: await kubeClientOf(flags),
    secret: parseSecretKeyName(secret ?? '', PRIVATE_KEY),
    maxTokenSeconds: secondsOf(maxTokenExpiration ?? MAX_TOKEN_EXPIRATION),
  })
}

const secondsOf = (duration: string): number => Math.floor(parseDurationMs(duration) / 1000)
