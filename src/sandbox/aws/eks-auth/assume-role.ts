import { randomUUID } from 'node:crypto'
import type { Association } from '../../../associations/association.ts'
import type { ContextKeys } from '../../../iam/request.ts'
import { PodroleError } from '../../../lib/errors.ts'
import { type ServiceAccountIdentity, serviceAccountOf } from '../../../token/claims.ts'
import { createKeySet } from '../../../token/jwks.ts'
import { TokenFault, verifyToken } from '../../../token/verify.ts'
import { PODS_SERVICE } from '../eks/associations.ts'
import { associationStore } from '../eks/store.ts'
import { clusterArnOf, requireCluster } from '../eks/wire.ts'
import { callerOf } from '../identity/authentication.ts'
import { authorize, decideTrust } from '../identity/authorization.ts'
import { startSession, type StartedSession } from '../identity/sessions.ts'
import { requestTagKeys } from '../iam/tags.ts'
import type { ClusterRecord } from '../records.ts'
import { clusterKey } from '../records.ts'
import { assumeRole } from '../sts/assume-role.ts'
import { findRole } from '../sts/parameters.ts'
import { AwsFault } from '../wire/fault.ts'
import { type JsonInput, type JsonRoute, readJsonObject, textMember } from '../wire/json.ts'
import type { Call } from '../world.ts'

const CLUSTER_NAME = /^[0-9A-Za-z][A-Za-z0-9\-_]{0,99}$/
const TOKEN = /^[A-Za-z0-9\-_=]+\.[A-Za-z0-9\-_=]+\.[A-Za-z0-9\-_=]+$/
const AUDIENCE = 'pods.eks.amazonaws.com'
/** Six hours, whatever the role's maximum: that does not limit AWS's services. */
const SESSION_SECONDS = 21_600
/** With a target role. Source: EKS User Guide, "Access AWS resources using … target IAM roles". */
const TARGET_SECONDS = 59 * 60

type Pod = ServiceAccountIdentity & { readonly podName: string; readonly podUid: string }

/**
 * AssumeRoleForPodIdentity: the node's call, for the pod whose token it holds.
 * Source: EKS Auth API Reference.
 */
async function assumeRoleForPodIdentity(call: Call, input: JsonInput): Promise<unknown> {
  const [clusterName = ''] = input.labels
  if (!CLUSTER_NAME.test(clusterName)) throw invalidParameter('The cluster name is not valid')
  const token = textMember(readJsonObject(input.body), 'token') ?? ''
  if (!TOKEN.test(token)) throw invalidParameter('The token is not a JSON Web Token')
  authorize(call, {
    action: 'eks-auth:AssumeRoleForPodIdentity',
    resource: clusterArnOf(call, clusterName),
  })
  const cluster = requireCluster(call, clusterName)
  const pod = await verifyPod(call, cluster, token)
  const store = associationStore(call.world.tables, cluster)
  const { namespace, name } = pod
  const association = await store.find({ clusterName, namespace, serviceAccount: name })
  if (association === undefined) {
    throw new AwsFault(
      'ResourceNotFoundException',
      `No Pod Identity association found for service account ${namespace}/${name} in cluster ${clusterName}`,
      { status: 404 },
    )
  }
  const started = startPodSession(call, { cluster, pod, association })
  return answerOf(pod, association, started)
}

const invalidParameter = (message: string): AwsFault =>
  new AwsFault('InvalidParameterException', message)

const invalidToken = (message: string): AwsFault => new AwsFault('InvalidTokenException', message)

/** The pod that a token is for: verified with the cluster's own keys, without any leeway. */
async function verifyPod(call: Call, cluster: ClusterRecord, token: string): Promise<Pod> {
  const { world, nowMs } = call
  const runtime = world.runtimes.get(clusterKey(cluster.accountId, cluster.region, cluster.name))
  if (runtime === undefined) {
    throw new AwsFault('InvalidRequestException', `Cluster ${cluster.name} is not active`)
  }
  try {
    const { claims } = await verifyToken(token, {
      keys: createKeySet(runtime.jwks()),
      nowMs,
      issuer: runtime.issuer,
      audience: AUDIENCE,
    })
    const account = serviceAccountOf(claims)
    if (account?.podName === undefined || account.podUid === undefined) {
      throw invalidToken('The token included in the request is not bound to a pod')
    }
    return { ...account, podName: account.podName, podUid: account.podUid }
  } catch (error) {
    if (!(error instanceof TokenFault)) throw error
    throw error.reason === 'expired'
      ? new AwsFault(
          'ExpiredTokenException',
          `The token included in the request is expired: ${error.message}`,
        )
      : invalidToken(`The token included in the request is invalid: ${error.message}`)
  }
}

