import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { numRuns } from './callers.suite.ts'
import { parseJsonDocument } from './json-document.ts'
import { formatJsonDocument, jsonNodeOf } from './json-text.ts'

test('what was read and written reads the same again, with and without lines', () => {
  const texts = fc.oneof(
    fc.json({ maxDepth: 4 }),
    fc.constantFrom('{"a":1.50,"a":-0e3,"":[{},[]]}', '"\\u0001\\ud83d\\ude00\\ud800"'),
  )
  fc.assert(
    fc.property(texts, fc.constantFrom(0, 2), (text, indent) => {
      const node = parseJsonDocument(text)
      expect(parseJsonDocument(formatJsonDocument(node, indent))).toEqual(node)
    }),
    { numRuns: numRuns(300) },
  )
})

test('is as short as JSON can be, or laid out as JSON.stringify lays it out', () => {
  const value = { b: ['x', 1, true, null, {}, []], a: { c: 'é' } }
  const node = jsonNodeOf(value)
  expect(formatJsonDocument(node)).toBe(JSON.stringify(value))
  expect(formatJsonDocument(node, 2)).toBe(JSON.stringify(value, null, 2))
})

test('holds no character that IAM refuses in a policy', () => {
  const text = formatJsonDocument(jsonNodeOf({ ключ: 'ÿ€😀' }))
  expect(text).toMatch(/^[\u0020-\u00ff]*$/)
  expect(JSON.parse(text)).toEqual({ ключ: 'ÿ€😀' })
})
