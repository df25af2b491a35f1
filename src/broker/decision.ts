/** Whether a pod gets credentials, decided from verified facts alone. */
import type { Association } from '../associations/association.ts'
import type { ServiceAccountIdentity } from '../token/claims.ts'
import type { EksErrorName } from './eks-wire.ts'
import type { PodIdentity } from './fleet-token.ts'
import type { KeyScope } from './store.ts'

/** Who hands over a pod's token: an agent by its own token, or by a broker key. */
export type Agent =
  | {
      readonly kind: 'token'
      /** The agent's own identity, verified with the keys of the same cluster. */
      readonly identity: ServiceAccountIdentity
    }
  | { readonly kind: 'key'; readonly accessKeyId: string; readonly scope: KeyScope }

/** The facts. Both tokens have been verified: signature, issuer, audience, times. */
export interface FleetQuestion {
  readonly clusterName: string
  readonly agent: Agent
  /** Undefined where the token has no sound `kubernetes.io` claim. */
  readonly pod: ServiceAccountIdentity | undefined
  readonly association: Association | undefined
}

export type FleetVerdict =
  | { readonly granted: true; readonly pod: PodIdentity; readonly association: Association }
  | { readonly granted: false; readonly code: EksErrorName; readonly message: string }

/**
 * The verdict, with the error of EKS Auth that a refusal is answered with. A pod's token opens
 * something only on the pod's own node: where the pod's and the agent's token both name a node
 * (Kubernetes 1.30 and later), it must be the same one.
 */
export function decideFleetToken(question: FleetQuestion): FleetVerdict {
  const { agent, association, clusterName, pod } = question
  const scopeFault = keyFault(agent, clusterName)
  if (scopeFault !== undefined) return refuse('AccessDeniedException', scopeFault)
  if (pod === undefined) {
    return refuse(
      'InvalidTokenException',
      'the token is not a service account token: its kubernetes.io claim and sub do not name one',
    )
  }
  const { namespace, name, podName, podUid, nodeName } = pod
  if (podName === undefined || podUid === undefined) {
    return refuse(
      'InvalidTokenException',
      `the token of ${namespace}/${name} is not bound to a pod: wanted one that the kubelet projects into a pod`,
    )
  }
  const agentNode = agent.kind === 'token' ? agent.identity.nodeName : undefined
  if (nodeName !== undefined && agentNode !== undefined && nodeName !== agentNode) {
    return refuse(
      'AccessDeniedException',
      `the token of pod ${namespace}/${podName} is for node ${nodeName}: an agent on node ${agentNode} presented it`,
    )
  }
  if (association === undefined) {
    return refuse(
      'ResourceNotFoundException',
      `No association found for service account ${namespace}/${name} in cluster ${clusterName}`,
    )
  }
  const ofPod =
    association.clusterName === clusterName &&
    association.namespace === namespace &&
    association.serviceAccount === name
  if (!ofPod) {
    return refuse('InternalServerException', 'the association found is for another service account')
  }
  return {
    granted: true,
    association,
    pod: {
      namespace,
      serviceAccount: name,
      podName,
      podUid,
      ...(nodeName !== undefined && { nodeName }),
    },
  }
}

function keyFault(agent: Agent, clusterName: string): string | undefined {
  if (agent.kind !== 'key') return undefined
  if (agent.scope.kind !== 'agent') {
    return `broker key ${agent.accessKeyId} has the scope ${agent.scope.kind}: credentials of pods need an agent's key`
  }
  if (agent.scope.clusterName === clusterName) return undefined
  return `broker key ${agent.accessKeyId} is for cluster ${agent.scope.clusterName}, not for ${clusterName}`
}

const refuse = (code: EksErrorName, message: string): FleetVerdict => ({
  granted: false,
  code,
  message,
})
