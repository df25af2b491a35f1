import type { Admission } from './admission.ts'
import type { ClusterCore } from './core.ts'
import { isRecord, listAt, stringAt, type ApiObject, type JsonRecord } from './objects.ts'
import { labelSelectorOf } from './selectors.ts'
import { NAMESPACES } from './types/core.ts'
import { MUTATING_WEBHOOK_CONFIGURATIONS } from './types/webhook-configurations.ts'

/** One webhook of a configuration. */
export interface WebhookEntry {
  readonly configuration: string
  readonly name: string
  readonly webhook: JsonRecord
}

/** The mutating webhooks in the order of calling: configurations by name, then their own order. */
export function listWebhooks(core: ClusterCore): WebhookEntry[] {
  return core.store.list(MUTATING_WEBHOOK_CONFIGURATIONS).flatMap((configuration) =>
    listAt(configuration, 'webhooks')
      .filter(isRecord)
      .map((webhook) => ({
        configuration: configuration.metadata.name ?? '',
        name: stringAt(webhook, 'name'),
        webhook,
      })),
  )
}

/** Whether a webhook wants to see a request: rules, namespaceSelector, objectSelector. */
export function wants(core: ClusterCore, { webhook }: WebhookEntry, admission: Admission): boolean {
  return (
    listAt(webhook, 'rules').some((rule) => matchesRule(rule, admission)) &&
    matchesNamespace(core, webhook, admission) &&
    matchesObject(webhook, admission)
  )
}

const includes = (rule: unknown, field: string, value: string): boolean => {
  const list = listAt(rule, field)
  return list.includes('*') || list.includes(value)
}

function matchesRule(rule: unknown, { type, subresource = '', operation }: Admission): boolean {
  const scope = stringAt(rule, 'scope')
  const isInScope = scope === '' || scope === '*' || (scope === 'Namespaced') === type.namespaced
  const isResource = listAt(rule, 'resources').some((resource) => {
    const [plural = '', part = ''] = String(resource).split('/')
    return (plural === '*' || plural === type.plural) && (part === '*' || part === subresource)
  })
  return (
    isInScope &&
    isResource &&
    includes(rule, 'operations', operation) &&
    includes(rule, 'apiGroups', type.group) &&
    includes(rule, 'apiVersions', type.version)
  )
}

function matchesNamespace(core: ClusterCore, webhook: JsonRecord, admission: Admission): boolean {
  const matches = labelSelectorOf(webhook['namespaceSelector'] ?? {})
  const { type, namespace, object, oldObject } = admission
  if (type === NAMESPACES) return matches((object ?? oldObject)?.metadata.labels ?? {})
  if (namespace === undefined) return true
  return matches(core.store.get(NAMESPACES, undefined, namespace)?.metadata.labels ?? {})
}

function matchesObject(webhook: JsonRecord, { object, oldObject }: Admission): boolean {
  const selector = webhook['objectSelector'] ?? {}
  if (isRecord(selector) && Object.keys(selector).length === 0) return true
  const matches = labelSelectorOf(selector)
  return [object, oldObject].some(
    (candidate: ApiObject | undefined) =>
      candidate !== undefined && matches(candidate.metadata.labels ?? {}),
  )
}
