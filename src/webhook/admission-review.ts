/** What is read of an AdmissionReview. */
export interface AdmissionRequest {
  readonly apiVersion: 'admission.k8s.io/v1' | 'admission.k8s.io/v1beta1'
  readonly uid: string
  readonly namespace: string
  /** `default` where the pod names none, as the API server fills it in. */
  readonly serviceAccountName: string
  /** The pod's name, or its generateName. */
  readonly podName: string
  /** False for another operation, another resource or a subresource. */
  readonly createsPod: boolean
  /** Unchecked JSON. */
  readonly object: unknown
}

const API_VERSIONS = ['admission.k8s.io/v1', 'admission.k8s.io/v1beta1'] as const
const MAX_UID_CHARACTERS = 256

/**
 * Reads an AdmissionReview's JSON; a text says what is wrong with it. A request that does not say
 * its operation or resource is taken for the creation of a pod.
 */
export function readAdmissionReview(body: string): AdmissionRequest | string {
  let review: unknown
  try {
    review = JSON.parse(body)
  } catch {
    return 'the body is not JSON'
  }
  const apiVersion = API_VERSIONS.find((version) => version === member(review, 'apiVersion'))
  if (apiVersion === undefined || member(review, 'kind') !== 'AdmissionReview') {
    return `wanted an AdmissionReview of ${API_VERSIONS.join(' or ')}`
  }
  const request = member(review, 'request')
  const uid = text(member(request, 'uid'))
  if (uid === '' || uid.length > MAX_UID_CHARACTERS) return 'request.uid is missing'
  const object = member(request, 'object')
  const metadata = member(object, 'metadata')
  return {
    apiVersion,
    uid,
    namespace: text(member(request, 'namespace')) || text(member(metadata, 'namespace')),
    serviceAccountName: text(member(member(object, 'spec'), 'serviceAccountName')) || 'default',
    podName: text(member(metadata, 'name')) || text(member(metadata, 'generateName')),
    createsPod: createsPod(request),
    object,
  }
}

/** The body as text; undefined where it is larger. Bytes that are not UTF-8 are replaced. */
export async function readBody(request: Request, maxBytes: number): Promise<string | undefined> {
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) return undefined
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength
    if (size > maxBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function createsPod(request: unknown): boolean {
  const operation = member(request, 'operation')
  const resource = member(request, 'resource')
  const isPods =
    resource === undefined ||
    (member(resource, 'resource') === 'pods' && (member(resource, 'group') ?? '') === '')
  return (
    (operation === undefined || operation === 'CREATE') &&
    isPods &&
    text(member(request, 'subResource')) === ''
  )
}

/** An own member of an object; undefined of anything else. */
function member(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? Reflect.get(value, key)
    : undefined
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')
