import { afterAll, beforeAll, expect, test } from 'bun:test'
import { chmodSync, chownSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
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

test.each([0o600, 0o400, 0o700])('mode %i is private', async (mode) => {
  expect(await readPrivateFile(fileOf(mode), 4)).toBe('text')
})

test.each([0o604, 0o602, 0o601, 0o620, 0o640, 0o644, 0o777])('mode %i is not', async (mode) => {
  expect(await codeOfReading(fileOf(mode))).toBe('OpenToOthers')
})

test.skipIf(process.geteuid?.() !== 0)(
  "a file of root's may be read by its group, as a mounted Secret is, and by nobody else",
  async () => {
    const codeOfOther = async (mode: number): Promise<string> => {
      const path = fileOf(mode)
      chownSync(path, 0, 65_534)
      chmodSync(folder, 0o755)
      const program = `import { readPrivateFile } from ${JSON.stringify(join(import.meta.dir, 'private-files.ts'))}
        process.setgroups([]); process.setgid(65534); process.setuid(65534)
        console.log(await readPrivateFile(process.argv[1], 100).catch((error) => error.code))`
      const child = Bun.spawn([process.execPath, '--no-env-file', '-e', program, path], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      return (await child.stdout.text()).trim()
    }
    expect(await codeOfOther(0o440)).toBe('text')
    expect(await codeOfOther(0o460)).toBe('OpenToOthers')
    expect(await codeOfOther(0o444)).toBe('OpenToOthers')
  },
)

test('a link counts as what it leads to, as those of a mounted Secret do', async () => {
  symlinkSync(fileOf(0o600), join(folder, 'good'))
  symlinkSync(fileOf(0o644), join(folder, 'bad'))
  expect(await codeOfReading(join(folder, 'good'))).toBe('read')
  expect(await codeOfReading(join(folder, 'bad'))).toBe('OpenToOthers')
})

test('what is too large, a folder or not there is refused', async () => {
  expect(await codeOfReading(fileOf(0o600), 3)).toBe('UnreadableFile')
  expect(await codeOfReading(folder)).toBe('UnreadableFile')
  expect(await codeOfReading(join(folder, 'none'))).toBe('UnreadableFile')
})