interface PodRequest {
  readonly cluster: ClusterRecord
  readonly pod: Pod
  readonly association: Association
}

const refusedRole = (logged: boolean): AwsFault =>
  new AwsFault(
    'AccessDeniedException',
    'Unauthorized Exception! EKS does not have permissions to assume the associated role.',
    { logged },
  )

function startPodSession(call: Call, request: PodRequest): StartedSession {
  const { cluster, pod, association } = request
  const role = findRole(call.world.tables, association.roleArn)
  if (role === undefined) throw refusedRole(false)
  const tags = association.disableSessionTags ? [] : podTags(request)
  const keys = tags.map(({ Key }) => Key)
  const sessionName = `eks-${cluster.name.slice(0, 10)}-${pod.podName.slice(0, 10)}-${randomUUID()}`
  const context: ContextKeys = {
    ...requestTagKeys(tags),
    ...(tags.length > 0 && { 'sts:TransitiveTagKeys': keys }),
    'aws:SourceAccount': cluster.accountId,
    'aws:SourceArn': cluster.arn,
    'sts:RoleSessionName': sessionName,
  }
  const caller = { kind: 'service', service: PODS_SERVICE } as const
  for (const action of ['sts:AssumeRole', ...(tags.length > 0 ? ['sts:TagSession'] : [])]) {
    const decision = decideTrust(call, { caller, key: undefined, action, role, context })
    if (!decision.allowed) throw refusedRole(true)
  }
  const { targetRoleArn, policy } = association
  const restricted = targetRoleArn === undefined && policy !== undefined
  const first = startSession(call.world, {
    role,
    sessionName,
    durationSeconds: SESSION_SECONDS,
    region: call.region,
    tags: Object.fromEntries(tags.map(({ Key, Value }) => [Key, Value])),
    transitiveTagKeys: keys,
    policies: restricted ? [policy] : [],
  })
  return targetRoleArn === undefined ? first : startTarget(call, first, association)
}

/** Source: EKS User Guide, "Grant Pods access to AWS resources based on tags". */
function podTags({ cluster, pod }: PodRequest): { Key: string; Value: string }[] {
  return [
    { Key: 'eks-cluster-arn', Value: cluster.arn },
    { Key: 'eks-cluster-name', Value: cluster.name },
    { Key: 'kubernetes-namespace', Value: pod.namespace },
    { Key: 'kubernetes-service-account', Value: pod.name },
    { Key: 'kubernetes-pod-name', Value: pod.podName },
    { Key: 'kubernetes-pod-uid', Value: pod.podUid },
  ]
}

/** The second role, assumed by the first one's session. */
function startTarget(call: Call, first: StartedSession, association: Association): StartedSession {
  const caller = callerOf(call.world, first.key)
  if (caller === undefined) throw refusedRole(false)
  try {
    return assumeRole(
      { ...call, identity: { caller, key: first.key } },
      {
        roleArn: association.targetRoleArn ?? '',
        sessionName: first.session.sessionName,
        durationSeconds: TARGET_SECONDS,
        tags: [],
        transitiveKeys: [],
        externalId: association.externalId,
        policy: association.policy,
        policyArns: [],
      },
    )
  } catch (error) {
    if (error instanceof AwsFault && error.httpStatus === 403) {
      throw new AwsFault('AccessDeniedException', error.message, { logged: error.logged })
    }
    if (error instanceof PodroleError && error.status === 400) {
      throw new AwsFault('InvalidRequestException', error.message)
    }
    throw error
  }
}

function answerOf(pod: Pod, association: Association, started: StartedSession): unknown {
  const { key, session } = started
  return {
    subject: { namespace: pod.namespace, serviceAccount: pod.name },
    audience: AUDIENCE,
    podIdentityAssociation: {
      associationArn: association.associationArn,
      associationId: association.associationId,
    },
    assumedRoleUser: { arn: started.arn, assumeRoleId: started.assumedRoleId },
    credentials: {
      sessionToken: session.sessionToken,
      secretAccessKey: key.secretAccessKey,
      accessKeyId: key.accessKeyId,
      expiration: session.expiresAtMs / 1000,
    },
  }
}

export const EKS_AUTH_ROUTES: readonly JsonRoute[] = [
  {
    operation: 'AssumeRoleForPodIdentity',
    method: 'POST',
    path: '/clusters/*/assume-role-for-pod-identity',
    run: assumeRoleForPodIdentity,
  },
]
