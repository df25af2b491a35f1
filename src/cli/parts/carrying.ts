/** What carries the steps of an apply or a delete out, from its journal to its receipt. */
import { systemClock } from '../../lib/clock.ts'
import { codeOf, messageOf } from '../../lib/errors.ts'
import type { ActionPort, Outcome } from '../../manage/apply/act.ts'
import { actionPort } from '../../manage/apply/action-port.ts'
import { type ApplyAround, type ApplyDesk, applyPlan } from '../../manage/apply/apply-plan.ts'
import { type HeldLease, takeLeases } from '../../manage/apply/cluster-lease.ts'
import { halfOf } from '../../manage/apply/halves.ts'
import type { JournalCommand, JournalHead } from '../../manage/apply/journal.ts'
import { forgetObservations } from '../../manage/observe/kept-observations.ts'
import type { PlanStep } from '../../manage/plan/plan.ts'
import { stateFolder } from '../../manage/roles/prior-trust.ts'
import { type StepReport, stepReports, tell } from '../apply-report.ts'
import type { CarryFlags } from '../change.ts'
import { printNote } from '../output.ts'
import { stopSignal } from '../stop-signal.ts'
import { type OpenApplyPlaces, openApplyPlaces } from './apply-places.ts'
import type { ApplySource } from './apply-source.ts'
import { openCarrier } from './hand-over.ts'

export interface Carrying {
  readonly port: ActionPort
  readonly run: (steps: readonly PlanStep[], arns: readonly string[]) => Promise<Carried>
  /** Listens for signals from the first time on. */
  readonly stopReason: () => string | undefined
}

export interface Carried {
  readonly steps: readonly StepReport[]
  /** Ids. */
  readonly done: readonly string[]
  readonly stopped: string | undefined
}

/** Places are opened when they are needed. */
export function openCarrying(
  desk: ApplyDesk,
  command: JournalCommand,
  { flags, source }: { readonly flags: CarryFlags; readonly source: ApplySource },
): Carrying {
  const { accountId, clusters, factsOf } = source
  const opened = openApplyPlaces(clusters, flags, { accountId, factsOf, note: printNote })
  const port = actionPort(opened)
  const stopReason = signalReason()
  const carrierOf = carrierIn({ flags, opened, port, source, stopReason })
  return {
    port,
    stopReason,
    run: async (steps, arns) => {
      // From now on nothing is as `plan --cached` kept it.
      await forgetObservations(stateFolder(process.env))
      stopReason()
      const outcomes = new Map<string, Outcome>()
      const result = await applyPlan(
        desk,
        { command, accountId, clusters: arns, steps, resume: flags.resume },
        {
          port,
          // AWS's half has no way to a cluster that could hold a lease.
          takeLeases: async (head) => (flags.awsOnly === true ? [] : leasesOf(opened, head)),
          onProgress: (event) => {
            if (event.state === 'done' || event.state === 'there') {
              outcomes.set(event.step.id, event.state)
            }
            tell(event)
          },
          stopReason,
          clock: systemClock,
          ...carrierOf,
        },
      )
      const done = result.standing.done.map(({ id }) => id)
      await source.receipts?.add(done)
      const reports = stepReports(result, outcomes)
      // Who waits for somebody is stopped also where no step was left to be begun.
      const isStopped = done.length < reports.length
      return {
        steps: reports,
        done,
        stopped: isStopped ? (result.stopped ?? stopReason()) : undefined,
      }
    },
  }
}

function carrierIn({
  flags: { handOver: folder, handOverTimeout: timeoutMs },
  opened: places,
  port,
  source: { clusters },
  stopReason,
}: Pick<Carrying, 'port' | 'stopReason'> & {
  readonly flags: CarryFlags
  readonly opened: OpenApplyPlaces
  readonly source: ApplySource
}): Pick<ApplyAround, 'carrierOf'> {
  if (folder === undefined || timeoutMs === undefined) return {}
  return {
    carrierOf: (begun) =>
      openCarrier(begun, { folder, timeoutMs, clusters, places, port, stopReason }),
  }
}

function signalReason(): () => string | undefined {
  let isListening = false
  let signal: string | undefined
  return () => {
    if (!isListening) {
      isListening = true
      void stopSignal().then((name) => (signal = toldOf(name)))
    }
    return signal
  }
}

function toldOf(signal: string): string {
  printNote(`${signal}: ends after the steps that are under way; another one ends it at once`)
  return signal
}

/** Where no kubeconfig leads, or leases may not be written, that is told and the apply goes on. */
async function leasesOf(
  opened: OpenApplyPlaces,
  { clusters, holder, steps }: JournalHead,
): Promise<readonly HeldLease[]> {
  const held: HeldLease[] = []
  const reached = new Set(
    steps.flatMap(({ action }) =>
      'cluster' in action && halfOf(action) === 'kubernetes' ? action.cluster : [],
    ),
  )
  for (const arn of clusters) {
    try {
      const kube = await opened.kubeOf(arn).catch((error: unknown) => {
        // Who changes access entries alone needs no Kubernetes, and their kubeconfig may lead elsewhere.
        if (codeOf(error) === 'OtherCluster' && !reached.has(arn)) return undefined
        throw error
      })
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
