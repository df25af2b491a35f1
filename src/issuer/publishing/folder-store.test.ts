import { expect, test } from 'bun:test'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DISCOVERY_PATH, JWKS_PATH } from '../documents.ts'
import { createFolderStore } from './folder-store.ts'
import { describeDocumentStore, publicationOf, publishableKeys } from './store.suite.ts'
import { publish } from './publish.ts'

const temporary = (): string => mkdtempSync(join(tmpdir(), 'podrole-documents-'))

describeDocumentStore('a folder', async () => {
  const outer = temporary()
  const folder = join(outer, 'not', 'made', 'yet')
  return {
    store: createFolderStore(folder),
    put: async (path, text) => {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text)
    },
    remove: async () => rmSync(outer, { recursive: true }),
  }
})

test('files are for everybody to read whatever the umask, and nothing else is left there', async () => {
  const folder = temporary()
  const umask = process.umask(0o077)
  await publish(createFolderStore(folder), publicationOf(publishableKeys(1)))
  process.umask(umask)
  for (const path of [JWKS_PATH, DISCOVERY_PATH]) {
    expect(statSync(join(folder, path)).mode & 0o777).toBe(0o644)
  }
  expect(new Set(readdirSync(folder, { recursive: true }).map(String))).toEqual(
    new Set(['.well-known', '.well-known/openid-configuration', 'keys.json']),
  )
  rmSync(folder, { recursive: true })
})

test('a reader sees the old document or the new one, whole', async () => {
  const folder = temporary()
  const store = createFolderStore(folder)
  const texts = ['a', 'b'].map((letter) => letter.repeat(200_000))
  const document = { contentType: '', cacheControl: '' }
  let version = await store.write(JWKS_PATH, { ...document, text: texts[0]! }, undefined)
  const written = new AbortController()
  const seen = new Set<string>()
  const reader = (async () => {
    while (!written.signal.aborted) {
      seen.add((await store.read(JWKS_PATH))?.text ?? 'nothing')
      await Bun.sleep(0)
    }
  })()
  for (let count = 1; count <= 40; count += 1) {
    version = await store.write(JWKS_PATH, { ...document, text: texts[count % 2]! }, version)
  }
  written.abort()
  await reader
  expect([...seen].filter((text) => !texts.includes(text))).toEqual([])
  expect(seen.size).toBeGreaterThan(0)
  rmSync(folder, { recursive: true })
})

test('a file in the way is told', async () => {
  const folder = temporary()
  writeFileSync(join(folder, 'file'), '')
  const store = createFolderStore(join(folder, 'file'))
  await expect(store.read(JWKS_PATH)).rejects.toMatchObject({
    code: 'UnusableFolder',
    message: `${join(folder, 'file', 'keys.json')} cannot be read: ENOTDIR`,
  })
  mkdirSync(join(folder, 'keys.json'))
  await expect(createFolderStore(folder).read(JWKS_PATH)).rejects.toMatchObject({
    code: 'UnusableFolder',
  })
  chmodSync(folder, 0o700)
  rmSync(folder, { recursive: true })
})
