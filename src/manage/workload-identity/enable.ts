/** Document 002's add-on, enabled, updated and disabled; each may be begun again at any point. */
import { oidcProviderArn } from '../../iam/arn.ts'
import { CONFIG_MAPS, type KubeClient } from '../../kube/client.ts'
import type { KubeObject } from '../../kube/objects.ts'
import type { Clock } from '../../lib/clock.ts'
import { codeOf, PodroleError } from '../../lib/errors.ts'
import type { WebhookOrigin } from '../plan/observed-state.ts'
import { WORKLOAD_IDENTITY as ADDON } from '../desired/checks/cluster.ts'
import { blankIrsaTrust } from './blank-trust.ts'
import { type WebhookCertificate, webhookCertificate } from './certificate.ts'
import { checkClusterIssuer } from './issuer.ts'
import { lookAtWorkloadIdentity, type SeenWorkloadIdentity } from './look.ts'
import { RECORD_PLACE, type WorkloadIdentityRecord, writeRecord } from './record.ts'
import { type RolloutWait, waitForPod } from './rollout.ts'
import { type ObjectOutcome, putObjects, removeObjects } from './webhook-objects.ts'

/** The webhook that is installed where there is none. */
export interface WebhookInstallation {
  /** Where nothing else is asked for and nothing is there. */
  readonly defaults: WebhookSettings
  /** Of the Deployment. */
  readonly name: string
  readonly secretName: string
  /** That its certificate must hold. */
  readonly namesIn: (namespace: string) => readonly string[]
  /** In the order in which they are applied. */
  readonly objects: (
    settings: WebhookSettings,
    certificate?: WebhookCertificate,
  ) => readonly KubeObject[]
}

export interface WebhookSettings {
  readonly namespace: string
  readonly image: string
}

export interface WorkloadIdentityPorts {
  readonly kube: KubeClient
  readonly account: { readonly partition: string; readonly accountId: string }
  /** Sees that STS can read the issuer, by publishing its keys where that is wanted. */
  readonly publish: (issuer: string) => Promise<StepOutcome>
  /** Undefined where somebody else makes it. */
  readonly provider?: (issuer: string) => Promise<StepOutcome>
  readonly webhook: WebhookInstallation
  readonly wait: RolloutWait
  readonly clock: Clock
  /** Told the outcome of each step as it comes. */
  readonly tell: (step: WorkloadIdentityStep) => void
}

export interface StepOutcome {
  /** One line each. */
  readonly lines: readonly string[]
  readonly isChange: boolean
}

export interface WorkloadIdentityStep extends StepOutcome {
  readonly step: 'issuer' | 'provider' | 'webhook' | 'record'
}

export interface WorkloadIdentityWish {
  readonly cluster: string
  /** What the issuer is said to be. */
  readonly issuer?: string
  /** A file asks for it. */
  readonly isDeclared: boolean
  /** As it is, if not given. */
  readonly webhook: Partial<WebhookSettings>
  /** It is there already, and may become another. */
  readonly isUpdate?: boolean
}

/**
 * Makes the add-on be there: issuer read by STS, IAM OIDC provider, webhook, and the record by which
 * `podrole cluster get` and a plan know of it.
 * @throws PodroleError `AddonDiffers`, those of `checkClusterIssuer`, `putObjects`, `waitForPod`; what the ports throw
 */
export async function enableWorkloadIdentity(
  ports: WorkloadIdentityPorts,
  wish: WorkloadIdentityWish,
): Promise<WorkloadIdentityRecord> {
  const { account, kube, tell } = ports
  const seen = await lookAtWorkloadIdentity(kube)
  const issuer = checkClusterIssuer(seen.issuer, wish.issuer, kube.server)
  const settings = settingsOf(ports.webhook, seen, wish)
  const record: WorkloadIdentityRecord = {
    state: 'enabled',
    cluster: wish.cluster,
    issuer,
    oidcProviderArn: oidcProviderArn({ ...account, issuer }),
    trustPolicy: blankIrsaTrust(issuer, account),
    webhook: seen.webhook,
    ...(seen.webhook === 'podrole' ? settings : { namespace: '', image: '' }),
    isDeclared: wish.isDeclared || seen.isDeclared,
  }
  const isWritten = seen.status === 'enabled' && Bun.deepEquals(seen.record, record)
  tell({ step: 'issuer', ...(await ports.publish(issuer)) })
  if (ports.provider !== undefined) {
    tell({ step: 'provider', ...(await ports.provider(issuer)) })
  }
  // From here on the cluster is changed.
  if (!isWritten) await writeRecord(kube, { ...record, state: 'enabling' })
  await installWebhook(ports, seen.webhook, settings)
  if (!isWritten) await writeRecord(kube, record)
  tell({ step: 'record', isChange: !isWritten, lines: [recordLine(isWritten)] })
  return record
}

