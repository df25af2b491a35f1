/**
 * docs/operating/self-managed.md with kube-apiserver 1.36, which is started with the key files of
 * the kubeadm configuration that the page has printed.
 */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { findKubernetes } from '../support/kubernetes-binaries.ts'
import { realClusterFactory } from '../support/real-cluster-factory.ts'
import type { RealCluster } from '../support/real-cluster.ts'
import { extraArgsIn, walkSelfManaged } from '../support/self-managed-walk.ts'
import { lacks } from '../support/tools.ts'

const kubernetes = await findKubernetes()
const isSkipped = lacks('a self-managed cluster on a real API server', kubernetes.missing)

const TEN_MINUTES_MS = 600_000
/** Where kubeadm keeps the cluster's own key; this one has none. */
const OWN_KEY = '--service-account-key-file=/etc/kubernetes/pki/sa.pub'

test.skipIf(isSkipped)(
  'from a key in a folder to a pod that reads S3, and to the next key',
  async () => {
    let flags: readonly string[] = []
    let running: RealCluster | undefined
    await walkSelfManaged({
      options: {
        clusterFactory: realClusterFactory(kubernetes.folder ?? '', {
          tokenFlags: () => flags,
          onStart: (cluster) => (running = cluster),
        }),
      },
      tell: async (folder) => {
        const all = extraArgsIn(join(folder, 'kubeadm.yaml')).map(
          (arg) => `--${arg.name}=${arg.value}`,
        )
        expect(all).toContain(OWN_KEY)
        flags = all.filter((flag) => flag !== OWN_KEY)
        await running?.restart(flags)
      },
    })
  },
  TEN_MINUTES_MS,
)
