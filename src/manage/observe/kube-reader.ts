import { isOwned } from '../../iam/tags.ts'
import {
  type KubeClient,
  MUTATING_WEBHOOK_CONFIGURATIONS,
  NAMESPACES,
  SERVICE_ACCOUNTS,
} from '../../kube/client.ts'
import type { ServiceAccount } from '../../kube/objects.ts'
import { codeOf, PodroleError } from '../../lib/errors.ts'
import { blockOfTags } from '../plan/ownership.ts'
import { kubeIdentity } from './kube-identity.ts'
import type { ClusterFacts, KubeReader } from './ports.ts'

/** What `podrole webhook manifests` calls its MutatingWebhookConfiguration. */
export const WEBHOOK_NAME = 'podrole-webhook'

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
