import { describe, expect, test } from 'bun:test'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { algorithmsOf, discoveryDocument } from '../documents.ts'
import { publishedJwks } from '../key-lists.ts'
import { generateSigningKey, withKid } from '../keys.ts'
import type { DocumentAnswer, DocumentFacts, HostFacts, OutsideFacts } from './facts.ts'
import { type Expected, judgeOutside } from './judge.ts'

/** Root, two intermediates that it signed, and the leaf of one of them, until the year 2126. */
const der = (name: string): Uint8Array =>
  new X509Certificate(readFileSync(join(import.meta.dir, 'testdata', `${name}.pem`))).raw
const [root, inter, other, leaf] = ['root', 'inter', 'other', 'leaf'].map(der) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
  Uint8Array,
]

const ISSUER = 'https://idp.issuer.sandbox/c1'
const [rsa, ec] = await Promise.all([generateSigningKey('RS256'), generateSigningKey('ES256')])
const discovery = discoveryDocument(ISSUER, {
  algorithms: algorithmsOf(publishedJwks([rsa, ec])),
})

const answer = (value: unknown): DocumentAnswer => ({
  kind: 'answer',
  status: 200,
  location: undefined,
  text: typeof value === 'string' ? value : JSON.stringify(value),
})

const documentOf = (path: string, given: DocumentAnswer): DocumentFacts => ({
  url: ISSUER + path,
  elapsedMs: 40,
  distrust: undefined,
  answer: given,
})

const HOST: HostFacts = {
  host: 'idp.issuer.sandbox',
  addresses: ['192.0.2.1'],
  unreachable: undefined,
  handshakeFault: undefined,
  tls12Fault: undefined,
  chain: [leaf, inter],
}

const GOOD: OutsideFacts = {
  issuer: ISSUER,
  atMs: Date.UTC(2100, 0, 1),
  hosts: [HOST],
  discovery: documentOf('/.well-known/openid-configuration', answer(discovery)),
  jwks: documentOf('/keys.json', answer(publishedJwks([rsa, ec]))),
}
const EXPECTED: Expected = { issuer: ISSUER, keys: [rsa, ec], jwksUri: `${ISSUER}/keys.json` }

const codes = (facts: Partial<OutsideFacts>, expected: Partial<Expected> = {}): string[] =>
  judgeOutside({ ...GOOD, ...facts }, { ...EXPECTED, ...expected }).map(({ code }) => code)
const ofHost = (host: Partial<HostFacts>): string[] => codes({ hosts: [{ ...HOST, ...host }] })
const ofDiscovery = (value: unknown): string[] =>
  codes({ discovery: { ...GOOD.discovery, answer: answer(value) } })
const ofJwks = (value: unknown): string[] =>
  codes({ jwks: { ...GOOD.jwks!, answer: answer(value) } })

test('nothing is wrong', () => {
  expect(codes({})).toEqual([])
  // Keys and members beyond what is expected do not matter.
  expect(codes({}, { keys: [rsa] })).toEqual([])
  expect(ofDiscovery({ ...discovery, authorization_endpoint: 'urn:x' })).toEqual([])
})

test('a clock that is behind shows by what the server says, one that is ahead does not', () => {
  const at = (dateMs: number): DocumentFacts => ({
    ...GOOD.discovery,
    answer: {
      kind: 'answer',
      status: 200,
      location: undefined,
      text: JSON.stringify(discovery),
      dateMs,
    },
  })
  for (const ms of [60_000, 0, -3_600_000]) {
    expect(codes({ discovery: at(GOOD.atMs + ms) })).toEqual([])
  }
  const [found] = judgeOutside({ ...GOOD, discovery: at(GOOD.atMs + 3_600_000) }, EXPECTED)
  expect(found).toMatchObject({ code: 'ClockBehind', level: 'warning', mayPass: false })
  expect(found?.message).toContain('is 3600 s behind that of idp.issuer.sandbox')
})

