import { expect, test } from 'bun:test'
import { missingTags, parseTags } from './tags.ts'

test('reads KEY=VALUE; the key ends at the first =', () => {
  expect(parseTags(['team=shop', 'a b=c=d', 'ü='])).toEqual({ team: 'shop', 'a b': 'c=d', ü: '' })
})

test.each([
  [['team'], /wanted KEY=VALUE/],
  [['=x'], /its key is empty/],
  [[`${'k'.repeat(129)}=x`], /129 characters/],
  [[`k=${'v'.repeat(257)}`], /257 characters/],
  [['AWS:x=y'], /for AWS alone/],
  [['podrole.dev/managed-by=me'], /podrole's own/],
  [['a*=b'], /only letters/],
  [['Team=a', 'team=b'], /given twice/],
  [Array.from({ length: 50 }, (_, at) => `k${at}=v`), /at most 46 fit/],
])('refuses %p', (texts, message) => {
  expect(() => parseTags(texts)).toThrow(message)
})

test('what is missing is what is not there with that value', () => {
  expect(missingTags({ a: '1', b: '2', c: '3' }, { a: '1', b: '1', d: '4' })).toEqual({
    b: '2',
    c: '3',
  })
})
