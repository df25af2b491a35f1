import {
  checkServiceAccountName,
  formatServiceAccountName,
  type ServiceAccountName,
} from '../iam/service-account-name.ts'
import type { ServiceAccount } from '../kube/objects.ts'
import { codeOf } from '../lib/errors.ts'
import { type Handler, jsonResponse, textResponse } from '../lib/handler.ts'
import { faultFields, type Log } from '../lib/log.ts'
import { type AdmissionRequest, readAdmissionReview, readBody } from './admission-review.ts'
import { secondsSince } from '../lib/metrics/measured.ts'
import type { WebhookConfig } from './config.ts'
import type { ContainerCredentialsIdentities } from './identities.ts'
import type { WebhookMetrics } from './metrics.ts'
import { decideMutation, type Mutation } from './mutation.ts'
import type { ServiceAccounts } from './service-accounts.ts'

export interface AdmissionDependencies {
  readonly serviceAccounts: Pick<ServiceAccounts, 'peek' | 'ask'>
  readonly identities: Pick<ContainerCredentialsIdentities, 'has'>
  readonly config: WebhookConfig
  readonly log: Log
  /** Whether what decisions need was read once. */
  readonly isReady: () => boolean
  /** From 0 to below 1; `Math.random` by default. */
  readonly random?: () => number
  readonly metrics?: Pick<WebhookMetrics, 'reviewed' | 'rejected' | 'lookedUp'>
}

/** A mutation, or why none was decided. */
type Decision = Omit<Mutation, 'reason'> & {
  readonly reason: Mutation['reason'] | 'NotAPodCreation' | 'InternalFault'
}

/** Largest AdmissionReview in bytes; the API server takes objects of up to 3 MB. */
const MAX_BODY_BYTES = 8 << 20

/**
 * The webhook as a handler: `POST /mutate` takes AdmissionReview v1 (and v1beta1) and answers in
 * the version that asked, `GET /healthz` and `GET /readyz` (503 until ready). A review that can be
 * read is always allowed: podrole's own faults never keep a pod from running.
 * https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
 */
export function admissionApp(dependencies: AdmissionDependencies): Handler {
  return async (request) => {
    const { pathname } = new URL(request.url)
    switch (pathname) {
      case '/mutate': {
        const response = await answerReview(request, dependencies)
        if (response.status !== 200) dependencies.metrics?.rejected(response.status)
        return response
      }
      case '/healthz':
        return probe(request, true)
      case '/readyz':
        return probe(request, dependencies.isReady())
      default:
        return textResponse('Not Found\n', 404)
    }
  }
}

function probe(request: Request, ok: boolean): Response {
  if (request.method !== 'GET' && request.method !== 'HEAD') return wrongMethod('GET, HEAD')
  return ok ? textResponse('ok') : textResponse('not ready: service accounts are being read\n', 503)
}

function wrongMethod(allow: string): Response {
  const response = textResponse('Method Not Allowed\n', 405)
  response.headers.set('allow', allow)
  return response
}

async function answerReview(
  request: Request,
  dependencies: AdmissionDependencies,
): Promise<Response> {
  const since = performance.now()
  if (request.method !== 'POST') return wrongMethod('POST')
  const [contentType = ''] = (request.headers.get('content-type') ?? '').split(';', 1)
  if (contentType.trim().toLowerCase() !== 'application/json') {
    return textResponse('Unsupported Media Type: wanted application/json\n', 415)
  }
  const body = await readBody(request, MAX_BODY_BYTES)
  if (body === undefined) return textResponse('Content Too Large\n', 413)
  const review = readAdmissionReview(body)
  if (typeof review === 'string') return textResponse(`Bad Request: ${review}\n`, 400)
  const decision = await decide(review, dependencies)
  logDecision(review, decision, dependencies.log)
  dependencies.metrics?.reviewed(decision.method, decision.reason, secondsSince(since))
  return jsonResponse({
    apiVersion: review.apiVersion,
    kind: 'AdmissionReview',
    response: {
      uid: review.uid,
      allowed: true,
      ...(decision.patch.length > 0 && {
        patchType: 'JSONPatch',
        patch: Buffer.from(JSON.stringify(decision.patch)).toString('base64'),
      }),
      // v1beta1 knows no warnings before Kubernetes 1.19; the API server ignores them there.
      ...(decision.warnings.length > 0 && { warnings: decision.warnings }),
      auditAnnotations: decision.auditAnnotations,
    },
  })
}

async function decide(
  review: AdmissionRequest,
  dependencies: AdmissionDependencies,
): Promise<Decision> {
  if (!review.createsPod) return noMutation('NotAPodCreation', [])
  try {
    return await decideForPod(review, dependencies)
  } catch (error) {
    dependencies.log.error('decision failed, the pod is allowed as it is', faultFields(error))
    const code = codeOf(error) ?? 'unknown'
    return noMutation('InternalFault', [
      `podrole could not decide (${code}): the pod gets no AWS credentials`,
    ])
  }
}

async function decideForPod(
  review: AdmissionRequest,
  dependencies: AdmissionDependencies,
): Promise<Decision> {
  const { config } = dependencies
  const { namespace, serviceAccountName: name } = review
  if (!isServiceAccountName({ namespace, name })) return noMutation('InvalidPod', [])
  const containerCredentials = await dependencies.identities.has({ namespace, name })
  return decideMutation({
    pod: review.object,
    namespace,
    serviceAccount: await findServiceAccount(
      { namespace, name },
      containerCredentials,
      dependencies,
    ),
    containerCredentials,
    config,
    random: dependencies.random ?? Math.random,
  })
}

/**
 * The watch is a moment behind: where it shows no role, the API server is asked, so that a pod
 * created right after its service account was annotated gets its role. Where nobody answers, what
 * the watch told counts.
 */
async function findServiceAccount(
  name: ServiceAccountName,
  containerCredentials: boolean,
  { serviceAccounts, config, log, metrics }: AdmissionDependencies,
): Promise<ServiceAccount | undefined> {
  const known = serviceAccounts.peek(name)
  const hasRole = Boolean(known?.metadata.annotations?.[`${config.annotationPrefix}/role-arn`])
  if (hasRole || (containerCredentials && known !== undefined)) return known
  try {
    const found = await serviceAccounts.ask(name)
    metrics?.lookedUp(found === undefined ? 'none' : 'found')
    return found
  } catch (error) {
    metrics?.lookedUp('failed')
    log.warn('service account not looked up', {
      serviceAccount: formatServiceAccountName(name),
      known: known !== undefined,
      ...faultFields(error),
    })
    if (known !== undefined || containerCredentials) return known
    throw error
  }
}

/** Names that are none must not become a path of the API server. */
function isServiceAccountName(name: ServiceAccountName): boolean {
  try {
    checkServiceAccountName(name)
    return true
  } catch {
    return false
  }
}

const noMutation = (reason: Decision['reason'], warnings: readonly string[]): Decision => ({
  patch: [],
  method: 'none',
  reason,
  warnings,
  auditAnnotations: { reason },
})

function logDecision(review: AdmissionRequest, decision: Decision, log: Log): void {
  log.info('admission', {
    reason: decision.reason,
    method: decision.method,
    namespace: shorten(review.namespace),
    pod: shorten(review.podName),
    serviceAccount: shorten(review.serviceAccountName),
    uid: review.uid,
    ...(decision.warnings.length > 0 && { warnings: decision.warnings }),
  })
}

/** Names in Kubernetes have 253 characters at most; a request may hold anything. */
const shorten = (text: string): string => text.slice(0, 253)
