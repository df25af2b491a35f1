/** Wrong input to `podrole issuer`, as typed: a clear error each, and nothing written. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { generateKeyPairSync } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import badKeys from '../../src/issuer/testdata/bad-keys.json'
import { type IssuerJourney, startIssuerJourney } from '../support/issuer-journey.ts'

let journey: IssuerJourney
beforeAll(async () => {
  journey = await startIssuerJourney()
})
afterAll(() => journey.stop())

/** Of the cases of `readPublicKeys`, the most likely ones. */
const NAMED = [
  'an empty file',
  'a certificate',
  'cut off before the end line',
  'RSA with 1,024 bits',
  'P-224',
  'Ed25519',
  'a JWK with a private member',
  'a wrong kid',
]

describe('bad input: a clear error each, and nothing written', () => {
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const many = Array.from({ length: 101 }, () =>
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
      format: 'pem',
      type: 'spki',
    }),
  )
  const FILES: Readonly<Record<string, readonly [text: string, message: string]>> = {
    'private.pem': [
      ec.privateKey.export({ format: 'pem', type: 'pkcs8' }),
      'is a private key: wanted the public key',
    ],
    'encrypted.pem': [
      ec.privateKey.export({
        format: 'pem',
        type: 'pkcs8',
        cipher: 'aes-256-cbc',
        passphrase: 'x',
      }),
      'is an encrypted private key: wanted the public key',
    ],
    'many.pem': [many.join(''), 'there are 101 EC keys: AWS STS takes at most 100 of a type'],
    'large.pem': ['#'.repeat(10 << 20), 'is longer than 1000000 bytes'],
    ...Object.fromEntries(
      badKeys
        .filter(({ name }) => NAMED.includes(name))
        .map(({ name, text, message }) => [
          `${name.replaceAll(/[^\w]+/g, '-')}.txt`,
          // The name of the file stands where the cases have `it`.
          [text.join('\n'), message.replace(/^.*?\bit\b/, '')] as const,
        ]),
    ),
  }
  const URLS: Readonly<Record<string, string>> = {
    'https://idp.example.com:8443': 'has a port: wanted none',
    'https://idp.example.com/c1?x=1': 'has a query: wanted none',
    'https://idp.example.com/c1#x': 'has a fragment: wanted none',
    'https://idp.example.com/c1/': 'ends with a slash: wanted none',
    'http://idp.example.com': 'begins with http://: wanted https://',
    'https://u:hunter2@idp.example.com': 'has a user in it',
    'https://IDP.example.com': 'has capitals in its host',
    [`https://idp.example.com/${'x'.repeat(255)}`]: 'characters long: wanted at most 255',
    'idp.example.com': 'is no URL',
  }

  test('keys', async () => {
    const before = await journey.buckets()
    expect(Object.keys(FILES)).toHaveLength(4 + NAMED.length)
    mkdirSync(journey.at('bad'))
    for (const [name, [text]] of Object.entries(FILES))
      writeFileSync(journey.at(`bad/${name}`), text)
    const files = Object.entries(FILES)
    for (let start = 0; start < files.length; start += 4) {
      const some = files.slice(start, start + 4).map(async ([name, [, message]]) => {
        const words = ['publish', `bad/${name}`, '--to', 's3://never', '--create-bucket']
        const { code, out, err } = await journey.issuer(...words)
        expect({ name, code, out }).toEqual({ name, code: 1, out: '' })
        if (name !== 'many.pem') expect(err).toContain(`bad/${name}`)
        expect(err).toContain(message)
      })
      await Promise.all(some)
    }
    const words = [
      'keys',
      'bad/private.pem',
      '--generate',
      'p-256',
      '--private-key-file',
      journey.at('never.key'),
    ]
    expect((await journey.issuer(...words)).code).toBe(1)
    expect(existsSync(journey.at('never.key'))).toBe(false)
    expect(await journey.buckets()).toEqual(before)
  })

  test('issuers', async () => {
    const before = await journey.buckets()
    for (const [url, message] of Object.entries(URLS)) {
      const words = ['publish', 'one.pub', '--to', 's3://never', '--create-bucket']
      const [document, published] = await Promise.all([
        journey.issuer('document', '--issuer', url, 'one.pub'),
        journey.issuer(...words, '--issuer-url', url),
      ])
      for (const { code, out, err } of [document, published]) {
        expect({ url, code, out }).toEqual({ url, code: 1, out: '' })
        expect(err).toContain(message)
        expect(err).not.toContain('hunter2')
      }
    }
    const words = ['publish', 'one.pub', '--to', 'never', '--issuer-url', 'https://a.example/']
    const folderOnly = await journey.issuer(...words)
    expect(folderOnly.code).toBe(1)
    expect(existsSync(journey.at('never'))).toBe(false)
    expect(await journey.buckets()).toEqual(before)
  })

  const WRONG: readonly (readonly [readonly string[], string])[] = [
    [['--to', 's3://a_b'], 'is no place in S3: wanted s3://BUCKET[/PREFIX]'],
    [['--to', 'gs://bucket'], 'is neither s3://BUCKET[/PREFIX] nor a folder'],
    [['--to', 'tree-2'], 'a folder does not say which issuer it is'],
    [['--to', 'tree-2', '--issuer-url', 'https://a.example', '--create-bucket'], 'are for S3'],
    [
      ['--to', 's3://never', '--issuer-url', 'https://a.example', '--acl'],
      '--acl opens the documents in S3',
    ],
    [['--to', 's3://never', '--bucket-only'], '--bucket-only publishes nothing'],
    [['--to', 's3://never', '--wait', 'soon'], 'duration "soon" is not one'],
    [['--to', 's3://never', '--region', 'Frankfurt'], 'Frankfurt'],
    [['--to', 's3://never'], 'there is no bucket never'],
  ]
  test.each(WRONG)('publish %j', async (words, message) => {
    const before = await journey.buckets()
    const { code, out, err } = await journey.issuer('publish', journey.at('one.pub'), ...words)
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toContain(message)
    expect(await journey.buckets()).toEqual(before)
    expect(existsSync(journey.at('tree-2'))).toBe(false)
  })
})
