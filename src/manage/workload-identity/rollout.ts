import { setTimeout as sleep } from 'node:timers/promises'
import { DEPLOYMENTS, type KubeClient, PODS } from '../../kube/client.ts'
import type { KubeObject, Pod } from '../../kube/objects.ts'
import { PodroleError } from '../../lib/errors.ts'

export interface RolloutWait {
  readonly timeoutMs: number
  /** Told when what is there changes. */
  readonly onProgress: (text: string) => void
}

interface Deployment extends KubeObject {
  spec?: { replicas?: number }
  status?: {
    observedGeneration?: number
    replicas?: number
    updatedReplicas?: number
    availableReplicas?: number
  }
}

const DELAY_MS = 500
const MAX_DELAY_MS = 5000

/**
 * Waits until a pod of a Deployment's newest template answers.
 * @throws PodroleError `AddonTimeout` with what keeps its pods; what the client throws
 */
export async function waitForPod(
  kube: KubeClient,
  ref: { readonly namespace: string; readonly name: string },
  { onProgress, timeoutMs }: RolloutWait,
): Promise<void> {
  const until = performance.now() + timeoutMs
  let [delay, told] = [DELAY_MS, '']
  for (;;) {
    const deployment = await kube.get<Deployment>(DEPLOYMENTS, ref)
    if (hasNewPod(deployment)) return
    const why = await whyNot(kube, ref)
    if (why !== told) onProgress(`waiting for Deployment ${ref.namespace}/${ref.name}: ${why}`)
    told = why
    if (performance.now() + delay > until) {
      throw new PodroleError(
        'AddonTimeout',
        `no pod of Deployment ${ref.namespace}/${ref.name} answers after ${timeoutMs / 1000} s: ${why}`,
        { hint: 'What is there stays; run the same command again when that is mended.' },
      )
    }
    await sleep(delay)
    delay = Math.min(MAX_DELAY_MS, delay * 1.5)
  }
}

/** Old pods may be available still: they do not count. */
function hasNewPod({ metadata, status = {} }: Deployment): boolean {
  const {
    availableReplicas = 0,
    observedGeneration = 0,
    replicas = 0,
    updatedReplicas = 0,
  } = status
  const isSeen = observedGeneration >= (metadata.generation ?? 0)
  return isSeen && availableReplicas > replicas - updatedReplicas
}

async function whyNot(
  kube: KubeClient,
  { name, namespace }: { readonly namespace: string; readonly name: string },
): Promise<string> {
  const labelSelector = `app.kubernetes.io/name=${name}`
  const { items } = await kube.list<Pod>(PODS, { namespace, labelSelector })
  if (items.length === 0) return 'it has no pods yet'
  const said = items.map(({ metadata, status = {} }) => {
    const waiting = status.containerStatuses?.find(({ state }) => state?.waiting !== undefined)
    const { message, reason } = waiting?.state?.waiting ?? {}
    const state = [reason ?? status.phase ?? 'Pending', message].filter((one) => one !== undefined)
    return `pod ${metadata.name ?? ''} ${state.join(': ')}`
  })
  return [...new Set(said)].sort().join('; ')
}
