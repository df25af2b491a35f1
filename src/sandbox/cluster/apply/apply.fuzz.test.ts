import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import * as fc from 'fast-check'
import { send, makeCluster, type TestCluster } from '../cluster.suite.ts'
import type { JsonRecord } from '../objects.ts'
import {
  atomic,
  int,
  keyStr,
  list,
  map,
  mergeList,
  obj,
  type Schema,
  setOf,
  str,
  valueObj,
} from '../schema.ts'
import { compareValues, fieldSetOf } from './comparing.ts'
import { createdFields } from './created-fields.ts'
import {
  difference,
  EMPTY_SET,
  fieldSetOfPaths,
  type FieldSet,
  intersection,
  isEmptySet,
  outside,
  union,
} from './field-sets.ts'
import { decodeFields, encodeFields, pathsOf } from './fields-v1.ts'
import { type Managers, readManagers, writeManagers } from './managers.ts'
import { mergeValues } from './merging.ts'
import { fieldElement, keyElement, PathElementFault, valueElement } from './path-elements.ts'
import { type Application, applyConfiguration, managersAfterUpdate } from './tracking.ts'

setDefaultTimeout(60_000)

const SCALE = Number(process.env['PODROLE_TEST_SCALE'] ?? 1)
const runs = (count: number): { numRuns: number } => ({ numRuns: Math.ceil(count * SCALE) })

const HELD_PARTS: Schema = {
  kind: 'list',
  of: obj({ name: keyStr, inner: valueObj({ a: str }) }),
  keys: ['name'],
  keepsEmpty: true,
}

/** A schema with one of everything. */
const SCHEMA = obj({
  leaf: str,
  count: int,
  inner: obj({ a: str, b: str }),
  words: map(str),
  fixed: atomic(map(str)),
  parts: mergeList('name', obj({ name: keyStr, value: str, more: map(str) })),
  tags: setOf(str),
  plain: list(str),
  held: valueObj({ a: str, deep: valueObj({ words: map(str), parts: HELD_PARTS }) }),
})
const KIND = { schemaOf: () => SCHEMA, ignored: EMPTY_SET }

const word: fc.Arbitrary<string> = fc.constantFrom('x', 'y', 'z', 'a/b', '__proto__', '')
const filled = <T>(values: fc.Arbitrary<T>, names = word): fc.Arbitrary<Record<string, T>> =>
  fc.dictionary(names, values, { minKeys: 1, maxKeys: 3 })

/** A configuration whose names and keys are of one alphabet. */
const configOf = (names: fc.Arbitrary<string>): fc.Arbitrary<JsonRecord> => {
  const part = fc.record(
    { name: names, value: word, more: filled(word, names) },
    { requiredKeys: ['name'] },
  )
  return fc.record(
    {
      leaf: word,
      count: fc.integer({ min: 0, max: 3 }),
      inner: fc.oneof(fc.record({ a: word }), fc.record({ a: word, b: word })),
      words: filled(word, names),
      fixed: filled(word),
      parts: fc.uniqueArray(part, { selector: ({ name }) => name, minLength: 1, maxLength: 4 }),
      tags: fc.uniqueArray(names, { minLength: 1, maxLength: 3 }),
      plain: fc.array(word, { minLength: 1, maxLength: 3 }),
      held: fc.record({ a: word }),
    },
    { requiredKeys: [] },
  )
}
const config = configOf(word)

const element = fc.oneof(
  fc.constantFrom('leaf', 'inner', 'a', 'words', 'held', 'deep', 'x').map(fieldElement),
  fc.string({ maxLength: 4 }).map(fieldElement),
  fc.oneof(fc.string({ maxLength: 4 }), fc.integer(), fc.boolean()).map(valueElement),
  fc
    .tuple(fc.integer(), fc.string({ maxLength: 3 }))
    .map((values) => keyElement(['a', 'b'], values)),
)
const path = fc.array(element, { minLength: 1, maxLength: 4 })
const set = fc.array(path, { maxLength: 8 }).map((paths) => fieldSetOfPaths(...paths))

interface State {
  readonly object: JsonRecord | undefined
  readonly managers: Managers
}
const NEW: State = { object: undefined, managers: new Map() }

