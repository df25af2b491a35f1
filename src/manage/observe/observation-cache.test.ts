import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { ManualClock } from '../../lib/clock.ts'
import type { DesiredAddon } from '../desired/desired-state.ts'
import {
  forgetObservations,
  MAX_KEPT_MS,
  type Observation,
  pruneObservations,
  readObservations,
  type View,
  viewKey,
  writeObservations,
} from './kept-observations.ts'
import {
  cachedCluster,
  cachedIam,
  cachedKube,
  newObservationCache,
  type ObservationCache,
} from './observation-cache.ts'
import type { ClusterReader, IamReader } from './ports.ts'

const NOW = Date.UTC(2026, 0, 1)
const view = (change: Partial<View> = {}): View => ({
  accountId: '111122223333',
  caller: 'arn:aws:iam::111122223333:user/ann',
  region: 'eu-central-1',
  cluster: 'shop',
  ways: ['', 'AWS_ENDPOINT_URL=http://127.0.0.1:1'],
  ...change,
})

let stateFolder = ''
beforeEach(() => {
  stateFolder = mkdtempSync(join(tmpdir(), 'podrole-observed-'))
})
afterEach(() => rmSync(stateFolder, { recursive: true }))

const by = (version = '1.0.0'): { stateFolder: string; version: string } => ({
  stateFolder,
  version,
})
const fileOf = (of: View): string => join(stateFolder, 'observed', `${viewKey(of)}.json`)
const some: ReadonlyMap<string, Observation> = new Map([
  ['facts', { atMs: NOW - 1000, value: { arn: 'arn:aws:eks:…', isAutoMode: false } }],
  ['provider arn', { atMs: NOW - 2000 }],
])

describe('what is kept of a view', () => {
  test('comes back as it was, for its owner alone', async () => {
    await writeObservations(by(), view(), some)
    const { distrust, observations } = await readObservations(by(), view(), NOW)
    expect(distrust).toBeUndefined()
    expect([...observations]).toEqual([...some])
    expect(statSync(fileOf(view())).mode & 0o777).toBe(0o600)
    expect(statSync(join(stateFolder, 'observed')).mode & 0o777).toBe(0o700)
  })

  test('is any JSON', async () => {
    // A record of zod's has no such member; no observation is called so.
    const names = fc.string().filter((name) => name !== '__proto__')
    await fc.assert(
      fc.asyncProperty(fc.dictionary(names, fc.jsonValue()), async (values) => {
        const entries = Object.entries(values).map(
          ([name, value]) => [name, { atMs: NOW, value }] as const,
        )
        await writeObservations(by(), view(), new Map(entries))
        const { observations } = await readObservations(by(), view(), NOW)
        // JSON has no -0.
        expect(Object.fromEntries(observations)).toEqual(
          JSON.parse(JSON.stringify(Object.fromEntries(entries))) as Record<string, Observation>,
        )
      }),
      { numRuns: 30 },
    )
  })

  test.each<[string, Partial<View>]>([
    ['account', { accountId: '444455556666' }],
    ['caller', { caller: 'arn:aws:iam::111122223333:user/bob' }],
    ['region', { region: 'eu-west-1' }],
    ['cluster', { cluster: 'shop2' }],
    ['endpoint', { ways: ['', 'AWS_ENDPOINT_URL=http://127.0.0.1:2'] }],
  ])('is not there for another %s', async (_what, change) => {
    await writeObservations(by(), view(), some)
    const { distrust, observations } = await readObservations(by(), view(change), NOW)
    expect({ distrust, size: observations.size }).toEqual({ distrust: undefined, size: 0 })
  })

  test('is not written where it is too much', async () => {
    const value = 'x'.repeat(64 << 20)
    expect(await writeObservations(by(), view(), new Map([['roles', { atMs: NOW, value }]]))).toBe(
      false,
    )
    expect(readdirSync(stateFolder)).toEqual([])
  })
})

describe('a file that is not believed', () => {
  /** Nothing of it is used, and it is told why. */
  const distrustOf = async (version?: string, nowMs = NOW): Promise<string> => {
    const { distrust = '', observations } = await readObservations(by(version), view(), nowMs)
    expect(observations.size).toBe(0)
    return distrust
  }
  beforeEach(() => writeObservations(by(), view(), some))

  test('is cut short', async () => {
    const whole = readFileSync(fileOf(view()))
    for (let length = 0; length < whole.length; length += 1) {
      writeFileSync(fileOf(view()), whole.subarray(0, length))
      expect(await distrustOf()).toContain(fileOf(view()))
    }
  })

  test('was changed in any one byte', async () => {
    const whole = readFileSync(fileOf(view()))
    const change = fc.record({
      at: fc.nat(whole.length - 1),
      to: fc.integer({ min: 1, max: 255 }),
    })
    await fc.assert(
      fc.asyncProperty(change, async ({ at, to }) => {
        const changed = Buffer.from(whole)
        changed[at] = (changed[at] ?? 0) ^ to
        writeFileSync(fileOf(view()), changed)
        expect(await distrustOf()).not.toBe('')
      }),
    )
  })

  test.each([
    ['another version', 'of podrole 1.0.0, this is 1.0.1', '1.0.1', NOW],
    ['the future', 'from the future', '1.0.0', NOW - 1500],
  ])('is of %s', async (_what, why, version, nowMs) => {
    expect(await distrustOf(version, nowMs)).toContain(why)
  })

  test('is of another view', async () => {
    const other = view({ cluster: 'other' })
    await writeObservations(by(), other, some)
    copyFileSync(fileOf(other), fileOf(view()))
    expect(await distrustOf()).toContain('of another account, cluster or caller')
  })

  test('is open to others, until it is written again', async () => {
    chmodSync(fileOf(view()), 0o644)
    expect(await distrustOf()).toContain('mode 0644')
    await writeObservations(by(), view(), some)
    expect((await readObservations(by(), view(), NOW)).observations.size).toBe(2)
  })
})

