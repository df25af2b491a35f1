import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { createPrivateKey } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeKey, readKeyFile, writeKeyFiles } from './key-files.ts'
import { KEY_KINDS } from './key-kinds.ts'
import { loadSigningKey } from './keys.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'podrole-keys-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('a pair that is written', () => {
  test.each(KEY_KINDS)(
    '%s: both halves are read again, the private one by its owner alone',
    async (kind) => {
      const key = await makeKey(kind)
      const [privateKeyFile, publicKeyFile] = [
        join(folder, `${kind}.key`),
        join(folder, `${kind}.pub`),
      ]
      const umask = process.umask(0)
      await writeKeyFiles(key, { privateKeyFile, publicKeyFile })
      process.umask(umask)
      expect(statSync(privateKeyFile).mode & 0o777).toBe(0o600)
      expect(await readKeyFile(publicKeyFile)).toEqual([{ kid: key.kid, publicJwk: key.publicJwk }])
      const pem = readFileSync(privateKeyFile, 'utf8')
      expect(loadSigningKey(pem).kid).toBe(key.kid)
      const { modulusLength, namedCurve } = createPrivateKey(pem).asymmetricKeyDetails ?? {}
      expect(`rsa-${modulusLength} ${namedCurve ?? ''}`).toContain(
        kind.startsWith('rsa')
          ? kind
          : { 'p-256': 'prime256v1', 'p-384': 'secp384r1', 'p-521': 'secp521r1' }[kind as 'p-256'],
      )
    },
  )

  test('never takes the place of anything, and leaves nothing where half of it fails', async () => {
    const key = await makeKey('p-256')
    const [there, fresh, link] = ['there', 'fresh', 'link'].map((name) => join(folder, name))
    writeFileSync(there!, 'kept')
    symlinkSync(join(folder, 'elsewhere'), link!)
    const cases = [
      [{ privateKeyFile: there! }, 'FileExists'],
      [{ privateKeyFile: link! }, 'FileExists'],
      [{ privateKeyFile: fresh!, publicKeyFile: there! }, 'FileExists'],
      [{ privateKeyFile: fresh!, publicKeyFile: fresh! }, 'FileExists'],
      [{ privateKeyFile: join(folder, 'no', 'folder') }, 'UnwritableFile'],
      [{ privateKeyFile: fresh!, publicKeyFile: join(folder, 'no', 'folder') }, 'UnwritableFile'],
    ] as const
    for (const [files, code] of cases) {
      await expect(writeKeyFiles(key, files)).rejects.toMatchObject({ code })
      expect(readFileSync(there!, 'utf8')).toBe('kept')
      expect(existsSync(fresh!)).toBe(false)
      expect(lstatSync(link!).isSymbolicLink()).toBe(true)
      expect(existsSync(join(folder, 'elsewhere'))).toBe(false)
    }
  })
})

describe('a file that is read', () => {
  test('of 10 MB, or without an end, is refused after the first megabyte', async () => {
    const large = join(folder, 'large')
    writeFileSync(large, Buffer.alloc(10 << 20, 'a'))
    await expect(readKeyFile(large)).rejects.toMatchObject({ code: 'KeyTextTooLong' })
    await expect(readKeyFile('/dev/zero')).rejects.toMatchObject({ code: 'KeyTextTooLong' })
  })

  test('may be a pipe', async () => {
    const key = await makeKey('p-256')
    const [pipe, publicKeyFile] = [join(folder, 'pipe'), join(folder, 'piped.pub')]
    await writeKeyFiles(key, { privateKeyFile: join(folder, 'piped.key'), publicKeyFile })
    expect(Bun.spawnSync(['mkfifo', pipe]).exitCode).toBe(0)
    const writer = Bun.spawn(['sh', '-c', 'cat "$0" > "$1"', publicKeyFile, pipe])
    expect((await readKeyFile(pipe)).map(({ kid }) => kid)).toEqual([key.kid])
    expect(await writer.exited).toBe(0)
  })

  test('that cannot be read is named, with the reason', async () => {
    const missing = join(folder, 'missing')
    await expect(readKeyFile(missing)).rejects.toMatchObject({
      code: 'UnreadableFile',
      message: `${missing} cannot be read: ENOENT`,
    })
    mkdirSync(join(folder, 'sub'))
    await expect(readKeyFile(join(folder, 'sub'))).rejects.toMatchObject({ code: 'UnreadableFile' })
  })
})
