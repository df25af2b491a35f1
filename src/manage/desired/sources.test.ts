import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { codeOf } from '../../lib/errors.ts'
import { readSources } from './sources.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'podrole-sources-'))
  for (const name of ['b.yaml', 'a.yml', 'c.json', 'notes.txt']) {
    writeFileSync(join(folder, name), `text of ${name}`)
  }
  mkdirSync(join(folder, 'inside.yaml'))
  mkdirSync(join(folder, 'empty'))
})
afterAll(() => rmSync(folder, { recursive: true }))

async function* stdin(...texts: string[]): AsyncIterable<Uint8Array> {
  for (const text of texts) yield new TextEncoder().encode(text)
}

describe('readSources', () => {
  test('reads a folder by names, a file, and standard input', async () => {
    const file = join(folder, 'notes.txt')
    expect(await readSources([folder, file, '-'], stdin('one ', 'two'))).toEqual([
      { name: join(folder, 'a.yml'), text: 'text of a.yml' },
      { name: join(folder, 'b.yaml'), text: 'text of b.yaml' },
      { name: join(folder, 'c.json'), text: 'text of c.json' },
      { name: file, text: 'text of notes.txt' },
      { name: 'standard input', text: 'one two' },
    ])
  })

  test('says what is not there, and a folder without documents', async () => {
    expect(await readSources([join(folder, 'nothing.yaml')], stdin()).catch(codeOf)).toBe(
      'NoSource',
    )
    expect(await readSources([join(folder, 'empty')], stdin()).catch(codeOf)).toBe('NoSource')
  })

  test('stops reading standard input at its bound', async () => {
    async function* endless(): AsyncIterable<Uint8Array> {
      for (;;) yield new Uint8Array(1 << 20)
    }
    expect(await readSources(['-'], endless()).catch(codeOf)).toBe('SourceTooLarge')
  })
})
