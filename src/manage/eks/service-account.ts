import {
  formatServiceAccountName,
  type ServiceAccountName,
} from '../../iam/service-account-name.ts'
import { isOwned, OWNER_TAG } from '../../iam/tags.ts'
import { type KubeClient, NAMESPACES, SERVICE_ACCOUNTS } from '../../kube/client.ts'
import type { ServiceAccount } from '../../kube/objects.ts'
import { codeOf } from '../../lib/errors.ts'

/** What has to be made so that a service account is there. */
export type ServiceAccountPlan = readonly ('namespace' | 'service account')[]

/** Reads only. Who may not read namespaces is taken to have theirs. @throws Kubernetes' own */
export async function planServiceAccount(
  kube: KubeClient,
  { name, namespace }: ServiceAccountName,
): Promise<ServiceAccountPlan> {
  if (await isThere(() => kube.get(SERVICE_ACCOUNTS, { namespace, name }))) return []
  const hasNamespace = await isThere(async () => {
    try {
      return await kube.get(NAMESPACES, { name: namespace })
    } catch (error) {
      if (codeOf(error) === 'Forbidden') return undefined
      throw error
    }
  })
  return hasNamespace ? ['service account'] : ['namespace', 'service account']
}

async function isThere(get: () => Promise<unknown>): Promise<boolean> {
  try {
    await get()
    return true
  } catch (error) {
    if (codeOf(error) === 'NotFound') return false
    throw error
  }
}

/**
 * Makes what the plan says, marked as podrole's own; what somebody else made meanwhile is theirs.
 * @returns one sentence each
 */
export async function makeServiceAccount(
  kube: KubeClient,
  { name, namespace }: ServiceAccountName,
  plan: ServiceAccountPlan,
): Promise<readonly string[]> {
  const done: string[] = []
  const annotations = { ...OWNER_TAG }
  if (plan.includes('namespace')) {
    const object = { metadata: { name: namespace, annotations } }
    if (await isMade(() => kube.create(NAMESPACES, object)))
      done.push(`namespace ${namespace} made`)
  }
  if (plan.includes('service account')) {
    const object: ServiceAccount = { metadata: { namespace, name, annotations } }
    if (await isMade(() => kube.create(SERVICE_ACCOUNTS, object))) {
      done.push(`service account ${namespace}/${name} made`)
    }
  }
  return done
}

async function isMade(create: () => Promise<unknown>): Promise<boolean> {
  try {
    await create()
    return true
  } catch (error) {
    if (codeOf(error) === 'AlreadyExists') return false
    throw error
  }
}

/**
 * Deletes a service account that podrole made, as it was read and no later version of it.
 * @returns what came of it, one sentence
 */
export async function deleteOwnServiceAccount(
  kube: KubeClient,
  serviceAccount: ServiceAccountName,
): Promise<string> {
  const { name, namespace } = serviceAccount
  const label = `service account ${formatServiceAccountName(serviceAccount)}`
  let found: ServiceAccount
  try {
    found = await kube.get<ServiceAccount>(SERVICE_ACCOUNTS, { namespace, name })
  } catch (error) {
    if (codeOf(error) === 'NotFound') return `${label} is not there`
    throw error
  }
  if (!isOwned(found.metadata.annotations ?? {})) return `${label} stays: podrole did not make it`
  const { resourceVersion, uid } = found.metadata
  await deleteServiceAccountAt(kube, serviceAccount, {
    ...(uid !== undefined && { uid }),
    ...(resourceVersion !== undefined && { resourceVersion }),
  })
  return `${label} deleted`
}

/** Deletes a service account as it was read and no later version of it. @throws Kubernetes' own */
export async function deleteServiceAccountAt(
  kube: KubeClient,
  { name, namespace }: ServiceAccountName,
  preconditions: { readonly uid?: string; readonly resourceVersion?: string },
): Promise<void> {
  await kube.raw(
    'DELETE',
    `/api/v1/namespaces/${encodeURIComponent(namespace)}/serviceaccounts/${encodeURIComponent(name)}`,
    { body: { kind: 'DeleteOptions', apiVersion: 'v1', preconditions } },
  )
}
