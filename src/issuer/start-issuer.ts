/** The running issuer: keys and certificate out of files, the documents over TLS. */
import {
  type CertificateFiles,
  followCertificateFiles,
  readCertificateFiles,
} from '../lib/certificate-files.ts'
import { follow } from '../lib/following.ts'
import type { Log } from '../lib/log.ts'
import { serveTls } from '../lib/serve.ts'
import type { Jwks } from '../token/jwks.ts'
import { issuerApp } from './issuer-app.ts'
import { publishedJwks } from './key-lists.ts'
import type { PublicSigningKey } from './keys.ts'

export interface IssuerOptions {
  /** As `parseIssuerUrl` takes it. */
  readonly issuer: string
  /** Reads the keys that are to be published; asked again and again. */
  readonly readKeys: () => Promise<readonly PublicSigningKey[]>
  readonly certificateFiles: CertificateFiles
  readonly hostname: string
  readonly port: number
  readonly maxAgeSeconds: number
  /** Milliseconds between two looks at the files; 5,000 by default. */
  readonly pollMs?: number
  readonly log: Log
}

export interface RunningIssuer {
  readonly url: string
  readonly port: number
  stop(): Promise<void>
}

const POLL_MS = 5000
/** A GET has no body. */
const MAX_BODY_BYTES = 1024

/**
 * Starts serving. New keys and a new certificate count when they are read and good; what is bad is
 * logged, and the old ones go on.
 * @throws PodroleError `InvalidServingCertificate`, `InvalidIssuer` and what `readKeys` throws
 */
export async function startIssuer(options: IssuerOptions): Promise<RunningIssuer> {
  const { issuer, readKeys, certificateFiles: files, log, pollMs = POLL_MS } = options
  const certificate = await readCertificateFiles(files)
  const keys = await readKeys()
  let jwks: Jwks = publishedJwks(keys)
  const server = await serveTls({
    hostname: options.hostname,
    port: options.port,
    handler: issuerApp({ issuer, jwks: () => jwks, maxAgeSeconds: options.maxAgeSeconds }),
    certificate,
    maxBodyBytes: MAX_BODY_BYTES,
    log,
  })
  const following = [
    followCertificateFiles({
      files,
      current: certificate,
      onChange: (next) => server.reload(next),
      pollMs,
      log,
    }),
    follow({
      what: 'keys',
      read: readKeys,
      current: keys,
      isSame: (a, b) => JSON.stringify(a) === JSON.stringify(b),
      onChange: (next) => {
        jwks = publishedJwks(next)
      },
      fieldsOf: (next) => ({ kids: next.map(({ kid }) => kid) }),
      pollMs,
      log,
    }),
  ]
  log.info('issuer started', { url: server.url, issuer, kids: keys.map(({ kid }) => kid) })
  return {
    url: server.url,
    port: server.port,
    stop: async () => {
      for (const one of following) await one.stop()
      await server.stop()
      log.info('issuer stopped')
    },
  }
}
