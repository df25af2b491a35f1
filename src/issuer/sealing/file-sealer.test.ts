import { expect, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { codeOf, messageOf } from '../../lib/errors.ts'
import { Secret } from '../../lib/secret.ts'
import { openFileSealer } from './file-sealer.ts'
import { describeSealer } from './sealer.suite.ts'

const newKey = (): string => randomBytes(32).toString('base64')

async function withFile<T>(text: string, use: (path: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-sealing-'))
  try {
    const path = join(folder, 'sealing.keys')
    writeFileSync(path, text, { mode: 0o600 })
    return await use(path)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

describeSealer('a file', async () => ({
  sealer: await withFile(`${newKey()}\n`, openFileSealer),
  stranger: await withFile(`${newKey()}\n`, openFileSealer),
  stop: async () => undefined,
}))

const of = { issuer: 'https://issuer.example', kid: 'k1' }

test('a new key on top seals, and those below it still open', async () => {
  const [older, newer] = [newKey(), newKey()]
  const sealed = await withFile(older, async (path) =>
    (await openFileSealer(path)).seal(new Secret('one'), of),
  )
  await withFile(`# since May\n${newer}\n\n${older} # since 2025\n`, async (path) => {
    const both = await openFileSealer(path)
    expect((await both.open(sealed, of)).reveal()).toBe('one')
    const again = await both.seal(new Secret('two'), of)
    const alone = await withFile(newer, openFileSealer)
    expect((await alone.open(again, of)).reveal()).toBe('two')
    expect(await alone.open(sealed, of).catch(messageOf)).toMatch(
      /^key k1 of https:\/\/issuer\.example cannot be opened: sealing key [0-9a-f]{16} is not in /,
    )
  })
})

test.each([
  ['', /has no sealing key$/],
  ['# nothing\n', /has no sealing key$/],
  [`${newKey()}\nshort\n`, /^line 2 of .* is not 32 bytes in base64$/],
  [`${randomBytes(31).toString('base64')}\n`, /^line 1 of .* is not 32 bytes in base64$/],
  [`${newKey()} ${newKey()}\n`, /^line 1 of /],
  [`${newKey()}\n`.repeat(21), /has 21 sealing keys: wanted at most 20$/],
])('a file that is none is refused, and no key is told: %#', async (text, message) => {
  await withFile(text, async (path) => {
    const error: unknown = await openFileSealer(path).catch((thrown: unknown) => thrown)
    expect(codeOf(error)).toBe('InvalidSealingKey')
    expect(messageOf(error)).toMatch(message)
    for (const line of text.split('\n').filter((one) => one.length > 20)) {
      expect(messageOf(error)).not.toContain(line)
    }
  })
})
