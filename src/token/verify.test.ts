import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { serviceAccountOf } from './claims.ts'
import { createKeySet, type Jwk, parseJwks } from './jwks.ts'
import claimCases from './testdata/claims.json'
import identityCases from './testdata/identities.json'
import claims from './testdata/service-account-claims.json'
import { decodeToken, TokenFault, type TokenFaultReason, verifyToken } from './verify.ts'

const NOW_MS = 1767227400_000
const RUNS = Math.ceil(500 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))

interface TestKey {
  readonly algorithm: string
  readonly privateKey: KeyObject
  readonly jwk: Jwk
}

function makeKey(algorithm: string, kid: string | undefined, members: Partial<Jwk> = {}): TestKey {
  const curve = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }[algorithm]
  const { privateKey, publicKey } =
    curve === undefined
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: curve })
  const jwk = { ...publicKey.export({ format: 'jwk' }), ...(kid !== undefined && { kid }) }
  return { algorithm, privateKey, jwk: { ...jwk, ...members } as Jwk }
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

function makeToken(key: TestKey, payload: object = claims, header: object = {}): string {
  const { algorithm, privateKey, jwk } = key
  const fields = { alg: algorithm, ...(jwk.kid !== undefined && { kid: jwk.kid }), ...header }
  const signed = `${encode(fields)}.${encode(payload)}`
  const signature = sign(`sha${algorithm.slice(2)}`, Buffer.from(signed), {
    key: privateKey,
    ...(algorithm.startsWith('ES') && { dsaEncoding: 'ieee-p1363' as const }),
  })
  return `${signed}.${signature.toString('base64url')}`
}

const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512']
const allKeys = ALGORITHMS.map((algorithm) => makeKey(algorithm, `kid-${algorithm}`))
const keys = createKeySet({ keys: allKeys.map(({ jwk }) => jwk) })
const ec = allKeys[3]!
const rsa = allKeys[0]!

const OPTIONS = {
  keys,
  nowMs: NOW_MS,
  issuer: 'https://oidc.issuer.sandbox/c1',
  audience: 'sts.amazonaws.com',
}

async function faultOf(token: string, options: object = {}): Promise<TokenFault | undefined> {
  try {
    await verifyToken(token, { ...OPTIONS, ...options })
    return undefined
  } catch (error) {
    expect(error).toBeInstanceOf(TokenFault)
    return error as TokenFault
  }
}

describe('a good token', () => {
  test.each(ALGORITHMS)('%s is verified', async (algorithm) => {
    const key = allKeys.find((key) => key.algorithm === algorithm)!
    const verified = await verifyToken(makeToken(key), OPTIONS)
    expect(verified.kid).toBe(`kid-${algorithm}`)
    expect(verified.claims).toEqual({
      iss: claims.iss,
      sub: claims.sub,
      aud: claims.aud,
      exp: claims.exp,
      iat: claims.iat,
      nbf: claims.nbf,
      jti: claims.jti,
      raw: claims,
    })
    expect(serviceAccountOf(verified.claims)).toEqual({
      namespace: 'shop',
      name: 'cart',
      uid: '14ee3fa4-a7e2-420f-9f9a-dbc4507c3798',
      podName: 'cart-0',
      podUid: '5e0bd49b-f040-43b0-99b7-22765a53f7f3',
      nodeName: 'node-1',
      nodeUid: '646e7c5e-32d6-4d42-9dbd-e504e6cbe6b1',
    })
  })

  test('is checked for nothing that was not asked', async () => {
    const token = makeToken(ec)
    expect(await faultOf(token, { issuer: undefined, audience: undefined })).toBeUndefined()
  })
})

