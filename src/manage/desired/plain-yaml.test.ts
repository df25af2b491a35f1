/** What is read the quick way is what the `yaml` package reads, and it finds no fault there. */
import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { parseAllDocuments } from 'yaml'
import { readPlainDocuments } from './plain-yaml.ts'

const RUNS = 3000 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1)
const TESTDATA = join(import.meta.dir, 'testdata')
const FILES = ['read', 'faults'].flatMap((folder) =>
  readdirSync(join(TESTDATA, folder))
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => readFileSync(join(TESTDATA, folder, name), 'utf8')),
)

const read = (text: string): readonly unknown[] | undefined => readPlainDocuments(text, 1000)

/** @throws Error where the `yaml` package finds a fault */
function byYaml(text: string): readonly unknown[] {
  const parsed = parseAllDocuments(text, { merge: true, logLevel: 'silent' })
  return (Array.isArray(parsed) ? parsed : []).map((document) => {
    const [problem] = [...document.errors, ...document.warnings]
    if (problem !== undefined) throw problem
    return document.toJS({ maxAliasCount: -1 }) as unknown
  })
}

/** Compares them, and requires that a share of the texts is read the quick way at all. */
function compare(texts: fc.Arbitrary<string>, share: number): void {
  let taken = 0
  fc.assert(
    fc.property(texts, (text) => {
      const values = read(text)
      if (values === undefined) return
      taken += 1
      expect(values).toStrictEqual([...byYaml(text)])
    }),
    { numRuns: RUNS, examples: [['a: 1\n'], ['- -0\n'], ['a: .nan\n'], ['---\na: 1\n---\nb: 2']] },
  )
  expect(taken / RUNS).toBeGreaterThan(share)
}

const oneOf = (...values: readonly string[]): fc.Arbitrary<string> => fc.constantFrom(...values)
const from = (letters: string, maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: oneOf(...letters.split('')), minLength: 1, maxLength })

const ODD = [
  ['&a x', '*a', '!t x', '!!str 1', '|', '>-', '{', '[', '@x', '%x', '? x', '\tx', 'x\t'],
  ['x: y', 'x:', '"x', "'x", '"a\\n"', '""', "'it''s'", '<<', '~', 'null', 'True', 'yes'],
  ['---', '...', '--- x', '#c', 'x#c', '- x', '-x', '--x', 'é', '=', '.', '.x', 'x, y', '::'],
  ['http://x:80/y', 'arn:aws:iam::1:role/x', '12:30', '2001-01-01', '0o17', '0x1F', '.inf'],
].flat()
const odd = oneOf(...ODD)
const scalar = fc.oneof(
  from('0123456789.xobe+-_EinfaN', 6),
  from('ab1.-:/,*_~$ ', 5),
  from('ab :#,{}[]1-', 5).map((text) => `"${text}"`),
  from('ab :#,{}[]1-"', 5).map((text) => `'${text}'`),
  oneOf('a', 'shop', '1', 'true', 'x-y'),
  odd,
)
const key = fc.oneof(
  oneOf('a', 'b', 'c', 'd', '"a"', "'b'", 'a.b/c', 'null', '1', 'true', '<<', '__proto__', 'a b'),
  scalar,
)
const colon = oneOf(': ', ': ', ': ', ':', ' : ')
const { flow } = fc.letrec<{ flow: string; item: string }>((tie) => ({
  item: fc.oneof({ maxDepth: 2 }, scalar, tie('flow')),
  flow: fc.oneof(
    fc.array(tie('item'), { maxLength: 3 }).map((items) => `[${items.join(', ')}]`),
    fc
      .array(fc.tuple(key, colon, tie('item')), { maxLength: 3 })
      .map((entries) => `{ ${entries.map((entry) => entry.join('')).join(', ')} }`),
  ),
}))
const line = fc
  .tuple(
    oneOf('', '', '', '- ', '- - ', '-  ', '-   - '),
    fc.oneof({ arbitrary: fc.tuple(key, colon), weight: 3 }, fc.constant(['', ''])),
    fc.oneof(scalar, flow, fc.constant('')),
    oneOf('', '', '', ' ', ' # c: d', '#c'),
  )
  .map(([dashes, entry, value, end]) => `${dashes}${entry.join('')}${value}${end}`)
