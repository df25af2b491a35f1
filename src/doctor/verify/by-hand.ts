/** The same by hand: one `kubectl run`, as kubectl 1.36 takes it. */
import { CONTAINER, type PodRequest, shellWord, verifyPod } from './pod.ts'

const NAME = 'podrole-verify-by-hand'

/** Shows the pod's log and deletes the pod. */
export function byHand(request: PodRequest): string {
  const { apiVersion, metadata, spec } = verifyPod(request)
  const { labels } = metadata
  // kubectl names the container as the pod, and an override replaces the whole list.
  const containers = spec.containers.map((container) =>
    container.name === CONTAINER ? { ...container, name: NAME } : container,
  )
  const overrides = { apiVersion, metadata: { labels }, spec: { ...spec, containers } }
  const words = [
    `kubectl run ${NAME}`,
    `--namespace ${shellWord(request.serviceAccount.namespace)}`,
    `--image ${shellWord(request.image)}`,
    '--restart=Never --attach --rm --quiet',
    `--pod-running-timeout=${Math.ceil(request.timeoutMs / 1000)}s`,
    `--overrides ${shellWord(JSON.stringify(overrides))}`,
  ]
  return `${words.join(' \\\n  ')}\n`
}