describe('files', () => {
  const names = (): readonly string[] => readdirSync(join(stateFolder, 'observed'))

  test('go when they are too old to be used, and what a killed write left; others stay', async () => {
    const old = view({ cluster: 'old' })
    await writeObservations(by(), old, some)
    await writeObservations(by(), view(), some)
    const left = `${fileOf(old)}.0123456789ab.next`
    writeFileSync(left, '')
    writeFileSync(join(stateFolder, 'observed', 'mine.json'), '')
    const then = (Date.now() - MAX_KEPT_MS - 60_000) / 1000
    for (const file of [fileOf(old), left]) utimesSync(file, then, then)
    await pruneObservations(stateFolder, Date.now())
    expect(names().toSorted()).toEqual([`${viewKey(view())}.json`, 'mine.json'].toSorted())
  })

  test('are 256 at most, the newest', async () => {
    await writeObservations(by(), view(), some)
    const text = readFileSync(fileOf(view()))
    for (let at = 0; at < 300; at += 1) {
      const file = fileOf(view({ cluster: `c${at}` }))
      writeFileSync(file, text)
      utimesSync(file, Date.now() / 1000 - at, Date.now() / 1000 - at)
    }
    await pruneObservations(stateFolder, Date.now())
    expect(names().length).toBe(256)
    expect(names()).toContain(`${viewKey(view({ cluster: 'c0' }))}.json`)
    expect(names()).not.toContain(`${viewKey(view({ cluster: 'c299' }))}.json`)
  })

  test('are forgotten, and there may be none', async () => {
    await forgetObservations(stateFolder)
    await writeObservations(by(), view(), some)
    await forgetObservations(stateFolder)
    expect(names()).toEqual([])
  })
})

describe('a cache', () => {
  const clock = new ManualClock(NOW)
  const notes: string[] = []
  const open = (maxAgeMs: number): ObservationCache =>
    newObservationCache({ ...by(), maxAgeMs, clock, note: (text) => notes.push(text) })
  beforeEach(() => notes.splice(0))

  test('asks for what is older, and tells the age of the oldest that it took', async () => {
    const first = open(60_000)
    const read = first.of(view())
    expect(await read('facts', () => Promise.resolve(1))).toBe(1)
    clock.advance(20_000)
    expect(await read('roles', () => Promise.resolve(2))).toBe(2)
    expect(first.use()).toEqual({ kept: 0, asked: 2, oldestMs: undefined })
    await first.keep()
    clock.advance(40_000)
    const second = open(60_000)
    expect(await second.of(view())('facts', () => Promise.resolve(7))).toBe(1)
    expect(await second.of(view())('roles', () => Promise.resolve(7))).toBe(2)
    expect(second.use()).toEqual({ kept: 2, asked: 0, oldestMs: clock.now() - 60_000 })
    clock.advance(1)
    const third = open(60_000)
    expect(await third.of(view())('facts', () => Promise.resolve(3))).toBe(3)
    expect(await third.of(view())('roles', () => Promise.resolve(7))).toBe(2)
    await third.keep()
    expect(await open(0).of(view())('facts', () => Promise.resolve(7))).toBe(3)
    expect(notes).toEqual([])
  })

  test('keeps as old as when the asking began', async () => {
    const first = open(60_000)
    await first.of(view())('facts', () => {
      clock.advance(30_000)
      return Promise.resolve(1)
    })
    await first.keep()
    clock.advance(31_000)
    expect(await open(60_000).of(view())('facts', () => Promise.resolve(2))).toBe(2)
  })

  test('keeps nothing that can never be taken again', async () => {
    const first = open(60_000)
    await first.of(view())('provider old', () => Promise.resolve(1))
    await first.keep()
    clock.advance(MAX_KEPT_MS + 1)
    const second = open(60_000)
    await second.of(view())('roles', () => Promise.resolve(2))
    await second.keep()
    const { observations } = await readObservations(by(), view(), clock.now())
    expect([...observations.keys()]).toEqual(['roles'])
  })

  test('keeps nothing that failed', async () => {
    const first = open(60_000)
    const failing = first.of(view())('facts', () => Promise.reject(new Error('denied')))
    expect(await failing.catch(String)).toBe('Error: denied')
    await first.keep()
    expect(await open(60_000).of(view())('facts', () => Promise.resolve(2))).toBe(2)
  })

  test('says what it does not believe, and reads it anew', async () => {
    await writeObservations(by(), view(), new Map([['facts', { atMs: clock.now(), value: 1 }]]))
    writeFileSync(fileOf(view()), 'garbage', { mode: 0o600 })
    const cache = open(60_000)
    expect(await cache.of(view())('facts', () => Promise.resolve(2))).toBe(2)
    expect(notes.join()).toContain('is none of podrole plan: all of it is read anew')
    await cache.keep()
    expect(await open(60_000).of(view())('facts', () => Promise.resolve(3))).toBe(2)
  })

  test('says that it cannot write', async () => {
    writeFileSync(join(stateFolder, 'observed'), 'a file')
    const cache = open(60_000)
    await cache.of(view())('facts', () => Promise.resolve(2))
    await cache.keep()
    expect(notes.join()).toContain('could not be kept')
  })
})

