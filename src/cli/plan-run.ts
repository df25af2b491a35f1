/** `podrole plan`. */
import { systemClock } from '../lib/clock.ts'
import { replaceFile } from '../lib/durable-files.ts'
import { formatDuration, parseDurationMs } from '../lib/durations.ts'
import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import type { DesiredState } from '../manage/desired/desired-state.ts'
import { readDesired } from '../manage/desired/read-desired.ts'
import { readSources } from '../manage/desired/sources.ts'
import { MAX_KEPT_MS } from '../manage/observe/kept-observations.ts'
import {
  type CacheUse,
  newObservationCache,
  type ObservationCache,
} from '../manage/observe/observation-cache.ts'
import { observe } from '../manage/observe/observe.ts'
import { iamSimulator } from '../manage/observe/iam-simulator.ts'
import { checkPermissions, type Permissions } from '../manage/observe/permissions.ts'
import { makePlan } from '../manage/plan/make-plan.ts'
import { isNothingToDo, type Plan } from '../manage/plan/plan.ts'
import { type PlanFile, planFileOf } from '../manage/plan-file/plan-file.ts'
import { NOTHING_TO_DO, renderPlan } from '../manage/plan/render.ts'
import { stateFolder as stateFolderOf } from '../manage/roles/prior-trust.ts'
import type { FileFlags, PlanFlags } from './commands/plan.ts'
import { printData, printNote } from './output.ts'
import { halfOfFlags, sourceOfFiles } from './parts/apply-source.ts'
import { brokerOf } from './parts/association-cluster.ts'
import { openPlaces } from './parts/observe-places.ts'
import { VERSION } from './version.ts'

/** How often a person is told that it goes on. */
const PROGRESS_MS = 5000

export async function runPlan(flags: PlanFlags): Promise<void> {
  refuseMixed(flags)
  const { clusters } = await readFiles(flags)
  if (halfOfFlags(flags) === undefined) await runWhole(clusters, flags)
  else await runHalf(clusters, flags)
}

/** What a half has not, and what a plan file is not made of. */
function refuseMixed(flags: PlanFlags): void {
  const { cached, out, permissions } = flags
  if (halfOfFlags(flags) !== undefined) {
    const which = out !== undefined ? '--out' : permissions ? '--permissions' : cached && '--cached'
    if (which === undefined) return
    throw new PodroleError('InvalidArguments', `${which} is for a whole plan, not for a half`, {
      hint: 'podrole apply PLANFILE takes --aws-only and --kubernetes-only.',
    })
  }
  if (out === undefined || cached === undefined) return
  throw new PodroleError('InvalidArguments', '--out is for what was read now, not with --cached')
}

async function runWhole(clusters: DesiredState['clusters'], flags: PlanFlags): Promise<void> {
  const { adopt, cached, force, out } = flags
  const cache = cached === undefined ? undefined : openCache(cached)
  const observedAtMs = systemClock.now()
  const { file, permissions, plan } = await counted(async (onCall) => {
    const around = { onCall, note: printNote, ...(cache !== undefined && { cache }) }
    const places = await openPlaces(clusters, flags, around)
    const observed = await observe(clusters, places)
    await cache?.keep()
    const made = makePlan(clusters, observed, { adopt, force })
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
  const use = cache?.use()
  if (use !== undefined) printNote(`--cached ${cached}: ${cacheUse(use)}`)
  const observedAt = use?.oldestMs === undefined ? undefined : new Date(use.oldestMs).toISOString()
  printPlan({ ...plan, ...(observedAt !== undefined && { observedAt }) }, permissions, flags)
  if (out !== undefined) await writePlanFile(out, file())
  process.exitCode = exitCodeOf(plan, flags)
}

/** Without any way to the other side; what it plans is not the whole, so that no file has it. */
async function runHalf(clusters: DesiredState['clusters'], flags: PlanFlags): Promise<void> {
  const { adopt, force } = flags
  const source = await sourceOfFiles(clusters, flags, {
    around: { onCall: () => undefined, note: printNote },
    counted,
    planOf: (of, observed, view) => makePlan(of, observed, { adopt, force, ...view }),
  })
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

/** @throws PodroleError `InvalidDuration` */
function openCache(age: string): ObservationCache {
  const maxAgeMs = parseDurationMs(age)
  if (maxAgeMs > MAX_KEPT_MS) {
    throw new PodroleError(
      'InvalidDuration',
      `--cached ${age}: wanted at most ${formatDuration(MAX_KEPT_MS)}, nothing older is kept`,
    )
  }
  const stateFolder = stateFolderOf(process.env)
  return newObservationCache({
    stateFolder,
    version: VERSION,
    maxAgeMs,
    clock: systemClock,
    note: printNote,
  })
}

function cacheUse({ asked, kept, oldestMs }: CacheUse): string {
  if (oldestMs === undefined) return 'nothing kept is so young, all was read anew'
  const age = formatDuration(systemClock.now() - oldestMs)
  return `${kept} reading(s) kept from up to ${age} ago, ${asked} read anew`
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
  nothing: string = NOTHING_TO_DO,
): void {
  if (output !== 'table') {
    const told = permissions === undefined ? plan : { ...plan, permissions }
    printData(output, told, { columns: [], rows: [] })
    return
  }
  // Then there is one line, and what is worth knowing is beside it.
  const isQuiet = isNothingToDo(plan)
  if (isQuiet) for (const remark of plan.remarks) printNote(toldBeside(remark))
  process.stdout.write(renderPlan(isQuiet ? { ...plan, remarks: [] } : plan, nothing))
  if (permissions !== undefined && plan.steps.length > 0) {
    for (const line of permissionLines(permissions)) printNote(line)
  }
}

const toldBeside = ({ code, text }: Plan['remarks'][number]): string =>
  code === 'left-alone' ? `left alone: ${text}` : text

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