describe('claims', () => {
  test.each(claimCases)('$name', async (entry) => {
    const payload: Record<string, unknown> = { ...claims, ...entry.set }
    if (entry.drop !== undefined) delete payload[entry.drop]
    const fault = await faultOf(makeToken(ec, payload), {
      ...(entry.required && { requiredClaims: entry.required }),
      ...(entry.expiryLeeway && { expiryLeewaySeconds: entry.expiryLeeway }),
      ...(entry.futureLeeway && { futureLeewaySeconds: entry.futureLeeway }),
    })
    expect(fault?.reason).toBe((entry.reason ?? undefined) as TokenFaultReason)
    expect(fault?.claim).toBe(entry.claim)
  })

  test.each(identityCases)('identity: $name', (entry) => {
    const { claims: read } = decodeToken(makeToken(ec, { ...claims, ...entry.set }))
    expect(serviceAccountOf(read)).toBeUndefined()
  })

  test('an identity without pod and node leaves them out', () => {
    const bound = { namespace: 'shop', serviceaccount: { name: 'cart' } }
    const { claims: read } = decodeToken(makeToken(ec, { ...claims, 'kubernetes.io': bound }))
    expect(serviceAccountOf(read)).toEqual({ namespace: 'shop', name: 'cart' })
  })

  test('a fault tells of claims only after the signature was good', async () => {
    const expired = makeToken(ec, { ...claims, exp: 1 })
    expect((await faultOf(expired))?.claims?.sub).toBe(claims.sub)
    const forged = `${expired.slice(0, -4)}AAAA`
    expect(await faultOf(forged)).toMatchObject({ reason: 'bad-signature', claims: undefined })
  })
})

describe('algorithms', () => {
  const header = (alg: unknown): string => encode({ alg, kid: ec.jwk.kid })

  test.each([
    'none',
    'None',
    'NONE',
    'HS256',
    'HS512',
    'PS256',
    'EdDSA',
    'ES256K',
    '',
    '__proto__',
    'RS1',
  ])('%s is refused', async (alg) => {
    for (const signature of ['', 'AAAA']) {
      const fault = await faultOf(`${header(alg)}.${encode(claims)}.${signature}`)
      expect(fault?.reason).toBe('unsupported-algorithm')
    }
  })

  test('an HMAC made with the public key is refused in every form of the key', async () => {
    const forms = [
      JSON.stringify(rsa.jwk),
      rsa.jwk.n!,
      createPublicKey(rsa.privateKey).export({ format: 'pem', type: 'spki' }),
      createPublicKey(rsa.privateKey).export({ format: 'der', type: 'spki' }),
    ]
    for (const secret of forms) {
      const signed = `${encode({ alg: 'HS256', kid: rsa.jwk.kid })}.${encode(claims)}`
      const mac = createHmac('sha256', secret).update(signed).digest('base64url')
      expect((await faultOf(`${signed}.${mac}`))?.reason).toBe('unsupported-algorithm')
      const swapped = `${encode({ alg: 'RS256', kid: rsa.jwk.kid })}.${encode(claims)}`
      expect((await faultOf(`${swapped}.${mac}`))?.reason).toBe('bad-signature')
    }
  })

  test('an algorithm that does not fit the key of that kid is refused', async () => {
    for (const alg of ALGORITHMS.filter((name) => name !== 'ES256' && name.startsWith('ES'))) {
      expect((await faultOf(makeToken(ec, claims, { alg })))?.reason).toBe('unknown-key')
    }
    expect((await faultOf(makeToken(rsa, claims, { alg: 'RS512' })))?.reason).toBe('bad-signature')
    expect((await faultOf(makeToken(rsa, claims, { alg: 'ES256' })))?.reason).toBe('unknown-key')
  })

  test.each([
    ['crit', { crit: ['exp'] }],
    ['an empty crit', { crit: [] }],
    ['b64', { b64: false }],
    ['a kid that is a number', { kid: 7 }],
    ['a kid that is an object', { kid: { $ne: '' } }],
    ['a kid without an end', { kid: 'x'.repeat(1001) }],
    ['an alg that is a list', { alg: ['ES256'] }],
  ])('a header with %s is malformed', async (_name, fields) => {
    expect((await faultOf(makeToken(ec, claims, fields)))?.reason).toBe('malformed')
  })

  test('a key in the header is not taken', async () => {
    const other = makeKey('ES256', 'attacker')
    const fields = { jwk: other.jwk, jku: 'http://127.0.0.1:1/', x5u: 'http://127.0.0.1:1/' }
    expect((await faultOf(makeToken(other, claims, fields)))?.reason).toBe('unknown-key')
    const borrowed = { ...fields, kid: ec.jwk.kid }
    expect((await faultOf(makeToken(other, claims, borrowed)))?.reason).toBe('bad-signature')
  })
})