const indented = (one: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .array(fc.tuple(one, fc.constantFrom(0, 0, 0, 2, 2, -2, 1, -1)), { minLength: 1, maxLength: 8 })
    .map((lines) => {
      let indent = 0
      return lines
        .map(([text, change]) => {
          indent = Math.max(0, indent + change)
          return ' '.repeat(indent) + text
        })
        .join('\n')
    })

describe('the same is made of', () => {
  test('any lines', () => compare(indented(fc.oneof(line, line, odd)), 0.02))

  test('plain lines at any depth', () => {
    const name = oneOf(...'abcdefgh'.split('')).map((letter) => `${letter}:`)
    const plain = fc
      .tuple(oneOf('', '- ', '-  '), name, oneOf('', ' 1', '  x'))
      .map((all) => all.join(''))
    compare(indented(plain), 0.1)
  })

  test('any numbers', () => {
    const digits = from('0123456789', 30)
    const short = from('0123456789', 3)
    const sign = oneOf('', '', '-', '+', '--')
    const number = fc.oneof(
      fc.tuple(sign, digits),
      fc.tuple(sign, short, fc.constant('.'), digits),
      fc.tuple(sign, short, oneOf('e', 'E', 'e-', 'e+', '.e'), short),
      fc.tuple(sign, oneOf('0x', '0X', '0o', '0b', '0'), from('0123456789abcdefABCDEF', 20)),
      fc.tuple(sign, short, oneOf('_', ':', ',', '-', ' ', 'k'), short),
      fc.tuple(sign, fc.constant('.'), short),
    )
    compare(
      fc.tuple(oneOf('a: ', '- ', '[x, '), number).map(([before, parts]) => {
        const text = `${before}${parts.join('')}`
        return before.startsWith('[') ? `a: ${text}]` : text
      }),
      0.1,
    )
  })

  test('words that may mean something, in any capitals', () => {
    const words = ['true', 'false', 'null', 'yes', 'no', 'on', 'off', 'y', 'n', '.inf', '-.inf']
    const word = fc
      .tuple(oneOf(...words, '.nan', '~', 'none', 'inf', 'nan', 'undefined'), fc.nat(255))
      .map(([text, capitals]) =>
        [...text.split('').entries()]
          .map(([at, letter]) => (((capitals >> at) & 1) === 1 ? letter.toUpperCase() : letter))
          .join(''),
      )
    compare(
      fc.tuple(oneOf('a: ', '- ', '- a: '), word).map((parts) => parts.join('')),
      0.1,
    )
  })

  test('any characters of YAML', () => compare(from('ab:- \n#"\'{}[],&*!|>%@`?1.0~<', 24), 0))

  test('files about clusters, with lines moved, doubled, left out and changed', () => {
    const change = fc.record({
      how: oneOf('drop', 'double', 'indent', 'insert'),
      at: fc.nat(1000),
      column: fc.nat(60),
      put: from(':- #"\'{}[],&*!|>%@`?1.0~<\t\ra', 2),
    })
    const changed = fc
      .tuple(fc.constantFrom(...FILES), fc.nat(1000), fc.array(change, { maxLength: 3 }))
      .map(([text, start, changes]) => {
        const all = text.split('\n')
        const from = start % all.length
        let lines = all.slice(from, from + 12)
        for (const { at, column, how, put } of changes) {
          lines = lines.flatMap((one, index) => {
            if (index !== at % lines.length) return [one]
            if (how === 'drop') return []
            if (how === 'double') return [one, one]
            return how === 'indent'
              ? [`  ${one}`]
              : [one.slice(0, column) + put + one.slice(column)]
          })
        }
        return lines.join('\n')
      })
    compare(changed, 0.05)
  })
})

describe('left to the yaml package', () => {
  test.each([
    ['a key twice', 'a: 1\na: 2\n'],
    ['a key twice, in quotes once', 'a: 1\n"a": 2\n'],
    ['a key twice in braces', 'x: { a: 1, a: 2 }\n'],
    ['a key twice in an item', '- a: 1\n  a: 2\n'],
    ['a key twice far apart', `a:\n  b: 1\n${'c:\n'.repeat(1)}a:\n  d: 1\n`],
    ['an anchor', 'a: &x 1\nb: *x\n'],
    ['a tag', 'a: !!str 1\n'],
    ['a merge key', '<<: { a: 1 }\n'],
    ['a text over lines', 'a: b\n  c\n'],
    ['a block of text', 'a: |\n  b\n'],
    ['an escape', 'a: "\\u00e9"\n'],
    ['a tab', 'a:\t1\n'],
    ['a carriage return', 'a: 1\r\n'],
    ['a prototype', '__proto__: 1\n'],
    ['an empty document', 'a: 1\n---\n# nothing\n'],
    ['no document', '# nothing\n'],
    ['many dashes', `${'- '.repeat(100_000)}a\n`],
    ['many braces', `a: ${'{ a: '.repeat(100_000)}\n`],
    ['a long key', `${'a'.repeat(1100)}: 1\n`],
    ['a deep indent', `${' '.repeat(200)}a: 1\n`],
  ])('%s', (_what, text) => {
    expect(read(text)).toBeUndefined()
  })
})

test('what podrole reads is mostly read the quick way', () => {
  const taken = FILES.filter((text) => read(text) !== undefined)
  expect(taken.length / FILES.length).toBeGreaterThan(0.3)
})

test('a limit of documents is kept', () => {
  expect(readPlainDocuments('a: 1\n---\nb: 2\n', 2)).toEqual([{ a: 1 }, { b: 2 }])
  expect(readPlainDocuments('a: 1\n---\nb: 2\n---\nc: 3\n', 2)).toBeUndefined()
})
