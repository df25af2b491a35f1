/** What kubectl shows of a pod, counted and named as Kubernetes' own printer does. */
import { isRecord, listAt, recordAt, stringAt, type ApiObject } from '../objects.ts'
import type { Column } from '../resource-types.ts'
import { ageSince, AGE_COLUMN, column, NAME_COLUMN } from './columns.ts'

const NONE = '<none>'

const conditionIs = (object: ApiObject, type: string): boolean =>
  listAt(object['status'], 'conditions').some(
    (one) => stringAt(one, 'type') === type && stringAt(one, 'status') === 'True',
  )

/** Whether a pod's Ready condition is true. */
export const isPodReady = (object: ApiObject): boolean => conditionIs(object, 'Ready')

interface Shown {
  readonly status: string
  readonly ready: number
  readonly restarts: number
  readonly lastRestart: string
}

/** What a set of containers adds up to. */
class Restarts {
  count = 0
  last = ''

  add(container: unknown): void {
    this.count += Number(recordAt({ container }, 'container')['restartCount'] ?? 0)
    const ended = stringAt(recordAt(recordAt(container, 'lastState'), 'terminated'), 'finishedAt')
    if (ended > this.last) this.last = ended
  }
}

function show(object: ApiObject): Shown {
  const status = recordAt(object, 'status')
  const phase = stringAt(status, 'phase')
  const own = stringAt(status, 'reason')
  const isGated = listAt(status, 'conditions').some(
    (one) =>
      stringAt(one, 'type') === 'PodScheduled' && stringAt(one, 'reason') === 'SchedulingGated',
  )
  const reason = isGated ? 'SchedulingGated' : own || phase
  const begun = showBeginning(object)
  const isBegun = begun.reason === undefined || conditionIs(object, 'Initialized')
  const shown = isBegun
    ? showContainers(object, begun.reason ?? reason, begun.sidecars)
    : { status: begun.reason ?? reason, restarts: begun.restarts, ready: 0 }
  const isGoing = object.metadata.deletionTimestamp !== undefined
  const isOver = phase === 'Succeeded' || phase === 'Failed'
  const last = isGoing
    ? own === 'NodeLost'
      ? 'Unknown'
      : isOver
        ? undefined
        : 'Terminating'
    : undefined
  return {
    status: last ?? shown.status,
    ready: begun.ready + shown.ready,
    restarts: shown.restarts.count,
    lastRestart: shown.restarts.last,
  }
}

const isSidecar = (container: unknown): boolean => stringAt(container, 'restartPolicy') === 'Always'

/** The init containers: what the first that has not ended well waits for, if there is one. */
function showBeginning(object: ApiObject): {
  readonly reason?: string
  readonly ready: number
  readonly restarts: Restarts
  readonly sidecars: Restarts
} {
  const wanted = listAt(object['spec'], 'initContainers')
  const [restarts, sidecars] = [new Restarts(), new Restarts()]
  let ready = 0
  for (const [at, container] of listAt(object['status'], 'initContainerStatuses').entries()) {
    restarts.add(container)
    const name = stringAt(container, 'name')
    const isAlways = wanted.some((one) => stringAt(one, 'name') === name && isSidecar(one))
    if (isAlways) sidecars.add(container)
    const { started, ready: isReady } = isRecord(container) ? container : {}
    const state = recordAt(container, 'state')
    const ended = isRecord(state['terminated']) ? state['terminated'] : undefined
    if (ended !== undefined && exitCode(ended) === 0) continue
    if (isAlways && started === true) {
      if (isReady === true) ready += 1
      continue
    }
    const waiting = stringAt(state['waiting'], 'reason')
    const isWaiting = waiting !== '' && waiting !== 'PodInitializing'
    const why =
      ended === undefined ? (isWaiting ? waiting : `${at}/${wanted.length}`) : endOf(ended)
    return { reason: `Init:${why}`, ready, restarts, sidecars }
  }
  return { ready, restarts, sidecars }
}

const exitCode = (ended: object): number => Number(recordAt({ ended }, 'ended')['exitCode'] ?? 0)

function endOf(ended: Record<string, unknown>): string {
  const reason = stringAt(ended, 'reason')
  if (reason !== '') return reason
  const signal = Number(ended['signal'] ?? 0)
  return signal === 0 ? `ExitCode:${exitCode(ended)}` : `Signal:${signal}`
}

function showContainers(
  object: ApiObject,
  before: string,
  restarts: Restarts,
): { readonly status: string; readonly ready: number; readonly restarts: Restarts } {
  let status = before
  let failed = ''
  let ready = 0
  // The first container's reason is the one that stays.
  for (const container of listAt(object['status'], 'containerStatuses').toReversed()) {
    restarts.add(container)
    const state = recordAt(container, 'state')
    const waiting = stringAt(state['waiting'], 'reason')
    const { terminated: ended, running } = state
    if (waiting !== '') status = waiting
    else if (isRecord(ended)) {
      status = endOf(ended)
      if (exitCode(ended) !== 0) failed = status
    } else if (isRecord(running) && isRecord(container) && container['ready'] === true) ready += 1
  }
  if (status === 'Completed') {
    if (ready > 0 && isPodReady(object)) status = 'Running'
    else if (failed !== '') status = failed
    else if (ready > 0) status = 'NotReady'
  }
  return { status, ready, restarts }
}

function containerCount(object: ApiObject): number {
  const spec = recordAt(object, 'spec')
  return listAt(spec, 'containers').length + listAt(spec, 'initContainers').filter(isSidecar).length
}

/** How many of a pod's readiness gates are open, as `1/2`. */
function readinessGates(object: ApiObject): string {
  const gates = listAt(object['spec'], 'readinessGates')
  const open = gates.filter((gate) => conditionIs(object, stringAt(gate, 'conditionType')))
  return gates.length === 0 ? NONE : `${open.length}/${gates.length}`
}

const isWide = true

export const POD_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  column('Ready', (object) => `${show(object).ready}/${containerCount(object)}`),
  column('Status', (object) => show(object).status),
  column('Restarts', (object, nowMs) => {
    const { restarts, lastRestart } = show(object)
    const isDated = restarts > 0 && lastRestart !== ''
    return isDated ? `${restarts} (${ageSince(lastRestart, nowMs)} ago)` : String(restarts)
  }),
  AGE_COLUMN,
  column('IP', (object) => stringAt(listAt(object['status'], 'podIPs')[0], 'ip') || NONE, {
    isWide,
  }),
  column('Node', (object) => stringAt(object['spec'], 'nodeName') || NONE, { isWide }),
  column('Nominated Node', (object) => stringAt(object['status'], 'nominatedNodeName') || NONE, {
    isWide,
  }),
  column('Readiness Gates', readinessGates, { isWide }),
]
