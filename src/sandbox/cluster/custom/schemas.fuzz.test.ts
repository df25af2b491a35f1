import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { call, makeCluster, settle, type TestCluster } from '../cluster.suite.ts'
import { compilePattern, PatternFault } from './pattern.ts'
import { parseJsonPath } from './json-path.ts'
import { fillDefaults, pruneValue } from './schema-values.ts'
import { validateValue } from './schema-validation.ts'
import { validateStructure } from './structural-schema.ts'

const SCALE = Number(process.env['PODROLE_TEST_SCALE'] ?? 1)
const runs = (count: number): { numRuns: number } => ({ numRuns: Math.ceil(count * SCALE) })
const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'

let cluster: TestCluster

beforeAll(async () => {
  cluster = await makeCluster()
})
afterAll(() => cluster.stop())

const crd = (schema: unknown, name: string): object => ({
  metadata: { name: `${name}.example.com` },
  spec: {
    group: 'example.com',
    scope: 'Cluster',
    names: { plural: name, singular: `one${name}`, kind: `Kind${name}` },
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }],
  },
})

const keyword = fc.constantFrom(
  'type',
  'properties',
  'items',
  'additionalProperties',
  'required',
  'enum',
  'default',
  'pattern',
  'minimum',
  'maxLength',
  'anyOf',
  'oneOf',
  'not',
  'nullable',
  '$ref',
  '__proto__',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-list-type',
  'multipleOf',
  'format',
)
const word = fc.constantFrom('object', 'array', 'string', 'integer', 'set', 'map', '(', '^a+$', '')

/** Anything at all below the words of schemas. */
const { wild } = fc.letrec((tie) => ({
  wild: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.oneof(word, fc.boolean(), fc.integer(), fc.double(), fc.constant(null)),
    fc.array(tie('wild'), { maxLength: 3 }),
    fc.dictionary(keyword, tie('wild'), { maxKeys: 4, noNullPrototype: true }),
  ),
}))

/** Structural schemas. */
const { structural } = fc.letrec<{ structural: Record<string, unknown> }>((tie) => ({
  structural: fc.oneof(
    { maxDepth: 4 },
    fc.record({ type: fc.constant('string'), maxLength: fc.nat(5) }),
    fc.record({ type: fc.constant('integer'), minimum: fc.integer({ min: -5, max: 5 }) }),
    fc.record({ type: fc.constant('boolean'), nullable: fc.boolean() }),
    fc.record({ type: fc.constant('array'), items: tie('structural') }),
    fc.record({
      type: fc.constant('object'),
      properties: fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('structural')),
    }),
    fc.record({ type: fc.constant('object'), additionalProperties: tie('structural') }),
  ),
}))

const value = fc.jsonValue({ maxDepth: 4 })

describe('hostile schemas', () => {
  test('are taken or refused, and never fail the server', async () => {
    let number = 0
    await fc.assert(
      fc.asyncProperty(wild, value, async (schema, spec) => {
        number += 1
        const name = `w${number}`
        const wrapped = { type: 'object', properties: { spec: schema } }
        const answer = await call(cluster, 'POST', CRDS, { body: crd(wrapped, name) })
        expect([201, 400, 422]).toContain(answer.status)
        if (answer.status !== 201) return
        await settle()
        const made = await call(cluster, 'POST', `/apis/example.com/v1/${name}`, {
          body: { metadata: { name: 'x' }, spec },
        })
        expect([201, 400, 422]).toContain(made.status)
        await call(cluster, 'DELETE', `${CRDS}/${name}.example.com`)
        await settle()
      }),
      runs(150),
    )
    expect((await call(cluster, 'GET', '/readyz')).status).toBe(200)
    expect(({} as Record<string, unknown>)['type']).toBeUndefined()
  })

  test('too deep or too large are refused', async () => {
    let deep: Record<string, unknown> = { type: 'string' }
    for (let level = 0; level < 120; level += 1) deep = { type: 'array', items: deep }
    const root = { type: 'object', properties: { x: deep } }
    expect(validateStructure(root, 's').length).toBeGreaterThan(0)
    const properties = Object.fromEntries(
      Array.from({ length: 60_000 }, (_, at) => [`p${at}`, { type: 'string' }]),
    )
    expect(validateStructure({ type: 'object', properties }, 's')).toMatchObject([
      { reason: 'FieldValueForbidden' },
    ])
  })

  test('an object that costs too much is refused', () => {
    let branch: Record<string, unknown> = { minimum: 1 }
    for (let level = 0; level < 14; level += 1)
      branch = { anyOf: [{ not: branch }, { not: branch }, { not: branch }] }
    const node = { type: 'array', items: { type: 'integer', ...branch } }
    const found = validateValue(
      node,
      Array.from({ length: 500 }, () => 0),
      'spec',
    )
    expect(found).toMatchObject([{ reason: 'FieldValueForbidden' }])
  })
})

