import { openFileSealer } from './file-sealer.ts'
import { createKmsSealer, openKms } from './kms-sealer.ts'
import type { KeySealer } from './sealer.ts'

/** With what private keys are sealed: a file of sealing keys, or a symmetric key of KMS by its ARN. */
export type Sealing = { readonly file: string } | { readonly kms: string }

/**
 * Opens what settings name.
 * @throws PodroleError what `openFileSealer` throws
 */
export async function openSealer(sealing: Sealing): Promise<KeySealer & { close(): void }> {
  if ('file' in sealing) return { ...(await openFileSealer(sealing.file)), close: () => undefined }
  const kms = await openKms(sealing.kms)
  return { ...createKmsSealer(kms, sealing.kms), close: () => kms.close() }
}
