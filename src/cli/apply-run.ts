/** `podrole apply`. */
import { createInterface } from 'node:readline/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../lib/clock.ts'
import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import { actionPort } from '../manage/apply/action-port.ts'
import { type ApplyDesk, applyPlan, openDesk } from '../manage/apply/apply-plan.ts'
import { type HeldLease, takeLeases } from '../manage/apply/cluster-lease.ts'
import { type Half, partOf, type PlanPart } from '../manage/apply/halves.ts'
import type { RunResult } from '../manage/apply/run-steps.ts'
import { refuseStale } from '../manage/apply/stale.ts'
import { isNothingToDo, type Plan, type PlanStep } from '../manage/plan/plan.ts'
import { stateFolder } from '../manage/roles/prior-trust.ts'
import { isWhole, summarise, tell, tellLeft } from './apply-report.ts'
import type { ApplyFlags } from './commands/apply.ts'
import { printNote } from './output.ts'
import { type OpenApplyPlaces, openApplyPlaces } from './parts/apply-places.ts'
import {
  type ApplySource,
  halfOfFlags,
  sourceOfFiles,
  sourceOfPlanFile,
} from './parts/apply-source.ts'
import { openCarrier } from './parts/hand-over.ts'
import { counted, printPlan, readFiles } from './plan-run.ts'
import { stopSignal } from './stop-signal.ts'

/** How often the other half's receipt is looked at. */
const RECEIPT_POLL_MS = 1000

/** @param planfile in place of `-f` */
export async function runApply(planfile: string | undefined, flags: ApplyFlags): Promise<void> {
  const half = halfOfFlags(flags)
  const source = await sourceOf(planfile, flags)
  const desk = await openDesk(stateFolder(process.env), source.accountId, half)
  try {
    const applying = begin(desk, source, flags)
    if (flags.resume) await resume(applying)
    else if (half === undefined) await applyWhole(applying, planfile !== undefined)
    else await applyHalf(applying, half)
  } finally {
    desk.release()
  }
}

async function sourceOf(planfile: string | undefined, flags: ApplyFlags): Promise<ApplySource> {
  const { filename } = flags
  if ((planfile === undefined) === (filename === undefined)) {
    const what = filename === undefined ? 'neither is named' : 'both are named'
    throw new PodroleError('InvalidArguments', `wanted a plan file or -f FILE: ${what}`, {
      hint: 'podrole plan -f FILE --out PLANFILE writes a plan file.',
    })
  }
  if (planfile !== undefined) return sourceOfPlanFile(planfile, halfOfFlags(flags))
  const { clusters } = await readFiles({ ...flags, filename: filename ?? [] })
  const around = { onCall: () => undefined, note: printNote }
  return sourceOfFiles(clusters, flags, { around, counted })
}

/** An apply that has its places, which are opened when they are needed. */
interface Applying {
  readonly source: ApplySource
  readonly flags: ApplyFlags
  readonly port: ReturnType<typeof actionPort>
  readonly run: (steps: readonly PlanStep[], arns: readonly string[]) => Promise<RunResult>
  readonly stopReason: () => string | undefined
}

function begin(desk: ApplyDesk, source: ApplySource, flags: ApplyFlags): Applying {
  const { accountId, clusters } = source
  const opened = openApplyPlaces(clusters, flags, { accountId, note: printNote })
  const port = actionPort(opened)
  let signal: string | undefined
  void stopSignal().then((name) => (signal = name))
  const stopReason = (): string | undefined => signal
  return {
    source,
    flags,
    port,
    stopReason,
    run: (steps, arns) =>
      applyPlan(
        desk,
        { accountId, clusters: arns, steps, resume: flags.resume },
        {
          port,
          // AWS's half has no way to a cluster that could hold a lease.
          takeLeases: async (of, holder) => (flags.awsOnly ? [] : leasesOf(opened, of, holder)),
          onProgress: tell,
          stopReason,
          clock: systemClock,
          ...(flags.handOver !== undefined && {
            carrierOf: (begun) =>
              openCarrier(begun, {
                folder: flags.handOver ?? '',
                timeoutMs: flags.handOverTimeout,
                clusters,
                places: opened,
                port,
                stopReason,
              }),
          }),
        },
      ),
  }
}

async function resume({ run, source }: Applying): Promise<void> {
  const result = await run([], [])
  await source.receipts?.add(result.standing.done.map(({ id }) => id))
  summarise(result)
}