describe('key ids', () => {
  const named = makeKey('ES256', 'a')
  const unnamed = makeKey('ES256', undefined)
  const empty = makeKey('ES256', '')
  const set = (...list: TestKey[]): object => ({
    keys: createKeySet({ keys: list.map(({ jwk }) => jwk) }),
  })

  test('a token without a kid matches only keys without one or with an empty one', async () => {
    const token = makeToken(unnamed)
    expect(decodeToken(token).header).toEqual({ alg: 'ES256' })
    expect(await faultOf(token, set(unnamed))).toBeUndefined()
    expect(await faultOf(token, set(named, empty, unnamed))).toBeUndefined()
    const renamed = { ...unnamed, jwk: { ...unnamed.jwk, kid: 'a' } }
    expect((await faultOf(token, set(renamed)))?.reason).toBe('unknown-key')
    expect(await faultOf(makeToken(empty), set(empty))).toBeUndefined()
  })

  test('a kid matches exactly', async () => {
    for (const kid of ['A', 'a ', 'b', '']) {
      expect((await faultOf(makeToken(named, claims, { kid }), set(named)))?.reason).toBe(
        'unknown-key',
      )
    }
  })

  test('of two keys with one kid, either may have signed', async () => {
    const twin = makeKey('ES256', 'a')
    expect(await faultOf(makeToken(named), set(named, twin))).toBeUndefined()
    expect(await faultOf(makeToken(twin), set(named, twin))).toBeUndefined()
    expect((await faultOf(makeToken(makeKey('ES256', 'a')), set(named, twin)))?.reason).toBe(
      'bad-signature',
    )
  })

  test('a key for encryption or for another algorithm is not taken', async () => {
    for (const members of [{ use: 'enc' }, { alg: 'ES384' }]) {
      const key = makeKey('ES256', 'b', members)
      expect((await faultOf(makeToken(key), set(key)))?.reason).toBe('unknown-key')
    }
  })

  test('RSA under 2,048 bits is not taken, and the fault says so', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'weak' } as Jwk
    const fault = await faultOf(
      makeToken({ algorithm: 'RS256', privateKey, jwk }),
      set({ algorithm: 'RS256', privateKey, jwk }),
    )
    expect(fault?.reason).toBe('unknown-key')
    expect(fault?.message).toContain('1024 bits')
  })

  test('over 100 keys of a type only tokens of that type are refused', async () => {
    const { jwk } = makeKey('RS256', undefined)
    const many = Array.from({ length: 101 }, (_, at) => ({ ...jwk, kid: `r${at}` }))
    const both = {
      keys: createKeySet(parseJwks(JSON.stringify({ keys: [...many, rsa.jwk, ec.jwk] }))),
    }
    expect((await faultOf(makeToken(rsa), both))?.reason).toBe('too-many-keys')
    expect(await faultOf(makeToken(ec), both)).toBeUndefined()
    const hundred = { keys: createKeySet({ keys: [...many.slice(0, 99), rsa.jwk] }) }
    expect(await faultOf(makeToken(rsa), hundred)).toBeUndefined()
  })
})

describe('form', () => {
  const token = makeToken(ec)
  const [head = '', body = '', signature = ''] = token.split('.')
  test.each([
    ['nothing', ''],
    ['three characters', 'a.b'],
    ['one segment', head],
    ['two segments', `${head}.${body}`],
    ['four segments', `${token}.${signature}`],
    ['20,001 characters', `${head}.${'A'.repeat(20_000)}.${signature}`],
    ['a Bearer prefix', `Bearer ${token}`],
    ['white space', `${token}\n`],
    ['padding', `${head}=.${body}.${signature}`],
    ['standard base64', `${Buffer.from('{"alg":"??>>"}').toString('base64')}.${body}.${signature}`],
    ['a header that is no JSON', `${Buffer.from('{').toString('base64url')}.${body}.${signature}`],
    ['a payload that is a list', `${head}.${encode([])}.${signature}`],
    ['a payload of null', `${head}.${encode(null)}.${signature}`],
    ['no payload', `${head}..${signature}`],
    [
      'bytes that are not UTF-8',
      `${head}.${Buffer.from('7b22ff227d', 'hex').toString('base64url')}.${signature}`,
    ],
    [
      'brackets without an end',
      `${head}.${Buffer.from('['.repeat(14_000)).toString('base64url')}.${signature}`,
    ],
  ])('%s is malformed', async (_name, text) => {
    expect((await faultOf(text))?.reason).toBe('malformed')
  })
})

