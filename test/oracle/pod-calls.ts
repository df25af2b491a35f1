/**
 * The calls that a pod's role sees, from the documentation alone: EKS's own for EKS Pod Identity,
 * and a broker's with a token of its fleet.
 *
 * Sources: EKS User Guide, "Grant Pods access to AWS resources based on tags" (pod-id-abac), "Create
 * IAM role with trust policy required by EKS Pod Identity" (pod-id-role); IAM User Guide, "AWS
 * global condition context keys" (reference_policies_condition-keys), "Pass session tags in AWS STS"
 * (id_session-tags); of the fleet's token docs/decisions/0003. Which `aws:SourceArn` EKS sends is
 * not documented: it is the cluster's ARN here.
 */
import type { TrustCall } from './calls.ts'
import { PODS_SERVICE } from './pod-pools.ts'
import type { Context } from './template.ts'
import { type Account, type Claims, tokenCall } from './web-identity.ts'
import { REQUEST_KEYS } from './web-identity-pools.ts'

export type PodWay = 'pod-identity' | 'fleet'

/** A pod that wants its role, and how much of it can be looked at before it asks. */
export interface AskingPod {
  readonly clusterName: string
  readonly clusterArn: string
  readonly region: string
  readonly namespace: string
  readonly serviceAccount: string
  readonly podName: string
  readonly podUid: string
  /** Of the association. */
  readonly disableSessionTags: boolean
  /** Host and path of the fleet's issuer, where a broker asks for it. */
  readonly fleetHost: string
  /** False where no pod runs yet, so that its name and uid are not known. */
  readonly isThere: boolean
  /** False where the cluster cannot be described. */
  readonly isClusterKnown: boolean
}

/** A call, with what of its context cannot be known before it is made. */
export interface PodCall {
  /** Undefined where STS does not take the token. */
  readonly call: TrustCall | undefined
  readonly hidden: Context
}

export function podCall(way: PodWay, pod: AskingPod, account: Account): PodCall {
  const call =
    way === 'fleet' ? tokenCall(fleetClaims(pod, account), account) : eksCall(pod, account)
  const ofRequest = way === 'fleet' ? REQUEST_KEYS : eksKeys(pod)
  if (call === undefined) return { call, hidden: ofRequest }
  const unseen = unseenTags(pod).map((key) => `aws:RequestTag/${key}`)
  const isUnseen = ([key]: readonly [string, unknown]): boolean => unseen.includes(key)
  const entries = Object.entries(call.context)
  return {
    call: { ...call, context: Object.fromEntries(entries.filter((one) => !isUnseen(one))) },
    hidden: { ...ofRequest, ...Object.fromEntries(entries.filter(isUnseen)) },
  }
}

const unseenTags = ({ isClusterKnown, isThere }: AskingPod): readonly string[] => [
  ...(isThere ? [] : ['kubernetes-pod-name', 'kubernetes-pod-uid']),
  ...(isClusterKnown ? [] : ['eks-cluster-arn']),
]

/** What EKS alone knows of its call. */
const eksKeys = ({ clusterArn, clusterName, podName }: AskingPod): Context => ({
  'aws:SourceArn': clusterArn,
  'sts:RoleSessionName': `eks-${clusterName.slice(0, 10)}-${podName.slice(0, 10)}-0b6cf4a1`,
})

/** Six tags, all of them transitive; with session tags off there are none. */
function tagsOf(pod: AskingPod): Readonly<Record<string, string>> {
  if (pod.disableSessionTags) return {}
  return {
    'eks-cluster-arn': pod.clusterArn,
    'eks-cluster-name': pod.clusterName,
    'kubernetes-namespace': pod.namespace,
    'kubernetes-service-account': pod.serviceAccount,
    'kubernetes-pod-name': pod.podName,
    'kubernetes-pod-uid': pod.podUid,
  }
}

/** The service assumes the role for the pod, and tags the session. */
function eksCall(pod: AskingPod, { accountId, roleArn }: Account): TrustCall {
  const tags = Object.entries(tagsOf(pod))
  const keys = tags.map(([key]) => key)
  return {
    caller: { kind: 'service', service: PODS_SERVICE },
    resource: roleArn,
    resourceAccountId: accountId,
    actions: tags.length === 0 ? ['sts:AssumeRole'] : ['sts:AssumeRole', 'sts:TagSession'],
    context: {
      'aws:PrincipalIsAWSService': 'true',
      'aws:PrincipalServiceName': PODS_SERVICE,
      'aws:SourceAccount': accountId,
      ...Object.fromEntries(tags.map(([key, value]) => [`aws:RequestTag/${key}`, value])),
      ...(tags.length === 0 ? {} : { 'aws:TagKeys': keys, 'sts:TransitiveTagKeys': keys }),
    },
  }
}

/** What a broker signs for the pod: the role is named, so that the issuer authorizes it. */
function fleetClaims(pod: AskingPod, { nowSeconds, roleArn }: Account): Claims {
  const tags = Object.entries(tagsOf(pod))
  const { clusterName, fleetHost, namespace, serviceAccount } = pod
  return {
    iss: `https://${fleetHost}`,
    aud: 'sts.amazonaws.com',
    sub: `cluster:${clusterName}:system:serviceaccount:${namespace}:${serviceAccount}`,
    iat: nowSeconds,
    exp: nowSeconds + 60,
    'https://aws.amazon.com/roles': [roleArn],
    ...(tags.length === 0
      ? {}
      : {
          'https://aws.amazon.com/tags': {
            principal_tags: Object.fromEntries(tags.map(([key, value]) => [key, [value]])),
            transitive_tag_keys: tags.map(([key]) => key),
          },
        }),
  }
}
