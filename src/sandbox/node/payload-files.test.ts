import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writePayload } from './payload-files.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'podrole-volume-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const payload = (files: Record<string, string>, mode = 0o644) =>
  new Map(Object.entries(files).map(([path, text]) => [path, { data: Buffer.from(text), mode }]))
const names = (): string[] =>
  readdirSync(folder)
    .filter((name) => !name.startsWith('..'))
    .sort()

test('files are reached through ..data, with the mode that was asked for', () => {
  const mask = process.umask(0o077)
  try {
    expect(writePayload(folder, payload({ a: '1', 'deep/b': '2' }))).toBe(true)
  } finally {
    process.umask(mask)
  }
  expect(names()).toEqual(['a', 'deep'])
  expect(readlinkSync(join(folder, 'a'))).toBe('..data/a')
  expect(readFileSync(join(folder, 'deep/b'), 'utf8')).toBe('2')
  expect(statSync(join(folder, 'deep/b')).mode & 0o777).toBe(0o644)
  expect(statSync(join(folder, '..data')).mode & 0o777).toBe(0o755)
})

test('a change swaps all files at once and drops what is gone', () => {
  writePayload(folder, payload({ a: '1', gone: 'x' }))
  const before = readlinkSync(join(folder, '..data'))
  expect(writePayload(folder, payload({ a: '1', gone: 'x' }))).toBe(false)
  expect(readlinkSync(join(folder, '..data'))).toBe(before)
  expect(writePayload(folder, payload({ a: '2', c: '3' }))).toBe(true)
  expect(names()).toEqual(['a', 'c'])
  expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('2')
  expect(readdirSync(folder)).not.toContain(before)
  expect(writePayload(folder, payload({ a: '2', c: '3' }, 0o600))).toBe(true)
})

test.each(['../x', '/x', 'a/../../x', '..data', 'a//b', '', 'a\0'])(
  'path %p is refused',
  (path) => {
    expect(() => writePayload(folder, payload({ [path]: 'x' }))).toThrow(
      expect.objectContaining({ code: 'FailedMount' }),
    )
    expect(readdirSync(folder)).toEqual([])
  },
)