test('no change to a token is accepted, and only TokenFault is thrown', async () => {
  const tokens = [makeToken(ec), makeToken(rsa)]
  // ECDSA signs differently each time: this token is made once, and changes may put it together.
  const other = makeToken(ec, { ...claims, sub: 'system:serviceaccount:shop:other' }).split('.')
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const change = fc.oneof(
    fc.record({
      kind: fc.constant('character'),
      at: fc.nat(),
      by: fc.string({ minLength: 0, maxLength: 2 }),
    }),
    fc.record({
      kind: fc.constant('digit'),
      at: fc.nat(),
      by: fc.constantFrom(...alphabet.split('')),
    }),
    fc.record({ kind: fc.constant('cut'), at: fc.nat(), by: fc.constant('') }),
    fc.record({ kind: fc.constant('insert'), at: fc.nat(), by: fc.string({ minLength: 1 }) }),
    fc.record({ kind: fc.constant('bit'), at: fc.nat(), by: fc.constant('') }),
    fc.record({ kind: fc.constant('segment'), at: fc.nat(), by: fc.constantFrom(...other, '') }),
    fc.record({ kind: fc.constant('order'), at: fc.nat(), by: fc.constant('') }),
    fc.record({
      kind: fc.constant('alg'),
      at: fc.nat(),
      by: fc.oneof(fc.constantFrom('none', 'HS256', ...ALGORITHMS), fc.string()),
    }),
  )
  const mutate = (
    token: string,
    { kind, at, by }: { kind: string; at: number; by: string },
  ): string => {
    const parts = [...token.split('.'), '', '', ''].slice(0, 3)
    const spot = at % (token.length + 1)
    const part = at % 3
    if (kind === 'character' || kind === 'digit')
      return token.slice(0, spot) + by + token.slice(spot + 1)
    if (kind === 'cut') return token.slice(0, spot)
    if (kind === 'insert') return token.slice(0, spot) + by + token.slice(spot)
    if (kind === 'segment') return parts.with(part, by).join('.')
    if (kind === 'order') return [...parts.slice(part), ...parts.slice(0, part)].join('.')
    if (kind === 'alg') {
      return parts.with(0, encode({ alg: by, kid: ec.jwk.kid })).join('.')
    }
    const bytes = Buffer.from(parts[part]!, 'base64url')
    if (bytes.length > 0) bytes[at % bytes.length]! ^= 1 << (at % 8)
    return parts.with(part, bytes.toString('base64url')).join('.')
  }
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...tokens),
      fc.array(change, { minLength: 1, maxLength: 3 }),
      async (token, changes) => {
        const changed = changes.reduce(mutate, token)
        if (changed === token || changed === other.join('.')) return
        const fault = await faultOf(changed)
        expect(fault).toBeInstanceOf(TokenFault)
        expect(fault!.message.length).toBeLessThan(1500)
      },
    ),
    { numRuns: RUNS },
  )
})

test('any text is refused with TokenFault, and its message does not hold it', async () => {
  const segment = fc.oneof(
    fc.json().map((text) => Buffer.from(text).toString('base64url')),
    fc.string(),
    fc.base64String(),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(segment, { maxLength: 5 }), async (segments) => {
      const token = segments.join('.')
      const fault = await faultOf(token)
      expect(fault).toBeInstanceOf(TokenFault)
      if (token.length > 40) expect(fault!.message).not.toContain(token)
    }),
    { numRuns: RUNS },
  )
})
