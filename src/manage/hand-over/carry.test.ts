import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { codeOf, PodroleError } from '../../lib/errors.ts'
import type { ActionPort, Pace } from '../apply/act.ts'
import { type InMemoryPort, inMemoryPort } from '../apply/in-memory-port.suite.ts'
import { runSteps, type RunResult } from '../apply/run-steps.ts'
import { ACCOUNT, applyAction, applySteps } from '../plan/in-memory.suite.ts'
import { actionId } from '../plan/action-id.ts'
import { canonicalState, desiredClusters, startState } from '../plan/laws.suite.ts'
import { makePlan } from '../plan/make-plan.ts'
import type { PlanAction, PlanStep } from '../plan/plan.ts'
import { handingOver } from './carry.ts'
import { commandOf } from './commands.ts'
import { openHandOverFolder } from './folder.ts'

const RUNS = Math.ceil(30 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))
const FORCE = { adopt: false, force: true }
const QUICK: Pace = { patienceMs: 20_000, firstDelayMs: 0, maxDelayMs: 0 }
const PLACE = { region: 'eu-central-1', withContexts: true }

const cases = fc
  .tuple(desiredClusters, desiredClusters)
  .map(([first, second]) => {
    const state = applySteps(startState(), makePlan(first, startState(), FORCE).steps)
    return { state, plan: makePlan(second, state, FORCE) }
  })
  .filter(({ plan }) => plan.refusals.length === 0 && plan.steps.length > 0)

interface Somebody {
  /** Does what the script has and was not done yet, in its order. */
  act(): void
  stop(): void
}

function somebody(path: string, steps: readonly PlanStep[], port: InMemoryPort): Somebody {
  const done = new Set<string>()
  const act = (): void => {
    const text = (() => {
      try {
        return readFileSync(join(path, 'hand-over.json'), 'utf8')
      } catch {
        return '{"steps":[]}'
      }
    })()
    for (const { id } of (JSON.parse(text) as { steps: { id: string }[] }).steps) {
      const step = steps.find((one) => one.id === id)
      if (step === undefined || done.has(id)) continue
      done.add(id)
      port.state = applyAction(port.state, step.action)
    }
  }
  const timer = setInterval(act, 1)
  return { act, stop: () => clearInterval(timer) }
}

async function run(
  steps: readonly PlanStep[],
  {
    isDenied,
    isTold = false,
    path,
    port,
    timeoutMs,
  }: {
    readonly isDenied: (step: PlanStep) => boolean
    /** Whether that is known before any is tried. */
    readonly isTold?: boolean
    readonly path: string
    readonly port: ActionPort
    readonly timeoutMs: number
  },
): Promise<RunResult> {
  const denied = new Set(steps.filter(isDenied).map(({ action }) => action))
  const refusing: ActionPort = {
    look: (action) => port.look(action),
    act: async (action, seen) => {
      if (denied.has(action)) throw new PodroleError('AccessDenied', 'not for you')
      await port.act(action, seen)
    },
  }
  const carryOut = handingOver(
    {
      folder: openHandOverFolder(path),
      place: PLACE,
      steps,
      done: new Set(),
      isKnown: isTold,
      denied: new Set(isTold ? steps.filter(isDenied).map(({ id }) => id) : []),
    },
    {
      port: refusing,
      pace: QUICK,
      timeoutMs,
      pollMs: 1,
      tellMs: 60_000,
      note: () => undefined,
      stopReason: () => undefined,
    },
  )
  const ports = { record: async () => undefined, onProgress: () => undefined }
  return runSteps(
    { steps, progress: new Map() },
    { ...ports, carryOut, stopReason: () => undefined },
    2,
  )
}

