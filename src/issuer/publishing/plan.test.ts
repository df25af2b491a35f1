import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { codeOf } from '../../lib/errors.ts'
import { algorithmsOf, DISCOVERY_PATH, discoveryDocument, JWKS_PATH } from '../documents.ts'
import { publishedJwks, withLegacyEmptyKid } from '../key-lists.ts'
import { generateSigningKey, type PublicSigningKey, withKid } from '../keys.ts'
import { planPublish, type Publication, type Published, type PublishPlan } from './plan.ts'
import type { DocumentPath, StoredDocument } from './store.ts'
import { refusalOf } from '../refusal.suite.ts'

const SCALE = Number(process.env['PODROLE_TEST_SCALE'] ?? 1)
const ISSUER = 'https://s3.eu-central-1.amazonaws.com/bucket/c1'
const ALGORITHMS = ['RS256', 'ES256', 'ES384', 'RS256', 'ES256'] as const
const POOL: readonly PublicSigningKey[] = (
  await Promise.all(ALGORITHMS.map((algorithm) => generateSigningKey(algorithm)))
).map(({ kid, publicJwk }) => ({ kid, publicJwk }))
const [rsa, ec, , rsa2, ec2] = POOL as [
  PublicSigningKey,
  PublicSigningKey,
  PublicSigningKey,
  PublicSigningKey,
  PublicSigningKey,
]

const wanted = (
  keys: readonly PublicSigningKey[],
  more: Partial<Publication> = {},
): Publication => ({
  issuer: ISSUER,
  keys,
  mayDrop: [],
  keepPublished: false,
  maxAgeSeconds: 300,
  ...more,
})

const stored = (value: unknown, more: Partial<StoredDocument> = {}): StoredDocument => ({
  text: typeof value === 'string' ? value : JSON.stringify(value),
  contentType: 'application/json',
  cacheControl: 'public, max-age=300',
  version: 'v',
  ...more,
})

const NOTHING: Published = { [JWKS_PATH]: undefined, [DISCOVERY_PATH]: undefined }
const publishedOf = (keys: readonly PublicSigningKey[]): Published => ({
  [JWKS_PATH]: stored(publishedJwks(keys)),
  [DISCOVERY_PATH]: stored(
    discoveryDocument(ISSUER, { algorithms: algorithmsOf(publishedJwks(keys)) }),
  ),
})

const paths = (plan: PublishPlan): DocumentPath[] => plan.writes.map(({ path }) => path)
const kidsIn = (published: Published): string[] => {
  const text = published[JWKS_PATH]?.text
  const { keys } = JSON.parse(text ?? '{"keys":[]}') as { keys: { kid: string }[] }
  return keys.map(({ kid }) => kid)
}

/** What is published after each write, the start included. */
function statesOf(start: Published, plan: PublishPlan): Published[] {
  const states = [start]
  for (const { path, document } of plan.writes) {
    states.push({ ...states.at(-1)!, [path]: { ...document, version: `v${states.length}` } })
  }
  return states
}

/** Every algorithm of the discovery document has a key that is there. */
function expectComplete(published: Published): void {
  const discovery = published[DISCOVERY_PATH]
  if (discovery === undefined) return
  const { id_token_signing_alg_values_supported: names } = JSON.parse(discovery.text) as {
    id_token_signing_alg_values_supported: string[]
  }
  const jwks = JSON.parse(published[JWKS_PATH]?.text ?? '{"keys":[]}') as never
  expect(algorithmsOf(jwks)).toEqual(expect.arrayContaining(names))
}

