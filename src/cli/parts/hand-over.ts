/** `podrole apply --hand-over`: what the caller may not do, as far as that is known before, and where it goes. */
import { messageOf } from '../../lib/errors.ts'
import { type ActionPort, APPLY_PACE } from '../../manage/apply/act.ts'
import type { BegunApply } from '../../manage/apply/apply-plan.ts'
import { halfOf } from '../../manage/apply/halves.ts'
import type { StepCarrier } from '../../manage/apply/run-steps.ts'
import { handingOver } from '../../manage/hand-over/carry.ts'
import { openHandOverFolder } from '../../manage/hand-over/folder.ts'
import { iamSimulator } from '../../manage/observe/iam-simulator.ts'
import { checkPermissions, type Permissions } from '../../manage/observe/permissions.ts'
import type { PlanStep } from '../../manage/plan/plan.ts'
import { printNote } from '../output.ts'
import type { OpenApplyPlaces, ReachedCluster } from './apply-places.ts'

const POLL_MS = 3000
const TELL_MS = 30_000

export interface CarrierRequest {
  readonly folder: string
  readonly timeoutMs: number
  readonly clusters: readonly ReachedCluster[]
  readonly places: OpenApplyPlaces
  readonly port: ActionPort
  readonly stopReason: () => string | undefined
}

/** @throws PodroleError `InvalidHandOver` */
export async function openCarrier(
  { done, steps }: BegunApply,
  request: CarrierRequest,
): Promise<StepCarrier> {
  const { clusters, places, port, stopReason, timeoutMs } = request
  const folder = openHandOverFolder(request.folder)
  const named = clusters.find((one) => one.region !== undefined)?.region
  const asked = steps.filter(({ action, id }) => halfOf(action) === 'aws' && !done.has(id))
  const permissions = asked.length === 0 ? undefined : await ask(asked, places)
  return handingOver(
    {
      folder,
      place: {
        region: named ?? (asked.length > 0 ? (await places.account()).region : ''),
        withContexts: clusters.length > 1,
      },
      steps,
      done,
      isKnown: permissions?.status === 'known',
      denied: deniedOf(asked, permissions),
    },
    {
      port,
      pace: APPLY_PACE,
      timeoutMs,
      pollMs: POLL_MS,
      tellMs: TELL_MS,
      note: printNote,
      stopReason,
    },
  )
}

/** Nothing is lost where it is not known: then AWS's refusals tell. */
async function ask(
  steps: readonly PlanStep[],
  places: OpenApplyPlaces,
): Promise<Permissions | undefined> {
  try {
    const account = await places.account()
    const simulator = await iamSimulator(account)
    const found = await checkPermissions(
      { steps },
      { arn: account.callerArn, roles: [] },
      simulator,
    )
    if (found.status === 'not-known') {
      printNote(`what the caller may do is not known before: ${found.why}`)
    }
    return found
  } catch (error) {
    printNote(`what the caller may do is not known before: ${messageOf(error)}`)
    return undefined
  }
}

function deniedOf(
  steps: readonly PlanStep[],
  permissions: Permissions | undefined,
): ReadonlySet<string> {
  if (permissions?.status !== 'known') return new Set()
  const missing = new Set(permissions.missing.map((one) => `${one.action} ${one.resource}`))
  return new Set(
    steps.flatMap(({ id, needs }) =>
      needs.some(({ action, resource }) => missing.has(`${action} ${resource}`)) ? id : [],
    ),
  )
}