const RECORD = `ConfigMap ${RECORD_PLACE.namespace}/${RECORD_PLACE.name}`
const recordLine = (isWritten: boolean): string =>
  `${RECORD} ${isWritten ? 'unchanged' : 'written'}`

/** @throws PodroleError `AddonDiffers` */
function settingsOf(
  { defaults }: WebhookInstallation,
  { record, status }: SeenWorkloadIdentity,
  { cluster, isUpdate = false, webhook }: WorkloadIdentityWish,
): WebhookSettings {
  if (record?.webhook !== 'podrole') return { ...defaults, ...webhook }
  const { image, namespace } = { image: record.image, namespace: record.namespace, ...webhook }
  if (namespace !== record.namespace) {
    throw new PodroleError(
      'AddonDiffers',
      `the webhook of ${ADDON} is in namespace ${record.namespace}, not ${namespace}`,
      { hint: `Disable it first: podrole addon disable ${ADDON} --cluster ${cluster}` },
    )
  }
  if (image !== record.image && status === 'enabled' && !isUpdate) {
    throw new PodroleError('AddonDiffers', `the webhook of ${ADDON} has image ${record.image}`, {
      hint: `podrole addon update ${ADDON} --cluster ${cluster} --image ${image}`,
    })
  }
  return { namespace, image }
}

async function installWebhook(
  { clock, kube, tell, wait, webhook }: WorkloadIdentityPorts,
  origin: WebhookOrigin,
  settings: WebhookSettings,
): Promise<void> {
  const step = 'webhook'
  if (origin === 'eks') {
    tell({ step, isChange: false, lines: ["EKS's own, in its control plane: none is installed"] })
    return
  }
  if (origin === 'found') {
    const line = 'podrole-webhook is there, and the add-on did not make it: it stays as it is'
    tell({ step, isChange: false, lines: [line] })
    return
  }
  const { name, namesIn, objects, secretName } = webhook
  const { namespace } = settings
  const wanted = { namespace, secretName, names: namesIn(namespace), clock }
  const certificate = await webhookCertificate(kube, wanted)
  await putObjects(kube, objects(settings, certificate), (one) => {
    if (one.outcome !== 'unchanged') tell({ step, isChange: true, lines: linesOf(one) })
  })
  await waitForPod(kube, { namespace, name }, wait)
  tell({ step, isChange: false, lines: [`Deployment ${namespace}/${name} answers`] })
}

const linesOf = ({ changes = [], object, outcome }: ObjectOutcome): readonly string[] => [
  `${object} ${outcome}`,
  ...changes.map((change) => `  ${change}`),
]

/**
 * Takes away what the add-on made in the cluster; a webhook that it did not make, the namespace and
 * the IAM OIDC provider stay. The record goes last.
 * @throws PodroleError what the client throws
 */
export async function disableWorkloadIdentity(
  { kube, tell, webhook }: Pick<WorkloadIdentityPorts, 'kube' | 'tell' | 'webhook'>,
  seen: SeenWorkloadIdentity,
): Promise<void> {
  const { record } = seen
  if (record === undefined) return
  await writeRecord(kube, { ...record, state: 'disabling' })
  if (record.webhook === 'podrole') {
    await removeObjects(kube, webhook.objects(record), (one) =>
      tell({ step: 'webhook', isChange: true, lines: linesOf(one) }),
    )
    tell({ step: 'webhook', isChange: false, lines: [`Namespace ${record.namespace} stays`] })
  } else {
    const whose = record.webhook === 'eks' ? "EKS's" : "another's"
    tell({ step: 'webhook', isChange: false, lines: [`${whose}: it stays`] })
  }
  try {
    await kube.delete(CONFIG_MAPS, RECORD_PLACE)
  } catch (error) {
    if (codeOf(error) !== 'NotFound') throw error
  }
  tell({ step: 'record', isChange: true, lines: [`${RECORD} deleted`] })
}
