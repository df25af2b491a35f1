/** `podrole apply --aws-only` and `--kubernetes-only`. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Half, partOf, type PlanPart } from '../manage/apply/halves.ts'
import { refuseStale } from '../manage/apply/stale.ts'
import { isNothingToDo } from '../manage/plan/plan.ts'
import { type ChangeReport, halfReport, type StepReport } from './apply-report.ts'
import { confirmed, reportOf, type Wanted } from './change.ts'
import { printNote } from './output.ts'
import type { Carrying } from './parts/carrying.ts'

/** How often the other half's receipt is looked at. */
const RECEIPT_POLL_MS = 1000

/** What it can, and behind that, as long as it is to wait, what the other half makes possible. */
export async function applyHalf(
  carrying: Carrying,
  wanted: Wanted,
  half: Half,
): Promise<ChangeReport> {
  const { flags, source } = wanted
  const { arns, plan } = await source.plan()
  const done = new Set<string>()
  const partNow = async (): Promise<PlanPart> =>
    partOf(plan.steps, half, new Set([...done, ...((await source.receipts?.done()) ?? [])]))
  const until = performance.now() + (flags.wait ?? 0)
  let part = await partNow()
  if (part.own.length === 0 && part.waiting.length > 0)
    part = await awaitPart(carrying, wanted, { partNow, until })
  const tellHalf = (report: ChangeReport): ChangeReport => ({
    ...report,
    ...(report.outcome === 'done' && part.waiting.length > 0 && { outcome: 'waiting' }),
    half: halfReport(half, part, source.path !== undefined),
  })
  const own = { ...plan, steps: part.own }
  // With something left elsewhere, "nothing to do" would be half the truth.
  const isQuiet = isNothingToDo(own) && part.others.length + part.waiting.length > 0
  if (!isQuiet) {
    const check = async (): Promise<void> => {
      if (source.receipts !== undefined)
        await refuseStale(carrying.port, own.steps, { whole: plan.steps })
    }
    const answer = await confirmed(wanted, own, check)
    if (answer !== 'yes') return answer.outcome === 'nothing-to-do' ? tellHalf(answer) : answer
  }
  const steps: StepReport[] = []
  while (part.own.length > 0) {
    const ran = await carrying.run(part.own, arns)
    steps.push(...ran.steps)
    for (const id of ran.done) done.add(id)
    if (ran.done.length < part.own.length) {
      return reportOf(wanted, { plan, steps, stopped: ran.stopped })
    }
    part = await awaitPart(carrying, wanted, { partNow, until })
  }
  const stopped = part.waiting.length > 0 ? carrying.stopReason() : undefined
  return tellHalf(await reportOf(wanted, { plan, steps, stopped }))
}

/** What is to be done next; nothing of it where the other half's part has not come in time. */
async function awaitPart(
  { stopReason }: Carrying,
  { source }: Wanted,
  { partNow, until }: { readonly partNow: () => Promise<PlanPart>; readonly until: number },
): Promise<PlanPart> {
  for (let isFirst = true; ; isFirst = false) {
    const part = await partNow()
    const isEnd = part.own.length > 0 || part.waiting.length === 0
    if (isEnd || performance.now() >= until || stopReason() !== undefined) return part
    if (isFirst) {
      printNote(`${part.waiting.length} step(s) wait for the other half of ${source.path ?? ''}`)
    }
    await sleep(RECEIPT_POLL_MS)
  }
}
