import { Sha256 } from '@aws-crypto/sha256-js'
import { HttpRequest } from '@smithy/protocol-http'
import { SignatureV4 } from '@smithy/signature-v4'
import type { Clock } from '../lib/clock.ts'
import type { AwsCredentials } from './credentials.ts'

/** A request to be signed. */
export interface UnsignedRequest {
  readonly method: string
  /** With its query, percent-encoded as it will be sent. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

/** Whom a signature is for, and when it is made. */
export interface SigningScope {
  /** The signing name: `sts`, `eks`, `eks-auth`, … */
  readonly service: string
  readonly region: string
  readonly clock: Clock
}

/**
 * Signs with Signature Version 4 (IAM User Guide, "Create a signed AWS API request"); the body's
 * hash is sent in x-amz-content-sha256.
 * @returns all headers to send, `host` included
 */
export async function signRequest(
  request: UnsignedRequest,
  credentials: AwsCredentials,
  scope: SigningScope,
): Promise<Record<string, string>> {
  const url = new URL(request.url)
  const query: Record<string, string[]> = {}
  for (const [name, value] of url.searchParams) (query[name] ??= []).push(value)
  const signer = new SignatureV4({
    service: scope.service,
    region: scope.region,
    sha256: Sha256,
    // S3 alone signs the path as it is sent; all others encode it once more.
    uriEscapePath: scope.service !== 's3',
    credentials: {
      accessKeyId: credentials.accessKeyId,
      secretAccessKey: credentials.secretAccessKey.reveal(),
      ...(credentials.sessionToken && { sessionToken: credentials.sessionToken.reveal() }),
    },
  })
  const signed = await signer.sign(
    new HttpRequest({
      method: request.method,
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      query,
      headers: { ...request.headers, host: url.host },
      body: request.body,
    }),
    { signingDate: new Date(scope.clock.now()) },
  )
  return signed.headers
}
