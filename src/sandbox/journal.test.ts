import { afterEach, describe, expect, test } from 'bun:test'
import { array, assert, constantFrom, nat, option, property, record, string } from 'fast-check'
import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openJournal } from './journal.ts'
import { type Change, State } from './state.ts'

const RUNS = Math.ceil(100 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-journal-'))
  folders.push(folder)
  return join(folder, 'state')
}

/** What another start finds. */
function reopen(folder: string): { records: Change[]; size: number } {
  const state = new State()
  const journal = openJournal(folder, state)
  const { size } = journal
  journal.close()
  return { records: [...state.records()], size }
}

const fileOf = (folder: string): string => join(folder, 'state.jsonl')

describe('a journal', () => {
  test('gives back records in the order of their first write, and deletions', () => {
    const folder = newFolder()
    const state = new State()
    openJournal(folder, state)
    const table = state.table<object>('roles')
    table.set('a', { text: 'ä\n"' })
    table.set('b', { n: 1 })
    table.set('c', {})
    table.set('a', { text: 'later' })
    expect(table.delete('b')).toBe(true)
    expect(table.delete('b')).toBe(false)
    // No close: the process may be gone; the file has all the same what was written.
    const text = readFileSync(fileOf(folder), 'utf8')
    const copy = newFolder()
    openJournal(copy, new State()).close()
    writeFileSync(fileOf(copy), text)
    expect(reopen(copy).records).toEqual([
      { table: 'roles', key: 'a', value: { text: 'later' } },
      { table: 'roles', key: 'c', value: {} },
    ])
  })

  test('keeps its folder and files for their owner alone', () => {
    const folder = newFolder()
    openJournal(folder, new State())
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    for (const name of ['state.jsonl', 'lock', 'owner']) {
      expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600)
    }
  })

  test('drops a line without its end and goes on after the line before it', () => {
    const folder = newFolder()
    const state = new State()
    const journal = openJournal(folder, state)
    state.table('t').set('first', 1)
    journal.close()
    appendFileSync(fileOf(folder), '["t","torn",{"half')
    expect(reopen(folder).records).toEqual([{ table: 't', key: 'first', value: 1 }])
    expect(readFileSync(fileOf(folder), 'utf8')).not.toContain('torn')
  })

  test('cut at any byte, gives back a state that was', () => {
    const change = record({
      key: constantFrom('a', 'b', 'c'),
      value: option(string({ unit: 'grapheme', maxLength: 20 }), { nil: undefined }),
    })
    assert(
      property(array(change, { maxLength: 12 }), nat(), (changes, at) => {
        const folder = newFolder()
        const state = new State()
        const journal = openJournal(folder, state)
        const table = state.table('t')
        const start = journal.size
        const were = [{ size: start, records: [] as Change[] }]
        for (const { key, value } of changes) {
          if (value === undefined) table.delete(key)
          else table.set(key, value)
          were.push({ size: journal.size, records: [...state.records()] })
        }
        const cut = start + (at % (journal.size - start + 1))
        journal.close()
        truncateSync(fileOf(folder), cut)
        const whole = were.findLast(({ size }) => size <= cut)
        expect(reopen(folder).records).toEqual(whole?.records ?? [])
      }),
      { numRuns: RUNS },
    )
  })

  test('keeps changes that belong together all or not at all, wherever it is cut', () => {
    const folder = newFolder()
    const state = new State()
    const journal = openJournal(folder, state)
    state.table('t').set('gone', 1)
    const before = journal.size
    state.write([
      { table: 't', key: 'gone', value: undefined },
      { table: 't', key: 'here', value: [['like', 'rows']] },
      { table: 'u', key: 'too', value: 2 },
    ])
    const after = [...state.records()]
    const whole = readFileSync(fileOf(folder))
    journal.close()
    expect(whole.length).toBe(journal.size)
    for (let cut = before; cut <= whole.length; cut += 1) {
      writeFileSync(fileOf(folder), whole.subarray(0, cut))
      const were = cut < whole.length ? [{ table: 't', key: 'gone', value: 1 }] : after
      expect({ cut, records: reopen(folder).records }).toEqual({ cut, records: were })
    }
  })

  test('goes on in a file that has grown little, and compacts one that holds much of the past', () => {
    const folder = newFolder()
    const state = new State()
    const journal = openJournal(folder, state)
    const table = state.table<number>('t')
    for (let index = 0; index < 10; index += 1) table.set('a', index)
    table.set('b', 1)
    const { size } = journal
    journal.close()
    const again = openJournal(folder, new State())
    expect(again.size).toBeLessThan(size)
    again.close()
    const whole = reopen(folder)
    expect(whole.records.map(({ value }) => value)).toEqual([9, 1])
    appendFileSync(fileOf(folder), '["t","a",10]\n["t","torn",{"half')
    const later = new State()
    const goesOn = openJournal(folder, later)
    expect(goesOn.size).toBe(whole.size + '["t","a",10]\n'.length)
    later.table('t').set('c', 2)
    goesOn.close()
    expect(reopen(folder).records.map(({ value }) => value)).toEqual([10, 1, 2])
    expect(statSync(fileOf(folder)).mode & 0o777).toBe(0o600)
  })

  test('is compacted when it has grown, and loses nothing by it', () => {
    const folder = newFolder()
    const state = new State()
    const journal = openJournal(folder, state, { growthBytes: 2000 })
    const table = state.table<string>('t')
    const sizes: number[] = []
    for (let index = 0; index < 500; index += 1) {
      table.set(`key-${index % 7}`, `${index} ${'x'.repeat(50)}`)
      sizes.push(journal.size)
    }
    expect(Math.max(...sizes)).toBeLessThan(4000)
    expect(sizes.some((size, index) => size < (sizes[index - 1] ?? 0))).toBe(true)
    const records = [...state.records()]
    journal.close()
    expect(reopen(folder).records).toEqual(records)
  })

  test('reads lines that are longer than a block', () => {
    const folder = newFolder()
    const state = new State()
    const journal = openJournal(folder, state)
    const long = 'é'.repeat(1_700_000)
    state.table('t').set('long', long)
    state.table('t').set('short', 1)
    journal.close()
    expect(reopen(folder).records.map(({ value }) => value)).toEqual([long, 1])
  })

  test('gives its folder to one sandbox at a time', () => {
    const folder = newFolder()
    const journal = openJournal(folder, new State())
    expect(() => openJournal(folder, new State())).toThrow(
      new RegExp(`belongs to a sandbox that runs \\(process ${process.pid}\\)`),
    )
    journal.close()
    openJournal(folder, new State()).close()
  })

  test('refuses changes once it is closed, and the state stays as it was', () => {
    const state = new State()
    const journal = openJournal(newFolder(), state)
    const table = state.table('t')
    table.set('kept', 1)
    journal.close()
    expect(() => table.set('lost', 1)).toThrow(/cannot be kept/)
    expect(() => table.delete('kept')).toThrow(/cannot be kept/)
    expect([...table.entries()]).toEqual([['kept', 1]])
  })

  for (const [what, text, fault] of [
    ['another file', 'hello\n', /starts with "hello"/],
    ['a later version', '{"podrole":"sandbox state","version":2}\n', /starts with/],
    ['a damaged line', 'FORMAT["t","a",1]\n["t","secret-value\n["t","b",1]\n', /line 3 of/],
    ['a line of another form', 'FORMAT["t"]\n', /line 2 of/],
    ['an empty line of several', 'FORMAT[]\n', /line 2 of/],
    ['one bad change of several', 'FORMAT[["t","a",1],["t"]]\n', /line 2 of/],
  ] as const) {
    test(`${what} is told, and stays`, () => {
      const folder = newFolder()
      openJournal(folder, new State()).close()
      const format = readFileSync(fileOf(folder), 'utf8')
      const content = text.replace('FORMAT', () => format)
      writeFileSync(fileOf(folder), content)
      expect(() => openJournal(folder, new State())).toThrow(fault)
      expect(() => openJournal(folder, new State())).not.toThrow(/secret-value/)
      expect(readFileSync(fileOf(folder), 'utf8')).toBe(content)
    })
  }
})

test('a state clears the tables that are chosen, record by record', () => {
  const state = new State()
  const told: Change[] = []
  state.table('cluster/a/pods').set('x', 1)
  state.table('cluster/b/pods').set('x', 1)
  state.onChange((changes) => told.push(...changes))
  state.clear((name) => name.startsWith('cluster/a/'))
  expect(told).toEqual([{ table: 'cluster/a/pods', key: 'x', value: undefined }])
  expect([...state.records()].map(({ table }) => table)).toEqual(['cluster/b/pods'])
})
