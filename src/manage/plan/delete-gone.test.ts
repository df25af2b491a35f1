/** The delete of a cluster that is gone itself, beside one that is there. */
import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import type { DesiredCluster } from '../desired/desired-state.ts'
import { applySteps, REGION } from './in-memory.suite.ts'
import { canonicalState, CLUSTERS, desiredClusters, startState } from './laws.suite.ts'
import { lockedOut } from './locked-out.suite.ts'
import { makeDeletePlan } from './make-delete-plan.ts'
import { makePlan } from './make-plan.ts'
import type { ObservedCluster, ObservedState } from './observed-state.ts'
import { clusterOfTags } from './ownership.ts'
import type { Plan } from './plan.ts'

const RUNS = Math.ceil(150 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))
const FORCE = { adopt: false, force: true }
const [GONE] = CLUSTERS

/** As a delete sees it that finds no such cluster: its issuer is told by its provider. */
const goneOf = (cluster: ObservedCluster): ObservedCluster => ({
  ...cluster,
  isGone: true,
  associations: [],
  accessEntries: [],
  addons: [],
  offers: [],
  serviceAccounts: [],
  namespaces: [],
})

const without = (state: ObservedState): ObservedState => ({
  ...state,
  clusters: state.clusters.map((one) => (one.name === GONE ? goneOf(one) : one)),
})

/** Without what one list of others cannot be told from: no files speak of the gone cluster alone. */
const ofGone = (clusters: readonly DesiredCluster[]): readonly DesiredCluster[] =>
  clusters.filter(({ name }) => name === GONE)

test('takes what was made for it alone, and nobody of another cluster loses a role', () => {
  let [taken, kept] = [0, 0]
  fc.assert(
    fc.property(desiredClusters, (clusters) => {
      const whole = applySteps(startState(), makePlan(clusters, startState(), FORCE).steps)
      const state = without(whole)
      const before = lockedOut(state)
      const { refusals, remarks, steps } = makeDeletePlan(ofGone(clusters), state, FORCE)
      expect(refusals).toEqual([])
      expect(steps.filter(({ action }) => 'cluster' in action)).toEqual([])
      const after = applySteps(state, steps)
      expect(lockedOut(after)).toEqual(before)
      expect(after.clusters).toEqual(state.clusters)
      const [gone] = state.clusters
      for (const role of after.roles) {
        if (clusterOfTags(role.tags) !== gone?.arn) continue
        // What stays is for somebody else by now, and told.
        expect(remarks.map(({ text }) => text).join('\n')).toContain(`role ${role.name}: `)
        kept += 1
      }
      taken += state.roles.length - after.roles.length
      expect(makeDeletePlan(ofGone(clusters), after, FORCE).steps).toEqual([])
    }),
    { numRuns: RUNS },
  )
  expect([taken, kept].map((many) => many > 0)).toEqual([true, true])
})

test("an add-on's role goes, and stays where somebody let others in", () => {
  const addon = {
    path: 'addons[0]',
    name: 'aws-ebs-csi-driver',
    identity: { kind: 'recommended' },
    tags: {},
  } as const
  const file: DesiredCluster = {
    source: 'cluster.yaml',
    kind: 'eks',
    name: GONE,
    region: REGION,
    tags: {},
    addons: [addon],
  }
  const whole = applySteps(startState(), makePlan([file], startState(), FORCE).steps)
  const state = without(whole)
  const deleted = ({ steps }: Plan): readonly string[] =>
    steps.flatMap(({ action }) => (action.do === 'delete-role' ? action.role.name : []))
  const [name = ''] = deleted(makeDeletePlan([file], state, FORCE))
  expect(name).toStartWith(`podrole-${GONE}-`)
  const theirs =
    '"Statement":[{"Sid":"theirs","Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"},'
  const roles = state.roles.map((role) =>
    role.name === name
      ? { ...role, trustPolicy: role.trustPolicy.replace('"Statement":[', theirs) }
      : role,
  )
  const plan = makeDeletePlan([file], { ...state, roles }, FORCE)
  expect(deleted(plan)).toEqual([])
  expect(plan.remarks).toContainEqual({
    code: 'left-alone',
    text: expect.stringContaining(`role ${name}: its trust policy lets others in`),
  })
})

test('another name finds nothing of it', () => {
  fc.assert(
    fc.property(desiredClusters, (clusters) => {
      const whole = applySteps(startState(), makePlan(clusters, startState(), FORCE).steps)
      const [gone] = whole.clusters
      if (gone === undefined) throw new Error('no cluster')
      const { issuer: _, ...unknown } = goneOf(gone)
      const mistyped = { ...unknown, name: 'onne', arn: `${gone.arn.slice(0, -GONE.length)}onne` }
      const state = { ...whole, clusters: [...whole.clusters, mistyped] }
      const files = ofGone(clusters).map((one) => ({ ...one, name: 'onne' }))
      const { remarks, steps } = makeDeletePlan(files, state, FORCE)
      expect(canonicalState(applySteps(state, steps))).toBe(canonicalState(state))
      expect(steps).toEqual([])
      expect(remarks).toContainEqual({
        code: 'cluster-gone',
        text: expect.stringContaining('IAM has nothing that podrole made for it'),
      })
    }),
    { numRuns: RUNS },
  )
})
