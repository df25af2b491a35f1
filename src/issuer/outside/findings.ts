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

export interface OutsideFinding {
  readonly code: OutsideCode
  /** A warning is not what STS stumbles over by itself. */
  readonly level: 'error' | 'warning'
  readonly message: string
  readonly hint: string
  /** It may be otherwise in a moment: names, caches and settings take time to reach everybody. */
  readonly mayPass: boolean
}

const WARNINGS: readonly OutsideCode[] = ['CertificateUntrusted']
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
]

export const finding = (code: OutsideCode, message: string, hint: string): OutsideFinding => ({
  code,
  level: WARNINGS.includes(code) ? 'warning' : 'error',
  message,
  hint,
  mayPass: !LASTING.includes(code),
})