function run(state: State, manager: string, wanted: JsonRecord, force = false): Application {
  const writer = { manager, operation: 'Apply', apiVersion: 'v1', time: 'T' } as const
  const request = { live: state.object, config: wanted, force }
  return applyConfiguration(KIND, state.managers, request, writer)
}

function applied(state: State, manager: string, wanted: JsonRecord): State {
  const { object, managers } = run(state, manager, wanted, true)
  return { object: object as JsonRecord, managers }
}

const entriesOf = ({ managers }: State): unknown =>
  writeManagers(managers)?.map(({ manager, fieldsV1 }) => ({ manager, fieldsV1 }))

/** A value whose lists by key and sets are in the order of their keys, without what is empty. */
function sorted({ object }: State): unknown {
  const { parts, tags, ...rest } = object as Partial<Record<'parts' | 'tags', unknown[] | null>>
  const byText = (items: unknown[]): unknown[] =>
    items.toSorted((left, right) => (JSON.stringify(left) < JSON.stringify(right) ? -1 : 1))
  const whole = { ...rest, parts: byText(parts ?? []), tags: byText(tags ?? []) }
  return JSON.parse(JSON.stringify(whole, (_, value: unknown) => value ?? undefined))
}

/** The lists and maps of a configuration that can have several owners, cut to a length. */
function openParts({ words, parts, tags }: JsonRecord, length = 9): JsonRecord {
  return {
    ...(words !== undefined && {
      words: Object.fromEntries(Object.entries(words as JsonRecord).slice(0, length)),
    }),
    ...(parts !== undefined && { parts: (parts as unknown[]).slice(0, length) }),
    ...(tags !== undefined && { tags: (tags as unknown[]).slice(0, length) }),
  }
}

