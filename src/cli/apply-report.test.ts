import { expect, test } from 'bun:test'
import { PodroleError } from '../lib/errors.ts'
import { standingOf } from '../manage/apply/progress.ts'
import type { Plan, PlanStep } from '../manage/plan/plan.ts'
import { halfReport, renderReport, stepReports } from './apply-report.ts'

const stepOf = (id: string, ...dependsOn: readonly string[]): PlanStep => ({
  id,
  action: { do: 'attach-policy', role: id, policyArn: 'p' },
  dependsOn,
  risk: { level: 'none' },
  inverse: [],
  needs: [],
})
const STEPS = [stepOf('a'), stepOf('b'), stepOf('c', 'b'), stepOf('d', 'a')]
const NOTHING: Plan = { steps: [], refusals: [], remarks: [] }
const WORDS = { nothingLeft: 'Nothing.', source: 'plan.json' }
const report = { command: 'apply', outcome: 'done', plan: NOTHING } as const

test('each step is told by what came of it', () => {
  const progress = new Map([['a', 'done'] as const, ['b', 'failed'] as const])
  const fault = new PodroleError('AccessDenied', 'no', { hint: 'ask' })
  const result = { standing: standingOf(STEPS, progress), errors: new Map([['b', fault]]) }
  const steps = stepReports(result, new Map([['a', 'there' as const]]))
  expect(steps).toEqual([
    { id: 'a', outcome: 'there' },
    { id: 'b', outcome: 'failed', error: { code: 'AccessDenied', message: 'no', hint: 'ask' } },
    { id: 'c', outcome: 'not-started', after: 'b' },
    { id: 'd', outcome: 'not-started' },
  ])
  expect(renderReport({ ...report, steps, stopped: 'SIGINT' }, WORDS)).toBe(
    `1 step(s) done, 1 failed, 2 not started.
  not started: c (after b)
  not started: d (SIGINT)
Go on with the same command and --resume.
`,
  )
})

test('the end says that nothing is left, what is, or that it cannot be seen', () => {
  const steps = [{ id: 'a', outcome: 'done' }] as const
  const text = (more: object): string => renderReport({ ...report, steps, ...more }, WORDS)
  expect(text({ left: NOTHING })).toBe('1 step(s) done.\nNothing.\n')
  expect(text({ left: { ...NOTHING, steps: STEPS.slice(0, 1) } })).toContain(
    'There is something to do still:\n\nIAM:\n  + policy p of role a\n',
  )
  expect(text({ unseen: 'Forbidden' })).toContain(
    'Whether something is left is not known: Forbidden',
  )
})

test("what is in somebody else's hands is no failure", () => {
  const progress = new Map([['a', 'done'] as const, ['b', 'failed'] as const])
  const fault = new PodroleError('NotSeenYet', 'b is in hands')
  const result = { standing: standingOf(STEPS, progress), errors: new Map([['b', fault]]) }
  const steps = stepReports(result, new Map())
  expect(steps[1]).toMatchObject({ id: 'b', outcome: 'handed-over' })
  expect(renderReport({ ...report, steps, stopped: '5 s' }, WORDS)).toContain(
    '1 step(s) done, 1 handed over and not seen yet, 2 not started.\n  handed over: b\n',
  )
})

test('a half says what waits, and what is left for whom', () => {
  const [a, b, c] = STEPS
  if (a === undefined || b === undefined || c === undefined) throw new Error('no steps')
  const part = { own: [], waiting: [{ step: c, for: ['b'] }], others: [a, b] }
  const half = halfReport('aws', part, true)
  expect(renderReport({ ...report, steps: [], half }, WORDS)).toBe(
    `Of this half, 1 step(s) wait for the other one:
  c (after b)
Then: podrole apply plan.json --aws-only
Left for whoever has Kubernetes, 2 step(s):
  a
  b
By: podrole apply plan.json --kubernetes-only
`,
  )
  const unseen = halfReport('kubernetes', { ...part, waiting: [] }, false)
  expect(renderReport({ ...report, steps: [], half: unseen }, WORDS)).toBe(
    'AWS was not looked at: podrole apply plan.json --aws-only does its half.\n',
  )
})
