/** What an issuer looks like from outside, before anybody judges it. */

export interface OutsideFacts {
  readonly issuer: string
  /** When it was looked at, milliseconds since the epoch. */
  readonly atMs: number
  /** The issuer's host first; where keys are elsewhere, that one too. */
  readonly hosts: readonly HostFacts[]
  readonly discovery: DocumentFacts
  /** Undefined where the discovery document names no https URL for it. */
  readonly jwks: DocumentFacts | undefined
}

export interface HostFacts {
  readonly host: string
  /** Empty where the name has none. */
  readonly addresses: readonly string[]
  /** Why no address takes a connection; undefined where one does. */
  readonly unreachable: string | undefined
  /** Why there is no handshake at all; undefined where there is one. */
  readonly handshakeFault: string | undefined
  /** Why there is none with TLS 1.2 at most, where there is one with a later version. */
  readonly tls12Fault: string | undefined
  /** DER of the certificates, as they were sent. */
  readonly chain: readonly Uint8Array[]
}

export interface DocumentFacts {
  readonly url: string
  /** From the look-up of the name to the last byte. */
  readonly elapsedMs: number
  /** The code of why the certificate was not taken; what follows was read in spite of it. */
  readonly distrust: string | undefined
  readonly answer: DocumentAnswer
}

export type DocumentAnswer =
  | { readonly kind: 'none'; readonly reason: string }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'too-large' }
  | {
      readonly kind: 'answer'
      readonly status: number
      /** Of a redirect. */
      readonly location: string | undefined
      /** The server's clock, milliseconds since the epoch, where it tells; a cache's may be older. */
      readonly dateMs?: number
      readonly text: string
    }
