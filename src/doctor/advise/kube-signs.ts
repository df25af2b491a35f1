/** Nodes, pods and CRDs of a cluster, as far as an advice goes. */
import { type KubeClient, NODES, PODS, type ResourceType } from '../../kube/client.ts'
import type { KubeNode, Pod } from '../../kube/objects.ts'
import { codeOf } from '../../lib/errors.ts'
import { issuerOf } from '../../manage/observe/kube-reader.ts'
import type { ClusterSigns, NodeSigns } from './cluster-kind.ts'
import type { Compute } from './facts.ts'

export interface WorkloadPod {
  readonly namespace: string
  readonly serviceAccount: string
  readonly compute: Compute
}

export interface KubeSigns extends ClusterSigns {
  readonly pods: readonly WorkloadPod[]
}

const CRDS: ResourceType = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  namespaced: false,
}

export async function readKubeSigns(kube: KubeClient): Promise<KubeSigns> {
  const [nodes, pods, crds, issuer] = await Promise.all([
    kube.list<KubeNode>(NODES),
    kube.list<Pod>(PODS),
    crdNames(kube),
    issuerOf(kube).catch(() => undefined),
  ])
  const signs = nodes.items.map(signsOf)
  const byName = new Map(signs.map((node) => [node.name, node]))
  return {
    nodes: signs,
    crds,
    ...(issuer !== undefined && { issuer }),
    pods: pods.items.map((pod) => ({
      namespace: pod.metadata.namespace ?? '',
      serviceAccount: pod.spec.serviceAccountName ?? 'default',
      compute: computeOf(pod, byName.get(pod.spec.nodeName ?? '')),
    })),
  }
}

/** They are a sign among others: who may not read them, or has none, goes on without. */
async function crdNames(kube: KubeClient): Promise<readonly string[]> {
  try {
    const { items } = await kube.list(CRDS)
    return items.flatMap(({ metadata }) => metadata.name ?? [])
  } catch (error) {
    if (codeOf(error) === 'Forbidden' || codeOf(error) === 'NotFound') return []
    throw error
  }
}

const signsOf = ({ metadata, spec, status }: KubeNode): NodeSigns => ({
  name: metadata.name ?? '',
  labels: metadata.labels ?? {},
  annotations: metadata.annotations ?? {},
  providerId: spec?.providerID ?? '',
  kubelet: status?.nodeInfo?.['kubeletVersion'] ?? '',
  osImage: status?.nodeInfo?.['osImage'] ?? '',
})

const COMPUTE_TYPE = 'eks.amazonaws.com/compute-type'
const FARGATE_PROFILE = 'eks.amazonaws.com/fargate-profile'
const OS = 'kubernetes.io/os'

/** By its node; one that has none yet by what it asks for. */
function computeOf({ metadata, spec }: Pod, node: NodeSigns | undefined): Compute {
  const isFargate =
    metadata.labels?.[FARGATE_PROFILE] !== undefined || node?.labels[COMPUTE_TYPE] === 'fargate'
  if (isFargate) return 'fargate'
  if (node?.labels[OS] === 'windows' || spec.nodeSelector?.[OS] === 'windows') return 'windows'
  const isHybrid =
    node?.labels[COMPUTE_TYPE] === 'hybrid' || node?.providerId.startsWith('eks-hybrid:') === true
  return isHybrid ? 'hybrid' : 'linux'
}
