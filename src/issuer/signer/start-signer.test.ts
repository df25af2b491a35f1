import { join } from 'node:path'
import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { afterEach, describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'
import { createLog, silentLog } from '../../lib/log.ts'
import { createKeySet } from '../../token/jwks.ts'
import { verifyToken } from '../../token/verify.ts'
import { generateSigningKey, type SigningAlgorithm } from '../keys.ts'
import { publishedJwks } from '../key-lists.ts'
import { MAX_CLAIMS_LENGTH } from './claims.ts'
import { SIGNER_VERSIONS } from './external-jwt.ts'
import { createSignerClient } from './signer-client.ts'
import {
  ChangingSource,
  changingSource,
  keySet,
  MAX_TOKEN_SECONDS,
  publicKeyOf,
  segmentOf,
  type SignerFixture,
  startSignerFixture,
  tokenClaims,
} from './signer.suite.ts'
import type { SigningSource } from './signing-source.ts'
import { startSigner, type SignerOptions } from './start-signer.ts'

const running: SignerFixture[] = []
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop()
})

async function start(source: SigningSource, more?: Partial<SignerOptions>): Promise<SignerFixture> {
  const fixture = await startSignerFixture(source, more)
  running.push(fixture)
  return fixture
}

const failure = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'answered',
    (error: unknown) => messageOf(error),
  )

/** The gRPC status of a call that failed. */
const statusOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => grpc.status.OK,
    (error: unknown) => Reflect.get(Object((error as Error).cause), 'code'),
  )

