/** Steps that the caller may not do, put into somebody else's hands and awaited. */
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf, PodroleError } from '../../lib/errors.ts'
import { type ActionPort, brief, isPassing, type Outcome, type Pace } from '../apply/act.ts'
import { actionCarrier } from '../apply/action-carrier.ts'
import { isKubernetesAction } from '../apply/action-port.ts'
import type { StepCarrier } from '../apply/run-steps.ts'
import { type Found, judge, type Verdict } from '../apply/slots.ts'
import type { PlanAction, PlanStep } from '../plan/plan.ts'
import { commandOf, type HandOverPlace } from './commands.ts'
import { type HandOverFolder, SCRIPT_FILE } from './folder.ts'

/** AWS's codes and Kubernetes' reason for what a caller may not do. */
const DENIED = /^(?:AccessDenied|Forbidden|UnauthorizedOperation)/

export interface HandOverRequest {
  readonly folder: HandOverFolder
  readonly place: HandOverPlace
  /** Of the whole run, each behind all that it depends on. */
  readonly steps: readonly PlanStep[]
  /** Ids of those that were done before. */
  readonly done: ReadonlySet<string>
  /** Whether IAM's simulator told what the caller may not do; then no more than that is presumed. */
  readonly isKnown: boolean
  /** Ids of the steps that it told. */
  readonly denied: ReadonlySet<string>
}

export interface HandOverAround {
  readonly port: ActionPort
  readonly pace: Pace
  /** How long somebody may take for one step. */
  readonly timeoutMs: number
  readonly pollMs: number
  /** Between two words about what is awaited. */
  readonly tellMs: number
  readonly note: (text: string) => void
  readonly stopReason: () => string | undefined
}

/**
 * Does each step, or waits until somebody has done it: those that are known to be denied, those that
 * turn out to be, and the like of these, so that whoever may do them gets them at once and not one by
 * one. A step is written when all that it depends on is done, or handed over before it.
 */
export function handingOver(request: HandOverRequest, around: HandOverAround): StepCarrier {
  const { denied, folder, isKnown, place, steps } = request
  const handed = new Set(steps.map(({ id }) => id).filter((id) => denied.has(id) || folder.has(id)))
  const done = new Set(request.done)
  const trying = new Map<PlanStep, Promise<unknown>>()
  const awaited = new Set<string>()
  const carry = actionCarrier(around.port, steps, { pace: around.pace })
  const isHandable = ({ action }: PlanStep): boolean => commandOf(action, place) !== undefined
  const write = (): void => {
    const known = new Set(steps.map(({ id }) => id))
    const ready = new Set<string>()
    const batch = steps.flatMap((step) => {
      const { action, dependsOn, id } = step
      const command = commandOf(action, place)
      const isOpen = dependsOn.every((one) => !known.has(one) || done.has(one) || ready.has(one))
      if (!handed.has(id) || done.has(id) || command === undefined || !isOpen) return []
      ready.add(id)
      return folder.has(id) ? [] : [{ id, command }]
    })
    if (batch.length === 0) return
    const names = folder.add(batch)
    const which = names.length === 1 ? names[0] : `${names[0]} to ${names.at(-1)}`
    around.note(
      `${names.length} step(s) are for somebody who may do them: ${folder.path}/${SCRIPT_FILE} (${which})`,
    )
  }
  for (const step of steps) if (!isHandable(step)) handed.delete(step.id)
  const awaitStep = async (step: PlanStep): Promise<Outcome> => {
    awaited.add(step.id)
    try {
      return await awaitEffect(step, steps, { ...around, tell: tellOf(awaited, folder, around) })
    } finally {
      awaited.delete(step.id)
    }
  }
  return async (step, freeSlot) => {
    const outcome = await (async () => {
      if (!handed.has(step.id)) {
        const trial = attempt(() => carry(step.action))
        trying.set(step, trial)
        const tried = await trial
        trying.delete(step)
        if ('outcome' in tried) return tried.outcome
        if (!DENIED.test(codeOf(tried.error) ?? '') || !isHandable(step)) throw tried.error
        handed.add(step.id)
        const isAlike = alike(step.action, isKnown)
        const alikes = steps.filter((one) => isAlike(one.action) && isHandable(one))
        for (const one of alikes) {
          if (!trying.has(one) && !done.has(one.id)) handed.add(one.id)
        }
        // Those that are being tried by now are refused in a moment, and come into the same batch.
        await Promise.all(alikes.flatMap((one) => trying.get(one) ?? []))
        await Promise.resolve()
      }
      write()
      freeSlot()
      return awaitStep(step)
    })()
    done.add(step.id)
    return outcome
  }
}

async function attempt(
  act: () => Promise<Outcome>,
): Promise<{ readonly outcome: Outcome } | { readonly error: unknown }> {
  try {
    return { outcome: await act() }
  } catch (error) {
    return { error }
  }
}

