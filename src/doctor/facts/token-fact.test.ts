import { expect, test } from 'bun:test'
import { tokenFact } from './token-fact.ts'

const CLAIMS = {
  iss: 'https://issuer.example/a',
  sub: 'web',
  aud: ['sts.amazonaws.com'],
  iat: 1,
  exp: 2,
}
const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const fact = (claims: object): ReturnType<typeof tokenFact> =>
  tokenFact(`${encode({ alg: 'ES256', kid: 'k' })}.${encode(claims)}.AAAA`)

test('what STS reads of a token is read: tags, roles, who signs in how', () => {
  const claims = {
    ...CLAIMS,
    amr: ['mfa'],
    email: 'a@shop.example',
    'https://aws.amazon.com/tags': {
      principal_tags: { team: ['red'] },
      transitive_tag_keys: ['team'],
    },
    'https://aws.amazon.com/roles':
      'arn:aws:iam::111122223333:role/a;arn:aws:iam::111122223333:role/b',
    'https://aws.amazon.com/source_identity': 'alice',
  }
  expect(fact(claims)).toMatchObject({
    methods: ['mfa'],
    email: 'a@shop.example',
    aws: {
      tags: [{ Key: 'team', Value: 'red' }],
      transitiveKeys: ['team'],
      sourceIdentity: 'alice',
      roles: ['arn:aws:iam::111122223333:role/a', 'arn:aws:iam::111122223333:role/b'],
    },
  })
})

test("a cluster's own token has none of them", () => {
  const found = fact(CLAIMS)
  expect(found).toMatchObject({ issuer: CLAIMS.iss, issuedAt: 1, aws: { tags: [] } })
  expect(found.aws?.roles).toBeUndefined()
  expect([found.methods, found.email, found.fault]).toEqual([undefined, undefined, undefined])
})

test.each([
  ['without iat', { ...CLAIMS, iat: undefined }, 'iat'],
  [
    'with a tag of two values',
    { ...CLAIMS, 'https://aws.amazon.com/tags': { principal_tags: { team: ['red', 'blue'] } } },
    'principal_tags',
  ],
])('STS takes no token %s', (_, claims, said) => {
  const found = fact(claims)
  expect(found.fault).toContain(said)
  expect(found.issuer).toBe('')
})
