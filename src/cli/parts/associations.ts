/** Associations on EKS's wire, at EKS or at a broker: what the demo needs of them. */
import { signRequest } from '../../aws/sign.ts'
import { systemClock } from '../../lib/clock.ts'
import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'
import { proxyFor, proxyOption } from '../../lib/proxy.ts'
import type { Secret } from '../../lib/secret.ts'
import { isUntrusted } from '../../lib/untrusted.ts'
import { UNTRUSTED_BROKER_HINT } from '../../manage/eks/broker-associations.ts'

/** Where EKS's wire is spoken, and a key for it. */
export interface EksEndpoint {
  readonly url: string
  readonly region: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: Secret }
  /** PEM text of the CA, where it is not a public one. */
  readonly ca?: string
  /** How long an answer may take, in milliseconds; 15 s if not given. */
  readonly timeoutMs?: number
}

export interface AssociationSubject {
  readonly clusterName: string
  readonly namespace: string
  readonly serviceAccount: string
}

/** Creates an association; its id. */
export async function createAssociation(
  endpoint: EksEndpoint,
  association: AssociationSubject & {
    readonly roleArn: string
    readonly disableSessionTags?: boolean
  },
): Promise<string> {
  const { clusterName, ...body } = association
  const answer = await callEks(endpoint, 'POST', pathOf(clusterName), body)
  return (answer['association'] as { associationId: string }).associationId
}

/** Deletes the association of a service account. */
export async function deleteAssociation(
  endpoint: EksEndpoint,
  subject: AssociationSubject,
): Promise<void> {
  const query = new URLSearchParams({
    namespace: subject.namespace,
    serviceAccount: subject.serviceAccount,
  })
  const path = pathOf(subject.clusterName)
  const found = await callEks(endpoint, 'GET', `${path}?${query.toString()}`)
  for (const { associationId } of found['associations'] as { associationId: string }[]) {
    await callEks(endpoint, 'DELETE', `${path}/${associationId}`)
  }
}

/**
 * One signed call of EKS's REST-JSON wire, through the proxy that the environment names for it.
 * @throws PodroleError the code of the answer, `BrokerNotTrusted`, `BrokerUnreachable`, `UnsupportedProxy`
 */
export async function callEks(
  endpoint: EksEndpoint,
  method: string,
  path: string,
  body?: unknown,
): Promise<Record<string, unknown>> {
  const url = `${endpoint.url}${path}`
  const text = body === undefined ? undefined : JSON.stringify(body)
  const headers = await signRequest(
    {
      method,
      url,
      headers: { 'content-type': 'application/json' },
      ...(text !== undefined && { body: text }),
    },
    endpoint.credentials,
    { service: 'eks', region: endpoint.region, clock: systemClock },
  )
  const response = await fetchTrusted(url, {
    method,
    headers,
    redirect: 'error',
    signal: AbortSignal.timeout(endpoint.timeoutMs ?? 15_000),
    ...(text !== undefined && { body: text }),
    ...(endpoint.ca !== undefined && { tls: { ca: endpoint.ca } }),
    ...proxyOption(proxyFor(url, process.env)),
  })
  const answer = (await response.json().catch(() => ({}))) as Record<string, unknown>
  if (response.ok) return answer
  const code = response.headers.get('x-amzn-errortype') ?? `HTTP ${response.status}`
  throw new PodroleError(code, `${method} ${path}: ${code}: ${messageIn(answer)}`, {
    status: response.status,
  })
}

/** @throws PodroleError `BrokerNotTrusted`, `BrokerUnreachable` */
async function fetchTrusted(url: string, options: BunFetchRequestInit): Promise<Response> {
  try {
    return await fetch(url, options)
  } catch (cause) {
    const { origin } = new URL(url)
    if (!isUntrusted(cause)) {
      const text = `broker ${origin} cannot be reached (${codeOf(cause) ?? messageOf(cause)})`
      const hint = 'see that it runs, and that --broker or PODROLE_BROKER_URL is its URL'
      throw new PodroleError('BrokerUnreachable', text, { hint, cause })
    }
    const text = `broker ${origin} has a certificate of an authority that is not known (${codeOf(cause) ?? ''})`
    throw new PodroleError('BrokerNotTrusted', text, { hint: UNTRUSTED_BROKER_HINT, cause })
  }
}

function messageIn(answer: Readonly<Record<string, unknown>>): string {
  const { message } = answer
  return typeof message === 'string' ? message : 'no message'
}

const pathOf = (clusterName: string): string =>
  `/clusters/${encodeURIComponent(clusterName)}/pod-identity-associations`
