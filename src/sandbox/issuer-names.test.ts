import { afterAll, beforeAll, expect, test } from 'bun:test'
import { createCertificateAuthority, type CertificateAuthority } from '../lib/certificates.ts'
import { serveTls, type TlsListening } from '../lib/serve.ts'
import { createIssuerNames } from '../issuer/outside/issuer-names.ts'
import { addBuiltInNames, fetchIssuerDocument } from './issuer-names.ts'

let authority: CertificateAuthority
let server: TlsListening
let hosts: string[] = []

beforeAll(async () => {
  authority = await createCertificateAuthority({ commonName: 'test' })
  server = await serveTls({
    hostname: '127.0.0.1',
    port: 0,
    certificate: await authority.issue({ names: ['*.issuer.sandbox', 'idp.example.com'] }),
    handler: (request) => {
      const url = new URL(request.url)
      hosts.push(request.headers.get('host') ?? '')
      if (url.pathname === '/moved') return Response.redirect(`https://${url.host}/doc`)
      if (url.pathname === '/large') return new Response(`"${'a'.repeat(1 << 20)}"`)
      if (url.pathname === '/text') return new Response('text')
      if (url.pathname === '/none') return new Response('no', { status: 404 })
      return Response.json({ path: url.pathname })
    },
  })
})
afterAll(() => server.stop(100))

test('built-in names, entries of the user and trusted authorities', async () => {
  const names = createIssuerNames()
  expect(names.resolve('a.issuer.sandbox')).toBeUndefined()
  addBuiltInNames(names, { port: server.port, ca: authority.cert })
  for (const host of [
    'A.issuer.sandbox',
    's3.eu-central-1.amazonaws.com',
    's3.cn-north-1.amazonaws.com.cn',
    'oidc.eks.us-east-1.amazonaws.com',
    'oidc-eks.us-east-1.api.aws',
  ]) {
    expect(names.resolve(host)).toEqual({
      address: '127.0.0.1',
      port: server.port,
      ca: authority.cert.trim(),
    })
  }
  for (const host of [
    'issuer.sandbox',
    'example.com',
    'a.b.issuer.sandbox',
    's3.amazonaws.com.evil',
  ]) {
    expect(names.resolve(host)).toBeUndefined()
  }
  names.add('idp.example.com=[::1]:8443')
  expect(names.resolve('idp.example.com')).toMatchObject({ address: '::1', port: 8443 })
})

test.each([
  '',
  'a',
  'a=b',
  'a=127.0.0.1',
  'a=127.0.0.1:0',
  'a=127.0.0.1:70000',
  '127.0.0.1=127.0.0.1:1',
  'a:1=127.0.0.1:1',
  'a b=127.0.0.1:1',
  'a=localhost:1',
])('refuses the entry %j', (entry) => {
  expect(() => createIssuerNames().add(entry)).toThrow('wanted HOST=ADDRESS:PORT')
})

test('fetches by name, over TLS that is verified for that name', async () => {
  const names = createIssuerNames()
  names.add(`idp.example.com=127.0.0.1:${server.port}`)
  names.add(`other.example.com=127.0.0.1:${server.port}`)
  const url = 'https://idp.example.com/doc'
  await expect(fetchIssuerDocument(names, url)).rejects.toThrow('could not be fetched')
  const another = await createCertificateAuthority({ commonName: 'another' })
  names.trust(another.cert)
  names.trust(authority.cert)
  hosts = []
  expect(await fetchIssuerDocument(names, url)).toMatchObject({ json: { path: '/doc' } })
  expect(hosts).toEqual(['idp.example.com'])
  const wrongName = fetchIssuerDocument(names, 'https://other.example.com/doc')
  await expect(wrongName).rejects.toThrow('could not be fetched')
})

test.each([
  ['http://idp.example.com/doc', 'https://'],
  ['https://idp.example.com:8443/doc', 'without a port'],
  ['https://user@idp.example.com/doc', 'https://'],
  ['https://nowhere.example.com/doc', 'no address'],
  ['https://idp.example.com/moved', 'could not be fetched'],
  ['https://idp.example.com/large', '1 MB'],
  ['https://idp.example.com/text', 'not JSON'],
  ['https://idp.example.com/none', 'HTTP 404'],
])('refuses %s', async (url, text) => {
  const names = createIssuerNames()
  names.add(`idp.example.com=127.0.0.1:${server.port}`)
  names.trust(authority.cert)
  await expect(fetchIssuerDocument(names, url)).rejects.toThrow(text)
})

test('trusts PEM alone', () => {
  expect(() => createIssuerNames().trust('x')).toThrow('CERTIFICATE')
})
