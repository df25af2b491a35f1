import { isOwned } from '../../iam/tags.ts'
import {
  type KubeClient,
  MUTATING_WEBHOOK_CONFIGURATIONS,
  NAMESPACES,
  SERVICE_ACCOUNTS,
} from '../../kube/client.ts'
import type { ServiceAccount } from '../../kube/objects.ts'
import { codeOf } from '../../lib/errors.ts'
import { blockOfTags } from '../plan/ownership.ts'
import type { KubeReader } from './ports.ts'

/** What `podrole webhook manifests` calls its MutatingWebhookConfiguration. */
export const WEBHOOK_NAME = 'podrole-webhook'

/** A cluster's Kubernetes by its client, which asks page by page. */
export const kubeReader = (kube: KubeClient, onCall: (operation: string) => void): KubeReader => ({
  server: kube.server,
  serviceAccounts: async () => {
    onCall('list serviceaccounts')
    const { items } = await kube.list<ServiceAccount>(SERVICE_ACCOUNTS)
    return items.map(
      ({ metadata: { annotations = {}, labels = {}, name = '', namespace = '' } }) => ({
        serviceAccount: { namespace, name },
        labels,
        annotations,
      }),
    )
  },
  namespaces: async () => {
    onCall('list namespaces')
    const { items } = await kube.list(NAMESPACES)
    return items.flatMap(({ metadata }) => metadata.name ?? [])
  },
  workloadIdentity: async () => {
    onCall('get mutatingwebhookconfigurations')
    try {
      const { metadata } = await kube.get(MUTATING_WEBHOOK_CONFIGURATIONS, { name: WEBHOOK_NAME })
      const { annotations = {} } = metadata
      const isDeclared = isOwned(annotations) && blockOfTags(annotations) !== undefined
      return { status: 'enabled', isDeclared }
    } catch (error) {
      if (codeOf(error) === 'NotFound') return { status: 'disabled', isDeclared: false }
      throw error
    }
  },
})
