import { afterAll, beforeAll, expect, test } from 'bun:test'
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { codeOf } from './errors.ts'
import { readPrivateFile } from './private-files.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'podrole-private-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function fileOf(mode: number): string {
  const path = join(folder, mode.toString(8))
  writeFileSync(path, 'text', { mode: 0o600 })
  chmodSync(path, mode)
  return path
}
const codeOfReading = (path: string, maxBytes = 100): Promise<string | undefined> =>
  readPrivateFile(path, maxBytes).then(
    () => 'read',
    (error: unknown) => codeOf(error),
  )

test.each([0o600, 0o400, 0o440, 0o640, 0o700])('mode %o is private', async (mode) => {
  expect(await readPrivateFile(fileOf(mode), 4)).toBe('text')
})

test.each([0o604, 0o602, 0o601, 0o620, 0o660, 0o644, 0o777])('mode %o is not', async (mode) => {
  expect(await codeOfReading(fileOf(mode))).toBe('FileNotPrivate')
})

test('a link counts as what it leads to, as those of a mounted Secret do', async () => {
  symlinkSync(fileOf(0o640), join(folder, 'good'))
  symlinkSync(fileOf(0o644), join(folder, 'bad'))
  expect(await codeOfReading(join(folder, 'good'))).toBe('read')
  expect(await codeOfReading(join(folder, 'bad'))).toBe('FileNotPrivate')
})

test('what is too large, a folder or not there is refused', async () => {
  expect(await codeOfReading(fileOf(0o600), 3)).toBe('FileTooLarge')
  expect(await codeOfReading(folder, 1e6)).not.toBe('read')
  expect(await codeOfReading(join(folder, 'none'))).toBe('UnreadableFile')
})
