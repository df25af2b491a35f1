/** From a pod's token to credentials: verify, decide, sign, ask STS, record. */
import type { Association } from '../associations/association.ts'
import type { AssociationStore } from '../associations/store.ts'
import { formatServiceAccountName } from '../iam/service-account-name.ts'
import { signToken } from '../issuer/sign.ts'
import type { SigningKey } from '../issuer/keys.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Secret } from '../lib/secret.ts'
import { type ServiceAccountIdentity, serviceAccountOf, type TokenClaims } from '../token/claims.ts'
import { TokenFault, verifyToken } from '../token/verify.ts'
import { AGENT_AUDIENCE, createKeySets } from './cluster-registration.ts'
import { type Agent, decideFleetToken } from './decision.ts'
import { EksFault } from './eks-wire.ts'
import {
  CHAINED_DURATION_SECONDS,
  durationSecondsOf,
  fleetClaims,
  LONGEST_MODELLED_SUBJECT,
  type PodIdentity,
  sessionNameOf,
} from './fleet-token.ts'
import type { BrokerMetrics } from './metrics.ts'
import type { BrokerKey, BrokerStore, RegisteredCluster } from './store.ts'
import { eksFaultOfSts, mayBeDuration, type StsPort, type StsSession } from './sts.ts'

/** How the agent that presents a pod's token proves itself. */
export type AgentProof =
  | { readonly kind: 'token'; readonly token: Secret }
  | { readonly kind: 'key'; readonly key: BrokerKey }

export interface IssueRequest {
  readonly clusterName: string
  /** The pod's token. */
  readonly token: Secret
  readonly proof: AgentProof
}

/** Credentials, for whom, and why. */
export interface Issued {
  readonly pod: PodIdentity
  readonly audience: string
  readonly association: Association
  readonly session: StsSession
}

export interface IssuerOptions {
  readonly store: BrokerStore
  readonly associations: AssociationStore
  readonly sts: StsPort
  /** The fleet issuer's URL. */
  readonly issuer: string
  readonly signingKey: () => SigningKey
  readonly clock: Clock
  readonly log: Log
  readonly metrics?: Pick<BrokerMetrics, 'seen'> | undefined
  /** Sessions of associations that say nothing else; default 3,600. */
  readonly sessionSeconds?: number
  /** Refuses service accounts whose subject is longer than the 255 characters that AWS models. */
  readonly refuseLongSubjects?: boolean
  /** How long STS may take in all; default 8,000. */
  readonly stsTimeoutMs?: number
}

export type IssueCredentials = (request: IssueRequest) => Promise<Issued>

/** Clocks of API servers and of the broker differ a little; nothing is taken after its expiry. */
const FUTURE_LEEWAY_SECONDS = 30

/** @throws (what it returns) EksFault with the name that EKS Auth uses */
export function createIssuing(options: IssuerOptions): IssueCredentials {
  const keySets = createKeySets()
  const verify = (
    cluster: RegisteredCluster,
    token: Secret,
    audiences: readonly string[],
  ): Promise<TokenClaims> => verifyFor(cluster, token, { audiences, keySets, options })
  return async ({ clusterName, token, proof }) => {
    const cluster = await options.store.getCluster(clusterName)
    if (cluster === undefined) {
      const told = clusterName.slice(0, 100)
      throw new EksFault('ResourceNotFoundException', `No cluster found for name: ${told}.`)
    }
    const agent = await proveAgent(proof, cluster, (own) => verify(cluster, own, [AGENT_AUDIENCE]))
    const claims = await verify(cluster, token, cluster.audiences)
    if (claims.aud.includes(AGENT_AUDIENCE)) {
      // Such a token would prove the agent that presents it as well.
      throw new EksFault(
        'InvalidTokenException',
        `the token is for ${AGENT_AUDIENCE} too: wanted one for ${cluster.audiences.join(' or ')} alone`,
      )
    }
    const pod = serviceAccountOf(claims)
    const association = pod && (await options.associations.find({ clusterName, ...keyOf(pod) }))
    const verdict = decideFleetToken({ clusterName, agent, pod, association })
    if (!verdict.granted) throw new EksFault(verdict.code, verdict.message)
    const tokenId = crypto.randomUUID()
    const session = await openSession(options, cluster, { ...verdict, tokenId })
    await record(options, { ...verdict, agent, session, tokenId })
    const audience = claims.aud.find((one) => cluster.audiences.includes(one)) ?? ''
    return { pod: verdict.pod, association: verdict.association, session, audience }
  }
}

