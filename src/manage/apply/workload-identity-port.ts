import type { ClusterAction, KubernetesAction } from '../plan/plan.ts'
import {
  disableWorkloadIdentity,
  enableWorkloadIdentity,
  type WorkloadIdentityPorts,
  type WorkloadIdentityWish,
} from '../workload-identity/enable.ts'
import { lookAtWorkloadIdentity } from '../workload-identity/look.ts'
import type { Found } from './slots.ts'

export type WorkloadIdentityAction = Extract<
  ClusterAction,
  { readonly do: `${string}-workload-identity` }
>

export const isWorkloadIdentityAction = (
  action: ClusterAction | KubernetesAction,
): action is WorkloadIdentityAction => action.do.endsWith('-workload-identity')

export interface WorkloadIdentityPort {
  look(): Promise<Found>
  act(action: WorkloadIdentityAction): Promise<void>
}

/** Document 002's add-on of a cluster, as a file asks for it; its IAM OIDC provider is a step before. */
export const workloadIdentityPort = (
  ports: WorkloadIdentityPorts,
  { cluster, webhook }: Pick<WorkloadIdentityWish, 'cluster' | 'webhook'>,
): WorkloadIdentityPort => ({
  look: async () => ({
    workloadIdentity: (await lookAtWorkloadIdentity(ports.kube)).status,
  }),
  act: async (action) => {
    if (action.do === 'disable-workload-identity') {
      await disableWorkloadIdentity(ports, await lookAtWorkloadIdentity(ports.kube))
      return
    }
    const { issuer } = action
    await enableWorkloadIdentity(ports, {
      cluster,
      isDeclared: true,
      webhook,
      ...(issuer !== undefined && { issuer }),
    })
  },
})