describe('the host', () => {
  test('that nothing reaches says nothing of its documents', () => {
    const none = documentOf('', { kind: 'none', reason: 'ECONNREFUSED' })
    const documents = { discovery: none, jwks: undefined }
    const [unresolved] = judgeOutside(
      {
        ...GOOD,
        ...documents,
        hosts: [{ ...HOST, addresses: [], unreachable: 'the name has no address', chain: [] }],
      },
      EXPECTED,
    )
    expect(unresolved).toMatchObject({ code: 'HostUnresolved', level: 'error', mayPass: true })
    const unreachable = '192.0.2.1: ECONNREFUSED'
    expect(codes({ ...documents, hosts: [{ ...HOST, unreachable, chain: [] }] })).toEqual([
      'HostUnreachable',
    ])
  })

  test('must speak TLS, 1.2 too', () => {
    expect(ofHost({ handshakeFault: 'ECONNRESET', chain: [] })).toEqual(['HandshakeFailed'])
    expect(ofHost({ tls12Fault: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' })).toEqual([
      'Tls12NotOffered',
    ])
  })

  test.each([
    ['leaf, intermediate', [leaf, inter], []],
    ['with the root', [leaf, inter, root], []],
    ['the leaf alone', [leaf], []],
    ['root before intermediate', [leaf, root, inter], ['ChainOutOfOrder']],
    ['twice', [leaf, inter, inter], ['ChainDuplicate']],
    ['the leaf twice', [leaf, inter, leaf], ['ChainDuplicate']],
    ['another intermediate too', [leaf, inter, other], ['ChainExtra']],
    ['another intermediate instead', [leaf, other], ['ChainExtra']],
    ['another one in between', [leaf, other, inter], ['ChainExtra']],
    [
      'all of it',
      [leaf, root, other, inter, root],
      ['ChainDuplicate', 'ChainExtra', 'ChainOutOfOrder'],
    ],
    ['nothing', [], ['ChainUnreadable']],
    ['rubbish', [leaf, new Uint8Array(3)], ['ChainUnreadable']],
  ])('sends its chain: %s', (_name, chain, wanted) => {
    expect(ofHost({ chain })).toEqual(wanted)
  })

  test('names the certificates of a chain', () => {
    const hosts = [{ ...HOST, chain: [leaf, root, inter] }]
    const [found] = judgeOutside({ ...GOOD, hosts }, EXPECTED)
    expect(found?.message).toBe(
      'idp.issuer.sandbox sends its chain as CN=leaf, CN=root, CN=inter: wanted CN=leaf, CN=inter, CN=root',
    )
    expect(found).toMatchObject({ level: 'error', mayPass: false })
  })

  test.each([
    ['for another name', { host: 'other.issuer.sandbox' }, GOOD.atMs, ['CertificateForOtherName']],
    ['of tomorrow', {}, Date.UTC(2026, 0, 1), ['CertificateExpired']],
    ['of yesterday', {}, Date.UTC(2127, 0, 1), ['CertificateExpired']],
  ])('has a certificate %s', (_name, host, atMs, wanted) => {
    expect(codes({ atMs, hosts: [{ ...HOST, ...host }] })).toEqual(wanted)
  })

  test('has a private authority: a warning, since a thumbprint makes up for it', () => {
    const untrusted = { ...GOOD.discovery, distrust: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' }
    const [found, ...more] = judgeOutside({ ...GOOD, discovery: untrusted }, EXPECTED)
    expect(found).toMatchObject({ code: 'CertificateUntrusted', level: 'warning' })
    expect(more).toEqual([])
    for (const distrust of ['ERR_TLS_CERT_ALTNAME_INVALID', 'CERT_HAS_EXPIRED']) {
      expect(codes({ discovery: { ...GOOD.discovery, distrust } })).toEqual([])
    }
  })

  test('of the keys is judged too where it is another one', () => {
    const hosts = [HOST, { ...HOST, host: 'keys.issuer.sandbox' }]
    expect(codes({ hosts })).toEqual(['CertificateForOtherName'])
  })
})

describe('a document', () => {
  const moved: DocumentAnswer = { kind: 'answer', status: 301, location: 'https://x', text: '' }
  test.each([
    ['is not there', { kind: 'none', reason: 'ECONNRESET' }, 'DocumentUnreachable'],
    ['comes too late', { kind: 'timeout' }, 'DocumentSlow'],
    ['has no end', { kind: 'too-large' }, 'DocumentTooLarge'],
    ['is somewhere else', moved, 'DocumentRedirected'],
    ['is hidden', { ...moved, status: 403 }, 'DocumentStatus'],
    ['is not there yet', { ...moved, status: 404 }, 'DocumentStatus'],
    ['is half an answer', { ...moved, status: 206 }, 'DocumentStatus'],
    ['is a page', answer('<html>'), 'DocumentNotJson'],
  ] as const)('%s', (_name, given, code) => {
    expect(codes({ discovery: { ...GOOD.discovery, answer: given }, jwks: undefined })).toEqual([
      code,
    ])
    expect(codes({ jwks: { ...GOOD.jwks!, answer: given } })).toEqual([code])
  })
})

describe('the discovery document', () => {
  test.each([
    ['a slash more', { issuer: `${ISSUER}/` }, ['IssuerDiffers']],
    ['another case', { issuer: ISSUER.toUpperCase() }, ['IssuerDiffers']],
    ['no issuer', { issuer: undefined }, ['IssuerDiffers']],
    ['other keys', { jwks_uri: `${ISSUER}/jwks` }, ['JwksUriDiffers']],
    ['keys over http', { jwks_uri: 'http://idp.issuer.sandbox/c1/keys.json' }, ['JwksUriDiffers']],
    ['no claims, as an API server', { claims_supported: undefined }, ['MemberMissing']],
    ['a claim too few', { claims_supported: ['aud', 'iss', 'sub'] }, ['MemberMissing']],
    ['no response types', { response_types_supported: [] }, ['MemberMissing']],
    ['no subject types', { subject_types_supported: 'public' }, ['MemberMissing']],
    [
      'no algorithms',
      { id_token_signing_alg_values_supported: [] },
      ['MemberMissing', 'AlgorithmMissing'],
    ],
    [
      'an algorithm too few',
      { id_token_signing_alg_values_supported: ['RS256'] },
      ['AlgorithmMissing'],
    ],
  ])('has %s', (_name, change, wanted) => {
    expect(ofDiscovery({ ...discovery, ...change })).toEqual(wanted)
  })

  test.each([[null], [1], [[]], ['"text"']])('is %j', (value) => {
    expect(ofDiscovery(value)).toContain('IssuerDiffers')
  })
})

describe('the keys', () => {
  const { keys } = publishedJwks([rsa, ec])
  test.each([
    ['one too few', { keys: keys.slice(0, 1) }, ['KeyMissing']],
    ['one under another kid', publishedJwks([rsa, withKid(ec, 'x')]), ['KeyMissing']],
    ['another one under its kid', publishedJwks([rsa, withKid(rsa, ec.kid)]), ['KeyMissing']],
    ['no list', {}, ['JwksUnusable']],
    ['none', { keys: [] }, ['JwksUnusable']],
    ['a secret one', { keys: [...keys, { kty: 'oct', k: 'eA' }] }, ['JwksUnusable']],
    ['a private one', { keys: [{ ...keys[0], d: 'eA' }, keys[1]] }, ['PrivateKeyPublished']],
    [
      '101 of a type',
      {
        keys: [...keys, ...Array.from({ length: 100 }, (_, at) => ({ ...keys[0], kid: `k${at}` }))],
      },
      ['TooManyKeys'],
    ],
  ])('%s', (_name, value, wanted) => {
    expect(ofJwks(value)).toEqual(wanted)
  })

  test('that are missing are named by their kids', () => {
    const found = judgeOutside(
      { ...GOOD, jwks: { ...GOOD.jwks!, answer: answer({ keys: keys.slice(1) }) } },
      EXPECTED,
    )
    expect(found[0]?.message).toBe(`${ISSUER}/keys.json lacks 1 key(s): "${rsa.kid}"`)
    expect(found[0]).toMatchObject({ level: 'error', mayPass: true })
  })
})
