/** Makes the pod of a verify, waits for its end, reads what it said and takes it away, whatever happens. */
import { EVENTS, type KubeClient, PODS } from '../../kube/client.ts'
import type { ContainerStatus, KubeObject, Pod } from '../../kube/objects.ts'
import { apiPath } from '../../kube/transport.ts'
import { boundedText } from '../../lib/bounded-text.ts'
import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'
import { orAbsent } from '../facts/fact.ts'
import { CONTAINER, isLeftOver, RUN_LABEL, VERIFY_LABEL } from './pod.ts'
import { MAX_LOG_BYTES, readSaid, shown } from './said.ts'
import type { PodEnd } from './verdict.ts'

type PodKube = Pick<KubeClient, 'create' | 'get' | 'list' | 'delete' | 'raw'>

export interface PodRun {
  readonly end: PodEnd
  /** As it was last seen; undefined where there never was one. */
  readonly pod: Pod | undefined
}

export interface PodPlaces {
  readonly kube: PodKube
  /** Aborted by whoever does not want to wait any more. */
  readonly signal: AbortSignal
  readonly timeoutMs: number
}

const PAUSE_MS = 250

/**
 * The pod is gone when this returns or throws, or the fault says which one is left.
 * @throws PodroleError `Stopped` where the signal came, `PodLeft`; Kubernetes' own
 */
export async function runVerifyPod(pod: Pod, checks: number, places: PodPlaces): Promise<PodRun> {
  const ref = {
    namespace: pod.metadata.namespace ?? '',
    run: pod.metadata.labels?.[RUN_LABEL] ?? '',
  }
  let run: PodRun
  try {
    run = await runToEnd(pod, checks, places)
  } catch (error) {
    // What went wrong first is what is told, but for a pod that stays.
    await removeRun(places.kube, ref)
    throw error
  }
  await removeRun(places.kube, ref)
  return run
}

async function runToEnd(pod: Pod, checks: number, places: PodPlaces): Promise<PodRun> {
  const { kube, signal } = places
  throwIfStopped(signal)
  let made: Pod
  try {
    made = await kube.create<Pod>(PODS, pod)
  } catch (error) {
    const why = refusalOf(error)
    if (why === undefined) throw error
    return { pod: undefined, end: { kind: 'refused', why } }
  }
  const { name = '', namespace = '' } = made.metadata
  const until = performance.now() + places.timeoutMs
  for (;;) {
    throwIfStopped(signal)
    const seen = await orAbsent(() => kube.get<Pod>(PODS, { namespace, name }))
    if (seen === undefined) {
      return { pod: made, end: { kind: 'no-answer', why: 'somebody else deleted it' } }
    }
    const end = await endOf(seen, checks, kube)
    if (end !== undefined) return { pod: seen, end }
    if (performance.now() > until) return { pod: seen, end: await lateEnd(seen, kube) }
    await pause(signal)
  }
}

function throwIfStopped(signal: AbortSignal): void {
  if (signal.aborted) throw new PodroleError('Stopped', 'stopped before the pod had ended')
}

function pause(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, PAUSE_MS)
  signal.addEventListener('abort', () => resolve(), { once: true })
  return promise.finally(() => clearTimeout(timer))
}

/** The words of an API server, or a policy before it, that does not take the pod. */
function refusalOf(error: unknown): string | undefined {
  if (!(error instanceof PodroleError)) return undefined
  const { status } = error
  const isRefusal = status !== undefined && status >= 400 && status !== 401 && status !== 429
  return isRefusal ? shown(messageOf(error)) : undefined
}

/** Undefined as long as it goes on. */
async function endOf(pod: Pod, checks: number, kube: PodKube): Promise<PodEnd | undefined> {
  const own = statusOf(pod)
  const terminated = own?.state?.terminated
  if (terminated !== undefined) {
    const { exitCode, reason = '' } = terminated
    const exit = `exit code ${exitCode}${reason === '' ? '' : `, ${reason}`}`
    return { kind: 'ended', exit, reading: readSaid(await logOf(pod, kube), checks) }
  }
  const { message = '', phase, reason = '' } = pod.status ?? {}
  if (phase === 'Failed') return { kind: 'no-answer', why: shown(`${reason} ${message}`.trim()) }
  const waiting = own?.state?.waiting
  if (GIVEN_UP.has(waiting?.reason ?? '')) {
    const why = await whyWaiting(pod, kube)
    return { kind: 'not-started', because: 'image', why }
  }
  return undefined
}

/** The kubelet goes on trying these, but whoever waits learns no more. */
const GIVEN_UP: ReadonlySet<string> = new Set([
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'ImageInspectError',
])