describe('the order of writes', () => {
  test('the first time: the keys, then the document that names them', () => {
    const plan = planPublish(wanted([rsa]), NOTHING)
    expect(paths(plan)).toEqual([JWKS_PATH, DISCOVERY_PATH])
    expect(plan).toMatchObject({ added: [rsa.kid], dropped: [] })
    const [jwks, discovery] = plan.writes.map(
      ({ document }) => JSON.parse(document.text) as unknown,
    )
    expect(jwks).toEqual(publishedJwks([rsa]))
    expect(discovery).toEqual(discoveryDocument(ISSUER, { algorithms: ['RS256'] }))
    expect(plan.writes[0]?.document).toMatchObject({
      contentType: 'application/json',
      cacheControl: 'public, max-age=300',
    })
  })

  test.each([
    ['nothing changed', [rsa], [rsa], []],
    ['a key of the same type', [rsa], [rsa, rsa2], [JWKS_PATH]],
    ['another order', [rsa, ec], [ec, rsa], []],
    ['a key of another type', [rsa], [rsa, ec], [JWKS_PATH, DISCOVERY_PATH]],
    ['one of two of a type dropped', [rsa, rsa2], [rsa], [JWKS_PATH]],
    ['one of a type replaced', [rsa], [rsa2], [JWKS_PATH]],
    ['the last of a type dropped', [rsa, ec], [ec], [DISCOVERY_PATH, JWKS_PATH]],
    ['one replaced by another type', [rsa], [ec], [JWKS_PATH, DISCOVERY_PATH, JWKS_PATH]],
  ] as const)('%s', (_name, before, keys, order) => {
    const mayDrop = before
      .map(({ kid }) => kid)
      .filter((kid) => !keys.some((key) => key.kid === kid))
    expect(paths(planPublish(wanted(keys, { mayDrop }), publishedOf(before)))).toEqual([...order])
  })

  test.each([
    ['content type', { contentType: 'binary/octet-stream' }],
    ['cache headers', { cacheControl: '' }],
  ])('another %s alone is written too', (_name, headers) => {
    const published = publishedOf([rsa])
    const jwks = stored(publishedJwks([rsa]), headers)
    expect(paths(planPublish(wanted([rsa]), { ...published, [JWKS_PATH]: jwks }))).toEqual([
      JWKS_PATH,
    ])
  })

  test('what a store does not keep is not compared', () => {
    const bare = { contentType: undefined, cacheControl: undefined }
    const published = {
      [JWKS_PATH]: stored(publishedJwks([rsa]), bare),
      [DISCOVERY_PATH]: stored(discoveryDocument(ISSUER, { algorithms: ['RS256'] }), bare),
    }
    expect(planPublish(wanted([rsa]), published).writes).toEqual([])
  })

  test('a document without all that IAM asks for is completed', () => {
    const { claims_supported: _, ...lacking } = discoveryDocument(ISSUER, { algorithms: ['RS256'] })
    const published = { ...publishedOf([rsa]), [DISCOVERY_PATH]: stored(lacking) }
    expect(paths(planPublish(wanted([rsa]), published))).toEqual([DISCOVERY_PATH])
  })
})

describe('published keys', () => {
  test('would be dropped: refused, naming them', () => {
    expect(refusalOf(() => planPublish(wanted([ec2]), publishedOf([rsa, ec])))).toEqual({
      code: 'KeyStillPublished',
      message: `2 published key(s) would be dropped: "${rsa.kid}", "${ec.kid}"; tokens that they signed would be refused`,
    })
    const one = wanted([ec2], { mayDrop: [rsa.kid] })
    expect(refusalOf(() => planPublish(one, publishedOf([rsa, ec]))).message).toContain(
      `1 published key(s) would be dropped: "${ec.kid}"`,
    )
  })

  test('stay where that is asked for, in front of the new ones', () => {
    const plan = planPublish(wanted([ec2, ec], { keepPublished: true }), publishedOf([rsa, ec]))
    expect(plan.keys).toEqual([rsa, ec, ec2])
    expect(plan).toMatchObject({ added: [ec2.kid], dropped: [] })
    const without = wanted([ec2], { keepPublished: true, mayDrop: [rsa.kid] })
    expect(planPublish(without, publishedOf([rsa, ec]))).toMatchObject({
      keys: [ec, ec2],
      dropped: [rsa.kid],
    })
  })

  test('are not given and dropped at once', () => {
    for (const before of [publishedOf([rsa, ec]), NOTHING]) {
      const both = wanted([rsa, ec], { mayDrop: [rsa.kid] })
      expect(refusalOf(() => planPublish(both, before)).code).toBe('KeyGivenAndDropped')
    }
  })

  test('a kid with another key under it is another key', () => {
    const before = publishedOf([withKid(rsa2, rsa.kid)])
    expect(refusalOf(() => planPublish(wanted([rsa]), before)).code).toBe('KeyStillPublished')
    const plan = planPublish(wanted([rsa], { mayDrop: [rsa.kid] }), before)
    expect(plan).toMatchObject({ keys: [rsa], added: [rsa.kid], dropped: [rsa.kid] })
  })

  test('the copy with an empty kid is a key like the others', () => {
    const legacy = withLegacyEmptyKid([rsa])
    expect(refusalOf(() => planPublish(wanted([rsa]), publishedOf(legacy))).message).toContain('""')
    expect(planPublish(wanted(legacy), publishedOf(legacy)).writes).toEqual([])
    const plan = planPublish(wanted([rsa], { mayDrop: [''] }), publishedOf(legacy))
    expect(plan).toMatchObject({ keys: [rsa], dropped: [''] })
    const { kid: _, ...bare } = rsa.publicJwk
    const withoutKid = { ...publishedOf([rsa]), [JWKS_PATH]: stored({ keys: [bare] }) }
    expect(refusalOf(() => planPublish(wanted([rsa]), withoutKid)).message).toContain('""')
  })

  test.each([
    ['Ed25519', { kty: 'OKP', crv: 'Ed25519', x: 'AAAA', kid: 'odd' }],
    ['with a private member', { ...ec.publicJwk, d: 'c2VjcmV0', kid: 'odd' }],
    ['broken', { kty: 'EC', crv: 'P-256', kid: 'odd' }],
  ])('that STS cannot use (%s) are not lost by themselves either', (_name, jwk) => {
    const before = { ...publishedOf([rsa]), [JWKS_PATH]: stored({ keys: [jwk, rsa.publicJwk] }) }
    for (const keepPublished of [false, true]) {
      const refusal = refusalOf(() => planPublish(wanted([rsa], { keepPublished }), before))
      expect(refusal.code).toBe('KeyStillPublished')
      expect(refusal.message).toContain('"odd"')
      expect(refusal.message).not.toContain('c2VjcmV0')
    }
    const plan = planPublish(wanted([rsa], { mayDrop: ['odd'] }), before)
    expect(plan).toMatchObject({ keys: [rsa], dropped: ['odd'] })
  })

  test('100 of a type, and not 101', () => {
    const many = Array.from({ length: 100 }, (_, at) => withKid(ec, `k${at}`))
    expect(planPublish(wanted(many), NOTHING).keys).toHaveLength(100)
    const more = wanted([ec2], { keepPublished: true })
    expect(refusalOf(() => planPublish(more, publishedOf(many))).code).toBe('TooManyKeys')
  })
})

