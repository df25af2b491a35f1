/** The way that a pod takes to its role, read out of the pod as admitted and its service account. */
import { issuerHostPath } from '../../iam/arn.ts'
import { fleetSubject, subjectOf } from '../../iam/service-account-name.ts'
import { STS_AUDIENCE } from '../../iam/trust-document.ts'
import type { Container, Pod, VolumeMount } from '../../kube/objects.ts'
import { valueOf } from './fact.ts'
import type { TokenFact, WorkloadFacts } from './workload-facts.ts'

export const ROLE_ANNOTATION = 'eks.amazonaws.com/role-arn'
const AUDIENCE_ANNOTATION = 'eks.amazonaws.com/audience'
/** Of the token that the webhook mounts for the agent, unless it was told another one. */
const POD_IDENTITY_AUDIENCE = 'pods.eks.amazonaws.com'
const WEB_IDENTITY = ['AWS_ROLE_ARN', 'AWS_WEB_IDENTITY_TOKEN_FILE'] as const
const CONTAINER_CREDENTIALS = 'AWS_CONTAINER_CREDENTIALS_FULL_URI'

export interface Way {
  /** What the pod has, or where there is no pod, what it would get. */
  readonly method: 'irsa' | 'pod-identity' | 'none'
  /** Whether STS is asked with a token: by the pod itself, or by a broker with one of its fleet. */
  readonly asksSts: boolean
  readonly pod: Pod | undefined
  readonly container: Container | undefined
  /** As the pod was admitted with it; else as the service account has it. */
  readonly roleArn: string | undefined
  readonly annotatedRoleArn: string | undefined
  readonly token: TokenFact | undefined
}

export function wayOf(facts: WorkloadFacts): Way {
  const pod = valueOf(facts.pod)
  const container = containerOf(pod, facts.container)
  const annotated = annotationOf(facts, ROLE_ANNOTATION)
  const annotatedRoleArn = annotated === '' ? undefined : annotated
  const association = valueOf(facts.association)
  const method = methodOf(container, { annotatedRoleArn, isAssociated: association !== undefined })
  const isOfFleet = method === 'pod-identity' && facts.cluster.kind === 'broker'
  const roleArn =
    method === 'pod-identity'
      ? association?.roleArn
      : ((container && envOf(container, 'AWS_ROLE_ARN')) ?? annotatedRoleArn)
  const mount = pod && container && tokenMountOf(pod, container)
  const injected =
    method === 'pod-identity'
      ? POD_IDENTITY_AUDIENCE
      : annotationOf(facts, AUDIENCE_ANNOTATION) || STS_AUDIENCE
  const audience = mount?.audience ?? injected
  return {
    method,
    asksSts: method === 'irsa' || isOfFleet,
    pod,
    container,
    roleArn,
    annotatedRoleArn,
    token: isOfFleet ? fleetToken(facts) : (facts.token ?? expectedToken(facts, audience)),
  }
}

/** The webhook prefers an association to an annotation; SDKs prefer a web identity. */
function methodOf(
  container: Container | undefined,
  wanted: { readonly annotatedRoleArn: string | undefined; readonly isAssociated: boolean },
): Way['method'] {
  if (container === undefined) {
    if (wanted.isAssociated) return 'pod-identity'
    return wanted.annotatedRoleArn === undefined ? 'none' : 'irsa'
  }
  if (WEB_IDENTITY.every((name) => hasEnv(container, name))) return 'irsa'
  return hasEnv(container, CONTAINER_CREDENTIALS) ? 'pod-identity' : 'none'
}

/** The token that the kubelet asks for: what the API server will sign is known before it does. */
function expectedToken(facts: WorkloadFacts, audience: string): TokenFact | undefined {
  const issuer = valueOf(facts.cluster.issuer)
  if (issuer === undefined) return undefined
  return { source: 'expected', issuer, subject: subjectOf(facts.subject), audiences: [audience] }
}

/** What a broker signs for the pod. */
function fleetToken({ cluster, subject }: WorkloadFacts): TokenFact | undefined {
  const { fleetIssuer: issuer, name } = cluster
  if (issuer === undefined || name === undefined) return undefined
  const audiences = [STS_AUDIENCE]
  return { source: 'expected', issuer, subject: fleetSubject(name, subject), audiences }
}

function containerOf(pod: Pod | undefined, name: string | undefined): Container | undefined {
  const all = [...(pod?.spec.containers ?? []), ...(pod?.spec.initContainers ?? [])]
  return name === undefined ? all[0] : all.find((one) => one.name === name)
}

export const hasEnv = ({ env = [] }: Container, name: string): boolean =>
  env.some((entry) => entry.name === name)

/** Its value where the pod itself holds it; the last entry of a name counts. */
export const envOf = ({ env = [] }: Container, name: string): string | undefined =>
  env.findLast((entry) => entry.name === name)?.value

export function annotationOf({ serviceAccount }: WorkloadFacts, key: string): string | undefined {
  return valueOf(serviceAccount)?.metadata.annotations?.[key]
}

export interface TokenMount {
  readonly volume: string
  readonly audience: string
  readonly expirationSeconds: number
}

/** Kubernetes' default of a projected token. */
const DEFAULT_TOKEN_SECONDS = 3600

/** Of the variables that name a token's file, the one that SDKs read first. */
const TOKEN_FILES = ['AWS_WEB_IDENTITY_TOKEN_FILE', 'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE']

const tokenFileOf = (container: Container): string | undefined =>
  TOKEN_FILES.map((name) => envOf(container, name)).find((one) => one !== undefined)

/** The token volume behind the file that the container's variable names. */
export function tokenMountOf(pod: Pod, container: Container): TokenMount | undefined {
  const file = tokenFileOf(container)
  if (file === undefined) return undefined
  for (const { mountPath, name } of container.volumeMounts ?? []) {
    const folder = mountPath.replace(/\/$/, '')
    const volume = pod.spec.volumes?.find((one) => one.name === name)
    for (const { serviceAccountToken } of volume?.projected?.sources ?? []) {
      if (serviceAccountToken === undefined) continue
      if (`${folder}/${serviceAccountToken.path}` !== file) continue
      const { audience = '', expirationSeconds = DEFAULT_TOKEN_SECONDS } = serviceAccountToken
      return { volume: name, audience, expirationSeconds }
    }
  }
  return undefined
}

/**
 * The volume that the container's token file is in, where the kubelet asks for no token in it: a
 * Secret, a CSI driver's, one that a sidecar writes to. What is in the file, the pod does not tell.
 */
export function foreignTokenVolumeOf(pod: Pod, container: Container): string | undefined {
  const file = tokenFileOf(container) ?? ''
  const mount = (container.volumeMounts ?? [])
    .filter(({ mountPath }) => `${file}/`.startsWith(`${mountPath.replace(/\/$/, '')}/`))
    .reduce<VolumeMount | undefined>(deeper, undefined)
  const volume = pod.spec.volumes?.find(({ name }) => name === mount?.name)
  const sources = volume?.projected?.sources ?? []
  const asksForToken = sources.some((one) => one.serviceAccountToken !== undefined)
  return asksForToken ? undefined : volume?.name
}

/** Of two mounts over a file, the one that hides the other. */
const deeper = (one: VolumeMount | undefined, other: VolumeMount): VolumeMount =>
  one === undefined || other.mountPath.length > one.mountPath.length ? other : one

/** An issuer without `https://`; undefined where IAM takes no such URL. */
export function hostPathOf(issuer: string): string | undefined {
  try {
    return issuerHostPath(issuer)
  } catch {
    return undefined
  }
}