describe('a token', () => {
  test.each(['ES256', 'ES384', 'ES512', 'RS256'] as const satisfies SigningAlgorithm[])(
    '%s: header, claims and signature hold together for who knows the published keys',
    async (algorithm) => {
      const source = await changingSource(algorithm)
      const { client, clock, claims } = await start(source)
      const segment = claims()
      const { header, signature } = await client.sign(segment)
      expect(JSON.parse(Buffer.from(header, 'base64url').toString())).toEqual({
        alg: algorithm,
        kid: source.keys.active.kid,
        typ: 'JWT',
      })
      const verified = await verifyToken(`${header}.${segment}.${signature}`, {
        keys: createKeySet(publishedJwks(source.keys.published)),
        nowMs: clock.now(),
        issuer: 'https://idp.example.com/c1',
      })
      expect(verified.claims.sub).toBe('system:serviceaccount:orders:api')
    },
  )

  test('claims that are none, or that would outlive their key, are not signed', async () => {
    const { client, clock } = await start(await changingSource())
    const good = tokenClaims(clock.now())
    const nowSeconds = Math.floor(clock.now() / 1000)
    const cases: [claims: string, why: string][] = [
      ['', 'not base64url'],
      ['e30=', 'not base64url'],
      ['a', 'not base64url'],
      [`${segmentOf(good)}.${segmentOf(good)}`, 'not base64url'],
      [Buffer.from('{"iss":').toString('base64url'), 'no JSON'],
      [Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url'), 'not a JSON object in UTF-8'],
      [segmentOf([good]), 'not a JSON object'],
      [segmentOf(null), 'not a JSON object'],
      [segmentOf('text'), 'not a JSON object'],
      [segmentOf({ ...good, sub: undefined }), 'claim sub is missing'],
      [segmentOf({ ...good, exp: String(nowSeconds + 60) }), 'claim exp is wrong'],
      [segmentOf({ ...good, exp: undefined }), 'claim exp is missing'],
      [
        segmentOf({ ...good, exp: nowSeconds + MAX_TOKEN_SECONDS + 61 }),
        'claim exp is 86461 seconds',
      ],
      [segmentOf({ ...good, pad: 'x'.repeat(MAX_CLAIMS_LENGTH) }), 'larger than max'],
      ['A'.repeat(MAX_CLAIMS_LENGTH + 1), 'claims have 65537 characters'],
    ]
    for (const [claims, why] of cases) {
      const said = await failure(client.sign(claims))
      expect(said).toContain(why === 'no JSON' ? 'not a JSON object' : why)
    }
    expect(await statusOf(client.sign('e30='))).toBe(grpc.status.INVALID_ARGUMENT)
    const longest = { ...good, exp: nowSeconds + MAX_TOKEN_SECONDS }
    expect((await client.sign(segmentOf(longest))).signature).not.toBe('')
  })

  test('a key that fails to sign is told of as a fault that passes, without its reason', async () => {
    const source = await changingSource()
    const lines: string[] = []
    const log = createLog('info', { write: (line) => lines.push(line) })
    const sign = (): Promise<never> => Promise.reject(new PodroleError('AccessDenied', 'of KMS'))
    source.keys = { ...source.keys, active: { ...source.keys.active, sign } }
    const { client, claims } = await start(source, { log })
    const call = client.sign(claims())
    expect(await failure(call)).toEndWith(`key ${source.keys.active.kid} cannot sign now`)
    expect(await statusOf(call)).toBe(grpc.status.UNAVAILABLE)
    expect(lines.join('')).toContain('AccessDenied')
  })
})

describe('keys', () => {
  test('are told as PKIX with their kids and age; only legacy ones are kept from discovery', async () => {
    const [active, next, legacy] = await Promise.all([
      generateSigningKey('ES256'),
      generateSigningKey('RS256'),
      generateSigningKey('RS256'),
    ])
    const source = new ChangingSource({ ...keySet(active, next), settleSeconds: 90 })
    const { client, clock } = await start(source, { verifyOnly: [legacy, next], pollMs: 60_000 })
    clock.advance(5250)
    const { keys, dataTimestamp, refreshHintSeconds } = await client.fetchKeys()
    expect(keys.map((key) => [key.keyId, key.excludeFromOidcDiscovery])).toEqual([
      [active.kid, false],
      [next.kid, false],
      [legacy.kid, true],
    ])
    expect(keys.map((key) => publicKeyOf(key).export({ format: 'jwk' }).crv)).toEqual([
      'P-256',
      undefined,
      undefined,
    ])
    expect(dataTimestamp.seconds * 1000 + dataTimestamp.nanos / 1e6).toBe(clock.now())
    expect(refreshHintSeconds).toBe(45)
    expect(await client.metadata()).toEqual({ maxTokenExpirationSeconds: MAX_TOKEN_SECONDS })
  })

  test('FetchKeys tells what is there now, not what the last look found', async () => {
    const source = await changingSource()
    const { client } = await start(source, { pollMs: 60_000 })
    const next = await generateSigningKey()
    source.keys = keySet(next)
    const { keys } = await client.fetchKeys()
    expect(keys.map(({ keyId }) => keyId)).toEqual([next.kid])
    expect((await client.fetchKeys()).refreshHintSeconds).toBe(60)
  })

  test('a source that cannot be read: old keys, their true age, and an end of signing', async () => {
    const source = await changingSource()
    const { client, clock, claims } = await start(source)
    const readAtMs = clock.now()
    source.fault = new PodroleError('UnreadableFile', 'gone')
    await Bun.sleep(60)
    clock.advance(300_000)
    const { dataTimestamp, keys } = await client.fetchKeys()
    expect([keys.length, dataTimestamp.seconds * 1000]).toEqual([1, readAtMs])
    expect((await client.sign(claims())).signature).not.toBe('')
    clock.advance(1000)
    const call = client.sign(claims())
    expect(await failure(call)).toContain('last read 301 seconds ago: wanted 300 at most')
    expect(await statusOf(call)).toBe(grpc.status.UNAVAILABLE)
    source.fault = undefined
    await client.fetchKeys()
    expect((await client.sign(claims())).signature).not.toBe('')
  })

  test('a new active key signs without a restart', async () => {
    const [first, second] = await Promise.all([generateSigningKey(), generateSigningKey()])
    const source = new ChangingSource(keySet(first, second))
    const { client, claims } = await start(source)
    const kidOf = async (): Promise<string> => {
      const { header } = await client.sign(claims())
      return (JSON.parse(Buffer.from(header, 'base64url').toString()) as { kid: string }).kid
    }
    expect(await kidOf()).toBe(first.kid)
    source.keys = keySet(second, first)
    await Bun.sleep(80)
    expect(await kidOf()).toBe(second.kid)
  })
})

describe('on the wire', () => {
  test.each([...SIGNER_VERSIONS])('%s is what the API’s own definition says', async (version) => {
    const source = await changingSource()
    const { socket, claims } = await start(source)
    const file = join(import.meta.dir, 'testdata', `${version}.proto`)
    const loaded = grpc.loadPackageDefinition(loadSync(file, { keepCase: true, longs: Number }))
    const Client = Reflect.get(
      loaded[version] as object,
      'ExternalJWTSigner',
    ) as grpc.ServiceClientConstructor
    const client = new Client(`unix:${socket}`, grpc.credentials.createInsecure())
    const ask = (method: string, request: object): Promise<Record<string, unknown>> =>
      new Promise((resolve, reject) => {
        const call = client[method] as unknown as (
          request: object,
          answer: (error: Error | null, response: Record<string, unknown>) => void,
        ) => void
        call.call(client, request, (error, response) => (error ? reject(error) : resolve(response)))
      })
    const signed = await ask('Sign', { claims: claims() })
    const fetched = await ask('FetchKeys', {})
    const metadata = await ask('Metadata', {})
    client.close()
    expect(String(signed['header'])).toMatch(/^eyJ/)
    expect(String(signed['signature'])).toMatch(/^[\w-]{86}$/)
    expect(fetched['keys']).toMatchObject([
      { key_id: source.keys.active.kid, exclude_from_oidc_discovery: false },
    ])
    expect(fetched['refresh_hint_seconds']).toBe(60)
    expect(metadata).toEqual({ max_token_expiration_seconds: MAX_TOKEN_SECONDS })
  })

  test('what is no gRPC is cut off, and the others are still served', async () => {
    const { socket, client, claims } = await start(await changingSource())
    const garbage = connect(socket)
    garbage.on('error', () => undefined).write('GET / HTTP/1.1\r\n\r\n'.repeat(1000))
    await Bun.sleep(50)
    expect((await client.sign(claims())).signature).not.toBe('')
    garbage.destroy()
  })

  test('more calls than one connection may have wait, and all are answered', async () => {
    const source = await changingSource()
    const { active } = source.keys
    const count = { now: 0, most: 0 }
    const sign = async (data: Buffer): Promise<Buffer> => {
      count.now += 1
      count.most = Math.max(count.most, count.now)
      await Bun.sleep(1)
      count.now -= 1
      return active.sign(data)
    }
    source.keys = { ...source.keys, active: { ...active, sign } }
    const { client, claims } = await start(source)
    const all = await Promise.all(Array.from({ length: 500 }, () => client.sign(claims())))
    expect(new Set(all.map(({ signature }) => signature)).size).toBe(500)
    expect(count.most).toBe(100)
  })
})

test('more calls than the signer takes of all connections are refused, not kept', async () => {
  const source = await changingSource()
  const { active } = source.keys
  const sign = async (data: Buffer): Promise<Buffer> => {
    await Bun.sleep(100)
    return active.sign(data)
  }
  source.keys = { ...source.keys, active: { ...active, sign } }
  const { socket, claims } = await start(source)
  const clients = [1, 2, 3].map(() => createSignerClient(socket))
  const calls = clients.flatMap((client) =>
    Array.from({ length: 100 }, () => client.sign(claims())),
  )
  const statuses = await Promise.all(calls.map((call) => statusOf(call)))
  for (const client of clients) client.close()
  const refused = statuses.filter((status) => status === grpc.status.RESOURCE_EXHAUSTED)
  expect(statuses.filter((status) => status === grpc.status.OK).length + refused.length).toBe(300)
  expect(refused.length).toBe(300 - 256)
})

describe('start and stop', () => {
  test('keys that cannot be read at the start, or a socket that is taken, are faults', async () => {
    const source = await changingSource()
    const { socket, clock } = await start(source)
    const options = { socket, source, clock, log: silentLog }
    expect(await startSigner(options).catch(codeOf)).toBe('SocketInUse')
    source.fault = new PodroleError('UnreadableFile', 'gone')
    expect(await startSigner({ ...options, socket: `${socket}2` }).catch(codeOf)).toBe(
      'UnreadableFile',
    )
    expect(existsSync(`${socket}2`)).toBe(false)
  })

  test('stop answers what is under way, ends idle connections and removes the socket', async () => {
    const source = await changingSource()
    const { active } = source.keys
    const sign = async (data: Buffer): Promise<Buffer> => {
      await Bun.sleep(150)
      return active.sign(data)
    }
    source.keys = { ...source.keys, active: { ...active, sign } }
    const { socket, client, signer, claims } = await start(source)
    const idle = connect(socket)
    await new Promise((connected) => idle.once('connect', connected))
    const call = client.sign(claims())
    await Bun.sleep(50)
    const startedAt = performance.now()
    await signer.stop()
    expect((await call).signature).not.toBe('')
    expect(performance.now() - startedAt).toBeLessThan(3000)
    expect(existsSync(socket)).toBe(false)
    idle.destroy()
  })

  test('a client waits for a signer that comes back', async () => {
    const source = await changingSource()
    const { socket, client, signer, clock, claims } = await start(source)
    await client.sign(claims())
    await signer.stop()
    const waiting = client.sign(claims())
    const impatient = createSignerClient(socket, { deadlineMs: 100 })
    expect(await failure(impatient.sign(claims()))).toContain('nobody answers')
    impatient.close()
    const again = await startSigner({ socket, source, clock, log: silentLog })
    expect((await waiting).signature).not.toBe('')
    await again.stop(200)
  })
})
