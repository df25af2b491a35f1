import { describe, expect, test } from 'bun:test'
import { codeOf, PodroleError } from '../../lib/errors.ts'
import { NAMESPACES } from '../../kube/client.ts'
import { createKubeClient } from '../../kube/transport.ts'
import { emptyState } from '../plan/in-memory.suite.ts'
import type { PlanAction } from '../plan/plan.ts'
import { type ActionPort, carryOut, freshnessOf, type Pace } from './act.ts'

const PACE: Pace = { patienceMs: 2000, firstDelayMs: 1, maxDelayMs: 2 }
const arn = 'arn:aws:iam::111122223333:role/team/reader'
const [cluster] = emptyState('one').clusters
const entry = {
  do: 'create-access-entry' as const,
  cluster: cluster?.arn ?? '',
  entry: { principalArn: arn, type: 'STANDARD', tags: {} },
} satisfies PlanAction
const role = { name: 'reader', arn, trustPolicy: '{}', tags: {} }

/** Refuses so many times, then does it. */
function refusing(times: number, fault: PodroleError): ActionPort & { acts: number } {
  const { principalArn } = entry.entry
  const done = {
    principalArn,
    arn: 'x',
    type: 'STANDARD',
    groups: [],
    username: '',
    policies: [],
    tags: {},
  }
  const port = {
    acts: 0,
    look: async () => ({ found: port.acts > times ? { entry: done } : {} }),
    act: async () => {
      port.acts += 1
      if (port.acts <= times) throw fault
    },
  }
  return port
}

/** As Kubernetes' client has it. */
async function unreachable(): Promise<PodroleError> {
  const server = 'http://127.0.0.1:1'
  try {
    await createKubeClient({ server }).get(NAMESPACES, { name: 'shop' })
  } catch (error) {
    if (error instanceof PodroleError) return error
  }
  throw new Error(`${server} answers`)
}

const NOT_SEEN = new PodroleError(
  'InvalidParameter',
  'The specified principalArn is invalid: invalid principal.',
)

describe('a refusal', () => {
  test('passes where the role was made by the same run, and is for good where it was not', async () => {
    const made = freshnessOf([{ action: { do: 'create-role', role } }])
    const fresh = refusing(3, NOT_SEEN)
    expect(await carryOut(fresh, entry, PACE, { isFresh: made(entry) })).toBe('done')
    expect(fresh.acts).toBe(4)
    const none = freshnessOf([
      { action: { do: 'create-role', role: { ...role, arn: `${arn}-2` } } },
    ])
    const port = refusing(3, NOT_SEEN)
    expect(await carryOut(port, entry, PACE, { isFresh: none(entry) }).catch(codeOf)).toBe(
      'InvalidParameter',
    )
    expect(port.acts).toBe(1)
  })

  test.each([
    new PodroleError('AccessDenied', 'User: u is not authorized to perform: iam:CreateRole'),
    new PodroleError('NoSuchEntity', 'Policy arn:aws:iam::aws:policy/Nothing does not exist'),
    new PodroleError(
      'DeleteConflict',
      'Cannot delete entity, must remove roles from instance profile first.',
    ),
  ])('that is for good ends the step at once: $code', async (fault) => {
    const port = refusing(3, fault)
    expect(await carryOut(port, entry, PACE).catch(codeOf)).toBe(fault.code)
    expect(port.acts).toBe(1)
  })

  test('that asks for patience is outlasted', async () => {
    const port = refusing(2, new PodroleError('ConcurrentModification', 'somebody else writes'))
    expect(await carryOut(port, entry, PACE, { isFresh: false })).toBe('done')
    expect(port.acts).toBe(3)
  })

  test('that is a server out of reach for a moment is outlasted', async () => {
    const fault = await unreachable()
    expect(codeOf(fault)).toBe('KubeUnreachable')
    const port = refusing(2, fault)
    expect(await carryOut(port, entry, PACE, { isFresh: false })).toBe('done')
    expect(port.acts).toBe(3)
  })
})

test('a role is fresh to who names it, by its trust policy too', () => {
  const trust = freshnessOf([
    { action: { do: 'put-trust', role: 'reader', phase: 'admit', before: '{}', after: '{}' } },
  ])
  expect(trust(entry)).toBe(true)
  const provider = { arn: 'arn:aws:iam::1:oidc-provider/x', clientIds: [], tags: {} }
  const issuer = freshnessOf([{ action: { do: 'create-provider', provider } }])
  const Principal = { Federated: provider.arn }
  const trustPolicy = JSON.stringify({ Statement: [{ Principal }] })
  expect(issuer({ do: 'create-role', role: { ...role, trustPolicy } })).toBe(true)
  expect(issuer(entry)).toBe(false)
})