const keyOf = (pod: ServiceAccountIdentity): { namespace: string; serviceAccount: string } => ({
  namespace: pod.namespace,
  serviceAccount: pod.name,
})

async function verifyFor(
  cluster: RegisteredCluster,
  token: Secret,
  wanted: {
    readonly audiences: readonly string[]
    readonly keySets: ReturnType<typeof createKeySets>
    readonly options: IssuerOptions
  },
): Promise<TokenClaims> {
  try {
    const { claims, kid } = await verifyToken(token.reveal(), {
      keys: wanted.keySets(cluster.jwks),
      issuer: cluster.issuer,
      nowMs: wanted.options.clock.now(),
      futureLeewaySeconds: FUTURE_LEEWAY_SECONDS,
    })
    if (!claims.aud.some((one) => wanted.audiences.includes(one))) {
      const has = claims.aud.slice(0, 5).map((one) => JSON.stringify(one.slice(0, 255)))
      throw new TokenFault(
        'wrong-audience',
        `the token's audience is ${has.join(', ')}: wanted ${wanted.audiences.join(' or ')}`,
      )
    }
    wanted.options.metrics?.seen.see(kid, claims.exp)
    return claims
  } catch (error) {
    if (!(error instanceof TokenFault)) throw error
    const code = error.reason === 'expired' ? 'ExpiredTokenException' : 'InvalidTokenException'
    throw new EksFault(code, `${error.message} (cluster ${cluster.name})`, { cause: error })
  }
}

async function proveAgent(
  proof: AgentProof,
  cluster: RegisteredCluster,
  verify: (token: Secret) => Promise<TokenClaims>,
): Promise<Agent> {
  if (proof.kind === 'key') {
    const { accessKeyId, scope } = proof.key
    return { kind: 'key', accessKeyId, scope }
  }
  let claims: TokenClaims
  try {
    claims = await verify(proof.token)
  } catch (error) {
    if (!(error instanceof EksFault)) throw error
    // Not the pod's fault: an agent keeps what it has on this one.
    throw new EksFault('UnrecognizedClientException', `the agent's own token: ${error.message}`, {
      cause: error,
    })
  }
  const identity = serviceAccountOf(claims)
  if (identity === undefined) {
    throw new EksFault(
      'UnrecognizedClientException',
      "the agent's own token is not a service account token",
    )
  }
  // The kubelet binds what it projects to the pod; one asked for by hand may name any node, or none.
  if (identity.podName === undefined || identity.podUid === undefined) {
    throw new EksFault(
      'UnrecognizedClientException',
      "the agent's own token is not bound to a pod: wanted one that the kubelet projects",
    )
  }
  // Whoever may create pods can have a token for this audience projected into one on any node.
  const name = formatServiceAccountName(identity)
  if (!cluster.agents.includes(name)) {
    throw new EksFault(
      'UnrecognizedClientException',
      `service account ${name} is no agent of cluster ${cluster.name}: wanted ${cluster.agents.join(' or ')}`,
    )
  }
  return { kind: 'token', identity }
}

interface Grant {
  readonly pod: PodIdentity
  readonly association: Association
  readonly tokenId: string
}

