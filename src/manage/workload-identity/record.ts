/** What the cluster itself says of document 002's add-on: a ConfigMap. */
import { OWNER_TAG } from '../../iam/tags.ts'
import { CONFIG_MAPS, type KubeClient } from '../../kube/client.ts'
import type { KubeObject } from '../../kube/objects.ts'
import { applyObject } from '../../kube/server-side-apply.ts'
import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'
import { isDeclaredBy, madeTags } from '../plan/ownership.ts'
import type { WebhookOrigin } from '../plan/observed-state.ts'

/** In a namespace that every cluster has, beside the lease of applies. */
export const RECORD_PLACE = { namespace: 'kube-system', name: 'podrole-aws-workload-identity' }

export interface WorkloadIdentityRecord {
  /** Written first of all and last of all, so that what came to no end shows. */
  readonly state: 'enabling' | 'enabled' | 'disabling'
  /** The name that it was enabled with. */
  readonly cluster: string
  readonly issuer: string
  readonly oidcProviderArn: string
  /** With blanks for a service account. */
  readonly trustPolicy: object
  readonly webhook: WebhookOrigin
  /** Of the webhook, where it is podrole's. */
  readonly namespace: string
  readonly image: string
  /** A file enabled it. */
  readonly isDeclared: boolean
}

interface ConfigMap extends KubeObject {
  data?: Record<string, string>
}

/**
 * Undefined where there is none.
 * @throws PodroleError `BrokenRecord`; what the client throws
 */
export async function readRecord(kube: KubeClient): Promise<WorkloadIdentityRecord | undefined> {
  let found: ConfigMap
  try {
    found = await kube.get<ConfigMap>(CONFIG_MAPS, RECORD_PLACE)
  } catch (error) {
    if (codeOf(error) === 'NotFound') return undefined
    throw error
  }
  const { data = {}, metadata } = found
  const { cluster = '', image = '', issuer = '', namespace = '', oidcProviderArn = '' } = data
  const { state, trustPolicy = '', webhook } = data
  if (state !== 'enabling' && state !== 'enabled' && state !== 'disabling') {
    throw broken(`state ${JSON.stringify(state ?? '')} is none of enabling, enabled, disabling`)
  }
  if (webhook !== 'podrole' && webhook !== 'found' && webhook !== 'eks') {
    throw broken(`webhook ${JSON.stringify(webhook ?? '')} is none of podrole, found, eks`)
  }
  return {
    state,
    webhook,
    cluster,
    image,
    issuer,
    namespace,
    oidcProviderArn,
    trustPolicy: readObject(trustPolicy),
    isDeclared: isDeclaredBy(metadata.annotations ?? {}, 'addons'),
  }
}

function readObject(text: string): object {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value
    throw broken('trustPolicy is no JSON object')
  } catch (error) {
    throw error instanceof PodroleError ? error : broken(`trustPolicy: ${messageOf(error)}`)
  }
}

const broken = (fault: string): PodroleError =>
  new PodroleError(
    'BrokenRecord',
    `config map ${RECORD_PLACE.namespace}/${RECORD_PLACE.name} is not as podrole wrote it: ${fault}`,
    { hint: 'Delete it and enable the add-on again: what is there is found and kept.' },
  )

/** Writes all of it. */
export async function writeRecord(kube: KubeClient, record: WorkloadIdentityRecord): Promise<void> {
  const { isDeclared, trustPolicy, ...texts } = record
  await applyObject<ConfigMap>(kube, CONFIG_MAPS, {
    metadata: {
      ...RECORD_PLACE,
      labels: { 'app.kubernetes.io/part-of': 'podrole' },
      annotations: isDeclared ? madeTags({}, 'addons') : { ...OWNER_TAG },
    },
    data: { ...texts, trustPolicy: JSON.stringify(trustPolicy) },
  })
}
