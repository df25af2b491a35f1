/**
 * `testdata/plans/NAME/` holds files that are applied one after the other, by name; `NAME.yaml`'s
 * plan is `NAME.txt`, as people read it. `state.json`, where there is one, is merged into a world
 * that holds nothing. A first line `# options: --adopt --force` sets those; `--delete` plans the file's
 * deletion.
 * PODROLE_WRITE_TESTDATA=1 writes what is found; read the difference before it is kept.
 */
import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readDesired } from '../desired/read-desired.ts'
import { applySteps, emptyState } from './in-memory.suite.ts'
import { makeDeletePlan } from './make-delete-plan.ts'
import { makePlan } from './make-plan.ts'
import type { ObservedCluster, ObservedState } from './observed-state.ts'
import { NOTHING_TO_DELETE, NOTHING_TO_DO, renderPlan } from './render.ts'

const PLANS = join(import.meta.dir, 'testdata', 'plans')
const TARGET = { cluster: 'shop', region: 'eu-central-1' }

type World = Partial<Omit<ObservedState, 'clusters'>> & {
  readonly cluster?: Partial<ObservedCluster>
}

/** A world with cluster `shop`, and what the case says of it. */
function worldOf(folder: string): ObservedState {
  const file = join(folder, 'state.json')
  const world = (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}) as World
  const { cluster, ...state } = world
  const empty = emptyState(cluster?.name ?? 'shop')
  return { ...empty, ...state, clusters: empty.clusters.map((one) => ({ ...one, ...cluster })) }
}

describe('makePlan', () => {
  test.each(readdirSync(PLANS).sort())('%s', (name) => {
    const folder = join(PLANS, name)
    const files = readdirSync(folder)
      .filter((file) => file.endsWith('.yaml'))
      .sort()
    expect(files.length).toBeGreaterThan(0)
    let state = worldOf(folder)
    for (const file of files) {
      const text = readFileSync(join(folder, file), 'utf8')
      const [, flags = ''] = /^# options: (.*)/.exec(text) ?? []
      const options = { adopt: flags.includes('--adopt'), force: flags.includes('--force') }
      const { clusters } = readDesired([{ name: 'cluster.yaml', text }], TARGET)
      const isDelete = flags.includes('--delete')
      const planOf = isDelete ? makeDeletePlan : makePlan
      const plan = planOf(clusters, state, options)
      const rendered = renderPlan(plan, isDelete ? NOTHING_TO_DELETE : NOTHING_TO_DO)
      const golden = join(folder, file.replace('.yaml', '.txt'))
      if (process.env['PODROLE_WRITE_TESTDATA'] === '1') writeFileSync(golden, rendered)
      expect(rendered).toBe(existsSync(golden) ? readFileSync(golden, 'utf8') : '')
      expect(JSON.parse(JSON.stringify(plan))).toEqual(plan)
      state = applySteps(state, plan.steps)
      expect(planOf(clusters, state, options).steps).toEqual([])
    }
  })
})
