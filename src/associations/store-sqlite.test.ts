import { afterAll, expect, test } from 'bun:test'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqlite } from './sqlite.ts'
import { ASSOCIATION_MIGRATIONS, createSqliteStore } from './store-sqlite.ts'
import { associationFixture, describeStore, type OpenStore } from './store.suite.ts'

const folder = await mkdtemp(join(tmpdir(), 'podrole-store-'))
let files = 0
const newPath = (): string => join(folder, `${++files}.sqlite`)

afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

async function openStore(path: string): Promise<OpenStore> {
  const database = await openSqlite(path, ASSOCIATION_MIGRATIONS)
  return { store: createSqliteStore(database), close: () => database.close() }
}

describeStore('SQLite', async () => {
  const path = newPath()
  return { open: () => openStore(path), remove: () => rm(path, { force: true }) }
})

test('SQLite has every write that returned before the process was killed', async () => {
  const path = newPath()
  const script = `
    const { openSqlite } = await import(${JSON.stringify(join(import.meta.dir, 'sqlite.ts'))})
    const { ASSOCIATION_MIGRATIONS, createSqliteStore } =
      await import(${JSON.stringify(join(import.meta.dir, 'store-sqlite.ts'))})
    const store = createSqliteStore(await openSqlite(${JSON.stringify(path)}, ASSOCIATION_MIGRATIONS))
    for (const one of ${JSON.stringify([1, 2, 3].map((n) => associationFixture(n)))}) {
      await store.create(one)
      console.log(one.associationId)
    }
    process.kill(process.pid, 'SIGKILL')
  `
  const child = Bun.spawn([process.execPath, '-e', script], { stdout: 'pipe', stderr: 'inherit' })
  const told = (await new Response(child.stdout).text()).trim().split('\n')
  await child.exited
  expect(child.signalCode).toBe('SIGKILL')
  const opened = await openStore(path)
  const { store } = opened
  const kept = await store.list({ clusterName: 'prod', limit: 10 })
  expect(kept.map((one) => one.associationId)).toEqual(told)
  expect(told).toHaveLength(3)
  await opened.close()
})

test("the file and its log are nobody else's to read", async () => {
  const path = newPath()
  const opened = await openStore(path)
  const { store } = opened
  await store.create(associationFixture(1))
  for (const file of [path, `${path}-wal`, `${path}-shm`]) {
    expect((await stat(file)).mode & 0o777).toBe(0o600)
  }
  await opened.close()
})

test('a transaction that throws leaves nothing behind, and queries beside it are not lost', async () => {
  const database = await openSqlite(newPath(), ASSOCIATION_MIGRATIONS)
  const store = createSqliteStore(database)
  const failing = database.write(async (sql) => {
    await sql`delete from associations`
    await Bun.sleep(5)
    throw new Error('stop')
  })
  const beside = store.create(associationFixture(1))
  expect(failing).rejects.toThrow('stop')
  await beside
  expect(await store.list({ clusterName: 'prod', limit: 10 })).toHaveLength(1)
  await database.close()
})

test('a database of a later version and a file that is none are refused', async () => {
  const path = newPath()
  const later = [...ASSOCIATION_MIGRATIONS, { name: '9999-later', statements: 'select 1' }]
  await (await openSqlite(path, later)).close()
  const error = await openSqlite(path, ASSOCIATION_MIGRATIONS).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'DatabaseUnusable', cause: { code: 'DatabaseTooNew' } })

  const garbage = newPath()
  await Bun.write(garbage, 'not a database '.repeat(1000))
  expect(openSqlite(garbage, [])).rejects.toMatchObject({ code: 'DatabaseUnusable' })
})
