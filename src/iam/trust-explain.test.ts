/** What a trust policy says of a call before it is made, where a key of AWS's own may decide. */
import { expect, test } from 'bun:test'
import { explainTrust, type TrustExplanation } from './trust-explain.ts'

const HOST = 'issuer.example/a'
const PROVIDER = `arn:aws:iam::111122223333:oidc-provider/${HOST}`
const ALLOW = {
  Effect: 'Allow',
  Principal: { Federated: PROVIDER },
  Action: 'sts:AssumeRoleWithWebIdentity',
}
const DENY = { ...ALLOW, Effect: 'Deny', Principal: '*' }
const OTHER = { StringEquals: { [`${HOST}:sub`]: 'other' } }
const OFFICE = { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }
const NOT_OFFICE = { NotIpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }

const explained = (...statements: readonly object[]): TrustExplanation =>
  explainTrust(JSON.stringify({ Version: '2012-10-17', Statement: statements }), {
    caller: { kind: 'web-identity', provider: PROVIDER },
    actions: ['sts:AssumeRoleWithWebIdentity'],
    context: { [`${HOST}:sub`]: 'web' },
    isKnown: (key) => !/^(?:aws:sourceip|sts:rolesessionname)$/.test(key),
    role: { arn: 'arn:aws:iam::111122223333:role/a', accountId: '111122223333' },
  })

const CASES: readonly (readonly [string, TrustExplanation['admits'], readonly object[]])[] = [
  ['an Allow without conditions', 'yes', [ALLOW]],
  ['an Allow for an address', 'maybe', [{ ...ALLOW, Condition: OFFICE }]],
  ['an Allow but for an address', 'maybe', [{ ...ALLOW, Condition: NOT_OFFICE }]],
  ['an Allow for an address of another', 'no', [{ ...ALLOW, Condition: { ...OFFICE, ...OTHER } }]],
  ['an Allow for an address, and one for all', 'yes', [{ ...ALLOW, Condition: OFFICE }, ALLOW]],
  ['a Deny for an address', 'maybe', [ALLOW, { ...DENY, Condition: OFFICE }]],
  ['a Deny but for an address', 'maybe', [ALLOW, { ...DENY, Condition: NOT_OFFICE }]],
  [
    'a Deny for an address of another',
    'yes',
    [ALLOW, { ...DENY, Condition: { ...OFFICE, ...OTHER } }],
  ],
  ['a Deny for an address, and nobody allowed', 'no', [{ ...DENY, Condition: OFFICE }]],
  ['a Deny for all, and an Allow for an address', 'no', [{ ...ALLOW, Condition: OFFICE }, DENY]],
  [
    'a variable that AWS alone knows',
    'maybe',
    [{ ...ALLOW, Condition: { StringLike: { [`${HOST}:sub`]: '${sts:RoleSessionName}' } } }],
  ],
]

for (const [name, admits, statements] of CASES) {
  test(`${name}: ${admits}`, () => {
    expect(explained(...statements).admits).toBe(admits)
  })
}

test('the keys that it hangs on are named, of the statements that count', () => {
  const apart = { StringEquals: { 'sts:RoleSessionName': 'x', [`${HOST}:sub`]: 'other' } }
  const { keys } = explained({ ...ALLOW, Condition: apart }, ALLOW, { ...DENY, Condition: OFFICE })
  expect(keys).toEqual(['aws:SourceIp'])
})

test('a Deny that is sure keeps its place among the statements', () => {
  const found = explained({ ...DENY, Condition: OFFICE }, ALLOW, DENY)
  expect(found.denied?.statement).toBe('#3')
  expect(found.statements).toHaveLength(3)
})
