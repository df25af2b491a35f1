/** A pod's status from the states of its containers, by the kubelet's rules. Pure. */
import type { Container, ContainerStatus, Pod, PodStatus } from '../../kube/objects.ts'

export type ContainerState = NonNullable<ContainerStatus['state']>

/** One container as its runner sees it. */
export interface ContainerView {
  readonly container: Container
  readonly kind: 'init' | 'sidecar' | 'main'
  readonly state: ContainerState
  readonly lastState?: ContainerState
  readonly restartCount: number
  readonly isReady: boolean
  readonly isStarted: boolean
  readonly id?: string
}

export interface PodView {
  readonly pod: Pod
  readonly containers: readonly ContainerView[]
  readonly startTime: string
  readonly now: string
  readonly podIp: string | undefined
  readonly hostIp: string
  /** The containers will not run again, whatever the restart policy says. */
  readonly isEnding: boolean
}

type Condition = NonNullable<PodStatus['conditions']>[number] & { lastTransitionTime?: string }

/** The status to report; `before` gives the conditions' transition times. */
export function podStatus(view: PodView, before: PodStatus | undefined): PodStatus {
  const phase = phaseOf(view)
  const main = view.containers.filter(({ kind }) => kind === 'main')
  const initial = view.containers.filter(({ kind }) => kind !== 'main')
  const { podIp } = view
  return {
    phase,
    hostIP: view.hostIp,
    ...(podIp !== undefined && { podIP: podIp, podIPs: [{ ip: podIp }] }),
    startTime: view.startTime,
    conditions: conditionsOf(view, phase, before),
    containerStatuses: main.map(statusOf),
    ...(initial.length > 0 && { initContainerStatuses: initial.map(statusOf) }),
  }
}

/** The phase by Kubernetes' "Pod Lifecycle". */
export function phaseOf(view: PodView): NonNullable<PodStatus['phase']> {
  const policy = view.pod.spec.restartPolicy ?? 'Always'
  const init = view.containers.filter(({ kind }) => kind === 'init')
  if (init.some((one) => hasFailed(one) && policy === 'Never')) return 'Failed'
  const isInitialized = view.containers.every(isInitDone)
  const main = view.containers.filter(({ kind }) => kind === 'main')
  if (!isInitialized && !view.isEnding) return 'Pending'
  if (main.some(({ state }) => state.running !== undefined)) return 'Running'
  const isBeside = ({ kind, state }: ContainerView): boolean =>
    kind === 'sidecar' && state.running !== undefined
  // A pod is over when what runs beside its containers has ended too.
  if (view.containers.some(isBeside)) return 'Running'
  const ended = main.filter(({ state }) => state.terminated !== undefined)
  if (ended.length === main.length && (policy !== 'Always' || view.isEnding)) {
    const failed = ended.filter(({ state }) => state.terminated?.exitCode !== 0)
    if (failed.length === 0) return 'Succeeded'
    if (policy === 'Never' || view.isEnding) return 'Failed'
    return 'Running'
  }
  if (view.isEnding) return 'Failed'
  const neverRan = main.some(({ state, lastState }) => state.waiting && lastState === undefined)
  return neverRan ? 'Pending' : 'Running'
}

function conditionsOf(
  view: PodView,
  phase: NonNullable<PodStatus['phase']>,
  before: PodStatus | undefined,
): Condition[] {
  const main = view.containers.filter(({ kind }) => kind === 'main')
  const unready = main.filter(({ isReady }) => !isReady).map(({ container }) => container.name)
  const isOver = phase === 'Succeeded' || phase === 'Failed'
  const notReady = isOver
    ? { reason: phase === 'Succeeded' ? 'PodCompleted' : 'PodFailed' }
    : {
        reason: 'ContainersNotReady',
        message: `containers with unready status: [${unready.join(' ')}]`,
      }
  const isReady = unready.length === 0 && phase === 'Running'
  const isInitialized = view.containers.every(isInitDone) || phase === 'Running'
  const old: readonly Condition[] | undefined = before?.conditions
  const ready = { status: isReady ? 'True' : 'False', ...(!isReady && notReady) }
  const conditions: Condition[] = [
    { type: 'PodScheduled', status: 'True' },
    {
      type: 'Initialized',
      status: isInitialized ? 'True' : 'False',
      ...(!isInitialized && { reason: 'ContainersNotInitialized' }),
    },
    { type: 'ContainersReady', ...ready },
    { type: 'Ready', ...ready },
  ]
  return conditions.map((condition) => {
    const was = old?.find(({ type }) => type === condition.type)
    const since = was?.status === condition.status ? was.lastTransitionTime : undefined
    return { ...condition, lastTransitionTime: since ?? view.now }
  })
}

function statusOf(view: ContainerView): ContainerStatus {
  const image = view.container.image ?? ''
  return {
    name: view.container.name,
    image,
    imageID: `podrole-sandbox://${image}`,
    ready: view.isReady,
    started: view.isStarted,
    restartCount: view.restartCount,
    ...(view.id !== undefined && { containerID: `podrole-sandbox://${view.id}` }),
    state: view.state,
    ...(view.lastState !== undefined && { lastState: view.lastState }),
  }
}

const hasFailed = ({ state }: ContainerView): boolean =>
  state.terminated !== undefined && state.terminated.exitCode !== 0

function isInitDone({ kind, state, isStarted, restartCount }: ContainerView): boolean {
  if (kind === 'main') return true
  if (kind === 'init') return state.terminated?.exitCode === 0
  return isStarted || restartCount > 0 || state.terminated !== undefined
}