describe('applying', () => {
  test('the same again changes nothing', () => {
    fc.assert(
      fc.property(config, config, (first, second) => {
        const once = applied(applied(NEW, 'b', first), 'a', second)
        const twice = applied(once, 'a', second)
        expect(twice.object).toEqual(once.object)
        expect(entriesOf(twice)).toEqual(entriesOf(once))
      }),
      runs(500),
    )
  })

  test('what is applied no more goes, and nothing else', () => {
    fc.assert(
      fc.property(config, config, (others, own) => {
        const before = applied(NEW, 'b', others)
        if (run(before, 'a', own).conflicts.length > 0) return
        const after = applied(applied(before, 'a', own), 'a', {})
        expect(sorted(after)).toEqual(sorted(before))
        expect(entriesOf(after)).toEqual(entriesOf(before))
      }),
      runs(500),
    )
  })

  test('what nobody owns stays beside what is applied', () => {
    const [nobodys, own] = [
      configOf(fc.constantFrom('x', 'y')),
      configOf(fc.constantFrom('p', 'q')),
    ]
    fc.assert(
      fc.property(nobodys, own, (unowned, wanted) => {
        const { object, managers } = applied(NEW, 'b', { leaf: 'b' })
        const before = {
          object: mergeValues(SCHEMA, object, openParts(unowned)) as JsonRecord,
          managers,
        }
        const [more, less] = [openParts(wanted), openParts(wanted, 1)]
        const after = applied(applied(before, 'a', more), 'a', less)
        const expected = mergeValues(SCHEMA, before.object, less) as JsonRecord
        expect(sorted(after)).toEqual(sorted({ object: expected, managers }))
      }),
      runs(500),
    )
  })

  test('managers of different fields never conflict', () => {
    const [left, right] = [configOf(fc.constantFrom('x', 'y')), configOf(fc.constantFrom('p', 'q'))]
    fc.assert(
      fc.property(left, right, fc.boolean(), (one, other, isOne) => {
        // What has one owner goes to one of the two.
        const [first, second] = isOne ? [one, openParts(other)] : [openParts(one), other]
        const state = applied(NEW, 'a', first)
        const application = run(state, 'b', second)
        expect(application.conflicts).toEqual([])
        const object = application.object as JsonRecord
        const missing = (wanted: JsonRecord): FieldSet =>
          compareValues(SCHEMA, mergeValues(SCHEMA, object, wanted), object).modified
        expect([missing(first), missing(second)].every(isEmptySet)).toBe(true)
      }),
      runs(500),
    )
  })

  test('a conflict names exactly what another owns and the configuration changes', () => {
    fc.assert(
      fc.property(config, config, (others, own) => {
        const before = applied(NEW, 'b', others)
        const { conflicts } = run(before, 'a', own)
        const owned = fieldSetOf(SCHEMA, others)
        const { modified, added } = compareValues(SCHEMA, others, mergeValues(SCHEMA, others, own))
        const wanted = intersection(owned, union(modified, added))
        const found = conflicts.reduce((sum, { fields }) => union(sum, fields), EMPTY_SET)
        expect(pathsOf(found)).toEqual(pathsOf(wanted))
      }),
      runs(500),
    )
  })

  test('force leaves the configuration in the object, and its fields to its manager', () => {
    fc.assert(
      fc.property(config, config, (others, own) => {
        const { object, managers } = applied(applied(NEW, 'b', others), 'a', own)
        expect(mergeValues(SCHEMA, object, own)).toEqual(object)
        const [mine] = [...managers.values()].filter(({ manager }) => manager === 'a')
        expect(pathsOf(mine?.fields ?? EMPTY_SET)).toEqual(pathsOf(fieldSetOf(SCHEMA, own)))
      }),
      runs(500),
    )
  })

  test('an update owns what it changes, and nobody what it takes away', () => {
    fc.assert(
      fc.property(config, config, (first, after) => {
        const { object = {}, managers } = applied(NEW, 'a', first)
        const writer = { manager: 'u', operation: 'Update', apiVersion: 'v1' } as const
        const left = managersAfterUpdate(KIND, managers, { before: object, after }, writer)
        const owned = [...left.values()].reduce((sum, { fields }) => union(sum, fields), EMPTY_SET)
        const { removed, modified, added } = compareValues(SCHEMA, object, after)
        expect(pathsOf(intersection(owned, removed))).toEqual([])
        if (managers.size > 0) {
          expect(pathsOf(difference(union(modified, added), owned))).toEqual([])
        }
      }),
      runs(500),
    )
  })

  test('the fields of a new object are those that it adds to an empty one', () => {
    const part = fc.record(
      { name: word, inner: fc.record({ a: word }) },
      { requiredKeys: ['name'] },
    )
    const held = fc.record(
      {
        a: word,
        deep: fc.record(
          { words: filled(word), parts: fc.uniqueArray(part, { selector: ({ name }) => name }) },
          { requiredKeys: [] },
        ),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(config, fc.option(held), set, (made, more, left) => {
        const object = { ...made, ...(more !== null && { held: more }) }
        const { modified, added } = compareValues(SCHEMA, {}, object)
        const wanted = outside(union(modified, added), left)
        const found = createdFields(SCHEMA, object, left)
        expect(JSON.stringify(found ?? {})).toBe(JSON.stringify(encodeFields(wanted)))
      }),
      runs(500),
    )
  })

  test('a merged list has the order of the configuration', () => {
    const names = fc.uniqueArray(fc.integer({ min: 0, max: 9 }), { maxLength: 8 })
    fc.assert(
      fc.property(names, names, (live, wanted) => {
        const partsOf = (all: number[]): JsonRecord => ({
          parts: all.map((name) => ({ name: String(name) })),
        })
        const merged = mergeValues(SCHEMA, partsOf(live), partsOf(wanted)) as {
          parts: { name: string }[]
        }
        const order = merged.parts.map(({ name }) => Number(name))
        expect(new Set(order)).toEqual(new Set([...live, ...wanted]))
        expect(order).toHaveLength(new Set(order).size)
        expect(order.filter((name) => wanted.includes(name))).toEqual(wanted)
        const kept = live.filter((name) => !wanted.includes(name))
        expect(order.filter((name) => !wanted.includes(name))).toEqual(kept)
      }),
      runs(500),
    )
  })
})

describe('sets of fields', () => {
  test('FieldsV1 and back', () => {
    fc.assert(
      fc.property(set, (fields) => {
        const text = JSON.stringify(encodeFields(fields))
        const back = decodeFields(JSON.parse(text))
        expect(pathsOf(back)).toEqual(pathsOf(fields))
        expect(JSON.stringify(encodeFields(back))).toBe(text)
      }),
      runs(500),
    )
  })

  test('are what their paths are', () => {
    fc.assert(
      fc.property(set, set, (left, right) => {
        const texts = (fields: FieldSet): string[] =>
          pathsOf(fields).map((one) => JSON.stringify(one))
        const [mine, other] = [texts(left), new Set(texts(right))]
        const both = mine.filter((one) => other.has(one))
        const rest = mine.filter((one) => !other.has(one))
        expect(texts(intersection(left, right))).toEqual(both)
        expect(texts(difference(left, right))).toEqual(rest)
        expect(new Set(texts(union(left, right)))).toEqual(new Set([...mine, ...other]))
        const below = pathsOf(left).filter((one) =>
          one.every((_, depth) => !other.has(JSON.stringify(one.slice(0, depth + 1)))),
        )
        expect(pathsOf(outside(left, right))).toEqual(below)
      }),
      runs(500),
    )
  })

  test('any FieldsV1 is read or refused', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        try {
          encodeFields(decodeFields(value))
        } catch (thrown) {
          if (!(thrown instanceof PathElementFault)) throw thrown
        }
        readManagers([
          {
            manager: 'a',
            operation: 'Apply',
            apiVersion: 'v1',
            fieldsType: 'FieldsV1',
            fieldsV1: value,
          },
        ])
      }),
      runs(500),
    )
  })
})

