import { type KubeClient, NAMESPACES, SERVICE_ACCOUNTS } from '../../kube/client.ts'
import type { ServiceAccount } from '../../kube/objects.ts'
import { lookAtWorkloadIdentity } from '../workload-identity/look.ts'
import type { KubeReader } from './ports.ts'

/** A cluster's Kubernetes by its client, which asks page by page. */
export const kubeReader = (kube: KubeClient, onCall: (operation: string) => void): KubeReader => ({
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
    const { record, ...seen } = await lookAtWorkloadIdentity(kube, onCall)
    return { ...seen, webhook: record?.webhook ?? seen.webhook }
  },
})
