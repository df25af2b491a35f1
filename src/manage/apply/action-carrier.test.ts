import { expect, test } from 'bun:test'
import { ACCOUNT, applyAction, emptyState } from '../plan/in-memory.suite.ts'
import type { PlanAction } from '../plan/plan.ts'
import { carryOut } from './act.ts'
import { actionCarrier } from './action-carrier.ts'
import { inMemoryPort, NO_PATIENCE } from './in-memory-port.suite.ts'

const principalArn = `arn:aws:iam::${ACCOUNT}:role/person`
const policy = { policyArn: 'arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy' }
const empty = emptyState('one')
const cluster = empty.clusters[0]?.arn ?? ''
const at = { cluster, principalArn }
const old = { principalArn, type: 'EC2', tags: {}, groups: [], username: 'u' }
const made: readonly PlanAction[] = [
  { do: 'create-access-entry', cluster, entry: old },
  { do: 'associate-access-policy', ...at, after: policy },
]
const associate: PlanAction = { do: 'associate-access-policy', ...at, after: policy }
/** EKS changes no type: the entry goes and comes again, with the same policy. */
const replacing: readonly PlanAction[] = [
  { do: 'disassociate-access-policy', ...at, before: policy },
  { do: 'delete-access-entry', cluster, entry: old },
  { do: 'create-access-entry', cluster, entry: { principalArn, type: 'STANDARD', tags: {} } },
]
const before = made.reduce(applyAction, empty)

/** @param late so many states its next read is behind: all of them show what there was before */
async function replaced(late = replacing.length): Promise<{
  readonly port: ReturnType<typeof inMemoryPort>
  readonly carry: ReturnType<typeof actionCarrier>
}> {
  let behind = 0
  const port = inMemoryPort(before, () => {
    const now = behind
    behind = 0
    return now
  })
  const steps = [...replacing, associate].map((action) => ({ action }))
  const carry = actionCarrier(port, steps, { pace: NO_PATIENCE })
  for (const action of replacing) expect(await carry(action)).toBe('done')
  behind = late
  return { port, carry }
}

const policiesOf = ({ state }: ReturnType<typeof inMemoryPort>): unknown =>
  state.clusters[0]?.accessEntries.map(({ policies }) => policies)

test('what a run took away it brings back, though a late read shows it still', async () => {
  const { carry, port } = await replaced()
  expect(await carry(associate)).toBe('done')
  expect(policiesOf(port)).toEqual([[policy]])
})

test('an action that knows nothing of the run believes that read', async () => {
  const { port } = await replaced()
  expect(await carryOut(port, associate, NO_PATIENCE)).toBe('there')
  expect(policiesOf(port)).toEqual([[]])
})

test('what another run took away and somebody brought back is left alone', async () => {
  const { port } = await replaced(0)
  port.state = applyAction(port.state, associate)
  const acts = port.acts.length
  const steps = [...replacing, associate].map((action) => ({ action }))
  expect(await actionCarrier(port, steps, { pace: NO_PATIENCE })(associate)).toBe('there')
  expect(port.acts).toHaveLength(acts)
})
