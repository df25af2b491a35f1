import { afterAll, expect, test } from 'bun:test'
import { createCertificateAuthority } from '../lib/certificates.ts'
import { serveTls } from '../lib/serve.ts'
import { algorithmsOf, DISCOVERY_PATH, discoveryDocument, JWKS_PATH, jwksOf } from './documents.ts'
import { generateSigningKey } from './keys.ts'
import { createIssuerNames } from './outside/issuer-names.ts'
import { readPublishedKeys } from './published-keys.ts'

const ISSUER = 'https://idp.example.com/c1'
const authority = await createCertificateAuthority({ commonName: 'test' })
const jwks = jwksOf([await generateSigningKey('ES256')])
const document = discoveryDocument(ISSUER, { algorithms: algorithmsOf(jwks) })
/** What is at which path, as long as a test does not change it. */
const GOOD = { [`/c1${DISCOVERY_PATH}`]: document, [`/c1${JWKS_PATH}`]: jwks }
let served: Readonly<Record<string, unknown>> = GOOD

const server = await serveTls({
  hostname: '127.0.0.1',
  port: 0,
  certificate: await authority.issue({ names: ['idp.example.com'] }),
  handler: (request) => {
    const found = served[new URL(request.url).pathname]
    return found === undefined
      ? new Response(null, { status: 403 })
      : new Response(typeof found === 'string' ? found : JSON.stringify(found))
  },
})
afterAll(() => server.stop(0))

const names = createIssuerNames()
names.add(`idp.example.com=127.0.0.1:${server.port}`)
names.trust(authority.cert)

test('the keys that jwks_uri of the discovery document leads to', async () => {
  served = GOOD
  expect(await readPublishedKeys(ISSUER, names)).toEqual(jwks)
})

const faults: readonly (readonly [name: string, change: object, code: string, words: RegExp])[] = [
  ['no document', { [`/c1${DISCOVERY_PATH}`]: undefined }, 'InvalidIssuerDocument', /HTTP 403/],
  [
    'a document that is a list',
    { [`/c1${DISCOVERY_PATH}`]: [] },
    'InvalidIssuerDocument',
    /nowhere/,
  ],
  ['no JSON', { [`/c1${DISCOVERY_PATH}`]: '{' }, 'InvalidIssuerDocument', /not JSON/],
  [
    'another issuer',
    { [`/c1${DISCOVERY_PATH}`]: { ...document, issuer: `${ISSUER}/` } },
    'InvalidIssuerDocument',
    /names issuer "https:\/\/idp.example.com\/c1\/": wanted https:\/\/idp.example.com\/c1$/,
  ],
  [
    'no jwks_uri',
    { [`/c1${DISCOVERY_PATH}`]: { issuer: ISSUER } },
    'InvalidIssuerDocument',
    /no jwks_uri/,
  ],
  [
    'a jwks_uri by http',
    { [`/c1${DISCOVERY_PATH}`]: { ...document, jwks_uri: 'http://idp.example.com/keys' } },
    'InvalidJwksUri',
    /https/,
  ],
  ['no keys', { [`/c1${JWKS_PATH}`]: { keys: [] } }, 'InvalidJwks', /no RSA or EC/],
]
for (const [name, change, code, words] of faults) {
  test(`${name} is a fault`, async () => {
    served = { ...GOOD, ...change }
    const read = readPublishedKeys(ISSUER, names)
    expect(read).rejects.toMatchObject({ code, message: expect.stringMatching(words) })
    await read.catch(() => undefined)
  })
}

test('an issuer whose certificate nobody vouches for is a fault', async () => {
  served = GOOD
  const untrusting = createIssuerNames()
  untrusting.add(`idp.example.com=127.0.0.1:${server.port}`)
  expect(
    await readPublishedKeys(ISSUER, untrusting).catch((error: unknown) => error),
  ).toMatchObject({
    code: 'IssuerUnreachable',
  })
})