/** Who may not do the one may hardly do the other. */
function alike(action: PlanAction, isKnown: boolean): (other: PlanAction) => boolean {
  if (isKnown) return (other) => other.do === action.do
  if (!('cluster' in action)) return (other) => !('cluster' in other)
  const { cluster } = action
  const isKube = isKubernetesAction(action)
  return (other) =>
    'cluster' in other &&
    other.cluster === cluster &&
    (isKube ? isKubernetesAction(other) && other.do === action.do : other.do === action.do)
}

/** Says now and then what is awaited: one voice for all. */
function tellOf(
  awaited: ReadonlySet<string>,
  folder: HandOverFolder,
  { note, tellMs }: HandOverAround,
): (id: string) => void {
  let told = performance.now()
  return (id) => {
    const [first] = awaited
    if (id !== first || performance.now() < told + tellMs) return
    told = performance.now()
    note(`waiting for ${awaited.size} step(s) of ${folder.path}/${SCRIPT_FILE}: ${first}, …`)
  }
}

type AwaitAround = HandOverAround & { readonly tell: (id: string) => void }

/** @throws PodroleError `NotSeenYet`, `ChangedMeanwhile`; what the port throws and does not pass */
async function awaitEffect(
  { action, id }: PlanStep,
  steps: readonly PlanStep[],
  around: AwaitAround,
): Promise<Outcome> {
  const { pace, pollMs, port, stopReason, timeoutMs } = around
  const until = performance.now() + timeoutMs
  let differsSince: number | undefined
  for (;;) {
    const seen = await look(port, action)
    const verdict = seen === undefined ? undefined : verdictOf(action, steps, seen)
    if (verdict?.kind === 'done') return 'done'
    differsSince = verdict?.kind === 'differs' ? (differsSince ?? performance.now()) : undefined
    if (
      verdict?.kind === 'differs' &&
      performance.now() > (differsSince ?? Infinity) + pace.patienceMs
    ) {
      throw new PodroleError(
        'ChangedMeanwhile',
        `${id}: found ${brief(verdict.found)}, neither what the plan was made for nor what it was to become`,
        { hint: 'Plan again: the new plan begins with what is there now.' },
      )
    }
    const why = stopReason() ?? (performance.now() > until ? `${timeoutMs / 1000} s` : undefined)
    if (why !== undefined) {
      throw new PodroleError(
        'NotSeenYet',
        `${id} is in somebody's hands, and not seen yet (${why})`,
      )
    }
    around.tell(id)
    await sleep(pollMs * (0.5 + Math.random() / 2))
  }
}

/** Nothing where it could not be looked at now, and may in a moment. */
async function look(port: ActionPort, action: PlanAction): Promise<Found | undefined> {
  try {
    return (await port.look(action)).found
  } catch (error) {
    // What others do is made a moment ago.
    if (!isPassing(error, true)) throw error
    return undefined
  }
}

/**
 * Somebody who runs the script does not wait until each step was seen: what was made has by then what
 * later steps add to it, and what lost something may be gone as a whole.
 */
function verdictOf(action: PlanAction, steps: readonly PlanStep[], found: Found): Verdict {
  const verdict = verdictOfMade(action, found)
  if (verdict.kind === 'done') return verdict
  return steps.some((later) => isPassedBy(action, later.action, found)) ? { kind: 'done' } : verdict
}

function verdictOfMade(action: PlanAction, found: Found): Verdict {
  const { entry, role } = found
  if (action.do === 'create-role' && role !== undefined) {
    return judge(action, { ...found, role: { ...role, policyArns: [], inline: {} } })
  }
  if (action.do === 'create-access-entry' && entry !== undefined) {
    return judge(action, { ...found, entry: { ...entry, policies: [] } })
  }
  return judge(action, found)
}

/** Whether the later action was done too, which it could not have been before this one. */
function isPassedBy(action: PlanAction, later: PlanAction, found: Found): boolean {
  switch (action.do) {
    case 'put-trust':
      return (
        action.phase === 'admit' &&
        later.do === 'put-trust' &&
        later.phase === 'trim' &&
        later.role === action.role &&
        judge(later, found).kind === 'done'
      )
    case 'detach-policy':
    case 'delete-inline-policy':
      return (
        later.do === 'delete-role' && later.role.name === action.role && found.role === undefined
      )
    case 'disassociate-access-policy':
      return isEntryPast(action.cluster, action.principalArn, later, found)
    case 'delete-access-entry':
      return isEntryPast(action.cluster, action.entry.principalArn, later, found)
    default:
      return false
  }
}

/** Whether the entry went with the later action, or came again: one of another type is another. */
function isEntryPast(
  cluster: string,
  principalArn: string,
  later: PlanAction,
  found: Found,
): boolean {
  if (later.do !== 'delete-access-entry' && later.do !== 'create-access-entry') return false
  if (later.cluster !== cluster || later.entry.principalArn !== principalArn) return false
  return later.do === 'delete-access-entry'
    ? found.entry === undefined
    : verdictOfMade(later, found).kind === 'done'
}
