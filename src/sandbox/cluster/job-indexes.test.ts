import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import {
  checkIndexes,
  countCommonIndexes,
  countIndexes,
  firstIndexesBeside,
  formatIndexes,
  hasIndex,
  indexesOf,
  parseIndexes,
  uniteIndexes,
} from './job-indexes.ts'

const numbers = fc.array(fc.nat(40), { maxLength: 30 })
const sorted = (some: Iterable<number>): number[] =>
  [...new Set(some)].toSorted((left, right) => left - right)

test.each([
  [[], ''],
  [[3], '3'],
  [[4, 3], '3,4'],
  [[5, 3, 4, 0], '0,3-5'],
])('%j is written %j', (some, text) => {
  expect(formatIndexes(indexesOf(some))).toBe(text)
})

test('sets of numbers do as sets do', () => {
  fc.assert(
    fc.property(numbers, numbers, fc.nat(10), fc.nat(45), (one, other, count, limit) => {
      const [left, right] = [indexesOf(one), indexesOf(other)]
      expect(parseIndexes(formatIndexes(left), 41)).toEqual(left)
      expect(checkIndexes(formatIndexes(left), 41)).toBe(new Set(one).size)
      expect(countIndexes(left)).toBe(new Set(one).size)
      expect(uniteIndexes(left, right)).toEqual(indexesOf([...one, ...other]))
      const common = sorted(one).filter((number) => other.includes(number))
      expect(countCommonIndexes(left, right)).toBe(common.length)
      expect(hasIndex(left, count)).toBe(one.includes(count))
      const free = Array.from({ length: limit }, (_each, at) => at).filter(
        (number) => !one.includes(number),
      )
      expect(firstIndexesBeside(left, count, limit)).toEqual(free.slice(0, count))
    }),
  )
})

test('numbers of any size and any text take no time', () => {
  expect(countIndexes(parseIndexes('0-2147483646', 2_147_483_647))).toBe(2_147_483_647)
  expect(parseIndexes('5,x,7-,9-8,2-3-4,1', 100)).toEqual([
    [1, 3],
    [5, 5],
  ])
  expect(parseIndexes('2-20,30', 10)).toEqual([[2, 9]])
})
