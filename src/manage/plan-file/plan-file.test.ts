import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { codeOf, messageOf } from '../../lib/errors.ts'
import { emptyState } from '../plan/in-memory.suite.ts'
import type { Plan } from '../plan/plan.ts'
import { parsePlanFile, type PlanFile, planFileOf } from './plan-file.ts'
import { planDigest, readReceipt, receiptPath, writeReceipt } from './receipt.ts'

const observed = emptyState('one')
const cluster = observed.clusters[0]?.arn ?? ''
const plan: Plan = {
  steps: [
    {
      id: `create-namespace ${cluster} shop`,
      action: { cluster, do: 'create-namespace', namespace: 'shop' },
      dependsOn: [],
      risk: { level: 'none' },
      inverse: [{ cluster, do: 'delete-namespace', namespace: 'shop' }],
      needs: [],
    },
  ],
  refusals: [],
  remarks: [],
}
const source = {
  version: '0.1.0',
  observedAtMs: Date.UTC(2026, 0, 1),
  observedBy: 'arn:aws:iam::111122223333:user/dev',
  desired: [{ source: 'cluster.yaml', kind: 'eks' as const, name: 'one', tags: {} }],
  observed,
  plan,
  brokerOf: () => undefined,
}
const file = planFileOf(source)

const faultOf = (change: (copy: PlanFile & Record<string, unknown>) => unknown): string => {
  const copy = structuredClone(file) as PlanFile & Record<string, unknown>
  try {
    parsePlanFile(JSON.stringify(change(copy)), 'plan.json')
    return 'taken'
  } catch (error) {
    expect(codeOf(error)).toBe('InvalidPlanFile')
    return messageOf(error)
  }
}

test('it says what was looked at, when and by whom', () => {
  expect(file).toMatchObject({
    kind: 'podrole.dev/plan/v1',
    observedAt: '2026-01-01T00:00:00.000Z',
    observedBy: 'arn:aws:iam::111122223333:user/dev',
    account: { id: '111122223333', partition: 'aws' },
    clusters: [{ arn: cluster, seen: { namespaces: 2, serviceAccounts: 0 } }],
  })
  expect(faultOf((copy) => copy)).toBe('taken')
})

test('a plan that is refused gets no file', () => {
  const refusal = { code: 'NoCluster', text: 'there is none', hint: 'Make it.' } as const
  const refused = { ...source, plan: { ...plan, refusals: [refusal] } }
  expect(() => planFileOf(refused)).toThrow('1 refusal(s)')
})

test('what podrole did not write so is not taken, with the path of each fault', () => {
  const [step] = plan.steps
  if (step === undefined) throw new Error('no step')
  const withSteps = (...steps: readonly object[]): unknown => ({
    ...file,
    plan: { ...plan, steps },
  })
  expect(faultOf((copy) => ({ ...copy, kind: 'podrole.dev/plan/v2' }))).toContain(
    'its kind is "podrole.dev/plan/v2", wanted podrole.dev/plan/v1',
  )
  expect(faultOf((copy) => ({ ...copy, secret: 'x' }))).toContain('secret')
  expect(faultOf((copy) => ({ ...copy, account: { id: '1', partition: 'aws' } }))).toContain(
    'account.id: wanted the 12 digits',
  )
  expect(faultOf(() => withSteps({ ...step, id: 'other' }))).toContain(
    `plan.steps.0.id: other is not ${step.id}`,
  )
  expect(faultOf(() => withSteps({ ...step, action: { ...step.action, extra: 1 } }))).toContain(
    'plan.steps.0.action: Unrecognized key: "extra"',
  )
  const elsewhere = { ...step.action, cluster: cluster.replace('/one', '/two') }
  expect(faultOf(() => withSteps({ ...step, id: elsewhere.cluster, action: elsewhere }))).toContain(
    'is not among the clusters',
  )
  expect(faultOf(() => withSteps(step, step))).toContain('is there twice')
  const early = { ...step, dependsOn: [`create-namespace ${cluster} late`] }
  const late = { ...step, id: `create-namespace ${cluster} late` }
  const lateAction = { ...late, action: { ...step.action, namespace: 'late' } }
  expect(faultOf(() => withSteps(early, lateAction))).toContain('comes later')
  const other = { ...file.account, id: '444455556666' }
  expect(faultOf((copy) => ({ ...copy, account: other }))).toContain('is not of account')
})

test('a receipt is of one half of one plan file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-receipt-'))
  try {
    const path = receiptPath(join(folder, 'plan.json'), 'aws')
    const mine = { half: 'aws', plan: planDigest('a plan') } as const
    expect(await readReceipt(path, mine)).toEqual(new Set())
    await writeReceipt(path, { ...mine, done: ['one'] })
    await writeReceipt(path, { ...mine, done: ['one', 'two'] })
    expect(await readReceipt(path, mine)).toEqual(new Set(['one', 'two']))
    const others = [
      { half: 'kubernetes', plan: mine.plan } as const,
      { ...mine, plan: planDigest('another plan') },
    ]
    for (const other of others) {
      expect(await readReceipt(path, other).catch(codeOf)).toBe('InvalidReceipt')
    }
    writeFileSync(path, '{}')
    expect(await readReceipt(path, mine).catch(codeOf)).toBe('InvalidReceipt')
  } finally {
    rmSync(folder, { recursive: true })
  }
})
