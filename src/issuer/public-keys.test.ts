import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { messageOf, PodroleError } from '../lib/errors.ts'
import { mergeKeys, publishedJwks, withLegacyEmptyKid } from './key-lists.ts'
import { kidOf, kidOfJwk, publicKeysPem, type PublicSigningKey } from './keys.ts'
import { readPublicKeys } from './public-keys.ts'
import { readJwksKeys } from './jwks-keys.ts'
import badKeys from './testdata/bad-keys.json'
import kidCases from './testdata/kids.json'
import { refusalOf } from './refusal.suite.ts'

const SCALE = Number(process.env['PODROLE_TEST_SCALE'] ?? 1)
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const other = generateKeyPairSync('ec', { namedCurve: 'P-521' })

const spki = (key: KeyObject): string => key.export({ format: 'pem', type: 'spki' })
const read = (text: string): readonly PublicSigningKey[] => readPublicKeys(text, 'it')
const kids = (keys: readonly PublicSigningKey[]): string[] => keys.map(({ kid }) => kid)

describe('public keys that are read', () => {
  test.each(kidCases)('$name, with the kid that openssl gives', ({ publicKey, kid }) => {
    const [key] = read(publicKey.join('\n'))
    expect(key?.kid).toBe(kid)
    expect(key?.publicJwk).toMatchObject({ kid, use: 'sig' })
    expect(
      readJwksKeys(JSON.stringify({ keys: [key?.publicJwk] }), 'it', { kids: 'kubernetes' }),
    ).toEqual([key!])
  })

  test('several blocks of both forms, between other text, with any line ends', () => {
    const text = [
      'subject: service accounts',
      spki(ec.publicKey),
      rsa.publicKey.export({ format: 'pem', type: 'pkcs1' }),
      '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----',
      spki(other.publicKey),
    ].join('\n\n')
    const wanted = [ec, rsa, other].map(({ publicKey }) => kidOf(publicKey))
    for (const form of [
      text,
      text.replaceAll('\n', '\r\n'),
      `\uFEFF${text}`,
      text.replaceAll('\n', ' \n'),
    ]) {
      expect(kids(read(form))).toEqual(wanted)
    }
    expect(read(text).map(({ publicJwk }) => publicJwk.alg)).toEqual(['ES256', 'RS256', 'ES512'])
  })

  test('a compressed point is the key that Kubernetes publishes', () => {
    const compressed = [
      '-----BEGIN PUBLIC KEY-----',
      'MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgACzcitoQK/qsfMBHIjyBTwnePXjjOP',
      'fIriteLcheUM9fY=',
      '-----END PUBLIC KEY-----',
    ]
    // openssl ec -pubin -conv_form uncompressed … | openssl dgst -sha256 -binary | base64url
    expect(kids(read(compressed.join('\n')))).toEqual([
      'AzeOzTOYm2iDFbhkhllRz5m66WgzkizpZlQI3JmdcBw',
    ])
  })

  test('a JWKS: kids are added where they lack, an empty one is a copy, RS384 stays', () => {
    const [key, more] = read(spki(ec.publicKey) + spki(rsa.publicKey)).map(
      ({ publicJwk }) => publicJwk,
    )
    const { kid, ...bare } = key!
    const keys = [bare, { ...more, alg: 'RS384', x5t: 'x' }, { ...key, kid: '' }]
    const found = read(JSON.stringify({ keys }))
    expect(kids(found)).toEqual([kid!, more!.kid!, ''])
    expect(found.map(({ publicJwk }) => publicJwk)).toEqual([
      key!,
      { ...more!, alg: 'RS384' },
      { ...key!, kid: '' },
    ])
  })

  test("an external signer's kids are kept where the API server tells them", () => {
    const [key] = read(spki(ec.publicKey))
    const text = JSON.stringify({ keys: [{ ...key!.publicJwk, kid: 'kms-2026' }] })
    expect(kids(readJwksKeys(text, 'it', { kids: 'any' }))).toEqual(['kms-2026'])
    expect(refusalOf(() => read(text)).code).toBe('WrongKid')
  })
})

