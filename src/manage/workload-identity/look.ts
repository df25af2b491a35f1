import { isOwned } from '../../iam/tags.ts'
import { type KubeClient, MUTATING_WEBHOOK_CONFIGURATIONS } from '../../kube/client.ts'
import type { KubeObject } from '../../kube/objects.ts'
import { codeOf } from '../../lib/errors.ts'
import type { WebhookOrigin, WorkloadIdentity } from '../plan/observed-state.ts'
import { isEksIssuer, readClusterIssuer } from './issuer.ts'
import { readRecord, type WorkloadIdentityRecord } from './record.ts'

/** What `podrole webhook manifests` calls its MutatingWebhookConfiguration. */
export const WEBHOOK_NAME = 'podrole-webhook'

/** The add-on as it is, with what its record says. */
export interface SeenWorkloadIdentity extends WorkloadIdentity {
  readonly webhook: WebhookOrigin
  readonly record: WorkloadIdentityRecord | undefined
}

/**
 * Looks at the add-on of a cluster. It is enabled when its record says so, the API server still has
 * the issuer of the record, and there is a webhook.
 * @throws PodroleError what the client throws; `BrokenRecord`, `InvalidIssuerDocument`
 */
export async function lookAtWorkloadIdentity(
  kube: KubeClient,
  onCall: (operation: string) => void = () => undefined,
): Promise<SeenWorkloadIdentity> {
  for (const what of ['configmap', 'issuer', 'webhook']) onCall(`get ${what}`)
  const [record, issuer, configuration] = await Promise.all([
    readRecord(kube),
    readClusterIssuer(kube),
    findConfiguration(kube),
  ])
  return {
    status: statusOf({ record, issuer, configuration }),
    isDeclared: record?.isDeclared === true,
    webhook: originOf(issuer, configuration),
    ...(issuer !== undefined && { issuer }),
    record,
  }
}

async function findConfiguration(kube: KubeClient): Promise<KubeObject | undefined> {
  try {
    return await kube.get(MUTATING_WEBHOOK_CONFIGURATIONS, { name: WEBHOOK_NAME })
  } catch (error) {
    if (codeOf(error) === 'NotFound') return undefined
    throw error
  }
}

function statusOf(seen: {
  readonly record: WorkloadIdentityRecord | undefined
  readonly issuer: string | undefined
  readonly configuration: KubeObject | undefined
}): WorkloadIdentity['status'] {
  const { configuration, issuer, record } = seen
  if (record === undefined) return 'disabled'
  const hasWebhook = record.webhook === 'eks' || configuration !== undefined
  const isWhole = record.state === 'enabled' && record.issuer === issuer && hasWebhook
  return isWhole ? 'enabled' : 'partial'
}

function originOf(
  issuer: string | undefined,
  configuration: KubeObject | undefined,
): WebhookOrigin {
  if (issuer !== undefined && isEksIssuer(issuer)) return 'eks'
  if (configuration === undefined) return 'podrole'
  return isOwned(configuration.metadata.annotations ?? {}) ? 'podrole' : 'found'
}
