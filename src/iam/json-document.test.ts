import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { PodroleError } from '../lib/errors.ts'
import { duplicateKeyOf, parseJsonDocument } from './json-document.ts'
import type { JsonNode } from './json-document.ts'

const SCALE = Number(process.env['PODROLE_TEST_SCALE'] ?? 1)
const numRuns = (runs: number): number => Math.ceil(runs * SCALE)

function toValue(node: JsonNode): unknown {
  switch (node.kind) {
    case 'object':
      return Object.fromEntries(node.members.map(({ key, value }) => [key, toValue(value)]))
    case 'array':
      return node.items.map(toValue)
    case 'number':
      return Number(node.text)
    case 'null':
      return null
    case 'string':
    case 'boolean':
      return node.value
    default:
      return node satisfies never
  }
}

const faultOf = (text: string): string => {
  try {
    parseJsonDocument(text)
    return 'no fault'
  } catch (error) {
    expect(error).toBeInstanceOf(PodroleError)
    expect((error as PodroleError).code).toBe('InvalidJson')
    return (error as PodroleError).message
  }
}

test('keeps order, repeated keys and digits', () => {
  const node = parseJsonDocument('{"b":1.50,"a":2,"b":[true,null]}')
  expect(node).toEqual({
    kind: 'object',
    members: [
      { key: 'b', value: { kind: 'number', text: '1.50' } },
      { key: 'a', value: { kind: 'number', text: '2' } },
      {
        key: 'b',
        value: { kind: 'array', items: [{ kind: 'boolean', value: true }, { kind: 'null' }] },
      },
    ],
  })
  if (node.kind !== 'object') throw new Error('not an object')
  expect(duplicateKeyOf(node.members)).toBe('b')
  expect(duplicateKeyOf(node.members.slice(1))).toBeUndefined()
})

test('reads what JSON.parse reads, and refuses what it refuses', () => {
  const texts = fc.oneof(
    fc.json(),
    fc.string(),
    fc.string({ unit: fc.constantFrom(...'{}[]",:\\ \n0123.eE+-truefalsn'.split('')) }),
    fc.json().chain((text) => fc.nat(text.length).map((at) => text.slice(0, at))),
  )
  fc.assert(
    fc.property(texts, (text) => {
      let wanted: unknown
      try {
        wanted = JSON.parse(text)
      } catch {
        expect(faultOf(text)).toStartWith('Cannot read JSON')
        return
      }
      // Object.fromEntries makes __proto__ a plain key, as JSON.parse does.
      expect(toValue(parseJsonDocument(text))).toEqual(wanted)
    }),
    { numRuns: numRuns(3000) },
  )
})

test('is bounded in depth and length', () => {
  expect(faultOf('['.repeat(100_000))).toContain('at most 32 levels')
  expect(faultOf('{"a":'.repeat(1000))).toContain('at most 32 levels')
  expect(faultOf(`"${'a'.repeat(131_072)}"`)).toContain('at most 131072 are read')
  expect(faultOf(`${'['.repeat(32)}${']'.repeat(32)}`)).toBe('no fault')
})
