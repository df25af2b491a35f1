/**
 * The laws of plan and apply over the wire: random configs on a sandbox whose IAM and EKS show
 * writes late. `src/manage/plan/laws.test.ts` has them in memory.
 */
import { afterAll, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { messageOf } from '../../src/lib/errors.ts'
import type { DesiredCluster } from '../../src/manage/desired/desired-state.ts'
import { REGION } from '../../src/manage/plan/in-memory.suite.ts'
import { CLUSTERS, desiredClusters } from '../../src/manage/plan/laws.suite.ts'
import { makePlan } from '../../src/manage/plan/make-plan.ts'
import { type Mutation, mutationsOf, subjectOf } from '../../src/manage/plan/mutations.suite.ts'
import type { ObservedState } from '../../src/manage/plan/observed-state.ts'
import type { Plan } from '../../src/manage/plan/plan.ts'
import { changeByHand } from '../support/change-by-hand.ts'
import { type Lane, type Lanes, startLanes } from '../support/lanes.ts'
import { scaled } from '../support/tools.ts'
import { askForNothing, spellState } from '../support/whole-state.ts'

const FORCE = { adopt: false, force: true }
const SEED = Number(process.env['PODROLE_TEST_SEED'] ?? Date.now() % 1_000_000)
/** With PODROLE_TEST_SCALE=8 all of the 200. */
const [CASES, LATE_CASES] = [scaled(25), 10]
const LANES = 8

interface Config {
  readonly first: readonly DesiredCluster[]
  /** On top of the first: day 2. */
  readonly second: readonly DesiredCluster[]
  readonly picks: readonly number[]
}

const configs = (hands: number): fc.Arbitrary<Config> =>
  fc.record({
    first: desiredClusters,
    second: desiredClusters,
    picks: fc.array(fc.nat(), { minLength: hands, maxLength: hands }),
  })

const NOTHING = CLUSTERS.map((name) => askForNothing(name, REGION))

const planned = async (
  lane: Lane,
  clusters: readonly DesiredCluster[],
): Promise<{ readonly state: ObservedState; readonly plan: Plan }> => {
  const state = await lane.observe(clusters)
  return { state, plan: makePlan(clusters, state, FORCE) }
}

/** Makes it so; then there is nothing left to do. */
async function applied(lane: Lane, clusters: readonly DesiredCluster[]): Promise<ObservedState> {
  const { plan, state } = await planned(lane, clusters)
  expect(plan.refusals).toEqual([])
  await lane.apply(state, plan.steps)
  const again = await planned(lane, clusters)
  expect(again.plan.refusals).toEqual([])
  expect(again.plan.steps.map(({ action }) => action)).toEqual([])
  return again.state
}

class Proof {
  readonly #lateMs: number
  /** How often each kind of change was made by hand. */
  readonly made = new Map<string, number>()
  /** What AWS did not let hands do. */
  readonly refused = new Map<string, string>()

  constructor(lateMs: number) {
    this.#lateMs = lateMs
  }

  async run(lane: Lane, { first, picks, second }: Config): Promise<void> {
    const nothing = lane.here(NOTHING)
    const begin = spellState(await lane.observe(nothing))
    const clusters = lane.here(first)
    let state = await applied(lane, clusters)
    // Roles that are full may hand service accounts to one another when one of them changes.
    const isFull = state.roles.some((role) => role.name === 'shared-2')
    for (const pick of isFull ? [] : picks)
      state = await this.#byHand(lane, clusters, { state, pick })
    await applied(lane, lane.here(second))
    await applied(lane, nothing)
    await lane.dropNamespaces(['shop', 'ops'])
    expect(spellState(await lane.observe(nothing))).toBe(begin)
  }

  /** One of the kinds that was least often made. */
  #choose(mutations: readonly Mutation[], pick: number): Mutation | undefined {
    const countOf = ({ name }: Mutation): number => this.made.get(name) ?? 0
    const possible = mutations.filter(({ name }) => !this.refused.has(name))
    const least = Math.min(...possible.map(countOf))
    const rare = possible.filter((one) => countOf(one) === least)
    const chosen = rare[pick % Math.max(1, rare.length)]
    if (chosen !== undefined) this.made.set(chosen.name, least + 1)
    return chosen
  }

  async #byHand(
    lane: Lane,
    clusters: readonly DesiredCluster[],
    { pick, state }: { readonly state: ObservedState; readonly pick: number },
  ): Promise<ObservedState> {
    const mutation = this.#choose(mutationsOf(state), pick)
    if (mutation === undefined) return state
    const { name, subject } = mutation
    try {
      await changeByHand(state, mutation.state, lane.hands)
    } catch (error) {
      this.refused.set(name, messageOf(error))
      this.made.delete(name)
      await Bun.sleep(this.#lateMs + 50)
      return lane.observe(clusters)
    }
    await this.#untilShown(mutation)
    const { plan } = await planned(lane, clusters)
    const shown = [...new Set(plan.steps.map(({ action }) => subjectOf(action)))]
    expect({ name, shown, refusals: plan.refusals }).toEqual({
      name,
      shown: [subject],
      refusals: [],
    })
    const mended = await applied(lane, clusters)
    if (name !== 'role trust emptied') {
      expect(`${name}\n${spellState(mended)}`).toBe(`${name}\n${spellState(state)}`)
      return mended
    }
    // A statement of somebody else's stays, and so does a role with one: hands put it in, and out.
    const back = { ...mended, roles: mended.roles.map((role) => wholeOf(role, state)) }
    await changeByHand(mended, back, lane.hands)
    await Bun.sleep(this.#lateMs + 50)
    return lane.observe(clusters)
  }

  /** Add-ons are changed for a second, and nothing shows at once. */
  async #untilShown({ name }: Mutation): Promise<void> {
    await Bun.sleep(this.#lateMs + 50)
    if (name.startsWith('addon ')) await Bun.sleep(1100)
  }
}

type Role = ObservedState['roles'][number]

const wholeOf = (role: Role, state: ObservedState): Role => {
  const before = state.roles.find((one) => one.name === role.name)
  return before === undefined || before.trustPolicy === role.trustPolicy ? role : before
}

const started: Lanes[] = []
afterAll(async () => {
  for (const one of started) await one.stop()
})

async function prove(
  count: number,
  how: {
    readonly late: string
    readonly lateMs: number
    readonly hands: number
    readonly lanes: number
  },
): Promise<Proof> {
  const all = await startLanes(Math.min(count, how.lanes), how.late)
  started.push(all)
  const proof = new Proof(how.lateMs)
  // The clusters themselves are shown late.
  await Bun.sleep(how.lateMs)
  await Promise.all(all.lanes.map((lane) => applied(lane, lane.here(NOTHING))))
  const samples = fc.sample(configs(how.hands), { numRuns: count, seed: SEED })
  const faults: string[] = []
  process.stderr.write(`${count} configs of seed ${SEED}, ${how.late} late\n`)
  const left = [...samples.entries()]
  const work = async (lane: Lane): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const [at, config] = next
      try {
        await proof.run(lane, config)
      } catch (error) {
        const text = JSON.stringify(config)
        const fault = `case ${at} of seed ${SEED} on ${lane.accountId}: ${messageOf(error)}\n${text}`
        faults.push(fault)
        // At once: a run that comes to no end tells nothing else.
        process.stderr.write(`${fault}\n`)
        // The lane is not what it was: it is left out.
        return
      }
    }
  }
  await Promise.all(all.lanes.map(work))
  expect(faults).toEqual([])
  return proof
}

test(
  `${CASES} configs: applied, nothing is left; changed by hand, that is shown and mended; 200 ms late`,
  async () => {
    const { made, refused } = await prove(CASES, {
      late: '200ms',
      lateMs: 200,
      hands: 3,
      lanes: LANES,
    })
    expect([...refused]).toEqual([])
    expect(made.size).toBeGreaterThan(25)
  },
  scaled(1_800_000),
)

test(`${LATE_CASES} of them where IAM and EKS are 5 s late`, async () => {
  await prove(LATE_CASES, { late: '5s', lateMs: 5000, hands: 1, lanes: LATE_CASES })
}, 600_000)
