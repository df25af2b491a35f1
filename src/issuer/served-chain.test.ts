import { X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createCertificateAuthority, type CertificateAuthority } from '../lib/certificates.ts'
import { codeOf } from '../lib/errors.ts'
import { jsonResponse } from '../lib/handler.ts'
import { serveTls, type TlsListening } from '../lib/serve.ts'
import { discoveryDocument, DISCOVERY_PATH } from './documents.ts'
import { type IssuerNames, readOutsideNames } from './outside/issuer-names.ts'
import { readServedChain } from './served-chain.ts'
import { adviseThumbprints, faultOfIssuer } from './thumbprints.ts'

const ISSUER = 'https://issuer.example.com/one'
let authority: CertificateAuthority
let servers: TlsListening[] = []
/** Host → port. */
const ports = new Map<string, number>()

const sha1 = (pem: string): string =>
  new X509Certificate(pem).fingerprint.replaceAll(':', '').toLowerCase()

const names = (ca?: string): IssuerNames => ({
  resolve: (host) => ({
    address: '127.0.0.1',
    port: ports.get(host) ?? 1,
    ...(ca !== undefined && { ca }),
  }),
})

async function serve(
  host: string,
  chain: (leaf: string) => string,
  jwksUri?: string,
): Promise<string> {
  const { cert, key } = await authority.issue({ names: [host] })
  const server = await serveTls({
    hostname: '127.0.0.1',
    port: 0,
    certificate: { cert: chain(cert), key },
    handler: async (request) => {
      const { pathname } = new URL(request.url)
      if (pathname !== `/one${DISCOVERY_PATH}`) return jsonResponse({}, 404)
      return jsonResponse(
        discoveryDocument(`https://${host}/one`, {
          algorithms: ['ES256'],
          ...(jwksUri !== undefined && { jwksUri }),
        }),
      )
    },
  })
  servers.push(server)
  ports.set(host, server.port)
  return cert
}

beforeAll(async () => {
  authority = await createCertificateAuthority({ commonName: 'private' })
})
afterAll(async () => {
  for (const server of servers) await server.stop(100)
  servers = []
})

describe('certificates that a host serves', () => {
  test('the last of a chain that nobody knows', async () => {
    await serve('issuer.example.com', (leaf) => `${leaf}\n${authority.cert}`)
    expect(await readServedChain(names(), 'issuer.example.com')).toEqual({
      isPublic: false,
      fault: 'SELF_SIGNED_CERT_IN_CHAIN',
      lastThumbprint: sha1(authority.cert),
    })
    expect(await readServedChain(names(authority.cert), 'issuer.example.com')).toEqual({
      isPublic: true,
      lastThumbprint: sha1(authority.cert),
    })
  })

  test('the leaf where nothing else is sent', async () => {
    const leaf = await serve('leaf.example.com', (one) => one)
    const chain = await readServedChain(names(), 'leaf.example.com')
    expect(chain).toMatchObject({ isPublic: false, lastThumbprint: sha1(leaf) })
  })

  test('nobody there', async () => {
    const refused = await readServedChain(names(), 'nobody.example.com').catch(codeOf)
    expect(refused).toBe('IssuerUnreachable')
  })
})

describe('thumbprints', () => {
  test('none where a public authority vouches, else the last certificate', async () => {
    const known = await adviseThumbprints(names(authority.cert), ISSUER)
    expect(known.thumbprints).toEqual([])
    expect(known.reason).toContain('public authority')
    const unknown = await adviseThumbprints(names(), ISSUER)
    expect(unknown.thumbprints).toEqual([sha1(authority.cert)])
    expect(unknown.reason).toContain('SELF_SIGNED_CERT_IN_CHAIN')
  })

  test('both hosts count where the keys are elsewhere', async () => {
    const leaf = await serve('keys.example.com', (one) => one)
    await serve(
      'two.example.com',
      (one) => `${one}\n${authority.cert}`,
      'https://keys.example.com/keys.json',
    )
    const advice = await adviseThumbprints(names(), 'https://two.example.com/one')
    expect(advice.thumbprints).toEqual([sha1(authority.cert), sha1(leaf)])
  })

  test('none for a certificate that is wrong in another way, or a host that is away', async () => {
    const { port } = servers[0] ?? {}
    if (port !== undefined) ports.set('wrong.example.com', port)
    const wrong = await adviseThumbprints(names(authority.cert), 'https://wrong.example.com/one')
    expect(wrong.thumbprints).toEqual([])
    expect(wrong.reason).toContain('would not help')
    const away = await adviseThumbprints(names(), 'https://nobody.example.com/one')
    expect(away.thumbprints).toEqual([])
    expect(away.reason).toContain('cannot be reached')
  })
})

describe('whether an issuer answers', () => {
  test('over a public certificate, over a pinned one, and over no other', async () => {
    expect(await faultOfIssuer(names(authority.cert), ISSUER, [])).toBeUndefined()
    expect(await faultOfIssuer(names(), ISSUER, [sha1(authority.cert)])).toBeUndefined()
    expect(await faultOfIssuer(names(), ISSUER, [])).toContain('cannot be read')
    expect(await faultOfIssuer(names(), ISSUER, ['0'.repeat(40)])).toContain('cannot be read')
  })

  test('with the document of that issuer alone', async () => {
    const other = 'https://leaf.example.com/one/two'
    expect(await faultOfIssuer(names(authority.cert), other, [])).toContain('HTTP 404')
    ports.set('alias.example.com', ports.get('leaf.example.com') ?? 0)
    const { cert, key } = await authority.issue({
      names: ['leaf.example.com', 'alias.example.com'],
    })
    servers[1]?.reload({ cert, key })
    const alias = await faultOfIssuer(names(authority.cert), 'https://alias.example.com/one', [])
    expect(alias).toBe('its document names issuer "https://leaf.example.com/one"')
  })
})

describe('PODROLE_RESOLVE and PODROLE_CA_FILE', () => {
  const sandbox = { AWS_ENDPOINT_URL: 'http://127.0.0.1:4566' }

  test('name places, one label at a time', () => {
    const PODROLE_RESOLVE = 'a.example.com=127.0.0.1:1,*.issuer.sandbox=[::1]:2'
    const names = readOutsideNames({ ...sandbox, PODROLE_RESOLVE })
    expect(names.resolve('A.example.com')).toEqual({ address: '127.0.0.1', port: 1 })
    expect(names.resolve('b.issuer.sandbox')).toEqual({ address: '::1', port: 2 })
    expect(names.resolve('c.b.issuer.sandbox')).toBeUndefined()
    expect(readOutsideNames({}).resolve('a.example.com')).toBeUndefined()
  })

  test.each([
    [{ PODROLE_RESOLVE: 'a=127.0.0.1:1' }, 'ResolveRefused'],
    [
      { PODROLE_CA_FILE: '/x', AWS_ENDPOINT_URL: 'https://localhost.example.com' },
      'ResolveRefused',
    ],
    [{ ...sandbox, PODROLE_RESOLVE: 'a=b:1' }, 'InvalidIssuerName'],
    [{ ...sandbox, PODROLE_RESOLVE: 'a=127.0.0.1:99999' }, 'InvalidIssuerName'],
    [{ ...sandbox, PODROLE_CA_FILE: '/nowhere/ca.pem' }, 'UnreadableFile'],
  ])('%o is refused: %s', (environment, code) => {
    let thrown: unknown
    try {
      readOutsideNames(environment)
    } catch (error) {
      thrown = error
    }
    expect(codeOf(thrown)).toBe(code)
  })
})
