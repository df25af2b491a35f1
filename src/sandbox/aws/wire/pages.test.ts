import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { State } from '../../state.ts'
import { pageOf, pageOfTable } from './pages.ts'

const RUNS = Math.ceil(300 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))
const name = fc.string({ unit: fc.constantFrom('a', 'b', 'B', '-', '0'), maxLength: 4 })
const named = fc.string({
  unit: fc.constantFrom('a', 'b', 'B', '-', '0'),
  minLength: 1,
  maxLength: 4,
})
const limit = fc.integer({ min: 1, max: 6 })

/** Follows the tokens to the end. */
function allPages<T>(
  pageAt: (token: string | undefined) => { items: readonly T[]; next: string | undefined },
): (readonly T[])[] {
  const pages: (readonly T[])[] = []
  let token: string | undefined
  do {
    const page = pageAt(token)
    pages.push(page.items)
    token = page.next
  } while (token !== undefined)
  return pages
}

test('pages hold everything once, in order, each full but the last', () => {
  fc.assert(
    fc.property(fc.uniqueArray(name, { maxLength: 30 }), limit, (names, most) => {
      const pages = allPages((token) =>
        pageOf(names, (one) => one, { limit: most, token, fault: 'X' }),
      )
      expect(pages.flat()).toEqual([...names].sort((a, b) => (a < b ? -1 : 1)))
      expect(pages.slice(0, -1).every((page) => page.length === most)).toBe(true)
      expect(pages.at(-1)!.length).toBeGreaterThan(names.length === 0 ? -1 : 0)
    }),
    { numRuns: RUNS },
  )
})

test('items of the same key keep their order, and none is asked for twice', () => {
  const items = 'bcabca'.split('').map((key, index) => ({ key, index }))
  const { items: page, next } = pageOf(items, ({ key }) => key, {
    limit: 6,
    token: undefined,
    fault: 'X',
  })
  expect(page.map(({ index }) => index)).toEqual([2, 5, 0, 3, 1, 4])
  expect(next).toBeUndefined()
  expect(pageOf(items, ({ key }) => key, { limit: 0, token: undefined, fault: 'X' })).toEqual({
    items: [],
    next: undefined,
  })
})

test('a table gives the same pages, while its records come, go and change', () => {
  const step = fc.record({
    account: fc.constantFrom('1', '11', '2'),
    name: named,
    isThere: fc.boolean(),
  })
  fc.assert(
    fc.property(
      fc.array(fc.array(step, { maxLength: 12 }), { maxLength: 5 }),
      limit,
      (rounds, most) => {
        const table = new State().table<{ account: string; name: string; round: number }>('t')
        for (const [round, steps] of rounds.entries()) {
          for (const one of steps) {
            const key = `${one.account}/${one.name}`
            if (one.isThere) table.set(key, { account: one.account, name: one.name, round })
            else table.delete(key)
          }
          const isWanted = ({ name: own }: { name: string }): boolean => !own.startsWith('-')
          const mine = [...table.values()].filter((one) => one.account === '1' && isWanted(one))
          const ask = { limit: most, fault: 'X' }
          expect(
            allPages((token) =>
              pageOfTable(table, (one) => `${one.account}/${one.name}`, {
                ...ask,
                token,
                prefix: '1/',
                isWanted,
              }),
            ),
          ).toEqual(allPages((token) => pageOf(mine, (one) => one.name, { ...ask, token })))
        }
      },
    ),
    { numRuns: RUNS },
  )
})

test('a page goes on after a record that is gone', () => {
  const table = new State().table<string>('t')
  for (const letter of ['a', 'b', 'c', 'd']) table.set(letter, letter)
  const ask = { limit: 2, fault: 'X', prefix: '', isWanted: () => true }
  const { next } = pageOfTable(table, (one) => one, { ...ask, token: undefined })
  table.delete('b')
  expect(pageOfTable(table, (one) => one, { ...ask, token: next }).items).toEqual(['c', 'd'])
})

for (const token of ['', 'x', Buffer.from('other:a').toString('base64url'), 'A'.repeat(5000)]) {
  test(`a token that is not one is refused: ${token.slice(0, 20)}`, () => {
    const ask = { limit: 1, token, fault: 'InvalidInput' }
    expect(() => pageOf(['a'], (one) => one, ask)).toThrow('Invalid value for the paging token')
    const table = new State().table<string>('t')
    const more = { ...ask, prefix: '', isWanted: () => true }
    expect(() => pageOfTable(table, (one) => one, more)).toThrow(
      'Invalid value for the paging token',
    )
  })
}
