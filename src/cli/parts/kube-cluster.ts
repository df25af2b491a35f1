/** The Kubernetes of a cluster, as `--kubeconfig` and `--context` name it. */
import type { KubeClient } from '../../kube/client.ts'
import { loadKubeAccess } from '../../kube/kubeconfig.ts'
import { createKubeClient } from '../../kube/transport.ts'
import type { KubeFlags } from '../commands/association.ts'
import { printNote } from '../output.ts'

/** Told once, however many contexts have it. */
const toldInsecure = new Set<string>()

/** @throws PodroleError `NoKubeAccess`, `InvalidKubeconfig`, `UnsupportedKubeconfig`, … */
export async function openKube(flags: KubeFlags): Promise<KubeClient> {
  const { context, kubeconfig } = flags
  const access = await loadKubeAccess({
    environment: process.env,
    ...(kubeconfig !== undefined && { kubeconfig }),
    ...(context !== undefined && { context }),
  })
  const { insecureSkipTlsVerify, server } = access
  if (insecureSkipTlsVerify === true && !toldInsecure.has(server)) {
    toldInsecure.add(server)
    printNote(`unsafe: insecure-skip-tls-verify is set, so anybody may answer for ${server}`)
  }
  return createKubeClient(access)
}

/** Said where the kubeconfig leads elsewhere than EKS does; behind a bastion that may be right. */
export function otherServer(
  endpoint: string | undefined,
  kube: KubeClient | undefined,
): readonly string[] {
  if (kube === undefined || endpoint === undefined || sameHost(kube.server, endpoint)) return []
  return [
    `the kubeconfig's server is ${kube.server}, EKS names ${endpoint}: is it the same cluster?`,
  ]
}

const sameHost = (one: string, other: string): boolean =>
  URL.canParse(one) && URL.canParse(other) && new URL(one).host === new URL(other).host
