import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import { faultFields, type Log } from '../lib/log.ts'
import type { ServingCertificate } from '../lib/serve.ts'

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

/**
 * Follows the files by reading them (a Secret's mount changes by a rename that brings no event
 * for its files). A pair that is half written is tried again.
 */
export function followCertificateFiles(options: FollowCertificateOptions): {
  stop(): Promise<void>
} {
  const stopped = new AbortController()
  let { current } = options
  let lastFault = ''
  const look = async (): Promise<void> => {
    try {
      const next = await readCertificateFiles(options.files)
      lastFault = ''
      if (next.cert === current.cert && next.key === current.key) return
      options.onChange(next)
      current = next
      const { validTo } = new X509Certificate(next.cert)
      options.log.info('serving certificate replaced', { notAfter: validTo })
    } catch (error) {
      const fields = faultFields(error)
      const fault = JSON.stringify(fields)
      if (fault !== lastFault) options.log.warn('serving certificate not replaced', fields)
      lastFault = fault
    }
  }
  const run = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      await sleep(options.pollMs ?? 10_000, undefined, { signal: stopped.signal }).catch(
        () => undefined,
      )
      if (!stopped.signal.aborted) await look()
    }
  }
  const running = run()
  return {
    stop: async () => {
      stopped.abort()
      await running
    },
  }
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
