import { type KubeClient, NAMESPACES, SERVICE_ACCOUNTS } from '../../kube/client.ts'
import type { ServiceAccount } from '../../kube/objects.ts'
import { PodroleError } from '../../lib/errors.ts'
import { lookAtWorkloadIdentity } from '../workload-identity/look.ts'
import { kubeIdentity } from './kube-identity.ts'
import type { ClusterFacts, KubeReader } from './ports.ts'

/** The issuer of the tokens of a cluster's service accounts, as its API server names it. */
export async function issuerOf(kube: KubeClient): Promise<string> {
  const answer = await kube.raw('GET', '/.well-known/openid-configuration')
  const document: unknown = await answer.json().catch(() => undefined)
  const issuer: unknown =
    typeof document === 'object' && document !== null ? Reflect.get(document, 'issuer') : undefined
  if (typeof issuer === 'string') return issuer
  throw new PodroleError('InvalidServerAnswer', `${kube.server} names no issuer of its tokens`)
}

/**
 * A cluster's Kubernetes by its client, which asks page by page.
 * @param facts what it is to be; undefined where it is trusted to be it
 */
export const kubeReader = (
  kube: KubeClient,
  facts: Pick<ClusterFacts, 'endpoint' | 'issuer'> | undefined,
  onCall: (operation: string) => void,
): KubeReader => ({
  server: kube.server,
  identity: async () => {
    if (facts === undefined) return { kind: 'same' }
    return kubeIdentity(facts, {
      server: kube.server,
      issuer: () => {
        onCall('get openid-configuration')
        return issuerOf(kube)
      },
    })
  },
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
