/** Bodies in signed chunks, signed here by hand after the S3 API Reference, and presigned URLs. */
import { CreateBucketCommand, GetObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { Sha256 } from '@aws-crypto/sha256-js'
import { HttpRequest } from '@smithy/protocol-http'
import { SignatureV4 } from '@smithy/signature-v4'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createHash, createHmac } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { type AwsFixture, REGION, startAwsFixture } from '../aws-fixture.suite.ts'
import { crc64nvme } from './crc.ts'

let fixture: AwsFixture
let s3: S3Client
let signer: SignatureV4
const Bucket = 'stream-bucket'

beforeAll(async () => {
  fixture = await startAwsFixture()
  s3 = fixture.clients(fixture.admin).s3
  const CreateBucketConfiguration = { LocationConstraint: REGION } as const
  await s3.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration }))
  const credentials = fixture.admin
  const service = { service: 's3', region: REGION, uriEscapePath: false }
  signer = new SignatureV4({ ...service, sha256: Sha256, credentials })
})
afterAll(() => fixture.stop())

const sha256 = (data: string | Uint8Array): string =>
  createHash('sha256').update(data).digest('hex')
const read = async (Key: string): Promise<string> =>
  (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString() ?? ''

interface Upload {
  readonly key: string
  readonly chunks: readonly string[]
  readonly trailer?: Readonly<Record<string, string>>
  /** Of the headers; by default what the trailer names. */
  readonly announced?: string
  readonly tamper?: (framed: string) => string
}

async function upload({ key, chunks, trailer, announced, tamper }: Upload): Promise<Response> {
  const url = new URL(`${fixture.endpoint}/${Bucket}/${key}`)
  const names = announced ?? Object.keys(trailer ?? {}).join(',')
  const signed = await signer.sign(
    new HttpRequest({
      method: 'PUT',
      protocol: 'http:',
      hostname: url.hostname,
      port: Number(url.port),
      path: url.pathname,
      headers: {
        host: url.host,
        'content-encoding': 'aws-chunked',
        'x-amz-content-sha256': `STREAMING-AWS4-HMAC-SHA256-PAYLOAD${trailer ? '-TRAILER' : ''}`,
        'x-amz-decoded-content-length': String(chunks.join('').length),
        ...(names !== '' && { 'x-amz-trailer': names }),
      },
    }),
    { signingDate: new Date(fixture.clock.now()) },
  )
  const timestamp = signed.headers['x-amz-date'] ?? ''
  const scope = `${timestamp.slice(0, 8)}/${REGION}/s3/aws4_request`
  let signingKey = Buffer.from(`AWS4${fixture.admin.secretAccessKey}`)
  for (const part of scope.split('/')) {
    signingKey = Buffer.from(createHmac('sha256', signingKey).update(part).digest())
  }
  let previous = signed.headers['authorization']?.slice(-64) ?? ''
  const next = (algorithm: string, ...rest: readonly string[]): string => {
    const text = [algorithm, timestamp, scope, previous, ...rest].join('\n')
    previous = createHmac('sha256', signingKey).update(text).digest('hex')
    return previous
  }
  let framed = ''
  for (const chunk of [...chunks, '']) {
    const signature = next('AWS4-HMAC-SHA256-PAYLOAD', sha256(''), sha256(chunk))
    framed += `${chunk.length.toString(16)};chunk-signature=${signature}\r\n`
    if (chunk !== '') framed += `${chunk}\r\n`
  }
  if (trailer !== undefined) {
    const lines = Object.entries(trailer).map(([name, value]) => `${name}:${value}`)
    const signature = next('AWS4-HMAC-SHA256-TRAILER', sha256(lines.map((l) => `${l}\n`).join('')))
    framed += [...lines, `x-amz-trailer-signature:${signature}`].map((l) => `${l}\r\n`).join('')
  }
  framed += '\r\n'
  const body = tamper?.(framed) ?? framed
  return fetch(url, { method: 'PUT', headers: signed.headers, body, proxy: false })
}

const codeOf = async (response: Response): Promise<string> =>
  `${response.status} ${/<Code>(\w+)<\/Code>/.exec(await response.text())?.[1] ?? ''}`

const crcOf = (text: string): string => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc32(text))
  return bytes.toString('base64')
}

