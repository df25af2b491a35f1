import { afterAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isMade, makeOnce } from './once.ts'

const root = mkdtempSync(join(tmpdir(), 'podrole-once-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

test('two at once make it once', async () => {
  const folder = join(root, 'twice')
  let made = 0
  const make = async (): Promise<undefined> => {
    made += 1
    await Bun.sleep(50)
  }
  const both = await Promise.all([makeOnce(folder, 'done', make), makeOnce(folder, 'done', make)])
  expect(both).toEqual([undefined, undefined])
  expect(made).toBe(1)
  expect(isMade(folder, 'done')).toBe(true)
})

test('what could not be made is tried again by the next', async () => {
  const folder = join(root, 'again')
  const missing = { tool: 'a compiler', get: 'somewhere' }
  expect(await makeOnce(folder, 'done', async () => missing)).toEqual(missing)
  expect(isMade(folder, 'done')).toBe(false)
  expect(await makeOnce(folder, 'done', async () => undefined)).toBeUndefined()
})

test('a lock whose owner was killed holds nobody up', async () => {
  const folder = join(root, 'killed')
  const gone = Bun.spawn(['true'])
  await gone.exited
  mkdirSync(`${folder}.lock`, { recursive: true })
  writeFileSync(join(`${folder}.lock`, 'pid'), String(gone.pid))
  expect(await makeOnce(folder, 'done', async () => undefined)).toBeUndefined()
})
