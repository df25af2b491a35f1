/** The same by hand, as kubectl 1.36 takes it. */
import { CONTAINER, type PodRequest, shellWord, verifyPod } from './pod.ts'

const NAME = 'podrole-verify-by-hand'

/**
 * Runs the pod, shows its log and deletes it. Attaching to it in place of that (`--attach --rm`)
 * loses the lines that were written before.
 */
export function byHand(request: PodRequest): string {
  const { apiVersion, metadata, spec } = verifyPod(request)
  const { labels } = metadata
  // kubectl names the container as the pod, and an override replaces the whole list.
  const containers = spec.containers.map((container) =>
    container.name === CONTAINER ? { ...container, name: NAME } : container,
  )
  const overrides = { apiVersion, metadata: { labels }, spec: { ...spec, containers } }
  const at = `--namespace ${shellWord(request.serviceAccount.namespace)}`
  const run = [
    `kubectl run ${NAME} ${at}`,
    `--image ${shellWord(request.image)} --restart=Never`,
    `--overrides ${shellWord(JSON.stringify(overrides))}`,
  ]
  const timeout = `${Math.ceil(request.timeoutMs / 1000)}s`
  return [
    run.join(' \\\n  '),
    `kubectl wait ${at} --for=jsonpath='{.status.phase}'=Succeeded --timeout=${timeout} pod/${NAME}`,
    `kubectl logs ${at} ${NAME}`,
    `kubectl delete pod ${at} ${NAME}`,
    '',
  ].join('\n')
}
