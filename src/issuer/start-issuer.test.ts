import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CertificateAuthority, createCertificateAuthority } from '../lib/certificates.ts'
import { createLog, silentLog } from '../lib/log.ts'
import type { ServingCertificate } from '../lib/serve.ts'
import { readKeyPath } from './key-folder.ts'
import { publishedJwks } from './key-lists.ts'
import { exportSigningKey, generateSigningKey, type PublicSigningKey } from './keys.ts'
import { type RunningIssuer, startIssuer } from './start-issuer.ts'

const HOST = 'idp.issuer.sandbox'
const ISSUER = `https://${HOST}/c1`
const [first, second] = await Promise.all([generateSigningKey('RS256'), generateSigningKey()])
const jwksText = (keys: readonly PublicSigningKey[]): string => JSON.stringify(publishedJwks(keys))

let folder = ''
let authority: CertificateAuthority
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'podrole-serve-'))
  authority = await createCertificateAuthority({ commonName: 'test' })
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the running issuer', () => {
  let issuer: RunningIssuer
  let certificate: ServingCertificate
  const logged: { level: string; message: string; error?: string }[] = []
  const file = (name: string): string => join(folder, name)
  const write = (pair: ServingCertificate): void => {
    writeFileSync(file('tls.crt'), pair.cert)
    writeFileSync(file('tls.key'), pair.key)
  }

  beforeAll(async () => {
    mkdirSync(file('keys'))
    writeFileSync(file('keys/1.json'), jwksText([first]))
    certificate = await authority.issue({ names: [HOST] })
    write(certificate)
    issuer = await startIssuer({
      issuer: ISSUER,
      readKeys: () => readKeyPath(file('keys')),
      certificateFiles: { cert: file('tls.crt'), key: file('tls.key') },
      hostname: '127.0.0.1',
      port: 0,
      maxAgeSeconds: 60,
      pollMs: 10,
      log: createLog('info', { write: (line) => void logged.push(JSON.parse(line) as never) }),
    })
  })
  afterAll(() => issuer.stop())

  const ask = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(issuer.url + path, {
      ...init,
      proxy: false,
      keepalive: false,
      tls: { ca: authority.cert, serverName: HOST },
      headers: { host: HOST, ...(init.headers as Record<string, string>) },
    })
  const kids = async (): Promise<string[]> => {
    const { keys } = (await (await ask('/c1/keys.json')).json()) as { keys: { kid: string }[] }
    return keys.map(({ kid }) => kid)
  }
  /** Until it holds; a test that waits in vain runs into its own time limit. */
  const until = async (holds: () => Promise<boolean> | boolean): Promise<void> => {
    while (!(await holds())) await Bun.sleep(10)
  }
  const warned = (text: string): boolean =>
    logged.some(({ level, error }) => level === 'warn' && error?.includes(text) === true)

  test('answers with ETag and cache headers, also to HEAD, and with 304', async () => {
    const get = await ask('/c1/keys.json')
    const text = await get.text()
    expect(text).toBe(jwksText([first]))
    const etag = get.headers.get('etag') ?? ''
    expect(get.headers.get('cache-control')).toBe('public, max-age=60')
    const head = await ask('/c1/keys.json', { method: 'HEAD' })
    expect([head.status, head.headers.get('content-length'), head.headers.get('etag')]).toEqual([
      200,
      String(text.length),
      etag,
    ])
    expect((await ask('/c1/keys.json', { headers: { 'if-none-match': etag } })).status).toBe(304)
    expect((await ask('/healthz')).status).toBe(200)
    expect((await ask('/c1/keys.json', { method: 'PUT', body: '{}' })).status).toBe(405)
  })

  test('serves a key that is added, and the algorithm with it', async () => {
    writeFileSync(file('keys/2.json'), jwksText([second]))
    await until(async () => (await kids()).length === 2)
    expect(await kids()).toEqual([first.kid, second.kid])
    const discovery = (await (await ask('/c1/.well-known/openid-configuration')).json()) as object
    expect(discovery).toMatchObject({ id_token_signing_alg_values_supported: ['ES256', 'RS256'] })
  })

  test('keeps the old keys while the new ones are bad, and says so', async () => {
    writeFileSync(file('keys/2.json'), exportSigningKey(second).reveal())
    await until(() => warned('is a private key: wanted the public key'))
    writeFileSync(file('keys/2.json'), '{"keys":[')
    await until(() => warned('is not JSON'))
    expect(await kids()).toEqual([first.kid, second.kid])
    rmSync(file('keys/2.json'))
    await until(async () => (await kids()).length === 1)
  })

  test('takes a new certificate, and keeps the old one while the new one is bad', async () => {
    writeFileSync(file('tls.crt'), 'nonsense')
    await until(() => warned('are not a certificate and a key in PEM'))
    expect((await ask('/healthz')).status).toBe(200)
    const another = await createCertificateAuthority({ commonName: 'another' })
    write(await another.issue({ names: [HOST] }))
    const reached = (): Promise<boolean> =>
      ask('/healthz').then(
        () => true,
        () => false,
      )
    await until(async () => !(await reached()))
    write(certificate)
    await until(reached)
  })
})

test('does not start with bad keys or a bad certificate', async () => {
  const pair = { cert: join(folder, 'other.crt'), key: join(folder, 'other.key') }
  const options = {
    issuer: ISSUER,
    readKeys: () => readKeyPath(join(folder, 'nowhere')),
    certificateFiles: pair,
    hostname: '127.0.0.1',
    port: 0,
    maxAgeSeconds: 60,
    log: silentLog,
  }
  await expect(startIssuer(options)).rejects.toMatchObject({ code: 'InvalidServingCertificate' })
  const good = await authority.issue({ names: [HOST] })
  writeFileSync(pair.cert, good.cert)
  writeFileSync(pair.key, good.key)
  await expect(startIssuer(options)).rejects.toMatchObject({ code: 'UnreadableFile' })
})

test("a folder's keys: in the order of names, also through links, as a Secret is mounted", async () => {
  const keys = join(folder, 'mounted')
  mkdirSync(join(keys, '..data'), { recursive: true })
  await expect(readKeyPath(keys)).rejects.toMatchObject({ code: 'NoKeyFound' })
  for (const [name, key] of [
    ['b.json', first],
    ['a.json', second],
  ] as const) {
    writeFileSync(join(keys, '..data', name), jwksText([key]))
    symlinkSync(join('..data', name), join(keys, name))
  }
  for (const name of ['README', '.c.json', 'c.json.bak']) writeFileSync(join(keys, name), 'no key')
  expect((await readKeyPath(keys)).map(({ kid }) => kid)).toEqual([second.kid, first.kid])
  expect((await readKeyPath(join(keys, 'a.json'))).map(({ kid }) => kid)).toEqual([second.kid])
  for (let count = 0; count < 500; count += 1) writeFileSync(join(keys, `x${count}.pub`), '')
  await expect(readKeyPath(keys)).rejects.toMatchObject({ code: 'TooManyKeys' })
})