describe('bodies in signed chunks', () => {
  const big = 'a'.repeat(8192)

  test('one chunk, several chunks, none', async () => {
    for (const [key, chunks] of Object.entries({
      one: ['abc'],
      many: [big, big, 'end'],
      none: [],
    })) {
      expect(await codeOf(await upload({ key, chunks }))).toBe('200 ')
      expect(await read(key)).toBe(chunks.join(''))
    }
  })

  test('a signed trailer, whose checksum counts', async () => {
    const body = big + 'x'
    const good = { 'x-amz-checksum-crc32': crcOf(body) }
    expect(await codeOf(await upload({ key: 'sum', chunks: [big, 'x'], trailer: good }))).toBe(
      '200 ',
    )
    expect(await read('sum')).toBe(body)
    const bad = { 'x-amz-checksum-crc32': crcOf('other') }
    expect(await codeOf(await upload({ key: 'sum', chunks: ['new'], trailer: bad }))).toBe(
      '400 BadDigest',
    )
    const nvme = (text: string): string => crc64nvme(Buffer.from(text)).toString('base64')
    for (const [text, code] of [
      [body, '200 '],
      ['other', '400 BadDigest'],
    ] as const) {
      const last = { 'x-amz-checksum-crc64nvme': nvme(text) }
      expect(await codeOf(await upload({ key: 'nvme', chunks: [big, 'x'], trailer: last }))).toBe(
        code,
      )
    }
    const missing = { key: 'sum', chunks: ['new'], trailer: {}, announced: 'x-amz-checksum-crc32' }
    expect(await codeOf(await upload(missing))).toBe('400 MalformedTrailerError')
    expect(await read('sum')).toBe(body)
  })

  const trailer = { 'x-amz-checksum-crc32': crcOf(`${big}end`) }
  test.each<[string, (framed: string) => string, string]>([
    ['a changed chunk', (f) => f.replace('aaa', 'aab'), '403 SignatureDoesNotMatch'],
    [
      'a changed last chunk',
      (f) => f.replace('\r\nend\r\n', '\r\nEND\r\n'),
      '403 SignatureDoesNotMatch',
    ],
    [
      'a chunk without a signature',
      (f) => f.replace(/;chunk-signature=[0-9a-f]{64}/, ''),
      '403 SignatureDoesNotMatch',
    ],
    ['another trailer', (f) => f.replace('crc32:', 'crc32:A'), '403 SignatureDoesNotMatch'],
    [
      'a trailer without its signature',
      (f) => f.replace(/x-amz-trailer-signature.*\r\n/, ''),
      '403 SignatureDoesNotMatch',
    ],
    [
      'a trailer more',
      (f) => f.replace('x-amz-trailer', 'x-more:1\r\nx-amz-trailer'),
      '403 SignatureDoesNotMatch',
    ],
    [
      'the chunks in another order',
      (f) => {
        const [first = '', second = ''] = f.split(/(?<=\r\n)(?=3;)/)
        const [end = '', ...rest] = second.split(/(?<=end\r\n)/)
        return end + first + rest.join('')
      },
      '403 InvalidChunkSizeError',
    ],
    ['half of it', (f) => f.slice(0, f.length / 2), '400 IncompleteBody'],
    ['no framing', () => `${big}end`, '400 IncompleteBody'],
  ])('refused: %s', async (_name, tamper, code) => {
    const made = { key: 'tampered', chunks: [big, 'end'], trailer, tamper }
    expect(await codeOf(await upload(made))).toBe(code)
  })

  test('chunks below 8 KB are the last alone', async () => {
    expect(await codeOf(await upload({ key: 'small', chunks: ['a', 'b'] }))).toBe(
      '403 InvalidChunkSizeError',
    )
  })
})

