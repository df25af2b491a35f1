/** What the fleet issuer signs for one pod, and the session that it asks for: pure values. */
import type { Association } from '../associations/association.ts'
import { fleetSubject } from '../iam/service-account-name.ts'

/** The pod that credentials are for, from its verified token. */
export interface PodIdentity {
  readonly namespace: string
  readonly serviceAccount: string
  readonly podName: string
  readonly podUid: string
  readonly nodeName?: string
}

export interface FleetTokenInput {
  readonly issuer: string
  readonly clusterName: string
  readonly clusterArn: string
  readonly pod: PodIdentity
  readonly association: Association
  readonly nowSeconds: number
  /** Unique per token. */
  readonly tokenId: string
}

export const STS_AUDIENCE = 'sts.amazonaws.com'
/**
 * The token is used at once. STS takes it until five minutes after its end (IAM User Guide, "Create
 * an OIDC identity provider"), so a longer life would only help a thief.
 */
export const FLEET_TOKEN_SECONDS = 60

/** STS models SubjectFromWebIdentityToken with 255 characters; what it does above is unknown. */
export const LONGEST_MODELLED_SUBJECT = 255

/** The six session tags of EKS Pod Identity (EKS User Guide, "Grant Pods access … based on tags"). */
export function sessionTagsOf(
  input: Pick<FleetTokenInput, 'clusterArn' | 'clusterName' | 'pod'>,
): Readonly<Record<string, string>> {
  return {
    'eks-cluster-arn': input.clusterArn,
    'eks-cluster-name': input.clusterName,
    'kubernetes-namespace': input.pod.namespace,
    'kubernetes-service-account': input.pod.serviceAccount,
    'kubernetes-pod-name': input.pod.podName,
    'kubernetes-pod-uid': input.pod.podUid,
  }
}

/**
 * The claims of a fleet token. Tags are one-element arrays in the nested form of IAM User Guide,
 * "Pass session tags in AWS STS"; all are transitive, as on EKS. The roles claim names the one role
 * that the token is good for (`sts:RoleAuthorizedByIdp`).
 */
export function fleetClaims(input: FleetTokenInput): Readonly<Record<string, unknown>> {
  const { association, pod } = input
  const tags = sessionTagsOf(input)
  return {
    iss: input.issuer,
    aud: STS_AUDIENCE,
    sub: fleetSubject(input.clusterName, {
      namespace: pod.namespace,
      name: pod.serviceAccount,
    }),
    iat: input.nowSeconds,
    nbf: input.nowSeconds,
    exp: input.nowSeconds + FLEET_TOKEN_SECONDS,
    jti: input.tokenId,
    'https://aws.amazon.com/roles': [association.roleArn],
    ...(!association.disableSessionTags && {
      'https://aws.amazon.com/tags': {
        principal_tags: Object.fromEntries(
          Object.entries(tags).map(([key, value]) => [key, [value]]),
        ),
        transitive_tag_keys: Object.keys(tags),
      },
    }),
  }
}

/**
 * `podrole-CLUSTER-POD-UUID`, at most 64 characters: cluster and pod are cut to 9 each. CloudTrail
 * shows it; it is no boundary.
 */
export function sessionNameOf(clusterName: string, podName: string, uuid: string): string {
  return ['podrole', clusterName.slice(0, 9), podName.slice(0, 9), uuid].join('-').slice(0, 64)
}

const DEFAULT_DURATION_SECONDS = 3600
/** A session that only assumes the target role lives as shortly as STS allows. */
const SHORTEST_DURATION_SECONDS = 900
const LONGEST_DURATION_SECONDS = 43_200
/** Longest session of a role that was assumed with another role's session (role chaining). */
export const CHAINED_DURATION_SECONDS = 3600

/** A tag of an association that sets the length of its sessions, 900 to 43,200 seconds. */
export const DURATION_TAG = 'podrole:session-seconds'

/**
 * How long a session to ask for, in seconds: what the association's tag says, else `fallback`. With
 * a target role it is that of the first session.
 */
export function durationSecondsOf(
  association: Association,
  fallback: number = DEFAULT_DURATION_SECONDS,
): number {
  if (association.targetRoleArn !== undefined) return SHORTEST_DURATION_SECONDS
  const text = association.tags[DURATION_TAG] ?? ''
  const seconds = /^\d{3,5}$/.test(text) ? Number(text) : fallback
  return Math.min(Math.max(seconds, SHORTEST_DURATION_SECONDS), LONGEST_DURATION_SECONDS)
}
