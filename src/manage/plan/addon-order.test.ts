/** An add-on has its new way to credentials before the old one goes: also where a step between fails. */
import { expect, test } from 'bun:test'
import type { DesiredAddon, DesiredCluster } from '../desired/desired-state.ts'
import { applySteps, emptyState, REGION } from './in-memory.suite.ts'
import { makePlan } from './make-plan.ts'
import type { PlanStep } from './plan.ts'

const made = (name: string): Extract<DesiredAddon['identity'], { kind: 'irsa' }>['role'] => ({
  kind: 'made',
  name,
  policyArns: ['arn:aws:iam::aws:policy/A'],
  inline: {},
  tags: {},
  trustConditions: {},
})
const file = (identity: DesiredAddon['identity']): DesiredCluster => ({
  source: 'cluster.yaml',
  kind: 'eks',
  name: 'shop',
  region: REGION,
  tags: {},
  withOidc: true,
  addons: [{ path: 'addons[0]', name: 'aws-ebs-csi-driver', identity, tags: {} }],
})
const irsa = (name: string): DesiredCluster => file({ kind: 'irsa', role: made(name) })
const associated = (name: string): DesiredCluster =>
  file({
    kind: 'associations',
    associations: [
      {
        path: 'addons[0].podIdentityAssociations[0]',
        serviceAccount: { namespace: 'kube-system', name: 'ebs-csi-controller-sa' },
        role: made(name),
      },
    ],
  })

/** All that a step waits for, through others too. */
function behind(steps: readonly PlanStep[], id: string): ReadonlySet<string> {
  const found = new Set<string>()
  const visit = (one: string): void => {
    for (const next of steps.find((step) => step.id === one)?.dependsOn ?? []) {
      found.add(next)
      visit(next)
    }
  }
  visit(id)
  return found
}

function plannedFrom(first: DesiredCluster, second: DesiredCluster): readonly PlanStep[] {
  const start = emptyState('shop')
  const state = applySteps(start, makePlan([first], start).steps)
  return makePlan([second], state).steps
}

const idOf = (steps: readonly PlanStep[], wanted: object): string => {
  const found = steps.filter(({ action }) => Bun.deepMatch(wanted, action))
  expect(found).toHaveLength(1)
  return found[0]?.id ?? ''
}

test.each([
  ['IRSA to an association', irsa('old'), associated('new')],
  ['an association to IRSA', associated('old'), irsa('new')],
])('from %s: the new role, the add-on, and then the old role goes', (_way, first, second) => {
  const steps = plannedFrom(first, second)
  const update = idOf(steps, { do: 'update-addon', name: 'aws-ebs-csi-driver' })
  const create = steps.filter(({ action }) => /^(?:create-role|attach-policy)$/.test(action.do))
  expect(create).toHaveLength(2)
  for (const { id } of create) expect([...behind(steps, update)]).toContain(id)
  for (const what of ['delete-role', 'detach-policy']) {
    expect([...behind(steps, idOf(steps, { do: what }))]).toContain(update)
  }
})

test('with the same role the new way is let in, the add-on changed, the old way taken out', () => {
  const steps = plannedFrom(irsa('same'), associated('same'))
  const update = idOf(steps, { do: 'update-addon' })
  const admit = idOf(steps, { do: 'put-trust', phase: 'admit' })
  const trim = idOf(steps, { do: 'put-trust', phase: 'trim' })
  expect([...behind(steps, update)]).toContain(admit)
  expect([...behind(steps, trim)]).toContain(update)
})
