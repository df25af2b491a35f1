import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { expect, test } from 'bun:test'
import { inspect } from 'node:util'
import { PodroleError } from '../lib/errors.ts'
import { createKeySet } from '../token/jwks.ts'
import { TokenFault, verifyToken } from '../token/verify.ts'
import { checkJwksUri, discoveryDocument, jwksOf } from './documents.ts'
import { issuerApp } from './issuer-app.ts'
import {
  exportSigningKey,
  generateSigningKey,
  kidOf,
  loadSigningKey,
  type SigningAlgorithm,
} from './keys.ts'
import { signToken } from './sign.ts'
import kidCases from './testdata/kids.json'

const ISSUER = 'https://s3.eu-central-1.amazonaws.com/bucket/c1'
const NOW = 1767225600
const CLAIMS = {
  iss: ISSUER,
  sub: 'system:serviceaccount:shop:cart',
  aud: ['sts.amazonaws.com'],
  iat: NOW,
  exp: NOW + 900,
  // Text beyond ASCII must survive base64url.
  'https://aws.amazon.com/tags': { principal_tags: { K: ['ä€😀'] } },
}

const client = { address: '127.0.0.1', port: 1 }

test.each(['RS256', 'ES256', 'ES384', 'ES512'] as const satisfies readonly SigningAlgorithm[])(
  '%s: what is signed verifies with the published keys, before and after a trip through PEM',
  async (algorithm) => {
    const key = await generateSigningKey(algorithm)
    const keys = createKeySet(jwksOf([key]))
    const loaded = loadSigningKey(exportSigningKey(key).reveal())
    expect(loaded.publicJwk).toEqual(key.publicJwk)
    expect(loaded.algorithm).toBe(algorithm)
    for (const signer of [key, loaded]) {
      const token = await signToken(signer, CLAIMS)
      const verified = await verifyToken(token.reveal(), {
        keys,
        nowMs: NOW * 1000,
        issuer: ISSUER,
      })
      expect(verified.kid).toBe(key.kid)
      expect(verified.claims.raw).toEqual(CLAIMS)
      expect(inspect(token)).not.toContain(token.reveal())
    }
    const others = createKeySet(
      jwksOf([{ publicJwk: { ...(await generateSigningKey(algorithm)).publicJwk, kid: key.kid } }]),
    )
    const refused = verifyToken((await signToken(key, CLAIMS)).reveal(), {
      keys: others,
      nowMs: NOW * 1000,
    })
    await expect(refused).rejects.toBeInstanceOf(TokenFault)
  },
)

test('ES256 is the default, and every key has its own kid', async () => {
  const [a, b] = await Promise.all([generateSigningKey(), generateSigningKey()])
  expect(a.algorithm).toBe('ES256')
  expect(a.kid).not.toBe(b.kid)
  expect(jwksOf([a, b, a]).keys).toEqual([a.publicJwk, b.publicJwk])
  expect(Object.keys(a.publicJwk).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
})

test.each(kidCases)('kid of $name is the one that openssl gives', ({ publicKey, kid }) => {
  expect(kidOf(createPublicKey(publicKey.join('\n')))).toBe(kid)
})

test('PKCS#1 and SEC 1 keys are read', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey
  expect(loadSigningKey(rsa.export({ format: 'pem', type: 'pkcs1' })).algorithm).toBe('RS256')
  expect(loadSigningKey(ec.export({ format: 'pem', type: 'sec1' })).algorithm).toBe('ES384')
})

const pem = (key: { privateKey: KeyObject }): string =>
  key.privateKey.export({ format: 'pem', type: 'pkcs8' })

test.each([
  ['nothing', ''],
  [
    'a public key',
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
      format: 'pem',
      type: 'spki',
    }),
  ],
  ['RSA with 1,024 bits', pem(generateKeyPairSync('rsa', { modulusLength: 1024 }))],
  ['P-224', pem(generateKeyPairSync('ec', { namedCurve: 'secp224r1' }))],
  ['Ed25519', pem(generateKeyPairSync('ed25519'))],
])('%s is no signing key', (_name, text) => {
  expect(() => loadSigningKey(text)).toThrow(PodroleError)
})

