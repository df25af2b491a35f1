import { createHash, createPrivateKey, randomBytes, webcrypto, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type * as X509 from '@peculiar/x509'
import { type Clock, systemClock } from './clock.ts'
import { PodroleError } from './errors.ts'
import type { ServingCertificate } from './serve.ts'

/** What a serving certificate is for. */
interface CertificateRequest {
  /** DNS names (a leftmost label `*` allowed) or IP addresses; 1 to 100. */
  readonly names: readonly string[]
  /** Default: the first name, where it fits the 64 characters of X.520. */
  readonly commonName?: string
  /** Default 365; never past the authority's own end. */
  readonly validDays?: number
}

/** Whom a client certificate names: Kubernetes reads the user from CN and its groups from O. */
interface ClientCertificateRequest {
  readonly commonName: string
  readonly organizations?: readonly string[]
  /** Default 365; never past the authority's own end. */
  readonly validDays?: number
}

/** A private certificate authority; PEM texts, the key as PKCS#8. */
export interface CertificateAuthority {
  readonly cert: string
  readonly key: string
  /** A new P-256 key and its certificate for TLS servers; `cert` is the leaf alone. */
  issue(request: CertificateRequest): Promise<ServingCertificate>
  /** A new P-256 key and its certificate for TLS clients. */
  issueClient(request: ClientCertificateRequest): Promise<ServingCertificate>
}

const EC_P256 = { name: 'ECDSA', namedCurve: 'P-256' } as const
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const
const DAY_MS = 86_400_000
/** Certificates start an hour ago: clocks of machines differ. */
const BACKDATE_MS = 3_600_000
const MAX_NAMES = 100
const MAX_COMMON_NAME = 64

/** Loading costs 100 ms and 20 MB, so only who makes certificates pays; its decorators need the first. */
async function loadX509(): Promise<typeof X509> {
  await import('reflect-metadata')
  return import('@peculiar/x509')
}

/**
 * Makes a self-signed P-256 root (RFC 5280: CA true, path length 0, signs certificates only),
 * 3,650 days by default.
 */
export async function createCertificateAuthority(options: {
  readonly commonName: string
  readonly validDays?: number
  readonly clock?: Clock
}): Promise<CertificateAuthority> {
  const x509 = await loadX509()
  const clock = options.clock ?? systemClock
  const keys = await webcrypto.subtle.generateKey(EC_P256, true, ['sign', 'verify'])
  const now = clock.now()
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: new x509.Name(distinguishedName(options.commonName)),
    notBefore: new Date(now - BACKDATE_MS),
    notAfter: new Date(now + (options.validDays ?? 3650) * DAY_MS),
    signingAlgorithm: SIGNING,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign |
          x509.KeyUsageFlags.cRLSign |
          x509.KeyUsageFlags.digitalSignature,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return authority(cert.toString('pem'), await exportKey(keys.privateKey), keys.privateKey, clock)
}

/**
 * An authority from its PEM texts: a P-256 CA certificate and its key (PKCS#8 or SEC 1).
 * @throws PodroleError `InvalidCertificateAuthority`
 */
export async function loadCertificateAuthority(
  cert: string,
  key: string,
): Promise<CertificateAuthority> {
  const pkcs8 = checkedKey(cert, key)
  const der = createPrivateKey(pkcs8).export({ format: 'der', type: 'pkcs8' })
  const signingKey = await webcrypto.subtle.importKey('pkcs8', der, EC_P256, false, ['sign'])
  return authority(cert, pkcs8, signingKey, systemClock)
}

function checkedKey(cert: string, key: string): string {
  const refuse = (problem: string, cause?: unknown): PodroleError =>
    new PodroleError('InvalidCertificateAuthority', `the certificate authority ${problem}`, {
      cause,
    })
  let certificate: X509Certificate
  let privateKey: ReturnType<typeof createPrivateKey>
  try {
    certificate = new X509Certificate(cert)
    privateKey = createPrivateKey(key)
  } catch (error) {
    throw refuse('is not a pair of PEM texts: wanted CERTIFICATE and PRIVATE KEY blocks', error)
  }
  if (privateKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw refuse('has a key that is not EC P-256')
  }
  if (!certificate.checkPrivateKey(privateKey)) throw refuse('has a key of another certificate')
  if (!certificate.ca) throw refuse('has a certificate that is not one of a CA')
  return privateKey.export({ format: 'pem', type: 'pkcs8' })
}

function authority(
  cert: string,
  key: string,
  signingKey: webcrypto.CryptoKey,
  clock: Clock,
): CertificateAuthority {
  const issuer = { cert, signingKey, clock }
  return {
    cert,
    key,
    issue: async (request) => issueServer(issuer, request),
    issueClient: async ({ commonName, organizations = [], validDays }) => {
      const x509 = await loadX509()
      return issueLeaf(issuer, {
        subject: [
          ...organizations.map((name) => ({ O: [{ utf8String: name }] })),
          ...distinguishedName(commonName),
        ],
        extensions: [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])],
        validDays: validDays ?? 365,
      })
    },
  }
}

