import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { codeOf } from '../lib/errors.ts'
import { numRuns } from './callers.suite.ts'
import { authorizeTrust } from './evaluate.ts'
import { parseJsonDocument } from './json-document.ts'
import { parsePolicy } from './policy.ts'
import type { ContextKeys } from './request.ts'
import { addTrust, EMPTY_TRUST, removeTrust } from './trust-edit.ts'
import {
  account,
  ACCOUNT,
  canonical,
  CLUSTER_ARN,
  FLEET,
  fleet,
  FOREIGN,
  foreignPolicies,
  grants,
  irsa,
  ISSUER_A,
  ISSUER_B,
  parsed,
  podIdentity,
} from './trust-edit.suite.ts'
import { grantedStatements, statementOf } from './trust-grant.ts'
import type { GrantedStatement, TrustGrant } from './trust-grant.ts'
import { irsaTrust, podIdentityTrust } from './trust.ts'

interface PlainStatement {
  readonly Sid?: string
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

const statementsOf = (text: string): readonly PlainStatement[] =>
  (JSON.parse(text) as { Statement: PlainStatement[] }).Statement

const policyOf = (...statements: readonly unknown[]): string =>
  JSON.stringify({ Version: '2012-10-17', Statement: statements })

const codesOf = (edit: { remarks: readonly { code: string }[] }): readonly string[] =>
  edit.remarks.map(({ code }) => code)

const HOST_A = 'issuer.example.com/a'

describe('adding', () => {
  test('the first one to an empty policy gives what the builders write, with a Sid of its own', () => {
    const { after, remarks, subjects } = addTrust(EMPTY_TRUST, irsa(ISSUER_A, 'shop/orders'))
    const built = irsaTrust({
      partition: 'aws',
      accountId: ACCOUNT,
      issuer: ISSUER_A,
      subjects: [account('shop/orders')],
    })
    const sid = statementsOf(after)[0]?.Sid
    expect(sid).toMatch(/^PodroleIrsa[0-9a-f]{8}$/)
    expect(JSON.parse(after)).toEqual({
      Version: '2012-10-17',
      Statement: [{ ...built.Statement[0], Sid: sid }],
    })
    expect(remarks).toEqual([])
    expect(subjects).toEqual(['shop/orders'])
    const pods = addTrust(EMPTY_TRUST, podIdentity('shop/orders')).after
    const [statement] = podIdentityTrust({
      clusterArn: CLUSTER_ARN,
      accountId: ACCOUNT,
      serviceAccount: account('shop/orders'),
    }).Statement
    expect(statementsOf(pods)[0]).toEqual({ ...statement, Sid: expect.any(String) })
  })

  test('the next goes into the same statement, another issuer and the fleet get their own', () => {
    let text = addTrust(EMPTY_TRUST, irsa(ISSUER_A, 'shop/orders')).after
    text = addTrust(text, irsa(ISSUER_A, 'shop/stock')).after
    text = addTrust(text, irsa(ISSUER_B, 'shop/orders')).after
    text = addTrust(text, fleet(['edge'], 'shop/orders')).after
    text = addTrust(text, fleet(['prod-*'], 'shop/orders')).after
    const [a, b, f, ...others] = statementsOf(text)
    expect(others).toEqual([])
    expect(a?.Condition?.['StringEquals']?.[`${HOST_A}:sub`]).toEqual([
      'system:serviceaccount:shop:orders',
      'system:serviceaccount:shop:stock',
    ])
    expect(Object.keys(b?.Condition ?? {})).toEqual(['StringEquals'])
    expect(f?.Condition).toEqual({
      StringEquals: { 'fleet.example.com:aud': 'sts.amazonaws.com' },
      StringLike: {
        'fleet.example.com:sub': [
          'cluster:edge:system:serviceaccount:shop:orders',
          'cluster:prod-*:system:serviceaccount:shop:orders',
        ],
      },
      Bool: { 'sts:RoleAuthorizedByIdp': 'true' },
    })
    const sids = [a, b, f].map((one) => one?.Sid)
    expect(new Set(sids).size).toBe(3)
    for (const sid of sids) expect(sid).toMatch(/^[A-Za-z0-9]+$/)
  })

  test('what is there already is no change', () => {
    const text = addTrust(EMPTY_TRUST, irsa(ISSUER_A, 'shop/*')).after
    for (const name of ['shop/*', 'shop/orders']) {
      const again = addTrust(text, irsa(ISSUER_A, name))
      expect([name, again.after === text, again.subjects]).toEqual([name, true, []])
      expect(codesOf(again)).toEqual([
        name === 'shop/*' ? 'already-trusted' : 'trusted-by-other-statement',
      ])
    }
  })

  test('who a statement of somebody else admits is said and not added', () => {
    const text = policyOf(FOREIGN[5], FOREIGN[7])
    const { after, remarks } = addTrust(text, irsa(ISSUER_A, 'theirs/app', 'open/any', 'open/a*'))
    expect(after).toBe(text)
    expect(remarks.map(({ code, subject, statements }) => [code, subject, statements])).toEqual([
      ['trusted-by-other-statement', 'theirs/app', ['PodroleIrsaTeam']],
      ['trusted-by-other-statement', 'open/any', ['#2']],
      ['trusted-by-other-statement', 'open/a*', ['#2']],
    ])
  })

  test('a statement that asks for more than a grant knows counts for nobody', () => {
    const like = addTrust(EMPTY_TRUST, irsa(ISSUER_A, 'shop/orders')).after
    const [own] = statementsOf(like)
    const narrow = {
      ...own,
      Sid: 'Theirs',
      Condition: { ...own?.Condition, IpAddress: { 'aws:SourceIp': '192.0.2.0/24' } },
    }
    const { subjects } = addTrust(policyOf(narrow), irsa(ISSUER_A, 'shop/orders'))
    expect(subjects).toEqual(['shop/orders'])
  })

  test('a Deny is said', () => {
    const edit = addTrust(policyOf(FOREIGN[0], FOREIGN[9]), irsa(ISSUER_A, 'barred/app'))
    expect(codesOf(edit)).toEqual(['denied-by-statement'])
    expect(edit.subjects).toEqual(['barred/app'])
  })

  test('a subject that is longer than STS models is said', () => {
    const name = `shop/${'n'.repeat(240)}`
    expect(codesOf(addTrust(EMPTY_TRUST, irsa(ISSUER_A, name)))).toEqual(['long-subject'])
    expect(codesOf(addTrust(EMPTY_TRUST, podIdentity(name)))).toEqual([])
  })

  test("a user's own conditions and actions in podrole's statement stay", () => {
    const [own] = statementsOf(addTrust(EMPTY_TRUST, irsa(ISSUER_A, 'shop/orders')).after)
    const extra = { StringEqualsIfExists: { 'aws:SourceVpce': 'vpce-1' } }
    const changed = {
      ...own,
      Action: ['sts:assumeRoleWithWebIdentity', 'sts:SetSourceIdentity'],
      Condition: { ...extra, ...own?.Condition },
    }
    const text = policyOf(changed)
    const added = addTrust(text, irsa(ISSUER_A, 'jobs-*/batch')).after
    expect(statementsOf(added)).toHaveLength(1)
    expect(statementsOf(added)[0]).toEqual({
      ...changed,
      Condition: {
        ...extra,
        StringEquals: { [`${HOST_A}:aud`]: 'sts.amazonaws.com' },
        StringLike: {
          [`${HOST_A}:sub`]: [
            'system:serviceaccount:shop:orders',
            'system:serviceaccount:jobs-*:batch',
          ],
        },
      },
    })
    expect(parsed(removeTrust(added, irsa(ISSUER_A, 'jobs-*/batch')).after)).toEqual(parsed(text))
  })

  test('a statement of podrole that was opened or broken by hand is not added to', () => {
    const [own] = statementsOf(addTrust(EMPTY_TRUST, irsa(ISSUER_A, 'shop/orders')).after)
    const equals = own?.Condition?.['StringEquals'] ?? {}
    const { [`${HOST_A}:aud`]: _aud, ...withoutAud } = equals
    const broken: readonly object[] = [
      { ...own, Condition: { StringEquals: withoutAud } },
      { ...own, Effect: 'Deny' },
      { ...own, Action: 'sts:AssumeRole' },
      { ...own, Principal: { Federated: 'accounts.google.com' } },
      { ...own, Condition: { StringEquals: { ...equals, [`${HOST_A}:sub`]: 'system:*' } } },
      {
        ...own,
        Condition: { StringEquals: equals, StringLike: { [`${HOST_A}:SUB`]: 'system:*' } },
      },
      { ...own, Sid: 'PodroleIrsa-1' },
      { ...own, Sid: 'PodroleIrsaOfOurs' },
      { ...own, Condition: { StringEquals: equals, stringequals: {} } },
    ]
    for (const statement of broken) {
      const { after, subjects } = addTrust(policyOf(statement), irsa(ISSUER_A, 'shop/stock'))
      expect(subjects).toEqual(['shop/stock'])
      expect(statementsOf(after)[0]).toEqual(statement)
      expect(statementsOf(after)).toHaveLength(2)
      expect(statementsOf(after)[1]?.Sid).not.toBe(statementsOf(after)[0]?.Sid)
    }
  })

  test('EKS Pod Identity has a statement for each namespace, so that no pair is admitted by chance', () => {
    const { after } = addTrust(EMPTY_TRUST, podIdentity('a/one', 'b/two', 'a/three'))
    expect(statementsOf(after).map(({ Condition }) => Condition?.['StringEquals'])).toEqual([
      {
        'aws:RequestTag/eks-cluster-arn': CLUSTER_ARN,
        'aws:RequestTag/kubernetes-namespace': 'a',
        'aws:RequestTag/kubernetes-service-account': ['one', 'three'],
      },
      {
        'aws:RequestTag/eks-cluster-arn': CLUSTER_ARN,
        'aws:RequestTag/kubernetes-namespace': 'b',
        'aws:RequestTag/kubernetes-service-account': 'two',
      },
    ])
  })

  test('a lone Statement object becomes an array; numbers and members that occur twice stay', () => {
    const text = '{"Statement":{"Effect":"Allow","x":1.50,"x":[1e3]},"Version":"2012-10-17"}'
    const { after } = addTrust(text, irsa(ISSUER_A, 'shop/orders'))
    expect(after).toStartWith(
      '{"Statement":[{"Effect":"Allow","x":1.50,"x":[1e3]},{"Sid":"PodroleIrsa',
    )
    expect(after).toEndWith(',"Version":"2012-10-17"}')
  })

  test('what cannot be edited is refused', () => {
    const wrong: readonly (readonly [string, string])[] = [
      ['{', 'InvalidJson'],
      ['[]', 'InvalidTrustPolicy'],
      ['{}', 'InvalidTrustPolicy'],
      ['{"Statement":1}', 'InvalidTrustPolicy'],
      ['{"Statement":[1]}', 'InvalidTrustPolicy'],
      ['{"Statement":[],"Statement":[]}', 'InvalidTrustPolicy'],
    ]
    for (const [text, code] of wrong) {
      let thrown: unknown
      try {
        addTrust(text, irsa(ISSUER_A, 'shop/orders'))
      } catch (error) {
        thrown = error
      }
      expect([text, codeOf(thrown)]).toEqual([text, code])
    }
  })
})

describe('removing', () => {
  test('the last one of a statement takes it away, the last statement is refused', () => {
    const one = addTrust(EMPTY_TRUST, irsa(ISSUER_A, 'shop/orders')).after
    const two = addTrust(one, irsa(ISSUER_B, 'shop/orders')).after
    expect(parsed(removeTrust(two, irsa(ISSUER_B, 'shop/orders')).after)).toEqual(parsed(one))
    expect(() => removeTrust(one, irsa(ISSUER_A, 'shop/orders'))).toThrow(/PodroleIrsa[0-9a-f]{8}/)
  })

  test('who is not there is said, and who is still admitted too', () => {
    const text = addTrust(policyOf(FOREIGN[7]), irsa(ISSUER_A, 'shop/*')).after
    const edit = removeTrust(text, irsa(ISSUER_A, 'shop/orders', 'open/any', 'other/app'))
    expect(edit.after).toBe(text)
    expect(edit.remarks.map(({ code, subject }) => `${code} ${subject}`)).toEqual([
      'not-trusted shop/orders',
      'still-trusted shop/orders',
      'not-trusted open/any',
      'still-trusted open/any',
      'not-trusted other/app',
    ])
  })
})

/** Whether the policy's readable statements admit a context by every action of the way. */
function admits(text: string, granted: GrantedStatement, context: ContextKeys): boolean {
  const plain = JSON.parse(text) as { Version?: string; Statement: unknown[] }
  const statements = plain.Statement.filter((one) => {
    try {
      parsePolicy(JSON.stringify({ Version: plain.Version, Statement: [one] }), 'trust')
      return true
    } catch {
      return false
    }
  })
  if (statements.length === 0) return false
  const texts = {
    ...(plain.Version !== undefined && { Version: plain.Version }),
    Statement: statements.map((one, at) => ({ ...(one as object), Sid: `S${at}` })),
  }
  const document = parsePolicy(JSON.stringify(texts), 'trust')
  return granted.actions.every(
    (action) =>
      authorizeTrust(
        {
          caller: granted.caller,
          action,
          resource: '*',
          resourceAccountId: granted.accountId,
          context: { 'aws:SourceVpce': 'vpce-1', 'aws:ViaAWSService': 'false', ...context },
        },
        { name: 'trust', document },
        { identity: [] },
      ).allowed,
  )
}

/** Everybody who might be asked about, with the statement that would admit them. */
const CROWD = [
  irsa(
    ISSUER_A,
    'shop/orders',
    'shop/stock',
    'open/any',
    'theirs/app',
    'barred/app',
    'jobs-1/batch',
  ),
  irsa(ISSUER_B, 'shop/orders', 'shop/stock', 'open/any', 'theirs/app', 'jobs-1/batch', 'jobs-1/x'),
  fleet(['edge', 'prod-1', 'prod-2', 'stage'], 'shop/orders', 'shop/stock', 'jobs-1/batch'),
  podIdentity('shop/orders', 'shop/stock', 'open/any', 'jobs-1/batch', 'jobs/batch'),
].flatMap((grant) =>
  grantedStatements(grant).flatMap((granted) =>
    granted.entries.map((entry) => ({ way: grant.way, granted, entry })),
  ),
)

const matchesPattern = (pattern: string, text: string): boolean =>
  new RegExp(
    `^${pattern
      .split('*')
      .map((part) => part.replaceAll(/[^\w]/g, '\\$&'))
      .join('.*')}$`,
  ).test(text)

/** What one value of a list lets in, on its own. */
function lets(granted: GrantedStatement, value: string, one: (typeof CROWD)[number]): boolean {
  if (granted.sidPrefix !== one.granted.sidPrefix) return false
  const [, namespace = ''] = granted.scope.split(' ')
  const [, other = ''] = one.granted.scope.split(' ')
  if (granted.scope.split(' ')[0] !== one.granted.scope.split(' ')[0]) return false
  return matchesPattern(namespace, other) && matchesPattern(value, one.entry.value)
}

interface Move {
  readonly add: boolean
  readonly grant: TrustGrant
}
const moves: fc.Arbitrary<readonly Move[]> = fc.array(
  fc.record({ add: fc.boolean(), grant: grants }),
  {
    minLength: 1,
    maxLength: 6,
  },
)

/** Two busy cores take a while. */
const PROPERTY_MS = 60_000

describe('any policy of others, any edits', () => {
  test(
    'statements of others stay as parsed JSON, in order, and so does all around them',
    () => {
      fc.assert(
        fc.property(foreignPolicies, moves, (text, all) => {
          let now = text
          for (const { add, grant } of all) now = (add ? addTrust : removeTrust)(now, grant).after
          const before = parseJsonDocument(text)
          const after = parseJsonDocument(now)
          if (before.kind !== 'object' || after.kind !== 'object') throw new Error('no objects')
          const around = (node: typeof before): unknown => [
            node.members.map(({ key }) => key),
            node.members.filter(({ key }) => key !== 'Statement'),
          ]
          expect(around(after)).toEqual(around(before))
          const list = (node: typeof before) => {
            const found = node.members.find(({ key }) => key === 'Statement')?.value
            return found?.kind === 'array' ? found.items : []
          }
          expect(list(after).slice(0, list(before).length)).toEqual([...list(before)])
          const sids = statementsOf(now).flatMap(({ Sid }) => (Sid ? [Sid] : []))
          expect(new Set(sids).size).toBe(sids.length)
        }),
        { numRuns: numRuns(150) },
      )
    },
    PROPERTY_MS,
  )

  test(
    'adding and then removing gives the policy back',
    () => {
      fc.assert(
        fc.property(foreignPolicies, moves, grants, (foreign, all, grant) => {
          let text = foreign
          for (const move of all) text = addTrust(text, move.grant).after
          const added = addTrust(text, grant)
          fc.pre(added.subjects.length > 0)
          // Only what was new goes again: the others were there before.
          const fresh = onlyNew(grant, added.subjects)
          let now = added.after
          for (const one of fresh) now = removeTrust(now, one).after
          expect(parsed(now)).toEqual(parsed(text))
        }),
        { numRuns: numRuns(150) },
      )
    },
    PROPERTY_MS,
  )

  test(
    'adding again changes nothing',
    () => {
      fc.assert(
        fc.property(foreignPolicies, grants, (text, grant) => {
          const once = addTrust(text, grant).after
          expect(addTrust(once, grant)).toMatchObject({ after: once, subjects: [] })
        }),
        { numRuns: numRuns(120) },
      )
    },
    PROPERTY_MS,
  )

  test(
    'the evaluator admits whom the others admit and whom the edits left, and nobody else',
    () => {
      let admitted = 0
      fc.assert(
        fc.property(foreignPolicies, moves, (foreign, all) => {
          let text = foreign
          const left = new Map<string, { granted: GrantedStatement; value: string }>()
          for (const { add, grant } of all) {
            const edit = (add ? addTrust : removeTrust)(text, grant)
            text = edit.after
            for (const granted of grantedStatements(grant)) {
              for (const { label, value } of granted.entries) {
                if (!edit.subjects.includes(label)) continue
                const key = `${granted.sidPrefix} ${granted.scope} ${value}`
                if (add) left.set(key, { granted, value })
                else left.delete(key)
              }
            }
          }
          for (const one of CROWD) {
            const { context } = one.entry
            const denied =
              one.entry.value === 'system:serviceaccount:barred:app' &&
              foreign.includes('NotIntruder')
            const expected =
              admits(foreign, one.granted, context) ||
              (!denied &&
                [...left.values()].some(({ granted, value }) => lets(granted, value, one)))
            const found = admits(text, one.granted, context)
            if (found) admitted += 1
            expect([one.granted.scope, one.entry.label, found]).toEqual([
              one.granted.scope,
              one.entry.label,
              expected,
            ])
          }
        }),
        { numRuns: numRuns(120) },
      )
      expect(admitted).toBeGreaterThan(120)
    },
    PROPERTY_MS,
  )
})

/** The grant cut to the labels that an edit added, one grant for each. */
function onlyNew(grant: TrustGrant, subjects: readonly string[]): readonly TrustGrant[] {
  const each: TrustGrant[] =
    grant.way === 'fleet'
      ? grant.serviceAccounts.flatMap((one) =>
          grant.clusters.map((cluster) => ({
            ...grant,
            clusters: [cluster],
            serviceAccounts: [one],
          })),
        )
      : grant.serviceAccounts.map((one) => ({ ...grant, serviceAccounts: [one] }))
  return each.filter((one) =>
    grantedStatements(one).some(({ entries }) =>
      entries.some(({ label }) => subjects.includes(label)),
    ),
  )
}

test('a Sid never meets one that is there', () => {
  const grant = irsa(ISSUER_A, 'shop/orders')
  const sid = statementsOf(addTrust(EMPTY_TRUST, grant).after)[0]?.Sid ?? ''
  const [granted] = grantedStatements(grant)
  const taken = [sid, `${sid}n2`].map((Sid) => ({ ...statementOf(granted, Sid), Effect: 'Deny' }))
  expect(statementsOf(addTrust(policyOf(...taken), grant).after)[2]?.Sid).toBe(`${sid}n3`)
})

test('the statements that others wrote are found different by the comparison of these tests', () => {
  const texts = FOREIGN.map((one) => JSON.stringify(parsed(JSON.stringify(one))))
  expect(new Set(texts).size).toBe(FOREIGN.length)
  expect(canonical(parseJsonDocument('{"a":1,"b":[2,1]}'))).toEqual(parsed('{"b":[2,1],"a":1}'))
  expect(parsed('{"a":"x"}')).not.toEqual(parsed('{"a":["x"]}'))
  expect(FLEET).toStartWith('https://')
})
