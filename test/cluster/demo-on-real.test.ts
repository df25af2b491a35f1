import { expect, test } from 'bun:test'
import { runDemo } from '../../src/cli/demo/demo.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import { createKubeClient } from '../../src/kube/transport.ts'
import type { ClusterOptions, ServedCluster } from '../../src/sandbox/cluster/cluster.ts'
import { findKubernetes } from '../support/kubernetes-binaries.ts'
import { startPodBinder } from '../support/pod-binder.ts'
import { startRealCluster } from '../support/real-cluster.ts'
import { lacks } from '../support/tools.ts'

const kubernetes = await findKubernetes()
const isSkipped = lacks('the demo on a real API server', kubernetes.missing)

const TEN_MINUTES_MS = 600_000

/** The demo's running parts act as users of these groups, with the rights of their manifests. */
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

async function startCluster(options: ClusterOptions): Promise<ServedCluster> {
  const cluster = await startRealCluster({
    programs: kubernetes.folder ?? '',
    name: options.name,
    issuer: options.issuer,
    authority: options.authority,
    ...(options.apiAudiences !== undefined && { apiAudiences: options.apiAudiences }),
  })
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

test.skipIf(isSkipped)(
  'every step of the demo holds with kube-apiserver in place of the sandbox’s cluster',
  async () => {
    const code = await runDemo({
      broken: undefined,
      network: 'auto',
      logLevel: 'error',
      clusterFactory: startCluster,
    })
    expect(code).toBe(0)
  },
  TEN_MINUTES_MS,
)