async function applyWhole(
  { flags, port, run, source }: Applying,
  isPlanFile: boolean,
): Promise<void> {
  const { arns, plan } = await source.plan()
  if (!isApplicable(plan)) return
  if (isPlanFile) await refuseStale(port, plan.steps)
  if (!flags.yes && !(await isConfirmed(plan.steps.length))) return
  summarise(await run(plan.steps, arns))
}

/** Shows the plan. False where nothing is to be done, or may not. */
function isApplicable(plan: Plan): boolean {
  printPlan(plan, undefined, { output: 'table' })
  if (plan.refusals.length > 0) process.exitCode = 1
  if (plan.refusals.length > 0 || isNothingToDo(plan)) return false
  refuseWorkloadIdentity(plan)
  return true
}

/** What it can, and behind that, as long as it is to wait, what the other half makes possible. */
async function applyHalf(applying: Applying, half: Half): Promise<void> {
  const { run, source } = applying
  const { arns, plan } = await source.plan()
  const done = new Set<string>()
  const partNow = async (): Promise<PlanPart> =>
    partOf(plan.steps, half, new Set([...done, ...((await source.receipts?.done()) ?? [])]))
  const until = performance.now() + applying.flags.wait
  let part = await partNow()
  if (part.own.length === 0 && part.waiting.length > 0)
    part = await awaitPart(applying, partNow, until)
  const own = { ...plan, steps: part.own }
  // With something left elsewhere, "nothing to do" would be half the truth.
  const isLeft = part.others.length + part.waiting.length > 0
  const isToDo = isNothingToDo(own) && isLeft ? false : isApplicable(own)
  if (plan.refusals.length > 0 || (isToDo && !(await mayBegin(applying, part, plan)))) return
  while (part.own.length > 0) {
    const result = await run(part.own, arns)
    const ids = result.standing.done.map(({ id }) => id)
    for (const id of ids) done.add(id)
    await source.receipts?.add(ids)
    summarise(result)
    if (!isWhole(result)) return
    part = await awaitPart(applying, partNow, until)
  }
  tellLeft(half, part, source.receipts?.path)
}

/** What is to be done next; nothing of it where the other half's part has not come in time. */
async function awaitPart(
  { source, stopReason }: Applying,
  partNow: () => Promise<PlanPart>,
  until: number,
): Promise<PlanPart> {
  for (let isFirst = true; ; isFirst = false) {
    const part = await partNow()
    const isEnd = part.own.length > 0 || part.waiting.length === 0
    if (isEnd || performance.now() >= until || stopReason() !== undefined) return part
    if (isFirst) {
      const path = source.receipts?.path ?? ''
      printNote(`${part.waiting.length} step(s) wait for the other half of ${path}`)
    }
    await sleep(RECEIPT_POLL_MS)
  }
}

async function mayBegin(
  { flags, port, source }: Applying,
  part: PlanPart,
  whole: Plan,
): Promise<boolean> {
  if (source.receipts !== undefined) await refuseStale(port, part.own, { whole: whole.steps })
  return flags.yes || isConfirmed(part.own.length)
}

/** Said before the first step, not by the one that cannot be done. */
function refuseWorkloadIdentity({ steps }: Plan): void {
  const found = steps.find(({ action }) => action.do.endsWith('-workload-identity'))
  if (found === undefined) return
  throw new PodroleError(
    'NotSupported',
    `apply cannot ${found.action.do} yet; nothing was changed`,
    {
      hint: 'Set up issuer and webhook with podrole issuer and podrole webhook manifests.',
    },
  )
}

/** Where no kubeconfig leads, or leases may not be written, that is told and the apply goes on. */
async function leasesOf(
  opened: OpenApplyPlaces,
  arns: readonly string[],
  holder: string,
): Promise<readonly HeldLease[]> {
  const held: HeldLease[] = []
  for (const arn of arns) {
    const kube = await opened.kubeOf(arn)
    try {
      if (kube === undefined) printNote(`${arn}: out of reach, so no lease keeps other applies out`)
      else held.push(...(await takeLeases([kube], holder, systemClock)))
    } catch (error) {
      if (codeOf(error) !== 'Forbidden') {
        await Promise.all(held.map((lease) => lease.release()))
        throw error
      }
      printNote(`${arn}: no lease keeps other applies out: ${messageOf(error)}`)
    }
  }
  return held
}

/** @throws PodroleError `NotConfirmed` where nobody can be asked */
async function isConfirmed(count: number): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new PodroleError(
      'NotConfirmed',
      'there is nobody to ask: standard input is no terminal',
      {
        hint: 'Look at the plan and apply it with --yes.',
      },
    )
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(?:es)?$/i.test(await terminal.question(`Carry out ${count} step(s)? [y/N] `))
  } finally {
    terminal.close()
  }
}