/** What was wrong when the time was over. */
async function lateEnd(pod: Pod, kube: PodKube): Promise<PodEnd> {
  const scheduled = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled')
  if (pod.spec.nodeName === undefined) {
    const why = scheduled?.message ?? (await lastWarning(pod, kube)) ?? 'no scheduler has said why'
    return { kind: 'not-started', because: 'unschedulable', why: shown(why) }
  }
  const own = statusOf(pod)
  if (own?.state?.running !== undefined) {
    return { kind: 'no-answer', why: `it has run since ${own.state.running.startedAt ?? 'then'}` }
  }
  const because = own?.state?.waiting?.reason === 'ErrImagePull' ? 'image' : 'other'
  return { kind: 'not-started', because, why: await whyWaiting(pod, kube) }
}

async function whyWaiting(pod: Pod, kube: PodKube): Promise<string> {
  const { message = '', reason = '' } = statusOf(pod)?.state?.waiting ?? {}
  const warning = (await lastWarning(pod, kube)) ?? ''
  const isSame = message !== '' && warning.includes(message)
  const told = [[reason, message].filter(Boolean).join(': '), isSame ? '' : warning]
  return shown(told.filter(Boolean).join('; ') || 'its node has not said why')
}

interface KubeEvent extends KubeObject {
  type?: string
  reason?: string
  message?: string
  lastTimestamp?: string
  involvedObject?: { uid?: string }
}

/** The newest warning of the pod; none where events may not be read. */
async function lastWarning({ metadata }: Pod, kube: PodKube): Promise<string | undefined> {
  const { name = '', namespace = '', uid } = metadata
  try {
    const { items } = await kube.list<KubeEvent>(EVENTS, {
      namespace,
      fieldSelector: `involvedObject.name=${name}`,
    })
    const [newest] = items
      .filter(({ involvedObject, type }) => type === 'Warning' && involvedObject?.uid === uid)
      .toSorted((one, other) => (other.lastTimestamp ?? '').localeCompare(one.lastTimestamp ?? ''))
    return newest && [newest.reason, newest.message].filter(Boolean).join(': ')
  } catch (error) {
    if (error instanceof PodroleError) return undefined
    throw error
  }
}

const statusOf = ({ status }: Pod): ContainerStatus | undefined =>
  status?.containerStatuses?.find(({ name }) => name === CONTAINER)

async function logOf({ metadata }: Pod, kube: PodKube): Promise<string> {
  const query = { container: CONTAINER, limitBytes: String(MAX_LOG_BYTES) }
  const { name = '', namespace = '' } = metadata
  const answer = await kube.raw('GET', apiPath(PODS, { namespace, name }, 'log'), { query })
  return (await boundedText(answer.body, MAX_LOG_BYTES)) ?? ''
}

const ATTEMPTS = 5
const RETRY_MS = 400

/** By its label: a pod may have been made although nobody heard of it. */
async function removeRun(
  kube: PodKube,
  { namespace, run }: { readonly namespace: string; readonly run: string },
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const labelSelector = `${RUN_LABEL}=${run}`
      const { items } = await kube.list<Pod>(PODS, { namespace, labelSelector })
      for (const pod of items) await removePod(kube, pod)
      return
    } catch (error) {
      if (attempt === ATTEMPTS || codeOf(error) === 'Forbidden') {
        throw new PodroleError(
          'PodLeft',
          `the pod of this verify could not be removed: ${messageOf(error)}`,
          {
            cause: error,
            hint: `kubectl delete pod --namespace ${namespace} --selector ${RUN_LABEL}=${run}`,
          },
        )
      }
      await Bun.sleep(RETRY_MS * attempt)
    }
  }
}

/** Removes what verifies have left that were killed; their names. Where pods may not be listed, none. */
export async function removeLeftOvers(
  kube: PodKube,
  namespace: string,
  nowMs: number,
): Promise<readonly string[]> {
  const { items } = await kube.list<Pod>(PODS, { namespace, labelSelector: `${VERIFY_LABEL}=true` })
  const old = items.filter((pod) => isLeftOver(pod, nowMs))
  for (const pod of old) await removePod(kube, pod)
  return old.map(({ metadata }) => metadata.name ?? '')
}

async function removePod(kube: PodKube, { metadata }: Pod): Promise<void> {
  const { name = '', namespace = '' } = metadata
  try {
    await kube.delete(PODS, { namespace, name })
  } catch (error) {
    if (codeOf(error) !== 'NotFound') throw error
  }
}