async function openSession(
  options: IssuerOptions,
  cluster: RegisteredCluster,
  grant: Grant,
): Promise<StsSession> {
  const { association, pod, tokenId } = grant
  const claims = fleetClaims({
    issuer: options.issuer,
    clusterName: cluster.name,
    clusterArn: cluster.arn,
    pod,
    association,
    nowSeconds: Math.floor(options.clock.now() / 1000),
    tokenId,
  })
  checkSubject(options, String(claims['sub']))
  const token = await signToken(options.signingKey(), claims)
  const signal = AbortSignal.timeout(options.stsTimeoutMs ?? 8000)
  const sessionName = sessionNameOf(cluster.name, pod.podName, tokenId)
  const first = await assumeFirst(options, grant, { token, sessionName, signal })
  if (association.targetRoleArn === undefined) return first
  try {
    return await options.sts.assumeTargetRole({
      session: first,
      roleArn: association.targetRoleArn,
      sessionName,
      durationSeconds: CHAINED_DURATION_SECONDS,
      signal,
      ...(association.externalId !== undefined && { externalId: association.externalId }),
      ...(association.policy !== undefined && { policy: association.policy }),
    })
  } catch (error) {
    throw eksFaultOfSts(error, 'AssumeRole', association.targetRoleArn)
  }
}

/** With a target role the session policy restricts that one alone, as on EKS. */
async function assumeFirst(
  options: IssuerOptions,
  { association }: Grant,
  call: { readonly token: Secret; readonly sessionName: string; readonly signal: AbortSignal },
): Promise<StsSession> {
  const { roleArn, policy, targetRoleArn } = association
  const durationSeconds = durationSecondsOf(association, options.sessionSeconds)
  const request = {
    ...call,
    roleArn,
    durationSeconds,
    ...(policy !== undefined && targetRoleArn === undefined && { policy }),
  }
  try {
    return await options.sts.assumeRoleWithWebIdentity(request)
  } catch (error) {
    // 3,600 s is the least MaxSessionDuration that a role can have.
    if (durationSeconds <= 3600 || !mayBeDuration(error)) {
      throw eksFaultOfSts(error, 'AssumeRoleWithWebIdentity', roleArn)
    }
    options.log.warn('the role allows no sessions of that length: asking for one hour', {
      associationId: association.associationId,
      roleArn,
      durationSeconds,
    })
  }
  try {
    return await options.sts.assumeRoleWithWebIdentity({ ...request, durationSeconds: 3600 })
  } catch (error) {
    throw eksFaultOfSts(error, 'AssumeRoleWithWebIdentity', roleArn)
  }
}

function checkSubject(options: IssuerOptions, subject: string): void {
  if (subject.length <= LONGEST_MODELLED_SUBJECT) return
  const message = `the subject ${subject} has ${subject.length} characters: AWS models ${LONGEST_MODELLED_SUBJECT}`
  if (options.refuseLongSubjects === true) throw new EksFault('InvalidRequestException', message)
  options.log.warn(message)
}

/** The issuance is on disk before the credentials go out. */
async function record(
  options: IssuerOptions,
  issued: Grant & { readonly agent: Agent; readonly session: StsSession },
): Promise<void> {
  const { agent, association, pod, session, tokenId } = issued
  const issuance = {
    atMs: options.clock.now(),
    clusterName: association.clusterName,
    namespace: pod.namespace,
    serviceAccount: pod.serviceAccount,
    podName: pod.podName,
    podUid: pod.podUid,
    ...(pod.nodeName !== undefined && { nodeName: pod.nodeName }),
    agent: nameOfAgent(agent),
    associationId: association.associationId,
    roleArn: association.roleArn,
    ...(association.targetRoleArn !== undefined && { targetRoleArn: association.targetRoleArn }),
    assumedRoleArn: session.assumedRoleArn,
    tokenId,
    expiresAtMs: session.expiresAtMs,
  }
  await options.store.recordIssuance(issuance)
  options.log.info('credentials issued', issuance)
}

/** `key:ID`, or the agent's service account with its node. */
export function nameOfAgent(agent: Agent): string {
  if (agent.kind === 'key') return `key:${agent.accessKeyId}`
  const { namespace, name, nodeName } = agent.identity
  return `${namespace}/${name}${nodeName === undefined ? '' : `@${nodeName}`}`
}