describe('any body', () => {
  let cluster: TestCluster
  beforeAll(async () => {
    cluster = await makeCluster({ historyMax: 200 })
  })
  afterAll(() => cluster.stop())

  const field = fc.constantFrom(
    'apiVersion',
    'kind',
    'metadata',
    'name',
    'labels',
    'finalizers',
    'managedFields',
    'ownerReferences',
    'spec',
    'containers',
    'ports',
    'containerPort',
    'protocol',
    'status',
    'conditions',
    'type',
    '__proto__',
  )
  const { wild } = fc.letrec((tie) => ({
    wild: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      fc.oneof(
        fc.constantFrom('a', 'v1', 'Pod', ''),
        fc.integer(),
        fc.constant(null),
        fc.boolean(),
      ),
      fc.array(tie('wild'), { maxLength: 3 }),
      fc.dictionary(field, tie('wild'), { maxKeys: 5 }),
    ),
  }))

  /** Only these are no Status of their own in kube-apiserver either. */
  const PLAIN = /"message":"failed to (?:create typed patch object|merge config)/

  const check = async (body: string, query: string): Promise<void> => {
    const response = await send(cluster, 'PATCH', `/api/v1/namespaces/default/pods/a${query}`, {
      headers: { 'content-type': 'application/apply-patch+yaml' },
      body,
    })
    const text = await response.text()
    if (response.status === 500) expect(text).toMatch(PLAIN)
    else expect(JSON.parse(text).kind).toBe(response.status < 300 ? 'Pod' : 'Status')
  }

  test('is applied or refused', async () => {
    const query = fc.constantFrom('', '/status', '?x', '?force=1', '?fieldValidation=Strict')
    await fc.assert(
      fc.asyncProperty(wild, query, fc.boolean(), async (body, more, isPod) => {
        const whole = isPod ? { ...(body as object), apiVersion: 'v1', kind: 'Pod' } : body
        const mark = more.includes('?') ? '&' : '?'
        await check(JSON.stringify(whole), `${more}${mark}fieldManager=f`)
      }),
      runs(300),
    )
  })

  test.each([
    [
      'deep',
      `{"apiVersion":"v1","kind":"Pod","metadata":${'{"labels":'.repeat(300)}1${'}'.repeat(301)}`,
    ],
    ['deep YAML', '[ '.repeat(5000)],
    [
      'aliases that make more of themselves',
      `a: &a [x, x]\n${'bcdefghijkl'
        .split('')
        .map((name, at) => `${name}: &${name} [*${'abcdefghijk'[at]}, *${'abcdefghijk'[at]}]`)
        .join('\n')}`,
    ],
    ['aliases of itself', 'a: &a\n  b: *a'],
    ['two documents', 'apiVersion: v1\n---\nkind: Pod'],
    ['no UTF-8', '\u0000\ufffd'],
    ['a tag', 'apiVersion: !!js/function v1'],
  ])('%s', (_name, body) => check(body, '?fieldManager=f'))
})
