/** An apply from its lock to its end. */
import { mkdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../lib/clock.ts'
import { codeOf, PodroleError } from '../../lib/errors.ts'
import { lockFolder } from '../../lib/folder-lock.ts'
import type { PlanStep } from '../plan/plan.ts'
import type { ActionPort, Pace } from './act.ts'
import { actionCarrier } from './action-carrier.ts'
import type { HeldLease } from './cluster-lease.ts'
import type { Half } from './halves.ts'
import {
  createJournal,
  type Journal,
  type JournalCommand,
  type JournalContent,
  type JournalHead,
  readJournal,
  reopenJournal,
} from './journal.ts'
import { overtakenIn } from './overtaken.ts'
import { resumed } from './progress.ts'
import { type ProgressEvent, runSteps, type RunResult, type StepCarrier } from './run-steps.ts'

/** The folder of the applies of an account's clusters, locked by this process. */
export interface ApplyDesk {
  /** The journal of an apply that did not come to its end. */
  readonly left: JournalContent | undefined
  readonly path: string
  release(): void
}

/**
 * Locks the journals of an account, so that two applies on this machine exclude each other: roles
 * may be for several clusters at once. The two halves of a plan do not: each has a journal of its
 * own, and excludes a whole apply.
 * @param stateFolder of podrole
 * @throws PodroleError `ApplyUnderWay`, `BrokenJournal`, …
 */
export async function openDesk(
  stateFolder: string,
  accountId: string,
  half?: Half,
): Promise<ApplyDesk> {
  const whole = join(stateFolder, 'apply', accountId)
  const folder = half === undefined ? whole : join(whole, half)
  const folders =
    half === undefined ? [whole, join(whole, 'aws'), join(whole, 'kubernetes')] : [folder]
  const locks = lockAll(folders, accountId)
  const release = (): void => {
    for (const lock of locks) lock.release()
  }
  const path = join(folder, 'journal')
  try {
    return { left: await leftAt(path), path, release }
  } catch (error) {
    release()
    throw error
  }
}

function lockAll(
  folders: readonly string[],
  accountId: string,
): readonly { readonly release: () => void }[] {
  const held: { readonly release: () => void }[] = []
  for (const folder of folders) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const lock = lockFolder(folder)
    if (lock.kind === 'held') {
      held.push(lock)
      continue
    }
    for (const one of held) one.release()
    throw new PodroleError(
      'ApplyUnderWay',
      `another apply on this machine is under way on account ${accountId}${lock.by}`,
      { hint: 'Wait for its end.' },
    )
  }
  return held
}

async function leftAt(path: string): Promise<JournalContent | undefined> {
  try {
    return await readJournal(path)
  } catch (error) {
    const cause = error instanceof Error ? error.message : ''
    if (codeOf(error) === 'UnreadableFile' && cause.includes('ENOENT')) return undefined
    throw error
  }
}

export interface ApplyRequest {
  readonly command: JournalCommand
  readonly accountId: string
  readonly clusters: readonly string[]
  readonly steps: readonly PlanStep[]
  /** Goes on with what the desk has left, in place of `steps`. */
  readonly resume: boolean
}

export interface ApplyAround {
  readonly port: ActionPort
  /** Takes what excludes applies of other machines on the head's clusters. */
  readonly takeLeases: (head: JournalHead) => Promise<readonly HeldLease[]>
  readonly onProgress: (event: ProgressEvent) => void
  /** Why to stop before the next step. */
  readonly stopReason: () => string | undefined
  readonly clock: Clock
  readonly pace?: Pace
  readonly atOnce?: number
  /** In place of doing each step: hands over what the caller may not do. */
  readonly carrierOf?: (begun: BegunApply) => Promise<StepCarrier>
}

/** What a run has before it. */
export interface BegunApply {
  readonly steps: readonly PlanStep[]
  /** Ids of those that are done. */
  readonly done: ReadonlySet<string>
}

/**
 * Carries out the steps. The journal goes when all is done, and stays for `resume` else.
 * @throws PodroleError `UnfinishedApply`, `NothingToResume`, `ApplyUnderWay`; what the journal's
 * file throws
 */
export async function applyPlan(
  desk: ApplyDesk,
  request: ApplyRequest,
  around: ApplyAround,
): Promise<RunResult> {
  const begun = beginningOf(desk, request, around.clock)
  const { head, progress } = begun
  const leases = await around.takeLeases(head)
  try {
    const journal = begun.isNew
      ? await createJournal(desk.path, head)
      : await reopenJournal(desk.path)
    const run = { steps: head.steps, progress, isResumed: !begun.isNew }
    const result = await runJournalled(run, { ...around, journal, leases, path: desk.path })
    if (result.standing.done.length === head.steps.length) await rm(desk.path)
    return result
  } finally {
    await Promise.all(leases.map((lease) => lease.release()))
  }
}

function beginningOf(
  { left, path }: ApplyDesk,
  { accountId, clusters, command, resume, steps }: ApplyRequest,
  clock: Clock,
): JournalContent & { readonly isNew: boolean } {
  if (resume) {
    if (left?.head.command === command) {
      return { head: left.head, progress: resumed(left.progress), isNew: false }
    }
    if (left !== undefined) throw unfinished(left, path)
    throw new PodroleError(
      'NothingToResume',
      `no ${command} on account ${accountId} was left unfinished`,
    )
  }
  if (left !== undefined) throw unfinished(left, path)
  const holder = `podrole-${crypto.randomUUID()}`
  const head = { command, clusters, accountId, holder, startedAtMs: clock.now(), steps }
  return { head, progress: new Map(), isNew: true }
}

function unfinished({ head }: JournalContent, path: string): PodroleError {
  const { clusters, command, startedAtMs } = head
  const at = new Date(startedAtMs).toISOString()
  return new PodroleError(
    'UnfinishedApply',
    `${command === 'apply' ? 'an' : 'a'} ${command} of ${at} on ${clusters.join(', ')} did not come to its end`,
    {
      hint: `podrole ${command} --resume goes on with it; or remove ${path}: then what is there is planned from anew.`,
    },
  )
}

interface JournalledRun extends ApplyAround {
  readonly journal: Journal
  readonly leases: readonly HeldLease[]
  readonly path: string
}

async function runJournalled(
  plan: Parameters<typeof runSteps>[0] & { readonly isResumed: boolean },
  around: JournalledRun,
): Promise<RunResult> {
  const { atOnce, carrierOf, journal, leases, onProgress, path, port, stopReason } = around
  const ownCarrier = (): StepCarrier => {
    const carry = actionCarrier(port, plan.steps, {
      pace: around.pace,
      // Meanwhile another apply may have done what was left.
      isOvertaken: overtakenIn(plan.isResumed ? plan.steps : []),
      ifChanged: `Remove ${path} and run the same command without --resume: it plans from what is there now.`,
    })
    return ({ action }) => carry(action)
  }
  try {
    const done = new Set([...plan.progress].flatMap(([id, state]) => (state === 'done' ? id : [])))
    const carrier = await carrierOf?.({ steps: plan.steps, done })
    return await runSteps(
      plan,
      {
        carryOut: carrier ?? ownCarrier(),
        record: (id, state) => journal.record(id, state),
        onProgress,
        stopReason: () =>
          leases.every((lease) => lease.isHeld())
            ? stopReason()
            : 'the lease of a cluster was lost: another apply may be under way',
      },
      atOnce,
    )
  } finally {
    await journal.close()
  }
}