describe('readers', () => {
  const unasked = (): Promise<never> => Promise.reject(new Error('asked'))
  const offerOf = (change: Partial<DesiredAddon> = {}): DesiredAddon => ({
    path: 'addons[0]',
    name: 'coredns',
    tags: {},
    identity: { kind: 'unspoken' },
    ...change,
  })

  test('give what was kept without being opened', async () => {
    const clock = new ManualClock(NOW)
    const cache = (): ObservationCache =>
      newObservationCache({ ...by(), maxAgeMs: 1000, clock, note: () => undefined })
    const account = { accountId: '111122223333', partition: 'aws' }
    const iam: IamReader = {
      ...account,
      roles: () => Promise.resolve([]),
      provider: () => Promise.resolve(undefined),
      trustQuota: () => Promise.resolve({ value: 4096, isLive: true, text: '4096' }),
    }
    const shop: ClusterReader = {
      facts: () => Promise.resolve({ arn: 'arn', region: 'eu-central-1', isAutoMode: false }),
      associations: () => Promise.resolve([]),
      accessEntries: () => Promise.resolve([]),
      addons: () => Promise.resolve([]),
      offer: () => Promise.resolve(undefined),
    }
    const ask = async (kept: ObservationCache, isThere: boolean): Promise<unknown> => {
      const read = kept.of(view())
      const reader = cachedIam(account, read, isThere ? () => Promise.resolve(iam) : unasked)
      const cluster = cachedCluster(read, isThere ? () => Promise.resolve(shop) : unasked)
      const kube = cachedKube(read, {
        server: 'https://a',
        identity: isThere ? () => Promise.resolve({ kind: 'same' }) : unasked,
        serviceAccounts: isThere ? () => Promise.resolve([]) : unasked,
        namespaces: isThere ? () => Promise.resolve(['default']) : unasked,
        workloadIdentity: isThere
          ? () => Promise.resolve({ status: 'enabled', isDeclared: true })
          : unasked,
      })
      return [
        await reader.roles(),
        await reader.provider('arn'),
        await reader.trustQuota(),
        await cluster.facts(),
        await cluster.associations(),
        await cluster.accessEntries(),
        await cluster.addons([]),
        await cluster.offer(offerOf(), '1.36'),
        await kube.identity(),
        await kube.serviceAccounts(),
        await kube.namespaces(),
        await kube.workloadIdentity(),
      ]
    }
    const first = cache()
    const asked = await ask(first, true)
    await first.keep()
    expect(await ask(cache(), false)).toEqual(asked)
    // What another file or kubeconfig asks for was not read yet.
    const read = cache().of(view())
    const cluster = cachedCluster(read, unasked)
    const others = [
      cluster.offer(offerOf({ name: 'vpc-cni' }), '1.36'),
      cluster.offer(offerOf({ version: 'latest' }), '1.36'),
      cluster.offer(offerOf({ identity: { kind: 'recommended' } }), '1.36'),
      cluster.offer(offerOf(), '1.37'),
    ]
    for (const other of others) expect(await other.catch(String)).toBe('Error: asked')
  })

  test("do not keep AWS's default in place of a quota that could not be read", async () => {
    const clock = new ManualClock(NOW)
    const cache = newObservationCache({ ...by(), maxAgeMs: 1000, clock, note: () => undefined })
    const quota = { value: 2048, isLive: false, text: 'documented' }
    const account = { accountId: '111122223333', partition: 'aws' }
    const trustQuota = (): Promise<typeof quota> => Promise.resolve(quota)
    const open = (): Promise<IamReader> =>
      Promise.resolve({ ...account, trustQuota, roles: unasked, provider: unasked })
    expect(await cachedIam(account, cache.of(view()), open).trustQuota()).toEqual(quota)
    await cache.keep()
    expect((await readObservations(by(), view(), NOW)).observations.size).toBe(0)
  })
})