describe('keys that are refused', () => {
  test.each(badKeys)('$name', ({ text, code, message }) => {
    expect(refusalOf(() => read(text.join('\n')))).toEqual({ code, message })
  })

  const PRIVATE: readonly (readonly [string, string, string])[] = [
    ['PKCS#8', ec.privateKey.export({ format: 'pem', type: 'pkcs8' }), 'PrivateKeyGiven'],
    ['PKCS#1', rsa.privateKey.export({ format: 'pem', type: 'pkcs1' }), 'PrivateKeyGiven'],
    ['SEC 1', ec.privateKey.export({ format: 'pem', type: 'sec1' }), 'PrivateKeyGiven'],
    [
      'PKCS#1 under the label of a public key',
      rsa.privateKey.export({ format: 'pem', type: 'pkcs1' }).replaceAll('PRIVATE', 'PUBLIC'),
      'UnsuitableKey',
    ],
    [
      'PKCS#8 under the label of a public key',
      ec.privateKey.export({ format: 'pem', type: 'pkcs8' }).replaceAll('PRIVATE', 'PUBLIC'),
      'UnsuitableKey',
    ],
    [
      'encrypted PKCS#8',
      ec.privateKey.export({
        format: 'pem',
        type: 'pkcs8',
        cipher: 'aes-256-cbc',
        passphrase: 'x',
      }),
      'EncryptedKeyGiven',
    ],
    [
      'encrypted, in the older form',
      '-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----',
      'EncryptedKeyGiven',
    ],
    [
      'cut off',
      ec.privateKey.export({ format: 'pem', type: 'pkcs8' }).slice(0, 120),
      'TruncatedPem',
    ],
    [
      'a JWK',
      JSON.stringify({ keys: [ec.privateKey.export({ format: 'jwk' })] }),
      'PrivateKeyGiven',
    ],
  ]
  test.each(PRIVATE)('a private key, %s: no part of it is quoted', (_name, text, code) => {
    for (const around of [text, spki(rsa.publicKey) + text, `${text}\n${spki(rsa.publicKey)}`]) {
      if (!around.startsWith('{') && text.startsWith('{')) continue
      const refusal = refusalOf(() => read(around.trim()))
      if (around === text) expect(refusal.code).toBe(code)
      for (const piece of text.match(/[A-Za-z0-9+/_-]{16,}/g) ?? []) {
        expect(refusal.message).not.toContain(piece.slice(0, 16))
      }
    }
  })

  test('more than 1,000,000 characters', () => {
    const text = `${'#'.repeat(1_000_000)}\n${spki(ec.publicKey)}`
    expect(refusalOf(() => read(text)).code).toBe('KeyTextTooLong')
  })
})

