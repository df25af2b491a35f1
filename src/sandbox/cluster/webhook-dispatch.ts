import { applyJsonPatch, readJsonPatch } from '../../kube/json-patch.ts'
import { messageOf } from '../../lib/errors.ts'
import type { Admission } from './admission.ts'
import type { ClusterCore } from './core.ts'
import type { Decision } from './decisions.ts'
import { decodeResource, LENIENT } from './decoding.ts'
import { ApiFault, internalError } from './faults.ts'
import {
  cloneObject,
  isRecord,
  sameJson,
  stringAt,
  type ApiObject,
  type JsonRecord,
} from './objects.ts'
import { apiVersionOf } from './resource-types.ts'
import { NAMESPACES } from './types/core.ts'
import { MUTATING_WEBHOOK_CONFIGURATIONS } from './types/webhook-configurations.ts'
import { userInfoObject } from './users.ts'
import { callWebhook, WebhookCallFault, type WebhookResponse } from './webhook-call.ts'
import { listWebhooks, wants, type WebhookEntry } from './webhook-rules.ts'

/**
 * Calls the mutating webhooks that want a request, one after another; those with
 * reinvocationPolicy IfNeeded once more where a later one, or a built-in plugin after it, changed
 * the object. `builtIn` runs the built-in plugins again on a changed object.
 * @returns the object as the webhooks left it
 * @throws ApiFault: a refusal, InternalError for a failed call under failurePolicy Fail
 */
export async function dispatchMutatingWebhooks(
  core: ClusterCore,
  admission: Admission,
  builtIn: (object: ApiObject) => void,
): Promise<ApiObject | undefined> {
  // Webhooks that could block their own configuration's repair are never asked about it.
  if (admission.type === MUTATING_WEBHOOK_CONFIGURATIONS) return admission.object
  const entries = listWebhooks(core)
  let current = admission.object
  const called = new Map<WebhookEntry, ApiObject | undefined>()
  for (const entry of entries) {
    if (!wants(core, entry, withObject(admission, current))) continue
    current = await invoke(core, entry, withObject(admission, current))
    called.set(entry, current)
  }
  if (current === undefined || sameJson(current, admission.object)) return current
  const again = cloneObject(current)
  builtIn(again)
  current = sameJson(again, current) ? current : again
  for (const [entry, left] of called) {
    if (entry.webhook['reinvocationPolicy'] !== 'IfNeeded' || sameJson(left, current)) continue
    if (!wants(core, entry, withObject(admission, current))) continue
    current = await invoke(core, entry, withObject(admission, current))
  }
  return current
}

function withObject(admission: Admission, object: ApiObject | undefined): Admission {
  return object === undefined ? admission : { ...admission, object }
}

async function invoke(
  core: ClusterCore,
  entry: WebhookEntry,
  admission: Admission,
): Promise<ApiObject | undefined> {
  let response: WebhookResponse
  try {
    response = await callWebhook(core, entry.webhook, requestOf(admission))
  } catch (thrown) {
    if (!(thrown instanceof WebhookCallFault)) throw thrown
    const why = `failed calling webhook "${entry.name}": ${thrown.message}`
    const isIgnored = entry.webhook['failurePolicy'] === 'Ignore'
    record(core, entry, admission, { outcome: isIgnored ? 'ignored' : 'failed', reason: why })
    core.log.warn('admission webhook failed', { webhook: entry.name, isIgnored, error: why })
    if (isIgnored) return admission.object
    throw internalError(why)
  }
  for (const warning of response.warnings) admission.context.warn(warning)
  const annotations = Object.fromEntries(
    Object.entries(response.auditAnnotations).map(([key, value]) => [
      `${entry.name}/${key}`,
      value,
    ]),
  )
  if (!response.allowed) {
    const refusal = refusalOf(entry.name, response.status ?? {})
    record(core, entry, admission, { outcome: 'denied', reason: refusal.message, annotations })
    throw refusal
  }
  const reason = response.patch === undefined ? 'allowed' : 'allowed with a patch'
  record(core, entry, admission, { outcome: 'allowed', reason, annotations })
  return response.patch === undefined
    ? admission.object
    : applyPatch(entry, admission, response.patch)
}

function applyPatch(entry: WebhookEntry, admission: Admission, patch: string): ApiObject {
  const { object, type } = admission
  if (object === undefined || admission.operation === 'DELETE') {
    throw internalError(
      `admission webhook "${entry.name}" attempted to modify the object, which is not supported for this operation`,
    )
  }
  try {
    const written: unknown = JSON.parse(Buffer.from(patch, 'base64').toString('utf8'))
    const operations = readJsonPatch(written, 'kubernetes')
    const copy = structuredClone(object) as JsonRecord
    const patched: unknown = applyJsonPatch(copy, operations, 'kubernetes')
    if (!isRecord(patched)) throw new Error('the result is no object')
    if (admission.kind !== undefined) return patched as unknown as ApiObject
    const decoded = decodeResource(type, patched, LENIENT)
    type.defaults?.(decoded)
    return decoded
  } catch (thrown) {
    throw internalError(messageOf(thrown))
  }
}

function requestOf(admission: Admission): JsonRecord {
  const { type, subresource, operation, name, object, oldObject, context } = admission
  const options = admission.options ?? context.options ?? {}
  // A namespace that is named is in itself.
  const place = type === NAMESPACES && operation !== 'CREATE' ? name : admission.namespace
  const kind = {
    group: admission.kind?.group ?? type.group,
    version: admission.kind?.version ?? type.version,
    kind: admission.kind?.kind ?? type.kind,
  }
  const resource = { group: type.group, version: type.version, resource: type.plural }
  const optionsKind = { CREATE: 'CreateOptions', UPDATE: 'UpdateOptions', DELETE: 'DeleteOptions' }
  return {
    uid: crypto.randomUUID(),
    kind,
    resource,
    ...(subresource !== undefined && { subResource: subresource }),
    requestKind: kind,
    requestResource: resource,
    ...(subresource !== undefined && { requestSubResource: subresource }),
    ...(name !== '' && { name }),
    ...(place !== undefined && { namespace: place }),
    operation,
    userInfo: userInfoObject(context.user),
    object: operation === 'DELETE' ? null : (object ?? null),
    oldObject: oldObject ?? null,
    dryRun: context.dryRun || options['dryRun'] !== undefined,
    options: { kind: optionsKind[operation], apiVersion: 'meta.k8s.io/v1', ...options },
  }
}

/** The Status that a refusal becomes: never under 400, never without a word. */
function refusalOf(name: string, status: JsonRecord): ApiFault {
  const code = Number(status['code'] ?? 0)
  const by = `admission webhook "${name}" denied the request`
  const why = stringAt(status, 'message') || stringAt(status, 'reason')
  return new ApiFault({
    reason: stringAt(status, 'reason'),
    code: Number.isInteger(code) && code >= 400 && code < 600 ? code : 400,
    message: why === '' ? `${by} without explanation` : `${by}: ${why}`,
  })
}

function record(
  core: ClusterCore,
  entry: WebhookEntry,
  admission: Admission,
  outcome: Pick<Decision, 'outcome' | 'reason' | 'annotations'>,
): void {
  const { type, operation, namespace, name, object } = admission
  const subject = [namespace, name || object?.metadata.generateName].filter(Boolean).join('/')
  core.decisions.record({
    atMs: core.clock.now(),
    kind: 'webhook',
    user: admission.context.user.username,
    subject: `${operation} ${type.plural}.${apiVersionOf(type)} ${subject} at ${entry.configuration}/${entry.name}`,
    ...outcome,
  })
}
