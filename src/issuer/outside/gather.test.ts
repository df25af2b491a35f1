import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { type CertificateAuthority, createCertificateAuthority } from '../../lib/certificates.ts'
import { systemClock } from '../../lib/clock.ts'
import { serveTls, type ServingCertificate, type TlsListening } from '../../lib/serve.ts'
import { jwksOf } from '../documents.ts'
import { issuerApp } from '../issuer-app.ts'
import { generateSigningKey } from '../keys.ts'
import type { OutsideFacts } from './facts.ts'
import { gatherOutside } from './gather.ts'
import { createIssuerNames } from './issuer-names.ts'
import { judgeOutside } from './judge.ts'

const HOST = 'idp.issuer.sandbox'
const ISSUER = `https://${HOST}/c1`
const key = await generateSigningKey()
const keys = [{ kid: key.kid, publicJwk: key.publicJwk }]
const app = issuerApp({ issuer: ISSUER, jwks: () => jwksOf([key]) })

let authority: CertificateAuthority
let certificate: ServingCertificate
const running: (() => unknown)[] = []
beforeAll(async () => {
  authority = await createCertificateAuthority({ commonName: 'test root' })
  certificate = await authority.issue({ names: [HOST, 'other.issuer.sandbox'] })
})
afterAll(async () => {
  for (const stop of running) await stop()
})

async function serve(given: Partial<Parameters<typeof serveTls>[0]> = {}): Promise<TlsListening> {
  const server = await serveTls({
    hostname: '127.0.0.1',
    port: 0,
    handler: app,
    certificate,
    ...given,
  })
  running.push(() => server.stop(0))
  return server
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  running.push(() => server.close())
  return (server.address() as AddressInfo).port
}

async function look(
  port: number,
  more: { timeoutMs?: number; ca?: string; entries?: string[]; issuer?: string } = {},
): Promise<OutsideFacts> {
  const names = createIssuerNames()
  names.add(`${HOST}=127.0.0.1:${port}`)
  for (const entry of more.entries ?? []) names.add(entry)
  names.trust(more.ca ?? authority.cert)
  return gatherOutside(more.issuer ?? ISSUER, {
    names,
    clock: systemClock,
    timeoutMs: more.timeoutMs ?? 3000,
  })
}

const codesOf = (facts: OutsideFacts, issuer = ISSUER): string[] =>
  judgeOutside(facts, { issuer, keys }).map(({ code }) => code)

test('a good issuer: two documents, TLS 1.2, the chain as it is sent', async () => {
  const { port } = await serve()
  const facts = await look(port)
  expect(facts.hosts).toMatchObject([{ host: HOST, addresses: ['127.0.0.1'] }])
  expect(facts.hosts[0]?.chain).toHaveLength(1)
  expect(facts.discovery).toMatchObject({
    url: `${ISSUER}/.well-known/openid-configuration`,
    distrust: undefined,
    answer: { kind: 'answer', status: 200 },
  })
  expect(facts.jwks?.elapsedMs).toBeLessThan(3000)
  expect(codesOf(facts)).toEqual([])
})

