import type { ClusterAction, KubernetesAction, PlanAction } from '../plan/plan.ts'
import type { ActionPort } from './act.ts'
import type { ClusterPort } from './cluster-port.ts'
import type { IamPort } from './iam-port.ts'
import type { KubePort } from './kube-port.ts'
import { isWorkloadIdentityAction, type WorkloadIdentityPort } from './workload-identity-port.ts'

/** The ports of one apply, by the ARN of a cluster; what is opened is opened when it is needed. */
export interface ApplyPlaces {
  readonly iam: () => Promise<IamPort>
  readonly cluster: (arn: string) => Promise<ClusterPort>
  readonly kube: (arn: string) => Promise<KubePort>
  readonly workloadIdentity: (arn: string) => Promise<WorkloadIdentityPort>
}

/** Whether Kubernetes is asked for it; EKS or a broker else. */
export const isKubernetesAction = (
  action: ClusterAction | KubernetesAction,
): action is KubernetesAction => /-(?:namespace|service-account)$/.test(action.do)

/** All places of an apply as one port. */
export const actionPort = (places: ApplyPlaces): ActionPort => ({
  look: async (action: PlanAction) => {
    if (!('cluster' in action)) return { found: await (await places.iam()).look(action) }
    if (isKubernetesAction(action)) return (await places.kube(action.cluster)).look(action)
    if (isWorkloadIdentityAction(action)) {
      return { found: await (await places.workloadIdentity(action.cluster)).look() }
    }
    return { found: await (await places.cluster(action.cluster)).look(action) }
  },
  act: async (action, seen) => {
    if (!('cluster' in action)) return (await places.iam()).act(action)
    if (isKubernetesAction(action)) return (await places.kube(action.cluster)).act(action, seen)
    if (isWorkloadIdentityAction(action)) {
      return (await places.workloadIdentity(action.cluster)).act(action)
    }
    return (await places.cluster(action.cluster)).act(action)
  },
})
