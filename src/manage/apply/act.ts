/** One action carried out: looked at, done where it is to be done, and seen. */
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'
import { actionId } from '../plan/action-id.ts'
import type { PlanAction } from '../plan/plan.ts'
import { type Found, judge, type Verdict } from './slots.ts'

export interface Look {
  readonly found: Found
  /** Kubernetes' resourceVersion: the change is made to that version of the object alone. */
  readonly version?: string
}

/** Where actions are done; faults carry the codes of AWS and Kubernetes. */
export interface ActionPort {
  /** What the action is about, as it is now. */
  readonly look: (action: PlanAction) => Promise<Look>
  /** Its one call. */
  readonly act: (action: PlanAction, seen: Look) => Promise<void>
}

export interface Pace {
  /** How long a service may show something else than was written, or not know what is there. */
  readonly patienceMs: number
  readonly firstDelayMs: number
  readonly maxDelayMs: number
}

/** EKS and IAM are behind by seconds; longer than any throttling of ours. */
export const APPLY_PACE: Pace = { patienceMs: 30_000, firstDelayMs: 200, maxDelayMs: 3000 }

/** What an apply knows of an action beside the action itself. */
export interface Around {
  /** Whether it names what was made a moment ago: that may not be seen yet. */
  readonly isFresh: boolean
  /**
   * Whether the run took away before what it brings about: a read that shows it may be from then, so
   * it is done all the same.
   */
  readonly mayShowOld?: boolean
  /** Whether another apply has gone past it, by what is found. */
  readonly isOvertaken?: (found: Found) => boolean
  /** What to do where somebody changed it meanwhile. */
  readonly ifChanged?: string
}

/** It was done by this call, or was there already. */
export type Outcome = 'done' | 'there'

/** Whether the same may work in a moment: it has not been done, or that will be seen. */
const TRANSIENT =
  /^(?:Throttling|Throttled|TooManyRequests|RequestLimitExceeded|ServiceUnavailable|ServiceFailure|ServerException|InternalFailure|InternalError|ConcurrentModification|Conflict|Timeout|ServerTimeout|AwsUnreachable|KubeUnreachable|Server$)/

/** What there is to a name contradicts what was seen: the read was behind, or somebody was first. */
const CONTRADICTION =
  /^(?:EntityAlreadyExists|NoSuchEntity|ResourceInUse|ResourceNotFound|AlreadyExists|NotFound|DeleteConflict)/

/** Another service does not see yet what IAM was told. The words are AWS's. */
const NOT_SEEN =
  /Role provided in the request does not exist|Trust policy of the role provided is invalid|Invalid principal in policy|specified principalArn is invalid/i

/**
 * Nobody makes a managed policy meanwhile, though the code is that of a role which is not seen yet;
 * nor does anybody take a role out of an instance profile.
 */
const FOR_GOOD = /Policy arn:\S+ (?:was not found|does not exist)|must remove roles from instance/i

/** Whether the same may work in a moment. */
export const isPassing = (thrown: unknown, isFresh: boolean): boolean =>
  !FOR_GOOD.test(messageOf(thrown)) && mayPass(thrown, isFresh)

function mayPass(thrown: unknown, isFresh: boolean): boolean {
  const code = codeOf(thrown) ?? ''
  if (NOT_SEEN.test(messageOf(thrown))) return isFresh
  return TRANSIENT.test(code) || CONTRADICTION.test(code)
}

/**
 * Which actions name a role, or a provider, that the steps make or change the trust of: services
 * may not see that yet. What nobody makes here is not there for good.
 */
export function freshnessOf(
  steps: readonly { readonly action: PlanAction }[],
): (action: PlanAction) => boolean {
  const made = steps.flatMap(({ action }) => {
    if (action.do === 'create-role') return `${action.role.arn}"`
    if (action.do === 'put-trust') return `/${action.role}"`
    return action.do === 'create-provider' ? action.provider.arn : []
  })
  return (action) => {
    // A trust policy is a text within the text.
    const text = JSON.stringify(action).replaceAll('\\', '')
    return made.some((one) => text.includes(one))
  }
}

