import { expect, test } from 'bun:test'
import { objectsOf, revisionPast, tableChanges, tableRows, takeSnapshot } from './snapshot.ts'
import { State } from './state.ts'

function stateWith(...records: readonly (readonly [table: string, key: string])[]): State {
  const state = new State()
  for (const [table, key] of records) state.table(table).set(key, { was: key })
  return state
}

test('tables become what they were, but for keys given out since and what others bring back', () => {
  const state = stateWith(
    ['iam.roles', 'changed'],
    ['iam.roles', 'deleted'],
    ['iam.roles', 'same'],
    ['sts.keys', 'ASIA-OLD'],
    ['cluster/one/pods', 'default/app'],
    ['sandbox.secrets', 'token'],
  )
  const then = tableRows(takeSnapshot(state))
  state.table('iam.roles').set('changed', { now: true })
  state.table('iam.roles').set('same', { was: 'same' })
  state.table('iam.roles').delete('deleted')
  state.table('s3.objects').set('b/new', {})
  state.table('sts.keys').delete('ASIA-OLD')
  state.table('sts.keys').set('ASIA-NEW', {})
  state.table('cluster/one/pods').delete('default/app')
  state.table('sandbox.secrets').delete('token')
  const now = tableRows(takeSnapshot(state))
  expect(tableChanges(then, now, (table) => table.startsWith('cluster/one/'))).toEqual([
    { table: 's3.objects', key: 'b/new', value: undefined },
    { table: 'iam.roles', key: 'changed', value: { was: 'changed' } },
    { table: 'iam.roles', key: 'deleted', value: { was: 'deleted' } },
    { table: 'sts.keys', key: 'ASIA-OLD', value: { was: 'ASIA-OLD' } },
  ])
})

test("a cluster's objects are its own, and it goes on past all of their versions", () => {
  const state = new State()
  const object = (resourceVersion: string): object => ({ metadata: { resourceVersion } })
  state.table('cluster/one/pods').set('default/a', object('7'))
  state.table('cluster/one/deployments.apps').set('default/d', object('12'))
  state.table('cluster/one-more/pods').set('default/b', object('99'))
  const tables = tableRows(takeSnapshot(state))
  expect([...objectsOf(tables, 'one').keys()]).toEqual(['pods', 'deployments.apps'])
  const table = 'cluster-revision/one'
  expect(revisionPast(tables, 'one')).toEqual({ table, key: 'revision', value: 1_000_012 })
  state.table(table).set('revision', 40)
  expect(revisionPast(tableRows(takeSnapshot(state)), 'one').value).toBe(1_000_040)
})
