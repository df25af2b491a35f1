import { messageOf } from '../../lib/errors.ts'
import type { ClusterCore } from './core.ts'
import { isRecord, listAt, recordAt, stringAt, type ApiObject, type JsonRecord } from './objects.ts'
import { SERVICES } from './types/core.ts'
import { ENDPOINT_SLICES } from './types/endpoint-slices.ts'

/** A webhook that could not be asked, or answered what is no answer: failurePolicy decides. */
export class WebhookCallFault extends Error {}

/** The `response` of a good AdmissionReview. */
export interface WebhookResponse {
  readonly allowed: boolean
  readonly patch?: string
  readonly status?: JsonRecord
  readonly warnings: readonly string[]
  readonly auditAnnotations: Readonly<Record<string, string>>
}

const ANSWER_BYTES_MAX = 6 * 1024 * 1024

interface Target {
  readonly url: string
  /** What the certificate must be for. */
  readonly serverName?: string
}

/**
 * Posts an AdmissionReview v1 to a webhook over HTTPS and reads its answer
 * (Kubernetes, "Dynamic Admission Control").
 * @throws WebhookCallFault
 */
export async function callWebhook(
  core: ClusterCore,
  webhook: JsonRecord,
  request: JsonRecord,
): Promise<WebhookResponse> {
  const client = recordAt(webhook, 'clientConfig')
  const seconds = Number(webhook['timeoutSeconds'] ?? 10)
  const { url, serverName } = findTarget(core, client)
  const target = `${url}?timeout=${seconds}s`
  const ca = stringAt(client, 'caBundle')
  let text: string
  try {
    const response = await fetch(target, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, */*' },
      body: JSON.stringify({ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', request }),
      proxy: false,
      redirect: 'error',
      signal: AbortSignal.any([AbortSignal.timeout(seconds * 1000), core.stopping]),
      tls: {
        ...(ca !== '' && { ca: Buffer.from(ca, 'base64').toString('utf8') }),
        ...(serverName !== undefined && { serverName }),
      },
    })
    text = await readAnswer(response)
  } catch (thrown) {
    if (thrown instanceof WebhookCallFault) throw thrown
    const isLate = thrown instanceof Error && thrown.name === 'TimeoutError'
    const why = isLate ? 'context deadline exceeded' : messageOf(thrown)
    throw new WebhookCallFault(`failed to call webhook: Post "${target}": ${why}`)
  }
  return readResponse(text, stringAt(request, 'uid'))
}

async function readAnswer(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > ANSWER_BYTES_MAX)
      throw new WebhookCallFault('failed to call webhook: answer too long')
    chunks.push(chunk)
  }
  const text = Buffer.concat(chunks).toString('utf8')
  if (response.ok) return text
  throw new WebhookCallFault(
    `failed to call webhook: an error on the server (${JSON.stringify(text.slice(0, 300))}) has prevented the request from succeeding`,
  )
}

function readResponse(text: string, uid: string): WebhookResponse {
  const refuse = (why: string): Error =>
    new WebhookCallFault(`received invalid webhook response: ${why}`)
  let review: unknown
  try {
    review = JSON.parse(text)
  } catch {
    throw refuse('the body is not JSON')
  }
  const [version, kind] = [stringAt(review, 'apiVersion'), stringAt(review, 'kind')]
  if (version !== 'admission.k8s.io/v1' || kind !== 'AdmissionReview') {
    throw refuse(
      `expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got ${version === '' ? '/' : version}, Kind=${kind}`,
    )
  }
  const response = isRecord(review) ? review['response'] : undefined
  if (!isRecord(response)) throw refuse('webhook response was absent')
  if (stringAt(response, 'uid') !== uid) {
    throw refuse(`expected response.uid="${uid}", got "${stringAt(response, 'uid').slice(0, 100)}"`)
  }
  const patch = stringAt(response, 'patch')
  const patchType = stringAt(response, 'patchType')
  if (patch !== '' && patchType === '') {
    throw refuse('webhook returned response.patch but not response.patchType')
  }
  if (patch === '' && patchType !== '') {
    throw refuse('webhook returned response.patchType but not response.patch')
  }
  if (patchType !== '' && patchType !== 'JSONPatch') {
    throw refuse(`webhook returned invalid response.patchType of "${patchType.slice(0, 50)}"`)
  }
  const status = response['status']
  return {
    allowed: response['allowed'] === true,
    ...(patch !== '' && { patch }),
    ...(isRecord(status) && { status }),
    warnings: listAt(response, 'warnings').filter((text) => typeof text === 'string'),
    auditAnnotations: textsOf(recordAt(response, 'auditAnnotations')),
  }
}

const textsOf = (values: JsonRecord): Record<string, string> =>
  Object.fromEntries(
    Object.entries(values).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  )

/**
 * Where a webhook is. A service is found as kube-apiserver finds it, but for the network between:
 * an ExternalName service is its external name with the port of the client configuration; any
 * other one is the first ready address of its EndpointSlices, since no service network exists.
 * The certificate is checked against `NAME.NAMESPACE.svc` either way.
 */
function findTarget(core: ClusterCore, client: JsonRecord): Target {
  const url = stringAt(client, 'url')
  if (url !== '') return { url }
  const ref = recordAt(client, 'service')
  const [namespace, name] = [stringAt(ref, 'namespace'), stringAt(ref, 'name')]
  const port = Number(ref['port'] ?? 443)
  const path = stringAt(ref, 'path')
  const service = core.store.get(SERVICES, namespace, name)
  if (service === undefined) {
    throw new WebhookCallFault(`failed to call webhook: service "${name}" not found`)
  }
  const host = hostOf(core, service, port)
  return {
    url: `https://${host}${path === '' ? '/' : path}`,
    serverName: `${name}.${namespace}.svc`,
  }
}

function hostOf(core: ClusterCore, service: ApiObject, port: number): string {
  const spec = recordAt(service, 'spec')
  const { name = '', namespace } = service.metadata
  if (stringAt(spec, 'type') === 'ExternalName') return `${stringAt(spec, 'externalName')}:${port}`
  const servicePort = listAt(spec, 'ports').find(
    (candidate) => isRecord(candidate) && candidate['port'] === port,
  )
  if (servicePort === undefined) {
    throw new WebhookCallFault(
      `failed to call webhook: no service port ${port} found for service "${name}"`,
    )
  }
  for (const slice of core.store.list(ENDPOINT_SLICES, namespace)) {
    if (slice.metadata.labels?.['kubernetes.io/service-name'] !== name) continue
    const target = listAt(slice, 'ports').find(
      (candidate) => stringAt(candidate, 'name') === stringAt(servicePort, 'name'),
    )
    const ready = listAt(slice, 'endpoints').find(
      (endpoint) => recordAt(endpoint, 'conditions')['ready'] !== false,
    )
    const [address] = listAt(ready, 'addresses')
    if (isRecord(target) && typeof address === 'string') {
      return `${address.includes(':') ? `[${address}]` : address}:${Number(target['port'])}`
    }
  }
  throw new WebhookCallFault(`failed to call webhook: no endpoints available for service "${name}"`)
}
