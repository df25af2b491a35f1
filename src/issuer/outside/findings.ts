/** What may be wrong with an issuer from outside. */
export type OutsideCode =
  | 'HostUnresolved'
  | 'HostUnreachable'
  | 'HandshakeFailed'
  | 'Tls12NotOffered'
  | 'ChainOutOfOrder'
  | 'ChainDuplicate'
  | 'ChainExtra'
  | 'ChainUnreadable'
  | 'CertificateExpired'
  | 'CertificateForOtherName'
  | 'CertificateUntrusted'
  | 'DocumentUnreachable'
  | 'DocumentSlow'
  | 'DocumentTooLarge'
  | 'DocumentRedirected'
  | 'DocumentStatus'
  | 'DocumentNotJson'
  | 'IssuerDiffers'
  | 'JwksUriDiffers'
  | 'MemberMissing'
  | 'AlgorithmMissing'
  | 'JwksUnusable'
  | 'PrivateKeyPublished'
  | 'TooManyKeys'
  | 'KeyMissing'
  | 'ClockBehind'

export interface OutsideFinding {
  readonly code: OutsideCode
  /** A warning is not what STS stumbles over by itself. */
  readonly level: 'error' | 'warning'
  readonly message: string
  readonly hint: string
  /** It may be otherwise in a moment: names, caches and settings take time to reach everybody. */
  readonly mayPass: boolean
}

/** What a rotation does not go on with: what STS cannot use, and times that would be written wrong. */
export const hindranceIn = (findings: readonly OutsideFinding[]): OutsideFinding | undefined =>
  findings.find(({ level }) => level === 'error') ??
  findings.find(({ code }) => code === 'ClockBehind')

const WARNINGS: readonly OutsideCode[] = ['CertificateUntrusted', 'ClockBehind']
const LASTING: readonly OutsideCode[] = [
  'Tls12NotOffered',
  'ChainOutOfOrder',
  'ChainDuplicate',
  'ChainExtra',
  'ChainUnreadable',
  'CertificateExpired',
  'CertificateForOtherName',
  'CertificateUntrusted',
  'DocumentTooLarge',
  'DocumentRedirected',
  'PrivateKeyPublished',
  'TooManyKeys',
  'ClockBehind',
]

export const finding = (code: OutsideCode, message: string, hint: string): OutsideFinding => ({
  code,
  level: WARNINGS.includes(code) ? 'warning' : 'error',
  message,
  hint,
  mayPass: !LASTING.includes(code),
})
