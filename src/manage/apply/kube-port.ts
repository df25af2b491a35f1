import { isOwned, OWNER_TAG } from '../../iam/tags.ts'
import { type KubeClient, NAMESPACES, SERVICE_ACCOUNTS } from '../../kube/client.ts'
import type { KubeObject, ServiceAccount } from '../../kube/objects.ts'
import { codeOf, PodroleError } from '../../lib/errors.ts'
import { deleteServiceAccountAt } from '../eks/service-account.ts'
import type { PlanServiceAccount } from '../plan/observed-state.ts'
import type { KubernetesAction } from '../plan/plan.ts'
import type { Look } from './act.ts'

export interface KubePort {
  look(action: KubernetesAction): Promise<Look>
  act(action: KubernetesAction, seen: Look): Promise<void>
}

/**
 * Namespaces and service accounts of a cluster. A change is a merge patch of the keys that the
 * action names, at the version that was looked at: everything else of the object stays.
 */
export const kubePort = (kube: KubeClient): KubePort => ({
  look: (action) =>
    'namespace' in action
      ? lookAtNamespace(kube, action.namespace)
      : lookAtServiceAccount(kube, nameIn(action)),
  act: (action, seen) => act(kube, action, seen),
})

const nameIn = (
  action: Exclude<KubernetesAction, { readonly namespace: string }>,
): PlanServiceAccount['serviceAccount'] =>
  'object' in action ? action.object.serviceAccount : action.serviceAccount

async function lookAtNamespace(kube: KubeClient, name: string): Promise<Look> {
  const found = await orNothing(() => kube.get(NAMESPACES, { name }))
  return { found: { hasNamespace: found !== undefined } }
}

async function lookAtServiceAccount(
  kube: KubeClient,
  serviceAccount: PlanServiceAccount['serviceAccount'],
): Promise<Look> {
  const found = await orNothing(() => kube.get<ServiceAccount>(SERVICE_ACCOUNTS, serviceAccount))
  if (found === undefined) return { found: {} }
  const { annotations = {}, labels = {}, resourceVersion } = found.metadata
  return {
    found: { serviceAccount: { serviceAccount, labels, annotations } },
    ...(resourceVersion !== undefined && { version: resourceVersion }),
  }
}

async function act(kube: KubeClient, action: KubernetesAction, seen: Look): Promise<void> {
  switch (action.do) {
    case 'create-namespace':
      await kube.create(NAMESPACES, {
        metadata: { name: action.namespace, annotations: { ...OWNER_TAG } },
      })
      return
    case 'delete-namespace':
      return deleteNamespace(kube, action.namespace)
    case 'create-service-account': {
      const { annotations, labels, serviceAccount } = action.object
      const metadata = {
        ...serviceAccount,
        labels: { ...labels },
        annotations: { ...annotations },
      }
      await kube.create<ServiceAccount>(SERVICE_ACCOUNTS, { metadata })
      return
    }
    case 'patch-service-account': {
      const { after, serviceAccount } = action
      const metadata = { resourceVersion: seen.version, ...after }
      await kube.mergePatch(SERVICE_ACCOUNTS, serviceAccount, { metadata })
      return
    }
    case 'delete-service-account':
      return deleteServiceAccountAt(kube, action.object.serviceAccount, {
        ...(seen.version !== undefined && { resourceVersion: seen.version }),
      })
    default:
      return action satisfies never
  }
}

/** Everything in a namespace goes with it, so that only one that podrole made is deleted. */
async function deleteNamespace(kube: KubeClient, name: string): Promise<void> {
  const { metadata } = await kube.get(NAMESPACES, { name })
  if (!isOwned(metadata.annotations ?? {})) {
    throw new PodroleError('NotOwned', `namespace ${name} stays: podrole did not make it`)
  }
  await kube.delete(NAMESPACES, { name })
}

async function orNothing<T extends KubeObject>(get: () => Promise<T>): Promise<T | undefined> {
  try {
    return await get()
  } catch (error) {
    if (codeOf(error) === 'NotFound') return undefined
    throw error
  }
}
