import type { KubeClient } from '../../kube/client.ts'
import { PODS, SERVICE_ACCOUNTS } from '../../kube/client.ts'
import type { Pod, ServiceAccount } from '../../kube/objects.ts'
import { codeOf, PodroleError } from '../../lib/errors.ts'

/** What a pod of the demo said on its last line, and how it was admitted. */
export interface PodOutcome {
  readonly ok: boolean
  readonly arn?: string
  readonly content?: string
  readonly error?: string
  readonly message?: string
  /** The pod as the API server admitted it, mutations in it. */
  readonly admitted: Pod
}

export interface PodRequest {
  readonly name: string
  readonly namespace: string
  readonly serviceAccount: string
  readonly args: readonly string[]
  readonly nodeName?: string
}

/** The image that stands for the demo's program in the sandbox's image table. */
export const DEMO_IMAGE = 'podrole/demo'

const WAIT_MS = 30_000

/** Creates a pod, waits for its end, reads its last line and deletes it. */
export async function runPod(client: KubeClient, request: PodRequest): Promise<PodOutcome> {
  const admitted = await client.create<Pod>(PODS, podOf(request))
  const phase = await waitForPhase(client, request, ['Succeeded', 'Failed'])
  const text = await logOf(client, request)
  await deletePod(client, request)
  const line = text.trim().split('\n').at(-1) ?? ''
  return { ...readOutcome(line, phase), admitted }
}

/** Creates a pod that stays, and waits until it runs. */
export async function startPod(client: KubeClient, request: PodRequest): Promise<Pod> {
  const admitted = await client.create<Pod>(PODS, podOf(request))
  await waitForPhase(client, request, ['Running'])
  return admitted
}

export async function deletePod(
  client: KubeClient,
  ref: { readonly namespace: string; readonly name: string },
): Promise<void> {
  await client.delete(PODS, { namespace: ref.namespace, name: ref.name })
}

/** Makes a service account, or gives an existing one these annotations. */
export async function ensureServiceAccount(
  client: KubeClient,
  ref: { readonly namespace: string; readonly name: string },
  annotations: Readonly<Record<string, string>> = {},
): Promise<void> {
  try {
    await client.create<ServiceAccount>(SERVICE_ACCOUNTS, { metadata: { ...ref, annotations } })
  } catch (error) {
    if (codeOf(error) !== 'AlreadyExists') throw error
    await client.mergePatch(SERVICE_ACCOUNTS, ref, { metadata: { annotations } })
  }
}

/** The value of an environment variable of the pod's first container. */
export function envOf(pod: Pod, name: string): string | undefined {
  return pod.spec.containers[0]?.env?.find((entry) => entry.name === name)?.value
}

function podOf(request: PodRequest): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: request.name, namespace: request.namespace, labels: { app: request.name } },
    spec: {
      serviceAccountName: request.serviceAccount,
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 1,
      ...(request.nodeName !== undefined && { nodeName: request.nodeName }),
      containers: [{ name: 'main', image: DEMO_IMAGE, args: [...request.args] }],
    },
  }
}

async function waitForPhase(
  client: KubeClient,
  request: PodRequest,
  phases: readonly string[],
): Promise<string> {
  const until = Date.now() + WAIT_MS
  for (;;) {
    const pod = await client.get<Pod>(PODS, { namespace: request.namespace, name: request.name })
    const phase = pod.status?.phase ?? 'Pending'
    if (phases.includes(phase)) return phase
    if (Date.now() > until) throw tooLate(request, pod)
    await Bun.sleep(40)
  }
}

function tooLate(request: PodRequest, pod: Pod): PodroleError {
  const waiting = pod.status?.containerStatuses?.[0]?.state?.waiting
  const why = waiting === undefined ? '' : ` (${waiting.reason ?? ''} ${waiting.message ?? ''})`
  return new PodroleError(
    'PodNotDone',
    `pod ${request.namespace}/${request.name} is still ${pod.status?.phase ?? 'Pending'} after ${WAIT_MS / 1000} s${why}`,
  )
}

async function logOf(client: KubeClient, request: PodRequest): Promise<string> {
  const path = `/api/v1/namespaces/${request.namespace}/pods/${request.name}/log`
  return (await client.raw('GET', path)).text()
}

function readOutcome(line: string, phase: string): Omit<PodOutcome, 'admitted'> {
  try {
    return JSON.parse(line) as Omit<PodOutcome, 'admitted'>
  } catch {
    return { ok: false, error: 'NoOutcome', message: `the pod ended as ${phase} and said: ${line}` }
  }
}
