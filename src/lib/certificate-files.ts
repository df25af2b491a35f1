import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { codeOf, messageOf, PodroleError } from './errors.ts'
import { follow } from './following.ts'
import type { Log } from './log.ts'
import type { ServingCertificate } from './serve.ts'

export interface CertificateFiles {
  /** Paths of PEM files. */
  readonly cert: string
  readonly key: string
}

export interface FollowCertificateOptions {
  readonly files: CertificateFiles
  /** What is served now. */
  readonly current: ServingCertificate
  /** Takes the new one; what it throws leaves the old one and is told of. */
  readonly onChange: (certificate: ServingCertificate) => void
  /** Milliseconds between two looks; 10,000 by default. */
  readonly pollMs?: number
  readonly log: Log
}

/**
 * Reads a serving certificate and its key, and checks that they belong together.
 * @throws PodroleError `InvalidServingCertificate`
 */
export async function readCertificateFiles(files: CertificateFiles): Promise<ServingCertificate> {
  const certificate = { cert: await readPem(files.cert), key: await readPem(files.key) }
  let fault: string | undefined
  try {
    const leaf = new X509Certificate(certificate.cert)
    if (!leaf.checkPrivateKey(createPrivateKey(certificate.key))) fault = 'do not belong together'
  } catch {
    // What was parsed may be the key, so the parser's message is not repeated.
    fault = 'are not a certificate and a key in PEM'
  }
  if (fault === undefined) return certificate
  throw new PodroleError(
    'InvalidServingCertificate',
    `${JSON.stringify(files.cert)} and ${JSON.stringify(files.key)} ${fault}`,
  )
}

/** Follows the files. A pair that is half written is tried again. */
export function followCertificateFiles(options: FollowCertificateOptions): {
  stop(): Promise<void>
} {
  const { files, ...following } = options
  return follow({
    ...following,
    what: 'serving certificate',
    read: () => readCertificateFiles(files),
    isSame: (a, b) => a.cert === b.cert && a.key === b.key,
    fieldsOf: ({ cert }) => ({ notAfter: new X509Certificate(cert).validTo }),
  })
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new PodroleError(
      'InvalidServingCertificate',
      `${JSON.stringify(path)} cannot be read: ${codeOf(error) ?? messageOf(error)}`,
    )
  }
}