/**
 * Does the action where what is there is what the plan was made for; nothing where it is done
 * already, or where another apply has gone past it. Something else is looked at again for a while,
 * since services show writes late, and is then refused, never written over. It returns when the
 * service shows what was done.
 * @throws PodroleError `ChangedMeanwhile`, `NotShown`; what the port throws
 */
export async function carryOut(
  port: ActionPort,
  action: PlanAction,
  pace: Pace = APPLY_PACE,
  around: Around = { isFresh: true },
): Promise<Outcome> {
  const { ifChanged, isFresh, isOvertaken, mayShowOld = false } = around
  const until = performance.now() + pace.patienceMs
  let delay = pace.firstDelayMs
  let [hasActed, failure, timesPast] = [false, undefined as unknown, 0]
  for (;;) {
    const seen = await look(port, action, isFresh)
    const verdict: Verdict | undefined = 'thrown' in seen ? undefined : judge(action, seen.found)
    const isThere = verdict?.kind === 'done'
    if (isThere && (hasActed || !mayShowOld)) return hasActed ? 'done' : 'there'
    const isPast = !hasActed && 'found' in seen && isOvertaken?.(seen.found) === true
    timesPast = isPast ? timesPast + 1 : 0
    // One read alone may be an old one.
    if (timesPast === 2) return 'there'
    if ('thrown' in seen) failure = seen.thrown
    else if ((isThere || verdict?.kind === 'to-do') && !hasActed && !isPast) {
      const thrown = await attempt(() => port.act(action, seen), isFresh)
      hasActed = thrown === undefined
      failure = thrown?.error
      // The first look at what was done comes without a pause.
      if (hasActed) continue
    }
    if (performance.now() + delay > until) {
      if (isPast) return 'there'
      throw outOfPatience(action, { verdict, hasActed, failure, pace, ifChanged })
    }
    // Applies that wait for the same thing do not all ask at once.
    await sleep(delay * (0.5 + Math.random() / 2))
    delay = Math.min(pace.maxDelayMs, delay * 2)
  }
}

async function look(
  port: ActionPort,
  action: PlanAction,
  isFresh: boolean,
): Promise<Look | { readonly thrown: unknown }> {
  try {
    return await port.look(action)
  } catch (error) {
    if (!isPassing(error, isFresh)) throw error
    return { thrown: error }
  }
}

/** What it threw, where that may pass. */
async function attempt(
  act: () => Promise<void>,
  isFresh: boolean,
): Promise<{ readonly error: unknown } | undefined> {
  try {
    await act()
    return undefined
  } catch (error) {
    if (!isPassing(error, isFresh)) throw error
    return { error }
  }
}

const CHANGED_HINT = 'Plan again: the new plan begins with what is there now.'

function outOfPatience(
  action: PlanAction,
  end: {
    readonly verdict: Verdict | undefined
    readonly hasActed: boolean
    readonly failure: unknown
    readonly pace: Pace
    readonly ifChanged: string | undefined
  },
): unknown {
  const { failure, hasActed, ifChanged = CHANGED_HINT, pace, verdict } = end
  const what = actionId(action)
  if (hasActed) {
    return new PodroleError(
      'NotShown',
      `${what} was done, and after ${pace.patienceMs / 1000} s it does not show`,
      { hint: 'Run apply with --resume: it looks again.' },
    )
  }
  if (verdict?.kind === 'differs') {
    return new PodroleError(
      'ChangedMeanwhile',
      `${what}: found ${brief(verdict.found)}, the plan was made for ${brief(verdict.wanted)}: somebody changed it meanwhile; nothing was written`,
      { hint: ifChanged, cause: failure },
    )
  }
  return failure
}

const MAX_TEXT = 400
/** A slot in few words. */
export const brief = (slot: unknown): string => {
  const text = slot === null ? 'nothing' : JSON.stringify(slot)
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text
}