interface Issuer {
  readonly cert: string
  readonly signingKey: webcrypto.CryptoKey
  readonly clock: Clock
}

interface Leaf {
  readonly subject: Record<string, { utf8String: string }[]>[]
  readonly extensions: readonly X509.Extension[]
  readonly validDays: number
}

async function issueServer(
  issuer: Issuer,
  request: CertificateRequest,
): Promise<ServingCertificate> {
  const x509 = await loadX509()
  const names = checkedNames(request.names)
  return issueLeaf(issuer, {
    subject: distinguishedName(request.commonName ?? commonNameOf(names)),
    extensions: [
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((name) => ({ type: isIP(name) === 0 ? 'dns' : 'ip', value: name })),
      ),
    ],
    validDays: request.validDays ?? 365,
  })
}

async function issueLeaf(issuer: Issuer, request: Leaf): Promise<ServingCertificate> {
  const x509 = await loadX509()
  const root = new x509.X509Certificate(issuer.cert)
  const keys = await webcrypto.subtle.generateKey(EC_P256, true, ['sign', 'verify'])
  const now = issuer.clock.now()
  const end = Math.min(now + request.validDays * DAY_MS, root.notAfter.getTime())
  const leaf = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    issuer: root.subjectName,
    subject: new x509.Name(request.subject),
    notBefore: new Date(Math.max(now - BACKDATE_MS, root.notBefore.getTime())),
    notAfter: new Date(end),
    signingAlgorithm: SIGNING,
    publicKey: keys.publicKey,
    signingKey: issuer.signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      ...request.extensions,
      await x509.AuthorityKeyIdentifierExtension.create(root.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { cert: `${leaf.toString('pem').trim()}\n`, key: await exportKey(keys.privateKey) }
}

/** @throws PodroleError `InvalidCertificateName` */
function checkedNames(names: readonly string[]): readonly string[] {
  if (names.length === 0 || names.length > MAX_NAMES) {
    throw new PodroleError(
      'InvalidCertificateName',
      `a certificate for ${names.length} names was asked for: wanted 1 to ${MAX_NAMES}`,
    )
  }
  const label = '[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?'
  const dns = new RegExp(`^(?:\\*\\.)?${label}(?:\\.${label})*$`)
  for (const name of names) {
    if (isIP(name) !== 0 || (name.length <= 253 && dns.test(name))) continue
    throw new PodroleError(
      'InvalidCertificateName',
      `${JSON.stringify(name)} is not a name for a certificate: wanted a DNS name or an IP address`,
    )
  }
  return names
}

const commonNameOf = (names: readonly string[]): string =>
  names.find((name) => name.length <= MAX_COMMON_NAME) ??
  createHash('sha256').update(names.join()).digest('hex').slice(0, MAX_COMMON_NAME)

/** The library's JSON form, so that no character of the name has a meaning. */
const distinguishedName = (commonName: string): Record<string, { utf8String: string }[]>[] => [
  { CN: [{ utf8String: commonName.slice(0, MAX_COMMON_NAME) }] },
]

/** RFC 5280 section 4.1.2.2: positive, at most 20 octets, not guessable. */
function serialNumber(): string {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes.toString('hex')
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key))
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({
    format: 'pem',
    type: 'pkcs8',
  })
}