describe('what is published by somebody else', () => {
  const discovery = discoveryDocument(ISSUER, { algorithms: ['RS256'] })
  test.each([
    ['another issuer', { ...discovery, issuer: 'https://other.example' }, 'OtherIssuerPublished'],
    ['the issuer with a slash', { ...discovery, issuer: `${ISSUER}/` }, 'OtherIssuerPublished'],
    [
      'keys elsewhere',
      { ...discovery, jwks_uri: `${ISSUER}/openid/v1/jwks` },
      'OtherIssuerPublished',
    ],
    ['no issuer', {}, 'OtherIssuerPublished'],
    ['no JSON', '{"issuer":', 'PublishedUnreadable'],
    ['no object', 'null', 'PublishedUnreadable'],
  ])('%s is not overwritten', (_name, value, code) => {
    const published = { ...publishedOf([rsa]), [DISCOVERY_PATH]: stored(value) }
    expect(refusalOf(() => planPublish(wanted([rsa]), published)).code).toBe(code)
  })

  test.each(['', 'x', '[]', '{"keys":{}}', '{"keys":[1]}'])(
    'a JWKS %j is not overwritten',
    (text) => {
      const published = { ...publishedOf([rsa]), [JWKS_PATH]: stored(text) }
      expect(refusalOf(() => planPublish(wanted([rsa]), published)).code).toBe(
        'PublishedUnreadable',
      )
    },
  )

  test('a document nested without end is compared to its eighth level', () => {
    const deep = '['.repeat(3000) + ']'.repeat(3000)
    const text = JSON.stringify(discovery).replace('{', `{"x":${deep},`)
    const published = { ...publishedOf([rsa]), [DISCOVERY_PATH]: stored(text) }
    expect(paths(planPublish(wanted([rsa]), published))).toEqual([DISCOVERY_PATH])
  })
})

test('whatever changes: after every write the keys that are named are there, and those in use stay', () => {
  const some = fc.subarray([...POOL])
  const lengths = new Map<number, number>()
  fc.assert(
    fc.property(
      some,
      fc.subarray([...POOL], { minLength: 1 }),
      some,
      fc.boolean(),
      (before, keys, droppable, keep) => {
        const mayDrop = droppable
          .map(({ kid }) => kid)
          .filter((kid) => !keys.some((key) => key.kid === kid))
        const publication = wanted(keys, { mayDrop, keepPublished: keep })
        const start = before.length === 0 ? NOTHING : publishedOf(before)
        const lost = before.filter(
          ({ kid }) => !mayDrop.includes(kid) && !keys.some((key) => key.kid === kid),
        )
        let plan: PublishPlan
        try {
          plan = planPublish(publication, start)
        } catch (error) {
          expect(codeOf(error)).toBe('KeyStillPublished')
          expect(keep).toBe(false)
          expect(lost).not.toEqual([])
          return
        }
        expect(keep || lost.length === 0).toBe(true)
        const states = statesOf(start, plan)
        lengths.set(plan.writes.length, (lengths.get(plan.writes.length) ?? 0) + 1)
        const inUse = before.map(({ kid }) => kid).filter((kid) => !mayDrop.includes(kid))
        for (const state of states) {
          expectComplete(state)
          expect(kidsIn(state)).toEqual(expect.arrayContaining(inUse))
          // Killed here, the next one ends in the same place.
          const rest = statesOf(state, planPublish(publication, state)).at(-1)!
          expect(new Set(kidsIn(rest))).toEqual(new Set(kidsIn(states.at(-1)!)))
          expect(planPublish(publication, rest).writes).toEqual([])
        }
        const end = new Set(kidsIn(states.at(-1)!))
        expect(end).toEqual(new Set([...keys.map(({ kid }) => kid), ...(keep ? inUse : [])]))
      },
    ),
    { numRuns: Math.ceil(400 * SCALE) },
  )
  expect([...lengths.keys()].sort((a, b) => a - b)).toEqual([0, 1, 2, 3])
})