describe('lists of keys', () => {
  test('as PEM they read back the same, each once; a copy with an empty kid is no further key', () => {
    const keys = read([ec, rsa, other].map(({ publicKey }) => spki(publicKey)).join(''))
    expect(publicKeysPem(keys)).toBe([ec, rsa, other].map((key) => spki(key.publicKey)).join(''))
    expect(publicKeysPem(withLegacyEmptyKid(keys))).toBe(publicKeysPem(keys))
  })

  const keys = read(spki(ec.publicKey) + spki(rsa.publicKey) + spki(other.publicKey))
  const [first, second, third] = keys

  test('each key once, in the order of the sources; the copy of the first with an empty kid last', () => {
    const merged = mergeKeys([[second!], [first!, second!], [third!]])
    expect(kids(merged)).toEqual(kids([second!, first!, third!]))
    const legacy = withLegacyEmptyKid(merged)
    expect(kids(legacy)).toEqual([...kids(merged), ''])
    expect(legacy.at(-1)?.publicJwk).toEqual({ ...second!.publicJwk, kid: '' })
    expect(mergeKeys([legacy, [first!]])).toEqual(legacy)
    expect(withLegacyEmptyKid(legacy)).toEqual(legacy)
    expect(publishedJwks(legacy).keys).toHaveLength(4)
    expect(withLegacyEmptyKid([])).toEqual([])
  })

  test('100 of a type, and not 101', () => {
    const made = (count: number): PublicSigningKey[] =>
      Array.from({ length: count }, (_, at) => ({
        kid: `k${at}`,
        publicJwk: { ...second!.publicJwk, kid: `k${at}`, n: `n${at}` },
      }))
    expect(mergeKeys([made(100), [first!]])).toHaveLength(101)
    expect(refusalOf(() => mergeKeys([made(60), made(101), [first!]]))).toEqual({
      code: 'TooManyKeys',
      message: 'there are 101 RSA keys: AWS STS takes at most 100 of a type',
    })
    expect(refusalOf(() => withLegacyEmptyKid(made(100))).code).toBe('TooManyKeys')
  })
})

describe('whatever is given', () => {
  const pem = spki(ec.publicKey) + rsa.publicKey.export({ format: 'pem', type: 'pkcs1' })
  const secret = ec.privateKey.export({ format: 'pem', type: 'pkcs8' })
  const jwks = JSON.stringify(publishedJwks(read(pem)))
  /** Texts that were good, with a piece taken out, put in or replaced. */
  const altered = fc
    .tuple(
      fc.constantFrom(pem, secret, jwks, pem + secret),
      fc.nat(),
      fc.constantFrom(0, 0, 0, 1, 5, 64, 200),
      fc.oneof(
        fc.string({ unit: 'binary', maxLength: 20 }),
        fc.constantFrom(
          '',
          '\n',
          ' ',
          pem,
          '-----BEGIN PUBLIC KEY-----\n',
          '-----END PUBLIC KEY-----',
          '"d":"x",',
        ),
      ),
    )
    .map(([text, at, cut, put]) => {
      const start = at % (text.length + 1)
      return text.slice(0, start) + put + text.slice(start + cut)
    })

  test('is keys that STS takes, or a refusal that quotes nothing of it', () => {
    let taken = 0
    fc.assert(
      fc.property(fc.oneof(altered, fc.string({ unit: 'binary' }), fc.json()), (text) => {
        let keys: readonly PublicSigningKey[]
        try {
          keys = read(text)
        } catch (error) {
          expect(error).toBeInstanceOf(PodroleError)
          for (const piece of secret.match(/[A-Za-z0-9+/]{16,}/g) ?? []) {
            expect(messageOf(error)).not.toContain(piece.slice(0, 16))
          }
          return
        }
        taken += 1
        for (const { kid, publicJwk } of keys) {
          expect(publicJwk.kid).toBe(kid)
          if (kid !== '') expect(kidOfJwk(publicJwk)).toBe(kid)
          expect(Object.keys(publicJwk)).not.toContain('d')
          expect(createPublicKey({ key: { ...publicJwk }, format: 'jwk' }).type).toBe('public')
        }
      }),
      { numRuns: Math.ceil(500 * SCALE) },
    )
    expect(taken).toBeGreaterThan(0)
  })

  test('reads back as it was printed, in any order and with any repeats', () => {
    const all = read(pem + spki(other.publicKey))
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...all), { minLength: 1 }),
        fc.boolean(),
        (list, legacy) => {
          const merged = mergeKeys([list])
          const keys = legacy ? withLegacyEmptyKid(merged) : merged
          expect(read(JSON.stringify(publishedJwks(keys)))).toEqual(keys)
          expect(new Set(kids(keys)).size).toBe(keys.length)
        },
      ),
      { numRuns: Math.ceil(50 * SCALE) },
    )
  })
})
