/** `podrole plan`. */
import { systemClock } from '../lib/clock.ts'
import { replaceFile } from '../lib/durable-files.ts'
import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import type { DesiredState } from '../manage/desired/desired-state.ts'
import { readDesired } from '../manage/desired/read-desired.ts'
import { readSources } from '../manage/desired/sources.ts'
import { observe } from '../manage/observe/observe.ts'
import { iamSimulator } from '../manage/observe/iam-simulator.ts'
import { checkPermissions, type Permissions } from '../manage/observe/permissions.ts'
import { makePlan } from '../manage/plan/make-plan.ts'
import { isNothingToDo, type Plan } from '../manage/plan/plan.ts'
import { renderPlan } from '../manage/plan/render.ts'
import { type PlanFile, planFileOf } from '../manage/plan-file/plan-file.ts'
import type { FileFlags, PlanFlags } from './commands/plan.ts'
import { printData, printNote } from './output.ts'
import { halfOfFlags, sourceOfFiles } from './parts/apply-source.ts'
import { brokerOf } from './parts/association-cluster.ts'
import { openPlaces } from './parts/observe-places.ts'
import { VERSION } from './version.ts'

/** How often a person is told that it goes on. */
const PROGRESS_MS = 5000

export async function runPlan(flags: PlanFlags): Promise<void> {
  const { clusters } = await readFiles(flags)
  if (halfOfFlags(flags) !== undefined) {
    await runHalf(clusters, flags)
    return
  }
  const observedAtMs = systemClock.now()
  const { file, permissions, plan } = await counted(async (onCall) => {
    const places = await openPlaces(clusters, flags, { onCall, note: printNote })
    const observed = await observe(clusters, places)
    const made = makePlan(clusters, observed, { adopt: flags.adopt, force: flags.force })
    const file = (): PlanFile =>
      planFileOf({
        version: VERSION,
        observedAtMs,
        observedBy: places.account.callerArn,
        desired: clusters,
        observed,
        plan: made,
        brokerOf: (one) => brokerOf(flags) ?? one.broker,
      })
    if (!flags.permissions) return { plan: made, file }
    const caller = { arn: places.account.callerArn, roles: observed.roles }
    const simulator = await iamSimulator(places.account)
    return { plan: made, file, permissions: await checkPermissions(made, caller, simulator) }
  })
  printPlan(plan, permissions, flags)
  if (flags.out !== undefined) await writePlanFile(flags.out, file())
  process.exitCode = exitCodeOf(plan, flags)
}

/** Without any way to the other side; what it plans is not the whole, so that no file has it. */
async function runHalf(clusters: DesiredState['clusters'], flags: PlanFlags): Promise<void> {
  if (flags.out !== undefined || flags.permissions) {
    const which = flags.out === undefined ? '--permissions' : '--out'
    throw new PodroleError('InvalidArguments', `${which} is for a whole plan, not for a half`, {
      hint: 'podrole apply PLANFILE takes --aws-only and --kubernetes-only.',
    })
  }
  const around = { onCall: () => undefined, note: printNote }
  const source = await sourceOfFiles(clusters, flags, { around, counted })
  const { plan } = await source.plan()
  printPlan(plan, undefined, flags)
  process.exitCode = exitCodeOf(plan, flags)
}

/** @throws PodroleError `UnwritableFile` */
async function writePlanFile(path: string, file: PlanFile): Promise<void> {
  try {
    await replaceFile(path, `${JSON.stringify(file, undefined, 2)}\n`, 0o600)
  } catch (error) {
    throw new PodroleError(
      'UnwritableFile',
      `the plan file ${path} cannot be written: ${codeOf(error) ?? messageOf(error)}`,
    )
  }
  printNote(`the plan is in ${path}: podrole apply ${path} carries it out`)
}

/** @throws PodroleError `NoSource`, `SourceTooLarge`, `InvalidDesiredState` */
export async function readFiles({ cluster, filename, region }: FileFlags): Promise<DesiredState> {
  const where = region ?? process.env['AWS_REGION']
  const state = readDesired(await readSources(filename, process.stdin), {
    ...(cluster !== undefined && { cluster }),
    ...(where && { region: where }),
  })
  for (const { paths, source } of state.leftAlone) {
    printNote(`${source}: left alone${paths.length === 0 ? '' : `: ${paths.join(', ')}`}`)
  }
  return state
}

/** Tells on standard error how far it is where that takes long. */
export async function counted<T>(read: (onCall: () => void) => Promise<T>): Promise<T> {
  let calls = 0
  const timer = setInterval(() => printNote(`reading: ${calls} calls so far`), PROGRESS_MS)
  try {
    return await read(() => (calls += 1))
  } finally {
    clearInterval(timer)
  }
}

export function printPlan(
  plan: Plan,
  permissions: Permissions | undefined,
  { output }: Pick<PlanFlags, 'output'>,
): void {
  if (output !== 'table') {
    const told = permissions === undefined ? plan : { ...plan, permissions }
    printData(output, told, { columns: [], rows: [] })
    return
  }
  // Then there is one line, and what is worth knowing is beside it.
  const isQuiet = isNothingToDo(plan)
  if (isQuiet) for (const { text } of plan.remarks) printNote(text)
  process.stdout.write(renderPlan(isQuiet ? { ...plan, remarks: [] } : plan))
  if (permissions !== undefined && plan.steps.length > 0) {
    for (const line of permissionLines(permissions)) printNote(line)
  }
}

function permissionLines(permissions: Permissions): readonly string[] {
  if (permissions.status === 'not-known') {
    return [`what the caller may do is not known: ${permissions.why}`]
  }
  const { missing, open, principalArn } = permissions
  if (missing.length + open.length === 0) return [`${principalArn} may do all of it`]
  return [
    ...missing.map(({ action, resource }) => `${principalArn} may not ${action} on ${resource}`),
    ...open.map(
      ({ action, resource }) =>
        `whether ${principalArn} may ${action} on ${resource} hangs on the request itself`,
    ),
  ]
}

function exitCodeOf(plan: Plan, { detailedExitcode }: PlanFlags): number {
  if (plan.refusals.length > 0) return 1
  return detailedExitcode && plan.steps.length > 0 ? 2 : 0
}
