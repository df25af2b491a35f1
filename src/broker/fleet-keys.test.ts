import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqlite, type SqliteDatabase } from '../associations/sqlite.ts'
import { ASSOCIATION_MIGRATIONS } from '../associations/store-sqlite.ts'
import { openFileSealer } from '../issuer/sealing/file-sealer.ts'
import type { KeySealer } from '../issuer/sealing/sealer.ts'
import { ManualClock } from '../lib/clock.ts'
import { codeOf } from '../lib/errors.ts'
import { type FleetKeyPlace, FollowedKeys, keepNewKey, readFleetKeys } from './fleet-keys.ts'
import { BROKER_MIGRATIONS, createBrokerStore } from './store.ts'

const ISSUER = 'https://fleet.example'
let folder: string
let databases: SqliteDatabase[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'podrole-fleet-keys-'))
})
afterEach(async () => {
  for (const database of databases.splice(0)) await database.close()
  rmSync(folder, { recursive: true, force: true })
})

/** One more broker at the same file. */
async function openPlace(sealer?: KeySealer): Promise<FleetKeyPlace> {
  const migrations = [...ASSOCIATION_MIGRATIONS, ...BROKER_MIGRATIONS]
  const database = await openSqlite(join(folder, 'broker.sqlite'), migrations)
  databases.push(database)
  const store = createBrokerStore(database)
  return { store, sealer, issuer: ISSUER, settleSeconds: 60, clock: new ManualClock() }
}

function newSealer(): Promise<KeySealer> {
  const path = join(folder, `${randomBytes(4).toString('hex')}.keys`)
  writeFileSync(path, randomBytes(32).toString('base64'), { mode: 0o600 })
  return openFileSealer(path)
}

const codeFrom = (work: Promise<unknown>): Promise<string | undefined> =>
  work.then(
    () => 'nothing thrown',
    (error: unknown) => codeOf(error),
  )

describe('the keys of brokers at one database', () => {
  test('are one, however many make the first one at once', async () => {
    const places = await Promise.all([1, 2, 3, 4, 5].map(() => openPlace()))
    const read = await Promise.all(places.map((place) => readFleetKeys(place)))
    expect(new Set(read.map(({ signing }) => signing.kid)).size).toBe(1)
    const [first] = read
    expect(first?.state.keys.map(({ kid, state }) => [kid, state])).toEqual([
      [first?.signing.kid ?? '', 'active'],
    ])
  })

  test('are opened once, and read again when another broker changed them', async () => {
    const [one, two] = [await openPlace(), await openPlace()]
    const read = await readFleetKeys(one)
    expect(await readFleetKeys(one, read)).toBe(read)
    const { state, version } = await readFleetKeys(two)
    const longer = { ...state, settleSeconds: 61 }
    expect(await two.store.replaceIssuerState(longer, version)).toBe(true)
    expect(await one.store.replaceIssuerState({ ...state, settleSeconds: 62 }, version)).toBe(false)
    const again = await readFleetKeys(one, read)
    expect(again.state).toEqual(longer)
    expect(again.signing).toBe(read.signing)
  })

  test('take up a key that a killed broker made, and make no second one', async () => {
    const place = await openPlace()
    const { state } = await readFleetKeys(place)
    const made = await keepNewKey(place, state)
    expect(await keepNewKey(await openPlace(), state)).toEqual(made)
    expect(await place.store.listSigningKeys()).toHaveLength(2)
  })

  test('belong to one issuer', async () => {
    await readFleetKeys(await openPlace())
    const other = { ...(await openPlace()), issuer: 'https://other.example' }
    expect(await codeFrom(readFleetKeys(other))).toBe('OtherIssuerStored')
  })

  test('that are damaged are said to be so', async () => {
    const place = await openPlace()
    const { state, version, signing } = await readFleetKeys(place)
    await place.store.deleteSigningKey(signing.kid)
    expect(await codeFrom(readFleetKeys(await openPlace()))).toBe('IssuerStateDamaged')
    await place.store.replaceIssuerState({ ...state, keys: [] }, version)
    expect(await codeFrom(readFleetKeys(place))).toBe('IssuerStateDamaged')
  })
})

