/** Network policies of a namespace, and who enforces them on a node. */
import type { Pod } from '../../kube/objects.ts'

export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>
  readonly matchExpressions?: readonly {
    readonly key: string
    readonly operator: string
    readonly values?: readonly string[]
  }[]
}

export interface NetworkPolicyFact {
  readonly name: string
  /** None takes all pods. */
  readonly podSelector?: LabelSelector
  readonly policyTypes?: readonly string[]
  readonly egress?: readonly EgressRule[]
}

export interface EgressRule {
  /** None: everybody. */
  readonly to?: readonly {
    readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] }
    readonly podSelector?: LabelSelector
    readonly namespaceSelector?: LabelSelector
  }[]
  /** None: all. */
  readonly ports?: readonly {
    readonly protocol?: string
    /** A string is a name. */
    readonly port?: number | string
    readonly endPort?: number
  }[]
}

export type PolicyEnforcer = keyof typeof ENFORCERS

interface Enforcer {
  readonly title: string
  /** Of its pod on each node. */
  readonly pod: RegExp
  /** That the pod has where policies are enforced: they are always, where it is absent. */
  readonly argument?: string
  /**
   * Whether policies hold for a link-local address of the pod's own node. Kubernetes lets pods and
   * their node talk ("traffic to and from the node … is always allowed"), but plugins differ in
   * what they take for the node. AWS's samples for EKS say of the VPC CNI that requests to
   * 169.254.170.23 time out without a rule; Cilium drops them (its issue 34387); Calico puts a
   * pod's egress policy before what reaches its host. Of the others nothing is known.
   */
  readonly isForNode: boolean
}

export const ENFORCERS = {
  'vpc-cni': {
    title: 'the VPC CNI',
    pod: /^aws-node-/,
    argument: '--enable-network-policy=true',
    isForNode: true,
  },
  cilium: { title: 'Cilium', pod: /^cilium-/, isForNode: true },
  calico: { title: 'Calico', pod: /^(?:calico-node|canal)-/, isForNode: true },
  antrea: { title: 'Antrea', pod: /^antrea-agent-/, isForNode: false },
  'kube-router': { title: 'kube-router', pod: /^kube-router-/, isForNode: false },
  'ovn-kubernetes': { title: 'OVN-Kubernetes', pod: /^ovnkube-node-/, isForNode: false },
} as const satisfies Readonly<Record<string, Enforcer>>

/** By the pods of a node; what is built into the node or its kubelet shows no pod. */
export function enforcerAmong(pods: readonly Pod[]): PolicyEnforcer | undefined {
  const names = Object.keys(ENFORCERS) as PolicyEnforcer[]
  return names.find((name) => {
    const { argument, pod }: Enforcer = ENFORCERS[name]
    return pods.some(
      ({ metadata, spec }) =>
        pod.test(metadata.name ?? '') &&
        (argument === undefined ||
          spec.containers.some(({ args = [] }) => args.includes(argument))),
    )
  })
}
