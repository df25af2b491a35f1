import { X509Certificate } from 'node:crypto'
import http2 from 'node:http2'
import { afterAll, expect, test } from 'bun:test'
import { createCertificateAuthority, loadCertificateAuthority } from './certificates.ts'
import { ManualClock } from './clock.ts'
import { serveTls, type TlsListening } from './serve.ts'

const running: TlsListening[] = []
afterAll(async () => {
  await Promise.all(running.map((server) => server.stop(100)))
})

const ca = await createCertificateAuthority({ commonName: 'test, CN=not an attribute' })

async function serve(names: readonly string[]): Promise<TlsListening> {
  const server = await serveTls({
    hostname: '127.0.0.1',
    port: 0,
    certificate: await ca.issue({ names }),
    handler: (request) => new Response(request.headers.get('host')),
  })
  running.push(server)
  return server
}

const ask = (url: string, trusted?: string): Promise<Response> =>
  fetch(url, {
    proxy: false,
    signal: AbortSignal.timeout(5000),
    ...(trusted !== undefined && { tls: { ca: trusted } }),
  })

const codeOfRefusal = async (call: Promise<Response>): Promise<unknown> => {
  try {
    await call
    return 'accepted'
  } catch (error) {
    return (error as { code?: unknown }).code
  }
}

test('a server with an issued certificate is accepted by who trusts the authority, by no other', async () => {
  const { url } = await serve(['127.0.0.1', 'localhost'])
  expect((await ask(url, ca.cert)).status).toBe(200)
  expect(await codeOfRefusal(ask(`${url}/other`))).not.toBe('accepted')
  const other = await createCertificateAuthority({ commonName: 'test, CN=not an attribute' })
  expect(await codeOfRefusal(ask(`${url}/third`, other.cert))).not.toBe('accepted')
})

test('a certificate is good for its own names alone', async () => {
  const { url } = await serve(['*.issuer.sandbox', '10.0.0.1'])
  expect(await codeOfRefusal(ask(url, ca.cert))).toBe('ERR_TLS_CERT_ALTNAME_INVALID')
})

test('over HTTP/2 the handler still sees a host header', async () => {
  const { url, port } = await serve(['127.0.0.1'])
  const client = http2.connect(url, { ca: ca.cert })
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  client.on('error', reject)
  const stream = client.request({ ':path': '/' })
  let text = ''
  stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
  stream.on('end', () => resolve(text))
  expect(await promise).toBe(`127.0.0.1:${port}`)
  client.close()
})

test('names become DNS and IP alternative names', async () => {
  const { cert, key } = await ca.issue({
    names: ['*.issuer.sandbox', 'a.b.svc', '127.0.0.1', 'fd00:ec2::23'],
    commonName: 'leaf',
  })
  const leaf = new X509Certificate(cert)
  expect(leaf.subjectAltName).toBe(
    'DNS:*.issuer.sandbox, DNS:a.b.svc, IP Address:127.0.0.1, IP Address:FD00:EC2:0:0:0:0:0:23',
  )
  expect(leaf.subject).toBe('CN=leaf')
  expect(leaf.checkHost('x.issuer.sandbox')).toBeDefined()
  expect(leaf.checkHost('issuer.sandbox')).toBeUndefined()
  expect(leaf.checkIP('fd00:ec2::23')).toBe('fd00:ec2::23')
  expect(leaf.ca).toBe(false)
  const root = new X509Certificate(ca.cert)
  expect(root.subject).toBe('CN=test\\, CN=not an attribute')
  expect(root.ca).toBe(true)
  expect(leaf.verify(root.publicKey)).toBe(true)
  expect(leaf.checkIssued(root)).toBe(true)
  expect(key).toStartWith('-----BEGIN PRIVATE KEY-----')
  expect(cert.match(/BEGIN CERTIFICATE/g)).toHaveLength(1)
})

test('validity follows the clock and never outlives the authority', async () => {
  const clock = new ManualClock(Date.UTC(2030, 0, 1))
  const short = await createCertificateAuthority({ commonName: 'short', validDays: 10, clock })
  const day = (cert: string): string => new X509Certificate(cert).validToDate.toISOString()
  expect(day(short.cert)).toBe('2030-01-11T00:00:00.000Z')
  expect(day((await short.issue({ names: ['a'], validDays: 3 })).cert)).toBe(
    '2030-01-04T00:00:00.000Z',
  )
  expect(day((await short.issue({ names: ['a'], validDays: 30 })).cert)).toBe(day(short.cert))
})

test('an authority is loaded from its own texts, and from nothing else', async () => {
  const loaded = await loadCertificateAuthority(ca.cert, ca.key)
  const leaf = new X509Certificate((await loaded.issue({ names: ['a'] })).cert)
  expect(leaf.verify(new X509Certificate(ca.cert).publicKey)).toBe(true)
  const other = await createCertificateAuthority({ commonName: 'other' })
  const own = await ca.issue({ names: ['a'] })
  for (const [cert, key] of [
    [ca.cert, other.key],
    [own.cert, own.key],
    ['', ''],
    [ca.cert, 'garbage'],
  ] as const) {
    await expect(loadCertificateAuthority(cert, key)).rejects.toMatchObject({
      code: 'InvalidCertificateAuthority',
    })
  }
})

test.each([[[]], [['a b']], [['a,b']], [['*.*.a']], [['a.*']], [['']], [[`${'a'.repeat(64)}.b`]]])(
  'names %j are refused',
  (names) => {
    expect(ca.issue({ names })).rejects.toMatchObject({ code: 'InvalidCertificateName' })
  },
)
