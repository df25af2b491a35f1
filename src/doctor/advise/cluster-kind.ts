/** Which kind of cluster it is, by what its nodes and custom resources show; the rules are data. */
import rules from './cluster-kinds.json'

export const CLUSTER_KINDS = [
  'eks',
  'eks-auto',
  'eks-anywhere',
  'rosa',
  'openshift',
  'kops',
  'k3s',
  'talos',
  'kubeadm',
  'other',
] as const
export type ClusterKind = (typeof CLUSTER_KINDS)[number]

/** A node, as far as its kind goes. */
export interface NodeSigns {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly providerId: string
  /** `v1.33.1-eks-b9364f6` */
  readonly kubelet: string
  readonly osImage: string
}

export interface ClusterSigns {
  readonly nodes: readonly NodeSigns[]
  /** Names of CustomResourceDefinitions; none where they may not be read. */
  readonly crds: readonly string[]
  /** Of its tokens; undefined where it may not be read. */
  readonly issuer?: string
}

type Sign = 'issuer' | 'crd' | 'label' | 'annotation' | 'providerId' | 'kubelet' | 'osImage'

/** What a node shows. */
type NodeSign = Exclude<Sign, 'crd' | 'issuer'>

/** The first rule whose signs are all there, with those signs. */
export function clusterKindOf(signs: ClusterSigns): {
  readonly kind: ClusterKind
  readonly evidence: string
} {
  for (const { all, kind } of rules) {
    const found = all.map((sign) => {
      const [[name, pattern] = []] = Object.entries(sign)
      return findSign(signs, name as Sign, new RegExp(pattern ?? '$.'))
    })
    const known = CLUSTER_KINDS.find((one) => one === kind)
    if (known !== undefined && found.every((one) => one !== undefined)) {
      return { kind: known, evidence: found.join(', ') }
    }
  }
  return {
    kind: 'other',
    evidence: 'no issuer, node label, provider id, version or CRD of a known kind',
  }
}

function findSign(signs: ClusterSigns, sign: Sign, pattern: RegExp): string | undefined {
  const { crds, issuer, nodes } = signs
  if (sign === 'issuer') {
    return issuer !== undefined && pattern.test(issuer) ? `issuer ${issuer}` : undefined
  }
  if (sign === 'crd') {
    const crd = crds.find((name) => pattern.test(name))
    return crd === undefined ? undefined : `CRD ${crd}`
  }
  for (const node of nodes) {
    const text = valuesOf(node, sign).find((value) => pattern.test(value))
    if (text !== undefined) return `${WORDS[sign]} ${text} of node ${node.name}`
  }
  return undefined
}

const WORDS: Readonly<Record<NodeSign, string>> = {
  label: 'label',
  annotation: 'annotation',
  providerId: 'provider id',
  kubelet: 'kubelet',
  osImage: 'OS image',
}

function valuesOf(node: NodeSigns, sign: NodeSign): readonly string[] {
  if (sign === 'label') return Object.entries(node.labels).map(([key, value]) => `${key}=${value}`)
  if (sign === 'annotation') return Object.keys(node.annotations)
  return [node[sign]]
}

export const isEks = (kind: ClusterKind): boolean => kind === 'eks' || kind === 'eks-auto'
