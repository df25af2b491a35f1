import { afterEach, describe, expect, test } from 'bun:test'
import { appendFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ManualClock } from '../lib/clock.ts'
import { Snapshots } from './snapshots.ts'
import { type Change, State } from './state.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-snapshots-'))
  folders.push(folder)
  return folder
}

interface Fixture {
  readonly snapshots: Snapshots
  readonly state: State
  readonly clock: ManualClock
  readonly restored: (readonly Change[])[]
}

function open(folder?: string): Fixture {
  const state = new State()
  const clock = new ManualClock()
  const restored: (readonly Change[])[] = []
  const restore = async (records: readonly Change[]): Promise<void> => {
    await Bun.sleep(5)
    restored.push(records)
  }
  return { snapshots: new Snapshots({ state, clock, folder, restore }), state, clock, restored }
}

function fill(state: State): void {
  state.table('iam.roles').set('1/a', { name: 'ä"' })
  state.table('cluster/one/pods').set('default/app', { kind: 'Pod' })
  state.table('sandbox.clusters').set('one', { name: 'one' })
  state.table('sandbox.secrets').set('token', 'open')
}

describe('snapshots', () => {
  test("hold AWS's records and clusters, not the sandbox's own keys", async () => {
    const { snapshots, state, restored } = open()
    fill(state)
    expect(snapshots.take('base')).toMatchObject({ records: 3, clusters: ['one'] })
    state.table('iam.roles').delete('1/a')
    await snapshots.restore('base')
    expect(restored[0]?.map(({ table }) => table)).toEqual([
      'iam.roles',
      'cluster/one/pods',
      'sandbox.clusters',
    ])
  })

  test('are there again in a folder, for their owner alone, and the same', async () => {
    const folder = newFolder()
    const first = open(folder)
    fill(first.state)
    const taken = first.snapshots.take('base')
    first.clock.advance(1000)
    first.state.table('iam.roles').delete('1/a')
    const later = first.snapshots.take('a-later-one')
    first.clock.advance(1000)
    first.snapshots.delete(first.snapshots.take().id)
    const file = join(folder, 'snapshots', 'base.jsonl')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(statSync(join(folder, 'snapshots')).mode & 0o777).toBe(0o700)
    const again = open(folder)
    expect(again.snapshots.list()).toEqual([taken, later])
    await first.snapshots.restore('base')
    await again.snapshots.restore('base')
    expect(again.restored).toEqual(first.restored)
  })

  test('what was killed while one was written leaves none', () => {
    const folder = newFolder()
    open(folder)
    writeFileSync(join(folder, 'snapshots', 'half.jsonl.next'), '{"podrole":"sandbox snap')
    expect(open(folder).snapshots.list()).toEqual([])
  })

  const damages: readonly (readonly [string, (file: string) => void])[] = [
    ['another file', (file) => writeFileSync(file, 'hello\n')],
    [
      'another version',
      (file) => writeFileSync(file, '{"podrole":"sandbox snapshot","version":2}\n'),
    ],
    [
      'another id',
      (file) => writeFileSync(file, '{"podrole":"sandbox snapshot","version":1,"id":"x"}\n'),
    ],
  ]
  for (const [what, damage] of damages) {
    test(`${what} in their folder is told`, () => {
      const folder = newFolder()
      open(folder).snapshots.take('base')
      damage(join(folder, 'snapshots', 'base.jsonl'))
      expect(() => open(folder)).toThrow(/base\.jsonl is not a whole snapshot/)
    })
  }

  test('one that has lost or won records is not restored', async () => {
    const folder = newFolder()
    open(folder).snapshots.take('base')
    const { snapshots, restored } = open(folder)
    const file = join(folder, 'snapshots', 'base.jsonl')
    appendFileSync(file, '["iam.roles","x",1]\n')
    await expect(snapshots.restore('base')).rejects.toThrow(/not a whole snapshot/)
    rmSync(file)
    await expect(snapshots.restore('base')).rejects.toThrow(/not a whole snapshot/)
    expect(restored).toEqual([])
  })

  test('are few, each under its own id', () => {
    const { snapshots } = open()
    for (let number = 1; number <= 20; number += 1) {
      expect(snapshots.take().id).toBe(`snapshot-${number}`)
    }
    expect(() => snapshots.take()).toThrow('there are 20 snapshots: wanted at most 20')
    expect(() => snapshots.take('snapshot-7')).toThrow('there is a snapshot "snapshot-7" already')
    snapshots.delete('snapshot-7')
    expect(snapshots.take().id).toBe('snapshot-7')
  })

  test('are restored one after another, and one that is deleted meanwhile not at all', async () => {
    const { snapshots, state, restored } = open()
    snapshots.take('one')
    state.table('t').set('k', 1)
    snapshots.take('two')
    const restores = [snapshots.restore('one'), snapshots.restore('two'), snapshots.restore('one')]
    snapshots.delete('two')
    const outcomes = await Promise.allSettled(restores)
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(restored).toEqual([[], []])
  })
})