describe('structural schemas', () => {
  test('are accepted; pruning and defaulting twice is doing it once; what passes has their types', () => {
    fc.assert(
      fc.property(structural, value, (schema, raw) => {
        const node = { type: 'object', properties: { x: schema } }
        expect(validateStructure(node, 's')).toEqual([])
        const object = { x: structuredClone(raw) }
        pruneValue(node, object)
        fillDefaults(node, object)
        const once = structuredClone(object)
        expect(pruneValue(node, object)).toEqual([])
        fillDefaults(node, object)
        expect(object).toEqual(once)
        if (validateValue(node, object).length > 0 || object.x === undefined || object.x === null)
          return
        const type = Array.isArray(object.x) ? 'array' : typeof object.x
        expect(type === 'number' ? 'integer' : type).toBe(schema['type'] as string)
      }),
      runs(500),
    )
  })
})

describe('patterns', () => {
  const atoms = fc.constantFrom(
    'a',
    'b',
    '.',
    '[ab]',
    '[^a]',
    '\\d',
    '\\w',
    'a*',
    'b+',
    'a?',
    '(a|b)',
    '(ab)*',
    '(?:a|bb)+',
    'a{2}',
    'b{1,3}',
    '(a*)*',
    '^',
    '$',
    '\\b',
    '[a-c_]',
    '|',
    'a{2,}',
    '\\.',
  )
  const texts = fc.string({
    unit: fc.constantFrom('a', 'b', 'c', '1', ' ', '.', '\n'),
    maxLength: 8,
  })

  test('match what JavaScript’s own match', () => {
    fc.assert(
      fc.property(fc.array(atoms, { maxLength: 6 }), texts, (parts, text) => {
        const source = parts.join('')
        expect(compilePattern(source)(text)).toBe(new RegExp(source, 'u').test(text))
      }),
      runs(1000),
    )
  })

  test('of any text compile or are refused, and end', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), texts, (source, text) => {
        try {
          compilePattern(source)(text)
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(PatternFault)
        }
      }),
      runs(1000),
    )
  })

  test('that would make a backtracking matcher run for ever end at once', () => {
    expect(compilePattern('^(a+)+$')(`${'a'.repeat(20_000)}!`)).toBe(false)
    expect(compilePattern('^(a|aa)+$')(`${'a'.repeat(20_000)}!`)).toBe(false)
    expect(() => compilePattern('((a{1000}){1000}){1000}')).toThrow(PatternFault)
    expect(() => compilePattern('('.repeat(3000))).toThrow(PatternFault)
  })

  test('speak RE2: no look-around, no back references', () => {
    for (const source of [
      '(?=a)',
      '(?<!a)',
      '(a)\\1',
      'a**',
      '*a',
      '[b-a]',
      '[',
      '\\',
      'a{2000}',
    ]) {
      expect(() => compilePattern(source)).toThrow(PatternFault)
    }
    expect(compilePattern('(?i)^ab[c-d]$')('ABD')).toBe(true)
    expect(compilePattern('^[[:alpha:]]+$')('ab1')).toBe(false)
    expect(compilePattern('(?P<name>x)\\x41\\x{1F600}')('xA😀')).toBe(true)
  })
})

test('any text is a path of a column or is not', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 40 }), (text) => {
      parseJsonPath(text)
      parseJsonPath(`.${text}`)
    }),
    runs(500),
  )
})
