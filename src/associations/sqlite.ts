/** One SQLite file and the one queue in front of it. */
import { chmod, open } from 'node:fs/promises'
import { SQL } from 'bun'
import { codeOf, PodroleError } from '../lib/errors.ts'

const BUSY_TIMEOUT_MS = 20
const WRITE_WAIT_MS = 5000

/** One step of a schema: applied once, in order, never changed after a release. */
export interface Migration {
  readonly name: string
  /** One or more statements. */
  readonly statements: string
}

/**
 * A database that runs one thing at a time: with SQLite a query beside an open transaction would
 * run inside it and be lost with its rollback.
 */
export interface SqliteDatabase {
  read<T>(query: (sql: Bun.SQL) => Promise<T>): Promise<T>
  /** In a transaction that takes the write lock at its start and is rolled back by a throw. */
  write<T>(change: (sql: Bun.SQL) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/**
 * Opens the file, made with mode 0600 where it is missing, or a database in memory (`:memory:`),
 * and applies the migrations that it lacks.
 * @throws PodroleError `DatabaseUnusable`
 */
export async function openSqlite(
  path: string,
  migrations: readonly Migration[],
): Promise<SqliteDatabase> {
  try {
    if (path !== ':memory:') await makePrivateFile(path)
    const sql = new SQL({ adapter: 'sqlite', filename: path })
    // Waits must be set first: switching the journal needs a lock that another process may hold.
    await sql`PRAGMA busy_timeout = 5000`
    await sql`PRAGMA journal_mode = WAL`
    await sql`PRAGMA foreign_keys = ON`
    await sql`PRAGMA synchronous = NORMAL`
    await sql.unsafe(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`)
    const database = queueOf(sql)
    await database.write((transaction) => migrate(transaction, migrations))
    return database
  } catch (cause) {
    throw new PodroleError('DatabaseUnusable', `database ${path} cannot be used`, {
      cause,
      hint: 'Check that the folder exists, that it is writable, and that the file is a podrole database.',
    })
  }
}

/** True where an insert broke a unique or primary key constraint. */
export function isUniqueViolation(thrown: unknown): boolean {
  const code = codeOf(thrown)
  return code === 'SQLITE_CONSTRAINT_UNIQUE' || code === 'SQLITE_CONSTRAINT_PRIMARYKEY'
}

async function makePrivateFile(path: string): Promise<void> {
  const file = await open(path, 'a', 0o600)
  await file.close()
  // The write-ahead log and its index take over the mode of the file.
  await chmod(path, 0o600)
}

function queueOf(sql: Bun.SQL): SqliteDatabase {
  let last: Promise<unknown> = Promise.resolve()
  const enqueue = async <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work, work)
    last = turn.catch(() => undefined)
    return turn
  }
  return {
    read: (query) => enqueue(() => query(sql)),
    write: (change) => enqueue(() => writeWhenFree(sql, change)),
    close: () => enqueue(() => sql.close()),
  }
}

/**
 * SQLite waits for a lock on the main thread: where the lock's holder is another connection of this
 * process, it could never let go. So SQLite waits shortly, and the rest of the wait is here.
 */
async function writeWhenFree<T>(
  sql: Bun.SQL,
  change: (transaction: Bun.SQL) => Promise<T>,
): Promise<T> {
  for (let waitedMs = 0; ;) {
    let begun = false
    try {
      return await sql.begin('immediate', (transaction) => {
        begun = true
        return change(transaction)
      })
    } catch (error) {
      if (begun || codeOf(error) !== 'SQLITE_BUSY' || waitedMs >= WRITE_WAIT_MS) throw error
      const pauseMs = 2 + Math.random() * 20
      await Bun.sleep(pauseMs)
      waitedMs += pauseMs + BUSY_TIMEOUT_MS
    }
  }
}

async function migrate(sql: Bun.SQL, migrations: readonly Migration[]): Promise<void> {
  await sql`create table if not exists migrations (name text primary key, applied_at text not null)`
  const rows: { name: string }[] = await sql`select name from migrations`
  const applied = new Set(rows.map((row) => row.name))
  const known = new Set(migrations.map((migration) => migration.name))
  const unknown = [...applied].filter((name) => !known.has(name))
  if (unknown.length > 0) {
    throw new PodroleError(
      'DatabaseTooNew',
      `the database has the migrations ${unknown.join(', ')}, which this version does not know`,
    )
  }
  for (const { name, statements } of migrations) {
    if (applied.has(name)) continue
    await sql.unsafe(statements).simple()
    await sql`insert into migrations (name, applied_at) values (${name}, ${new Date().toISOString()})`
  }
}
