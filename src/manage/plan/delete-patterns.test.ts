/** Service accounts that share a role and the pattern by which its trust policy lets them in. */
import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import type { DesiredCluster, DesiredServiceAccount } from '../desired/desired-state.ts'
import { applySteps, REGION } from './in-memory.suite.ts'
import { startState } from './laws.suite.ts'
import { lockedOut } from './locked-out.suite.ts'
import { makeDeletePlan } from './make-delete-plan.ts'
import { makePlan } from './make-plan.ts'
import type { ObservedState } from './observed-state.ts'

const RUNS = Math.ceil(500 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))
const FORCE = { adopt: false, force: true }

const fileOf = (serviceAccounts: readonly DesiredServiceAccount[]): DesiredCluster => ({
  source: 'cluster.yaml',
  kind: 'eks',
  name: 'one',
  region: REGION,
  tags: {},
  withOidc: true,
  serviceAccounts,
})

interface Wish {
  readonly name: string
  readonly namespace?: string
  readonly pattern?: string | undefined
  readonly roleName?: string | undefined
}

const accountOf = ({
  name,
  namespace = 'shop',
  pattern,
  roleName = 'shared',
}: Wish): DesiredServiceAccount => ({
  path: `iam.serviceAccounts[${name}]`,
  serviceAccount: { namespace, name },
  labels: {},
  annotations: {},
  roleOnly: false,
  role: {
    kind: 'made',
    ...(roleName !== '' && { name: roleName }),
    policyArns: [],
    inline: {},
    tags: {},
    trustConditions: {},
  },
  ...(pattern !== undefined && { subjectPattern: pattern }),
})

const accounts = fc.uniqueArray(
  fc
    .record({
      name: fc.constantFrom('a1', 'a2', 'a3'),
      namespace: fc.constantFrom('shop', 'ops'),
      pattern: fc.constantFrom(undefined, 'a*', 'a1*', '*'),
      // Empty: the one that podrole names after the service account.
      roleName: fc.constantFrom('shared', 'shared', ''),
    })
    .map(accountOf),
  {
    selector: ({ serviceAccount: { name, namespace } }) => `${namespace}/${name}`,
    minLength: 1,
    maxLength: 6,
  },
)

const applied = (list: readonly DesiredServiceAccount[]): ObservedState => {
  const { refusals, steps } = makePlan([fileOf(list)], startState(), FORCE)
  expect(refusals).toEqual([])
  return applySteps(startState(), steps)
}
const deleted = (list: readonly DesiredServiceAccount[], state: ObservedState): ObservedState =>
  applySteps(state, makeDeletePlan([fileOf(list)], state, FORCE).steps)
const trustOf = (state: ObservedState): string | undefined =>
  state.roles.find(({ name }) => name === 'shared')?.trustPolicy

test('the pattern of two stays until the last of them goes', () => {
  const [first, second] = [
    accountOf({ name: 'a1', pattern: 'a*' }),
    accountOf({ name: 'a2', pattern: 'a*' }),
  ]
  const third = accountOf({ name: 'b' })
  const state = applied([first, second, third])
  expect(trustOf(state)).toContain(':shop:a*')
  const one = deleted([first], state)
  expect(lockedOut(one)).toEqual([])
  expect(trustOf(one)).toBe(trustOf(state) ?? '')
  const two = deleted([second], one)
  expect([lockedOut(two), trustOf(two)]).toEqual([[], expect.not.stringContaining(':shop:a*')])
  expect(trustOf(deleted([third], two))).toBeUndefined()
})

test('whatever goes, nobody who stays is locked out', () => {
  fc.assert(
    fc.property(accounts, fc.infiniteStream(fc.boolean()), accounts, (list, picks, others) => {
      const state = applied(list)
      const before = lockedOut(state)
      const part = list.filter(() => picks.next().value === true)
      for (const gone of [part, others]) {
        const after = deleted(gone, state)
        expect(lockedOut(after).filter((one) => !before.includes(one))).toEqual([])
      }
    }),
    { numRuns: RUNS },
  )
})