test('whatever is refused and somebody does, the apply ends as the whole does', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-carry-'))
  let [runs, handed] = [0, 0]
  try {
    await fc.assert(
      fc.asyncProperty(cases, fc.array(fc.boolean()), async ({ plan, state }, denials) => {
        runs += 1
        const { steps } = plan
        const path = join(folder, String(runs))
        const port = inMemoryPort(state)
        const hands = somebody(path, steps, port)
        const isDenied = (step: PlanStep): boolean =>
          denials[steps.indexOf(step) % (denials.length || 1)] === true &&
          commandOf(step.action, PLACE) !== undefined
        const result = await run(steps, { isDenied, path, port, timeoutMs: 60_000 })
        hands.stop()
        expect([...result.errors.values()].map(String)).toEqual([])
        expect(canonicalState(port.state)).toBe(canonicalState(applySteps(state, steps)))
        handed += steps.filter(isDenied).length
      }),
      { numRuns: RUNS, endOnFailure: true },
    )
    expect(handed).toBeGreaterThan(0)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('what nobody does holds up nothing but what depends on it, and a second run finds its numbers', async () => {
  const path = mkdtempSync(join(tmpdir(), 'podrole-carry-'))
  try {
    const cluster = startState().clusters[0]?.arn ?? ''
    const stepOf = (namespace: string, ...dependsOn: readonly string[]): PlanStep => ({
      id: namespace,
      action: { cluster, do: 'create-namespace', namespace },
      dependsOn,
      risk: { level: 'none' },
      inverse: [],
      needs: [],
    })
    const steps = [stepOf('a'), stepOf('b', 'a'), stepOf('c'), stepOf('d'), stepOf('e')]
    const port = inMemoryPort(startState())
    const request = { isDenied: () => true, path, port, timeoutMs: 30 }
    const { errors, standing } = await run(steps, request)
    // Two places at once, and five that wait: none of them keeps a place.
    expect([...errors.values()].map(codeOf)).toEqual(Array(4).fill('NotSeenYet'))
    expect(standing.blocked.map(({ step }) => step.id)).toEqual(['b'])
    const script = (): string => readFileSync(join(path, 'run.sh'), 'utf8')
    const first = script()
    expect(first.match(/^step \d+/gm)).toHaveLength(5)
    const hands = somebody(path, steps, port)
    const second = await run(steps, { ...request, timeoutMs: 60_000 })
    hands.stop()
    expect([...second.errors]).toEqual([])
    expect(script()).toBe(first)
  } finally {
    rmSync(path, { recursive: true })
  }
})

test('who runs the whole script at once has done each step of a replaced entry', async () => {
  const path = mkdtempSync(join(tmpdir(), 'podrole-carry-'))
  try {
    const cluster = startState().clusters[0]?.arn ?? ''
    const principalArn = `arn:aws:iam::${ACCOUNT}:role/person`
    const policy = { policyArn: 'arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy' }
    const old = { principalArn, type: 'EC2', tags: {}, groups: [], username: 'u' }
    const actions: readonly PlanAction[] = [
      { do: 'disassociate-access-policy', cluster, principalArn, before: policy },
      { do: 'delete-access-entry', cluster, entry: old },
      { do: 'create-access-entry', cluster, entry: { principalArn, type: 'STANDARD', tags: {} } },
      { do: 'associate-access-policy', cluster, principalArn, after: policy },
    ]
    const steps = actions.map((action, at): PlanStep => ({
      id: actionId(action),
      action,
      dependsOn: actions.slice(0, at).map(actionId),
      risk: { level: 'none' },
      inverse: [],
      needs: [],
    }))
    const made: readonly PlanAction[] = [
      { do: 'create-access-entry', cluster, entry: old },
      { do: 'associate-access-policy', cluster, principalArn, after: policy },
    ]
    const port = inMemoryPort(made.reduce(applyAction, startState()))
    // None of its effects is seen alone.
    const look: ActionPort['look'] = async (action) => {
      if (port.acts.length === 0) for (const one of actions) await port.act(one, { found: {} })
      return port.look(action)
    }
    const { errors } = await run(steps, {
      isDenied: () => true,
      isTold: true,
      path,
      port: { ...port, look },
      timeoutMs: 300,
    })
    expect([...errors.values()].map(String)).toEqual([])
  } finally {
    rmSync(path, { recursive: true })
  }
})
