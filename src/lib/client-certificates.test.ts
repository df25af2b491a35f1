import { afterAll, beforeAll, expect, test } from 'bun:test'
import { type CertificateAuthority, createCertificateAuthority } from './certificates.ts'
import { jsonResponse } from './handler.ts'
import { type ServingCertificate, serveTls, type TlsListening } from './serve.ts'

let servers: CertificateAuthority
let clients: CertificateAuthority
let asking: TlsListening
let silent: TlsListening

beforeAll(async () => {
  servers = await createCertificateAuthority({ commonName: 'servers' })
  clients = await createCertificateAuthority({ commonName: 'clients' })
  const options = {
    hostname: '127.0.0.1',
    port: 0,
    handler: (_request: Request, { certificate }: { certificate?: unknown }) =>
      jsonResponse(certificate ?? null),
  }
  const certificate = await servers.issue({ names: ['127.0.0.1'] })
  asking = await serveTls({ ...options, certificate, clientAuthorities: [clients.cert] })
  silent = await serveTls({ ...options, certificate })
})
afterAll(async () => {
  await asking.stop(200)
  await silent.stop(200)
})

async function ask(server: TlsListening, identity?: ServingCertificate): Promise<unknown> {
  const response = await fetch(server.url, {
    tls: { ca: servers.cert, ...identity },
    keepalive: false,
    proxy: false,
    redirect: 'error',
    signal: AbortSignal.timeout(10_000),
  })
  return response.json()
}

test('a verified certificate says whom it names, whatever the signs of the names', async () => {
  const commonName = 'jane+x, ö=\n1'
  const organizations = ['a', 'b/c', 'system:masters']
  const identity = await clients.issueClient({ commonName, organizations })
  expect(await ask(asking, identity)).toEqual({ commonName, organizations })
  const plain = await clients.issueClient({ commonName: 'joe' })
  expect(await ask(asking, plain)).toEqual({ commonName: 'joe', organizations: [] })
})

test('no certificate is nothing; of others or for servers it is a fault', async () => {
  expect(await ask(asking)).toBeNull()
  const foreign = await servers.issueClient({ commonName: 'jane' })
  const other = await createCertificateAuthority({ commonName: 'clients' })
  const namesake = await other.issueClient({ commonName: 'jane' })
  const serving = await clients.issue({ names: ['jane'] })
  for (const identity of [foreign, namesake, serving]) {
    expect(await ask(asking, identity)).toEqual({ fault: expect.any(String) })
  }
})

test('a server that does not ask sees none', async () => {
  expect(await ask(silent, await clients.issueClient({ commonName: 'jane' }))).toBeNull()
})

test('another serving certificate changes nothing of it', async () => {
  asking.reload(await servers.issue({ names: ['127.0.0.1'], commonName: 'second' }))
  const identity = await clients.issueClient({ commonName: 'late', organizations: ['x'] })
  expect(await ask(asking, identity)).toEqual({ commonName: 'late', organizations: ['x'] })
  const serving = await clients.issue({ names: ['jane'] })
  expect(await ask(asking, serving)).toEqual({ fault: expect.any(String) })
})
