/** Real API servers in place of the sandbox's clusters. */
import type { KubeClient } from '../../src/kube/client.ts'
import { createKubeClient } from '../../src/kube/transport.ts'
import type { ClusterOptions, ServedCluster } from '../../src/sandbox/cluster/cluster.ts'
import { startPodBinder } from './pod-binder.ts'
import { type RealCluster, startRealCluster } from './real-cluster.ts'

export interface RealFactoryOptions {
  /** Further flags of kube-apiserver. */
  readonly serverFlags?: readonly string[]
  /** `RealClusterOptions.tokenFlags`, asked for when a cluster is started. */
  readonly tokenFlags?: () => readonly string[]
  /** Told of each cluster. */
  readonly onStart?: (cluster: RealCluster) => void
}

/** The sandbox's running parts act as users of these groups, with the rights of their manifests. */
const RIGHTS = {
  'podrole:webhook': [
    {
      apiGroups: [''],
      resources: ['serviceaccounts', 'namespaces'],
      verbs: ['get', 'list', 'watch'],
    },
  ],
} as const

async function grantRights(client: KubeClient): Promise<void> {
  const api = '/apis/rbac.authorization.k8s.io/v1'
  for (const [name, rules] of Object.entries(RIGHTS)) {
    await client.raw('POST', `${api}/clusterroles`, { body: { metadata: { name }, rules } })
    await client.raw('POST', `${api}/clusterrolebindings`, {
      body: {
        metadata: { name },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
        subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name }],
      },
    })
  }
}

/**
 * A sandbox's `clusterFactory` that starts kube-apiserver out of a folder of programs
 * (`findKubernetes`); pods are bound to the sandbox's nodes.
 */
export const realClusterFactory =
  (programs: string, { serverFlags = [], tokenFlags, onStart }: RealFactoryOptions = {}) =>
  async (options: ClusterOptions): Promise<ServedCluster> => {
    const cluster = await startRealCluster({
      programs,
      name: options.name,
      issuer: options.issuer,
      authority: options.authority,
      serverFlags,
      ...(tokenFlags !== undefined && { tokenFlags: tokenFlags() }),
      ...(options.apiAudiences !== undefined && { apiAudiences: options.apiAudiences }),
    })
    onStart?.(cluster)
    const client = createKubeClient({
      server: cluster.server,
      ca: cluster.certificateAuthority,
      token: () => cluster.adminToken,
    })
    await grantRights(client)
    const stopBinder = startPodBinder(client)
    return {
      ...cluster,
      stop: async () => {
        await stopBinder()
        await cluster.stop()
      },
    }
  }