describe('sealed keys', () => {
  const files = (): string =>
    ['broker.sqlite', 'broker.sqlite-wal']
      .map((name) => readFileSync(join(folder, name), 'latin1'))
      .join('')

  test('lie in the database as nobody else can read them', async () => {
    const sealer = await newSealer()
    const { signing } = await readFleetKeys(await openPlace(sealer))
    expect(files()).toContain(signing.kid)
    expect(files()).not.toContain('PRIVATE KEY')
    expect((await readFleetKeys(await openPlace(sealer))).signing.kid).toBe(signing.kid)
  })

  test('open with their own sealing key alone', async () => {
    await readFleetKeys(await openPlace(await newSealer()))
    expect(await codeFrom(readFleetKeys(await openPlace()))).toBe('KeySealed')
    const other = await newSealer()
    expect(await codeFrom(readFleetKeys(await openPlace(other)))).toBe('SealedKeyUnreadable')
  })

  test('come of those that lay there open, once a sealer is set', async () => {
    const { signing } = await readFleetKeys(await openPlace())
    const sealer = await newSealer()
    const place = await openPlace(sealer)
    expect((await readFleetKeys(place)).signing.kid).toBe(signing.kid)
    const [stored] = await place.store.listSigningKeys()
    expect(sealer.seals(stored?.exported.reveal() ?? '')).toBe(true)
  })

  test('are not replaced by one that somebody laid there open', async () => {
    const place = await openPlace(await newSealer())
    const { state } = await readFleetKeys(place)
    const foreign = await openPlace()
    await keepNewKey(foreign, state)
    const planted = (await place.store.listSigningKeys()).map(({ kid }) => kid)
    expect(planted).toHaveLength(2)
    expect(planted).not.toContain((await keepNewKey(place, state)).kid)
  })
})

test('a key that was not read for 45 seconds signs nothing, whatever the clock says', async () => {
  const place = await openPlace()
  let nowMs = 1000
  const keys = await FollowedKeys.open(place, () => nowMs)
  const { kid } = keys.signing()
  nowMs += 45_000
  expect(keys.signing().kid).toBe(kid)
  nowMs += 1
  expect(() => keys.signing()).toThrow('the database was last read 45 s ago')
  const whole = { ...place.store }
  place.store.readIssuerState = () => Promise.reject(new Error('gone'))
  await expect(keys.refresh()).rejects.toThrow('gone')
  expect(() => keys.signing()).toThrow('45 s ago')
  expect(keys.published().map((one) => one.kid)).toEqual([kid])
  place.store.readIssuerState = () => whole.readIssuerState()
  await keys.refresh()
  expect(keys.signing().kid).toBe(kid)
})

test('of two readings at once the one that began later counts, whichever ends first', async () => {
  const place = await openPlace()
  let nowMs = 0
  const keys = await FollowedKeys.open(place, () => nowMs)
  const stored = keys.read
  const longer = { ...stored.state, settleSeconds: 61 }
  const read = place.store.readIssuerState.bind(place.store)
  const gate = Promise.withResolvers<void>()
  place.store.readIssuerState = async () => {
    const found = await read()
    await gate.promise
    return found
  }
  nowMs = 1
  const slow = keys.refresh()
  await Bun.sleep(5)
  expect(await place.store.replaceIssuerState(longer, stored.version)).toBe(true)
  place.store.readIssuerState = read
  nowMs = 2
  await keys.refresh()
  gate.resolve()
  await slow
  expect(keys.read.state.settleSeconds).toBe(61)
  // The age is of the reading that counts.
  nowMs = 45_002
  expect(keys.signing().kid).not.toBe('')
  nowMs += 1
  expect(() => keys.signing()).toThrow('45 s ago')
})
