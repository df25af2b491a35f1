import { expect, test } from 'bun:test'
import { restoreSnapshot, takeSnapshot } from './snapshot.ts'
import { type Change, State } from './state.ts'

function stateWith(...records: readonly (readonly [table: string, key: string])[]): State {
  const state = new State()
  for (const [table, key] of records) state.table(table).set(key, { was: key })
  return state
}

test('a snapshot brings AWS back and leaves clusters, keys and the sandbox itself alone', () => {
  const state = stateWith(
    ['iam.roles', 'changed'],
    ['iam.roles', 'deleted'],
    ['eks.clusters', 'one'],
    ['cluster/one/pods', 'default/app'],
    ['sandbox.secrets', 'token'],
  )
  const snapshot = takeSnapshot(state)
  state.table('iam.roles').set('changed', { now: true })
  state.table('iam.roles').delete('deleted')
  state.table('s3.objects').set('b/new', {})
  state.table('sts.keys').set('ASIA-NEW', {})
  state.table('cluster/one/pods').delete('default/app')
  state.table('cluster-revision/one').set('revision', 7)
  const changes: Change[] = []
  state.onChange((told) => changes.push(...told))
  restoreSnapshot(state, snapshot)
  expect(changes).toEqual([
    { table: 's3.objects', key: 'b/new', value: undefined },
    { table: 'iam.roles', key: 'changed', value: { was: 'changed' } },
    { table: 'iam.roles', key: 'deleted', value: { was: 'deleted' } },
  ])
  expect(state.table('sts.keys').has('ASIA-NEW')).toBe(true)
})

test('a snapshot of other clusters is refused, and nothing is changed', () => {
  const state = stateWith(['iam.roles', 'a'], ['eks.clusters', 'one'])
  const snapshot = takeSnapshot(state)
  state.table('eks.clusters').set('two', {})
  state.table('iam.roles').delete('a')
  expect(() => restoreSnapshot(state, snapshot)).toThrow(/has \["one","two"\]: wanted the same/)
  expect(state.table('iam.roles').size).toBe(0)
})
