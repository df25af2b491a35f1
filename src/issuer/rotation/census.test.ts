import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { PodroleError } from '../../lib/errors.ts'
import { TOKEN_EXPIRY } from '../../token/seen-tokens.ts'
import { mergeCensuses, readCensus } from './census.ts'
import cases from './testdata/census-pages.json' with { type: 'json' }

const RUNS = Math.ceil(500 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))

const seen = (census: ReturnType<typeof readCensus>): Record<string, number> =>
  Object.fromEntries([...census].map(([kid, { lastExpMs }]) => [kid, lastExpMs]))

const faultOf = (page: string): PodroleError | undefined => {
  try {
    readCensus(page, 'http://10.0.0.1:2703/metrics')
    return undefined
  } catch (error) {
    expect(error).toBeInstanceOf(PodroleError)
    return error as PodroleError
  }
}

for (const { name, page, census, fault } of cases) {
  test(name, () => {
    const text = page.map((line) => `${line}\n`).join('')
    if (census !== undefined) {
      expect(seen(readCensus(text, 'here'))).toEqual(census as Record<string, number>)
      return
    }
    const thrown = faultOf(text)
    expect(thrown?.code).toBe('CensusUnusable')
    expect(thrown?.message).toContain('http://10.0.0.1:2703/metrics')
    expect(thrown?.message).toContain(fault ?? 'every case has a census or a fault')
  })
}

const pageOf = (samples: readonly (readonly [string, number])[]): string =>
  [
    `# TYPE ${TOKEN_EXPIRY} gauge`,
    ...samples.map(([kid, seconds]) => {
      const escaped = kid.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"')
      return `${TOKEN_EXPIRY}{kid="${escaped}"} ${seconds}`
    }),
    '# EOF\n',
  ].join('\n')

const samples = fc.array(
  fc.tuple(
    fc.string({ unit: fc.constantFrom('\\', '"', '\n', '}', '{', ',', 'k', 'n'), minLength: 1 }),
    fc.nat(4_000_000_000),
  ),
  { maxLength: 20 },
)

test('whatever the kids are, the latest exp of each is read', () => {
  fc.assert(
    fc.property(samples, (list) => {
      const wanted: Record<string, number> = Object.create(null)
      for (const [kid, seconds] of list) {
        wanted[kid] = Math.max(wanted[kid] ?? 0, seconds * 1000)
      }
      expect(seen(readCensus(pageOf(list), 'here'))).toEqual({ ...wanted })
    }),
    { numRuns: RUNS },
  )
})

test('a page that is cut anywhere is a fault', () => {
  fc.assert(
    fc.property(samples, fc.nat(), (list, cut) => {
      // The newline after the last line may go.
      const whole = pageOf(list).slice(0, -1)
      expect(faultOf(whole.slice(0, cut % whole.length))?.code).toBe('CensusUnusable')
    }),
    { numRuns: RUNS },
  )
})

test('no page makes another fault, or takes long', () => {
  const piece = fc.constantFrom(TOKEN_EXPIRY, '{', '}', 'kid="', '"', '\\', ',', ' ', '1', 'e', '#')
  const tail = fc.array(fc.oneof(piece, fc.string({ maxLength: 3 })), { maxLength: 200 })
  fc.assert(
    fc.property(tail, (pieces) => {
      const fault = faultOf(`# TYPE ${TOKEN_EXPIRY} gauge\n${pieces.join('')}\n# EOF\n`)
      expect(fault?.code ?? 'CensusUnusable').toBe('CensusUnusable')
    }),
    { numRuns: RUNS },
  )
  // CPU time: a busy machine takes longer for the same.
  const begun = process.cpuUsage()
  expect(faultOf(pageOf([['\\'.repeat(4_000_000), 1]]))?.code).toBe('CensusUnusable')
  expect(
    faultOf(`# TYPE ${TOKEN_EXPIRY} gauge\n${TOKEN_EXPIRY}{${'a="",'.repeat(1_000_000)}} 1\n# EOF`)
      ?.message,
  ).toContain('no label kid')
  const { user, system } = process.cpuUsage(begun)
  expect((user + system) / 1000).toBeLessThan(5000)
})

test('a kid is as long as an external signer may make it, and no longer', () => {
  expect(readCensus(pageOf([['k'.repeat(1024), 1]]), 'here').size).toBe(1)
  expect(faultOf(pageOf([['k'.repeat(1025), 1]]))?.message).toContain('1 to 1024 characters')
})

test('a page names so many keys and no more', () => {
  const kids = (count: number) => Array.from({ length: count }, (_, i) => [`k${i}`, i] as const)
  expect(readCensus(pageOf(kids(10_000)), 'here').size).toBe(10_000)
  expect(faultOf(pageOf(kids(10_001)))?.message).toContain('more than 10000 keys')
})

test('over several processes the latest of each key counts', () => {
  const merged = mergeCensuses([
    readCensus(
      pageOf([
        ['a', 3],
        ['b', 1],
      ]),
      'one',
    ),
    readCensus(
      pageOf([
        ['a', 2],
        ['c', 9],
      ]),
      'two',
    ),
  ])
  expect(seen(merged)).toEqual({ a: 3000, b: 1000, c: 9000 })
})
