import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { PodroleError } from '../../lib/errors.ts'
import { type AuditQuestion, readTokenLifetimes } from './census-audit.ts'
import cases from './testdata/census-audit-logs.json' with { type: 'json' }

const RUNS = Math.ceil(500 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))

interface Token {
  readonly at?: string
  readonly verb?: string
  readonly stage?: string
  readonly subresource?: string
  readonly code?: number
  readonly asked?: object
  readonly granted?: object
}

const STS = 'sts.amazonaws.com'
const QUESTION: AuditQuestion = {
  sinceMs: Date.UTC(2026, 0, 1),
  audiences: [STS],
  apiAudiences: ['https://idp.example.com'],
}

const event = (at: string, more: object): string =>
  JSON.stringify({
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'Request',
    auditID: 'a-1',
    stage: 'ResponseComplete',
    stageTimestamp: at,
    user: { username: 'system:node:n1', groups: ['system:nodes'] },
    ...more,
  })

const tokenRequest = (token: Token): string =>
  event(token.at ?? '2026-01-01T01:00:00.000000Z', {
    verb: token.verb ?? 'create',
    stage: token.stage ?? 'ResponseComplete',
    objectRef: {
      resource: 'serviceaccounts',
      namespace: 'shop',
      name: 'till',
      apiVersion: 'v1',
      subresource: token.subresource ?? 'token',
    },
    responseStatus: { metadata: {}, code: token.code ?? 201 },
    ...(token.asked && { requestObject: { spec: { audiences: [STS], ...token.asked } } }),
    ...(token.granted && { responseObject: { spec: { audiences: [STS], ...token.granted } } }),
  })

const logOf = (tokens: readonly Token[], begins = '2025-12-31T00:00:00.000000Z'): string[] => [
  event(begins, { verb: 'list', objectRef: { resource: 'pods' } }),
  ...tokens.map(tokenRequest),
]

const faultOf = (lines: readonly string[], question = QUESTION): PodroleError | undefined => {
  try {
    readTokenLifetimes(lines, question)
    return undefined
  } catch (error) {
    expect(error).toBeInstanceOf(PodroleError)
    return error as PodroleError
  }
}

for (const { name, begins, events, apiAudiences, count, longest, fault, hint } of cases) {
  test(name, () => {
    const lines = logOf(events as readonly Token[], begins)
    const question = { ...QUESTION, apiAudiences: apiAudiences ?? QUESTION.apiAudiences }
    if (count !== undefined) {
      const found = readTokenLifetimes(lines, question)
      expect(found.count).toBe(count)
      expect(found.longestLifetimeSeconds).toBe(longest)
      return
    }
    const thrown = faultOf(lines, question)
    expect(thrown?.code).toBe('AuditLogUnusable')
    expect(thrown?.message).toContain(fault ?? 'every case has a count or a fault')
    expect(thrown?.hint ?? '').toContain(hint ?? '')
  })
}

test('who has the longest is told', () => {
  expect(readTokenLifetimes(logOf([{ asked: {} }]), QUESTION).longest).toEqual({
    namespace: 'shop',
    serviceAccount: 'till',
    requestedBy: 'system:node:n1',
    atMs: Date.UTC(2026, 0, 1, 1),
  })
})

test('bodies of other resources are not read, nor a refusal as a token', () => {
  const others = [
    { verb: 'patch', requestObject: [{ op: 'remove', path: '/spec' }] },
    { verb: 'create', requestObject: { spec: { audiences: 'all', expirationSeconds: 'x' } } },
    { verb: 'get', responseObject: { kind: 'Status', status: 'Failure', code: 404 } },
  ].map((more) => event('2026-01-01T02:00:00Z', { objectRef: { resource: 'things' }, ...more }))
  const refusal = event('2026-01-01T02:00:00Z', {
    verb: 'create',
    objectRef: { resource: 'serviceaccounts', subresource: 'token' },
    responseStatus: { code: 422 },
    requestObject: { spec: { audiences: [STS], expirationSeconds: 60 } },
    responseObject: { kind: 'Status', status: 'Failure', code: 422 },
  })
  const lines = [...logOf([{ asked: {} }]), ...others, refusal]
  expect(readTokenLifetimes(lines, QUESTION)).toMatchObject({
    count: 1,
    longestLifetimeSeconds: 3600,
  })
})

test('nothing is no log', () => {
  expect(faultOf([])?.message).toContain('empty')
})

test('a line that is cut anywhere is a fault, and is not quoted', () => {
  const lines = logOf([{ asked: {} }])
  const last = lines.at(-1) ?? ''
  fc.assert(
    fc.property(fc.nat(last.length - 1), (cut) => {
      const fault = faultOf([...lines.slice(0, -1), last.slice(0, cut)])
      expect(fault?.code).toBe('AuditLogUnusable')
      expect(fault?.message).not.toContain('till')
    }),
    { numRuns: RUNS },
  )
})

test('no line makes another fault', () => {
  const value = fc.jsonValue({ maxDepth: 2 })
  const spec = fc.record({ expirationSeconds: value, audiences: value, boundObjectRef: value })
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string(), fc.json()), { maxLength: 3 }), spec, (junk, one) => {
      for (const lines of [junk, [...logOf([{ asked: one, granted: one }]), ...junk]]) {
        expect(faultOf(lines)?.code ?? 'AuditLogUnusable').toBe('AuditLogUnusable')
      }
    }),
    { numRuns: RUNS },
  )
})
