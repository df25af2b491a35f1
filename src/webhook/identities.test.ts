import { afterAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ManualClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { associationIdentities, type AssociationSource } from './identities.ts'
import { identitiesFile, parseIdentities } from './identities-file.ts'

const root = mkdtempSync(join(tmpdir(), 'podrole-identities-'))
afterAll(() => rmSync(root, { recursive: true }))

const APP = { namespace: 'team', name: 'app' }
const OTHER = { namespace: 'team', name: 'other' }

const identities = (...names: string[]): string =>
  JSON.stringify({
    identities: names.map((serviceAccount) => ({ namespace: 'team', serviceAccount })),
  })

async function until(condition: () => unknown): Promise<void> {
  while (!(await condition())) await Bun.sleep(2)
}

test('an identities file is read, other members are ignored', () => {
  const text = '{"version":1,"identities":[{"namespace":"a","serviceAccount":"b","x":1}]}'
  expect([...parseIdentities(text)]).toEqual(['a/b'])
  expect([...parseIdentities('{}')]).toEqual([])
  expect([...parseIdentities('{"identities":null}')]).toEqual([])
  expect([...parseIdentities('')]).toEqual([])
})

test.each(['{', '[]', 'null', '{"identities":{}}', '{"identities":[{"namespace":"a"}]}'])(
  'refused as an identities file: %s',
  (text) => {
    expect(() => parseIdentities(text)).toThrow('the identities file')
  },
)

test('a ConfigMap mount is followed over the swap of ..data', async () => {
  const mount = join(root, 'mount')
  const publish = (version: string, text: string): void => {
    mkdirSync(join(mount, version), { recursive: true })
    writeFileSync(join(mount, version, 'identities.json'), text)
    symlinkSync(version, join(mount, '..data_tmp'))
    renameSync(join(mount, '..data_tmp'), join(mount, '..data'))
  }
  publish('..one', identities('app'))
  symlinkSync('..data/identities.json', join(mount, 'identities.json'))
  const file = identitiesFile({
    path: join(mount, 'identities.json'),
    pollMs: 5,
    log: silentLog,
  })
  await file.ready
  expect(file.has(APP)).toBe(true)
  expect(file.has(OTHER)).toBe(false)
  publish('..two', identities('other'))
  await until(() => file.has(OTHER))
  expect(file.has(APP)).toBe(false)
  await file.stop()
})

test('a bad file keeps the old set, an empty or a missing one clears it', async () => {
  const path = join(root, 'identities.json')
  const faults: string[] = []
  const log = {
    ...silentLog,
    with: () => log,
    error: (_message: string, fields: object = {}) => void faults.push(JSON.stringify(fields)),
  }
  const file = identitiesFile({ path, pollMs: 5, log })
  await file.ready
  expect(file.has(APP)).toBe(false)
  writeFileSync(path, identities('app'))
  await until(() => file.has(APP))
  writeFileSync(path, '{"identities":')
  await until(() => faults.length > 0)
  expect(file.has(APP)).toBe(true)
  await Bun.sleep(30)
  expect(faults).toHaveLength(1)
  writeFileSync(path, '')
  await until(() => !file.has(APP))
  writeFileSync(path, identities('app'))
  await until(() => file.has(APP))
  rmSync(path)
  await until(() => !file.has(APP))
  await file.stop()
})

interface FakeSource extends AssociationSource {
  readonly listed: Set<string>
  readonly asked: string[]
  answer: (name: string) => Promise<boolean>
  failing: boolean
  lists: number
}

function fakeSource(...names: string[]): FakeSource {
  const source: FakeSource = {
    listed: new Set(names),
    asked: [],
    failing: false,
    lists: 0,
    answer: (name) => Promise.resolve(source.listed.has(name)),
    list: () => {
      source.lists += 1
      if (source.failing) return Promise.reject(new Error('down'))
      return Promise.resolve(
        [...source.listed].map((serviceAccount) => ({ namespace: 'team', serviceAccount })),
      )
    },
    exists: (_cluster, { name }) => {
      source.asked.push(name)
      return source.answer(name)
    },
  }
  return source
}

/** Its list is read once and then never again within a test, unless the test says so. */
function follow(
  source: AssociationSource,
  clock = new ManualClock(),
  pollMs = 1e9,
): ReturnType<typeof associationIdentities> {
  return associationIdentities({
    source,
    clusterName: 'c',
    pollMs,
    lookupMs: 50,
    log: silentLog,
    clock,
  })
}

test('what is listed is not asked for; what is not listed is, once for all that wait', async () => {
  const source = fakeSource('app')
  const followed = follow(source)
  await followed.ready
  expect(await followed.has(APP)).toBe(true)
  expect(source.asked).toEqual([])
  expect(await followed.has(OTHER)).toBe(false)
  source.listed.add('other')
  expect(await Promise.all([followed.has(OTHER), followed.has(OTHER)])).toEqual([true, true])
  expect(source.asked).toEqual(['other', 'other'])
  expect(await followed.has(OTHER)).toBe(true)
  expect(source.asked).toHaveLength(2)
  await followed.stop()
})

test('a positive answer is trusted no longer than the poll interval', async () => {
  const clock = new ManualClock()
  const source = fakeSource('app')
  const followed = follow(source, clock, 60_000)
  await followed.ready
  source.listed.clear()
  clock.advance(60_000)
  expect(await followed.has(APP)).toBe(true)
  clock.advance(1)
  expect(await followed.has(APP)).toBe(false)
  source.listed.add('other')
  expect(await followed.has(OTHER)).toBe(true)
  source.listed.clear()
  clock.advance(60_001)
  expect(await followed.has(OTHER)).toBe(false)
  await followed.stop()
})

test("where nobody answers in time, the list's answer counts", async () => {
  const clock = new ManualClock()
  const source = fakeSource('app')
  const followed = follow(source, clock, 60_000)
  await followed.ready
  source.answer = () => new Promise(() => undefined)
  expect(await followed.has(OTHER)).toBe(false)
  clock.advance(60_001)
  expect(await followed.has(APP)).toBe(true)
  await followed.stop()
})

test('lookups are limited', async () => {
  const source = fakeSource()
  const followed = follow(source)
  await followed.ready
  for (let at = 0; at < 100; at += 1) await followed.has({ namespace: 'team', name: `n${at}` })
  expect(source.asked).toHaveLength(50)
  await followed.stop()
})

test('it becomes ready when the list can be read', async () => {
  const source = fakeSource('app')
  source.failing = true
  const followed = follow(source, new ManualClock(), 5)
  await until(() => source.lists > 1)
  expect(await Promise.race([followed.ready.then(() => 'ready'), 'waiting'])).toBe('waiting')
  source.failing = false
  await followed.ready
  expect(await followed.has(APP)).toBe(true)
  await followed.stop()
})