describe('the connection', () => {
  test('a chain that is sent with doubles and strangers', async () => {
    const stranger = await createCertificateAuthority({ commonName: 'stranger' })
    const cert = [certificate.cert, authority.cert, stranger.cert, authority.cert].join('\n')
    const { port } = await serve({ certificate: { ...certificate, cert } })
    const facts = await look(port)
    expect(facts.hosts[0]?.chain).toHaveLength(4)
    expect(codesOf(facts)).toEqual(['ChainDuplicate', 'ChainExtra'])
  })

  test('TLS 1.3 alone', async () => {
    const server = createTlsServer({ ...certificate, minVersion: 'TLSv1.3' }, (socket) =>
      socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'),
    )
    server.on('tlsClientError', () => undefined)
    const facts = await look(await listen(server))
    expect(facts.hosts[0]?.chain).toHaveLength(1)
    expect(codesOf(facts)).toEqual(['Tls12NotOffered', 'DocumentStatus'])
  })

  test('an authority that nobody knows: read all the same', async () => {
    const another = await createCertificateAuthority({ commonName: 'another' })
    const { port } = await serve()
    const facts = await look(port, { ca: another.cert })
    expect(facts.discovery.distrust).toMatch(/^UNABLE_TO_/)
    expect(facts.discovery.answer).toMatchObject({ kind: 'answer', status: 200 })
    expect(codesOf(facts)).toEqual(['CertificateUntrusted'])
  })

  test("another name's certificate", async () => {
    const other = await authority.issue({ names: ['elsewhere.issuer.sandbox'] })
    const { port } = await serve({ certificate: other })
    expect(codesOf(await look(port))).toEqual(['CertificateForOtherName'])
  })

  test('no TLS, nothing there, no name, no end', async () => {
    const http = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      development: false,
      fetch: () => new Response('x'),
    })
    running.push(() => http.stop(true))
    expect(codesOf(await look(http.port ?? 0))).toContain('HandshakeFailed')

    const closed = createTcpServer()
    const free = await listen(closed)
    await new Promise((resolve) => closed.close(resolve))
    const refused = await look(free)
    expect(codesOf(refused)).toEqual(['HostUnreachable'])
    expect(refused.hosts[0]?.unreachable).toBe('127.0.0.1: ECONNREFUSED')

    const unnamed = await look(1, { issuer: 'https://nowhere.invalid' })
    expect(codesOf(unnamed, 'https://nowhere.invalid')).toEqual(['HostUnresolved'])

    const silent = await listen(createTcpServer((socket) => socket.on('error', () => undefined)))
    const startedAt = performance.now()
    const facts = await look(silent, { timeoutMs: 150 })
    expect(performance.now() - startedAt).toBeLessThan(2000)
    expect(facts.discovery.answer).toEqual({ kind: 'timeout' })
    expect(codesOf(facts)).toEqual(['HandshakeFailed', 'DocumentSlow'])
  })
})

describe('the documents', () => {
  test('that trickle, redirect or never end', async () => {
    const { port } = await serve({
      handler: (request, client) => {
        const { pathname } = new URL(request.url)
        if (pathname === '/slow/.well-known/openid-configuration') {
          const trickle = async function* (): AsyncGenerator<string> {
            for (let count = 0; count < 40; count += 1) {
              yield ' '
              await Bun.sleep(50)
            }
          }
          return new Response(trickle() as never)
        }
        if (pathname.startsWith('/large/')) return new Response('x'.repeat(1_000_001))
        if (pathname.startsWith('/moved/')) return Response.redirect(`${ISSUER}/keys.json`, 302)
        return app(request, client)
      },
    })
    const cases = [
      ['slow', 'DocumentSlow'],
      ['large', 'DocumentTooLarge'],
      ['moved', 'DocumentRedirected'],
      ['missing', 'DocumentStatus'],
    ] as const
    for (const [path, code] of cases) {
      const issuer = `https://${HOST}/${path}`
      expect(codesOf(await look(port, { issuer, timeoutMs: 500 }), issuer)).toEqual([code])
    }
  })

  test('keys on another host: that one is looked at too', async () => {
    const elsewhere = await serve({ certificate: await authority.issue({ names: ['x.example'] }) })
    const { port } = await serve({
      handler: async (request, client) => {
        const response = await app(request, client)
        const text = (await response.text()).replace(
          `${ISSUER}/keys.json`,
          'https://other.issuer.sandbox/c1/keys.json',
        )
        return new Response(text)
      },
    })
    const entries = [`other.issuer.sandbox=127.0.0.1:${elsewhere.port}`]
    const facts = await look(port, { entries })
    expect(facts.hosts.map(({ host }) => host)).toEqual([HOST, 'other.issuer.sandbox'])
    expect(codesOf(facts)).toEqual(['CertificateForOtherName'])
  })
})
