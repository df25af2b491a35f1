import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { PodroleError } from '../lib/errors.ts'
import { applyJsonPatch, equalJson, type JsonPatch, jsonPointer } from './json-patch.ts'
import { applyMergePatch } from './merge-patch.ts'
import cases from './testdata/json-patch.json'

const RUNS = Math.ceil(300 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))

interface Case {
  readonly name: string
  readonly document: unknown
  readonly patch: unknown
  readonly result?: unknown
  readonly error?: string
}

function codeOfThrown(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    if (error instanceof PodroleError) return error.code
    throw error
  }
  return 'none'
}

for (const { name, document, patch, result, error } of cases as Case[]) {
  test(`JSON patch: ${name}`, () => {
    const before = structuredClone({ document, patch })
    if (error === undefined) {
      expect(applyJsonPatch(document, patch as JsonPatch)).toEqual(result)
    } else {
      expect(codeOfThrown(() => applyJsonPatch(document, patch as JsonPatch))).toBe(error)
    }
    expect({ document, patch }).toEqual(before)
  })
}

const LENIENT: readonly (readonly [unknown, unknown, unknown])[] = [
  [{ a: 1 }, { op: 'replace', path: '/b', value: 2 }, { a: 1, b: 2 }],
  [{ a: 1 }, { op: 'test', path: '/b', value: null }, { a: 1 }],
  [{ a: 1 }, { op: 'copy', from: '/b', path: '/c' }, { a: 1, c: null }],
  [{ a: 1 }, { op: 'add', path: '/b' }, { a: 1, b: null }],
  [[1, 2], { op: 'add', path: '/-1', value: 3 }, [1, 2, 3]],
  [[1, 2], { op: 'remove', path: '/-1' }, [1]],
  [[1, 2], { op: 'replace', path: '/01', value: 3 }, [1, 3]],
  [[{ a: 1 }], { op: 'replace', path: '/-1/a', value: 3 }, [{ a: 3 }]],
]
test.each(LENIENT)('kube-apiserver takes of %j the patch %j', (document, operation, result) => {
  const patch = [operation] as JsonPatch
  expect(applyJsonPatch(document, patch, 'kubernetes')).toEqual(result)
  expect(() => applyJsonPatch(document, patch)).toThrow(PodroleError)
})

test('not even kube-apiserver goes through what is not there, or past a list', () => {
  for (const path of ['/b/c', '/a/9', '/a/-9']) {
    const patch = [{ op: 'replace', path, value: 1 }] as const
    expect(() => applyJsonPatch({ a: [1] }, patch, 'kubernetes')).toThrow(PodroleError)
  }
})

test('a member named __proto__ is data', () => {
  const patch = JSON.parse('[{"op":"add","path":"/__proto__","value":{"polluted":true}}]')
  const result: object = applyJsonPatch({}, patch)
  expect(JSON.stringify(result)).toBe('{"__proto__":{"polluted":true}}')
  expect(Reflect.get({}, 'polluted')).toBeUndefined()
  const merged: object = applyMergePatch({}, JSON.parse('{"__proto__":{"polluted":true}}'))
  expect(Object.getPrototypeOf(merged)).toBe(Object.prototype)
})

test('copies that double the document are bounded', () => {
  const patch: JsonPatch = Array.from({ length: 200 }, (_, at) => ({
    op: 'copy' as const,
    from: '/a',
    path: `/a/${at}`,
  }))
  expect(codeOfThrown(() => applyJsonPatch({ a: { x: [1, 2, 3] } }, patch))).toBe('InvalidPatch')
})

test('the fault names the operation', () => {
  expect(() =>
    applyJsonPatch({ a: 1 }, [
      { op: 'test', path: '/a', value: 1 },
      { op: 'remove', path: '/b' },
    ]),
  ).toThrow('patch operation 1 (remove "/b"): there is no "b"')
})

test('law: replacing every member of one value by another value makes the other value', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue(), (document, value) => {
      for (const key of Object.keys(document)) {
        const path = jsonPointer(key)
        const result = applyJsonPatch(document, [
          { op: 'replace', path, value },
          { op: 'test', path, value },
        ])
        expect(equalJson(Object.getOwnPropertyDescriptor(result, key)?.value, value)).toBe(true)
      }
    }),
    { numRuns: RUNS },
  )
})

test('fuzz: any patch on any document is a document or a PodroleError', () => {
  const path = fc.oneof(
    fc.string(),
    fc
      .array(fc.oneof(fc.constantFrom('a', '0', '1', '-', '__proto__', ''), fc.string()))
      .map((parts) => jsonPointer(...parts)),
  )
  const operation = fc.record(
    {
      op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test', 'x'),
      path,
      from: path,
      value: fc.jsonValue(),
    },
    { requiredKeys: ['op', 'path'] },
  )
  fc.assert(
    fc.property(fc.jsonValue(), fc.array(operation), (document, patch) => {
      const before = JSON.stringify(document)
      try {
        JSON.stringify(applyJsonPatch<unknown>(document, patch as JsonPatch))
      } catch (error) {
        expect(error).toBeInstanceOf(PodroleError)
      }
      expect(JSON.stringify(document)).toBe(before)
    }),
    { numRuns: RUNS },
  )
})

// RFC 7386, appendix A.
const MERGES: readonly [unknown, unknown, unknown][] = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [
    ['a', 'b'],
    ['c', 'd'],
    ['c', 'd'],
  ],
  [{ a: 'b' }, ['c'], ['c']],
  [{ a: 'foo' }, null, null],
  [{ a: 'foo' }, 'bar', 'bar'],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
]

test.each(MERGES)('merge patch: %j and %j make %j', (target, patch, result) => {
  expect(applyMergePatch(target, patch)).toEqual(result)
})
