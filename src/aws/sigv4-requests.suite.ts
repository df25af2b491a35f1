import { expect } from 'bun:test'
import { Sha256 } from '@aws-crypto/sha256-js'
import { HttpRequest } from '@smithy/protocol-http'
import { SignatureV4 } from '@smithy/signature-v4'
import { Secret } from '../lib/secret.ts'
import {
  readSignature,
  type SignatureClaims,
  type SignatureVerdict,
  verifySignature,
  type WireRequest,
} from './sigv4-verify.ts'

export const SCALE = Number(process.env['PODROLE_TEST_SCALE'] ?? 1)
export const REGION = 'eu-central-1'
export const ACCESS_KEY_ID = 'ASIAEXAMPLE000000001'
export const SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'
export const SESSION_TOKEN = 'IQoJb3JpZ2luX2VjEXAMPLE//+token=='
export const NOW = Date.UTC(2026, 0, 31, 23, 59, 30)
export const secretAccessKey = new Secret(SECRET)

export interface Captured {
  readonly wire: WireRequest
  readonly body: Uint8Array
}

/** What a server knows of a request: its URL as it is, without decoding. */
export function wireOf(request: Request): WireRequest {
  const [, path = '', query = ''] = /^[a-z]+:\/\/[^/?]*([^?]*)\??(.*)$/.exec(request.url) ?? []
  return { method: request.method, path, query, headers: request.headers }
}

export function isClaims(
  read: SignatureClaims | SignatureVerdict | undefined,
): asserts read is SignatureClaims {
  expect(read).toHaveProperty('accessKeyId')
}

export function verdictOf(
  { wire, body }: Captured,
  options: { secret?: string; nowMs?: number; service?: string; region?: string } = {},
): string {
  const read = readSignature(wire)
  if (read === undefined) return 'unsigned'
  const verdict =
    'ok' in read
      ? read
      : verifySignature(wire, body, read, {
          secretAccessKey:
            options.secret === undefined ? secretAccessKey : new Secret(options.secret),
          nowMs: options.nowMs ?? Date.now(),
          ...(options.service !== undefined && { expectedService: options.service }),
          ...(options.region !== undefined && { expectedRegion: options.region }),
        })
  return verdict.ok ? 'ok' : verdict.code
}

const signerOf = (service: string): SignatureV4 =>
  new SignatureV4({
    service,
    region: REGION,
    sha256: Sha256,
    uriEscapePath: service !== 's3',
    credentials: {
      accessKeyId: ACCESS_KEY_ID,
      secretAccessKey: SECRET,
      sessionToken: SESSION_TOKEN,
    },
  })

export interface Shape {
  readonly service: string
  readonly method: string
  readonly path: string
  readonly query: Record<string, string | string[]>
  readonly headers: Record<string, string>
  readonly body?: string
}

export const componentOf = (text: string): string =>
  encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  )

const queryText = (query: Record<string, unknown>): string =>
  Object.entries(query)
    .flatMap(([name, value]) =>
      [value].flat().map((one) => `${componentOf(name)}=${componentOf(String(one))}`),
    )
    .join('&')

function toHttpRequest({ method, path, query, headers, body }: Shape): HttpRequest {
  const host = 'service.example'
  return new HttpRequest({
    method,
    path,
    query,
    headers: { host, ...headers },
    hostname: host,
    body,
  })
}

export async function signed(shape: Shape): Promise<Captured> {
  const request = await signerOf(shape.service).sign(toHttpRequest(shape), {
    signingDate: new Date(NOW),
  })
  return {
    wire: {
      method: request.method,
      path: request.path,
      query: queryText(request.query ?? {}),
      headers: new Headers(request.headers),
    },
    body: new TextEncoder().encode(shape.body ?? ''),
  }
}

export async function presigned(shape: Shape, expiresIn = 60): Promise<Captured> {
  const request = await signerOf(shape.service).presign(toHttpRequest(shape), {
    signingDate: new Date(NOW),
    expiresIn,
  })
  return {
    wire: {
      method: request.method,
      path: request.path,
      query: queryText(request.query ?? {}),
      headers: new Headers(request.headers),
    },
    body: new TextEncoder().encode(shape.body ?? ''),
  }
}

export const STS: Shape = {
  service: 'sts',
  method: 'POST',
  path: '/',
  query: {},
  headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-amz-target': 'a  b' },
  body: 'Action=GetCallerIdentity&Version=2011-06-15',
}
const EKS: Shape = {
  service: 'eks',
  method: 'GET',
  path: '/clusters/c1/access-entries/arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa',
  query: { maxResults: '10', tag: ['b', 'a'] },
  headers: {},
}
export const S3: Shape = {
  service: 's3',
  method: 'PUT',
  path: '/bucket/a%20b',
  query: { 'x-id': 'PutObject' },
  headers: { 'x-amz-meta-a': '1' },
  body: 'text',
}
export const SHAPES: Readonly<Record<string, Shape>> = { sts: STS, eks: EKS, s3: S3 }