test('the discovery document has the six members that IAM asks for, and no slash twice', () => {
  expect(discoveryDocument(ISSUER, { algorithms: ['ES256', 'ES256', 'RS256'] })).toEqual({
    issuer: ISSUER,
    jwks_uri: `${ISSUER}/keys.json`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256', 'RS256'],
    claims_supported: ['aud', 'iat', 'iss', 'sub'],
  })
  const slash = discoveryDocument('https://a.example/', { algorithms: ['ES256'] })
  expect([slash.issuer, slash.jwks_uri]).toEqual([
    'https://a.example/',
    'https://a.example/keys.json',
  ])
  const other = discoveryDocument(ISSUER, { algorithms: [], jwksUri: 'https://b.example/jwks' })
  expect(other.jwks_uri).toBe('https://b.example/jwks')
})

test.each([
  '',
  'a.example',
  'http://a.example',
  'https://a.example?x',
  'https://a.example#x',
  'https://u:p@a.example',
  'https://a.example?',
])('issuer %j is refused', (issuer) => {
  expect(() => discoveryDocument(issuer, { algorithms: [] })).toThrow(PodroleError)
})

test('a JWKS URI is https without user and fragment, anything else as it stands', () => {
  for (const uri of ['https://b.example/jwks', 'https://b.example:8443/jwks?v=1']) checkJwksUri(uri)
  for (const uri of [
    '',
    'jwks',
    'http://b.example',
    'https://u:p@b.example',
    'https://b.example#',
  ]) {
    expect(() => checkJwksUri(uri)).toThrow(PodroleError)
  }
})

test('the app serves both documents under the issuer path, follows rotation, answers conditions', async () => {
  const [first, second] = await Promise.all([generateSigningKey(), generateSigningKey('RS256')])
  let keys = [first]
  const app = issuerApp({ issuer: ISSUER, jwks: () => jwksOf(keys), maxAgeSeconds: 60 })
  const ask = async (path: string, init?: RequestInit): Promise<Response> =>
    app(new Request(`https://s3.eu-central-1.amazonaws.com${path}`, init), client)

  const discovery = await ask('/bucket/c1/.well-known/openid-configuration')
  expect(discovery.headers.get('content-type')).toBe('application/json')
  expect(discovery.headers.get('cache-control')).toBe('public, max-age=60')
  expect(await discovery.json()).toEqual(
    JSON.parse(JSON.stringify(discoveryDocument(ISSUER, { algorithms: ['ES256'] }))),
  )
  const jwks = await ask('/bucket/c1/keys.json')
  expect(await jwks.json()).toEqual(JSON.parse(JSON.stringify(jwksOf([first]))))
  const etag = jwks.headers.get('etag') ?? ''
  expect(etag).toMatch(/^"[\w-]{43}"$/)

  for (const tag of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
    const unchanged = await ask('/bucket/c1/keys.json', { headers: { 'if-none-match': tag } })
    expect([unchanged.status, await unchanged.text()]).toEqual([304, ''])
  }
  keys = [first, second]
  const rotated = await ask('/bucket/c1/keys.json', { headers: { 'if-none-match': etag } })
  expect([rotated.status, ((await rotated.json()) as { keys: unknown[] }).keys.length]).toEqual([
    200, 2,
  ])
  const both = (await (await ask('/bucket/c1/.well-known/openid-configuration')).json()) as object
  expect(both).toMatchObject({ id_token_signing_alg_values_supported: ['ES256', 'RS256'] })
})

test.each([
  ['GET', '/healthz', 200],
  ['HEAD', '/bucket/c1/keys.json', 200],
  ['POST', '/bucket/c1/keys.json', 405],
  ['DELETE', '/healthz', 405],
  ['GET', '/', 404],
  ['GET', '/keys.json', 404],
  ['GET', '/.well-known/openid-configuration', 404],
  ['GET', '/bucket/c1/keys.json/', 404],
  ['GET', '/bucket/c2/keys.json', 404],
  ['POST', '/constructor', 404],
])('%s %s answers %d', async (method, path, status) => {
  const key = await generateSigningKey()
  const app = issuerApp({ issuer: ISSUER, jwks: () => jwksOf([key]) })
  const response = await app(new Request(`https://x${path}`, { method }), client)
  expect(response.status).toBe(status)
  if (status === 405) expect(response.headers.get('allow')).toBe('GET, HEAD')
})