describe('presigned URLs', () => {
  async function presign(method: string, path: string, query = {}): Promise<string> {
    const { hostname, port, host } = new URL(fixture.endpoint)
    const request = { method, protocol: 'http:', hostname, port: Number(port), path, query }
    const headers = { host, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }
    const { query: signed } = await signer.presign(new HttpRequest({ ...request, headers }), {
      expiresIn: 60,
      signingDate: new Date(fixture.clock.now()),
    })
    return `${fixture.endpoint}${path}?${new URLSearchParams(signed as Record<string, string>).toString()}`
  }
  const ask = (url: string, method = 'GET', body?: string): Promise<Response> =>
    fetch(url, { method, proxy: false, ...(body !== undefined && { body }) })

  test('write, read, the type that was asked for, and the end', async () => {
    const put = await presign('PUT', `/${Bucket}/by-url`)
    expect((await ask(put, 'PUT', 'hello')).status).toBe(200)
    const get = await presign('GET', `/${Bucket}/by-url`, { 'response-content-type': 'text/csv' })
    const answer = await ask(get)
    expect([answer.headers.get('content-type'), await answer.text()]).toEqual(['text/csv', 'hello'])
    expect(await codeOf(await ask(get, 'PUT', 'x'))).toBe('403 SignatureDoesNotMatch')
    expect(await codeOf(await ask(get.replace('csv', 'xml')))).toBe('403 SignatureDoesNotMatch')
    expect(await codeOf(await ask(get.replace('by-url', 'other')))).toBe(
      '403 SignatureDoesNotMatch',
    )
    fixture.clock.advance(61_000)
    expect(await codeOf(await ask(get))).toBe('403 AccessDenied')
  })
})

const aws = Bun.which('aws')
test.skipIf(aws === null)(
  '`aws s3 cp` and `aws s3 mv` both ways',
  async () => {
    fixture.clock.advance(Date.now() - fixture.clock.now())
    const folder = mkdtempSync(join(tmpdir(), 'podrole-s3-'))
    const run = async (...words: readonly string[]): Promise<string> => {
      const child = Bun.spawn([aws ?? '', '--endpoint-url', fixture.endpoint, 's3', ...words], {
        env: {
          PATH: process.env['PATH'],
          HOME: folder,
          AWS_ACCESS_KEY_ID: fixture.admin.accessKeyId,
          AWS_SECRET_ACCESS_KEY: fixture.admin.secretAccessKey,
          AWS_REGION: REGION,
          AWS_DEFAULT_REGION: REGION,
          AWS_EC2_METADATA_DISABLED: 'true',
          NO_PROXY: '127.0.0.1',
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const [out, err] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ])
      expect([await child.exited, err]).toEqual([0, ''])
      return out
    }
    try {
      const [from, to] = [join(folder, 'from'), join(folder, 'to')]
      writeFileSync(from, 'typed by hand')
      await run('cp', from, `s3://${Bucket}/cli/a.txt`)
      await run('mv', `s3://${Bucket}/cli/a.txt`, `s3://${Bucket}/cli/b.txt`)
      expect(await run('ls', `s3://${Bucket}/cli/`)).toEndWith(' b.txt\n')
      await run('cp', `s3://${Bucket}/cli/b.txt`, to)
      expect(readFileSync(to, 'utf8')).toBe('typed by hand')
      const big = Buffer.alloc(9 << 20, 'podrole')
      writeFileSync(from, big)
      await run('cp', from, `s3://${Bucket}/cli/big`)
      await run('cp', `s3://${Bucket}/cli/big`, to)
      expect(readFileSync(to).equals(big)).toBe(true)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
  60_000,
)
