/** Facts of a set-up, as if somebody had gathered them. */
import { X509Certificate } from 'node:crypto'
import { discoveryDocument } from '../../issuer/documents.ts'
import type { DocumentAnswer, DocumentFacts, OutsideFacts } from '../../issuer/outside/facts.ts'
import { applyJsonPatch } from '../../kube/json-patch.ts'
import type { Pod, ServiceAccount } from '../../kube/objects.ts'
import { createCertificateAuthority } from '../../lib/certificates.ts'
import { ManualClock } from '../../lib/clock.ts'
import type { Jwk } from '../../token/jwks.ts'
import { parseWebhookConfig } from '../../webhook/config.ts'
import { decideMutation } from '../../webhook/mutation.ts'
import { known, unknown } from '../facts/fact.ts'
import { errorFact } from '../facts/error-fact.ts'
import type {
  AgentFact,
  AssociationFact,
  ClusterFact,
  PolicyFact,
  ProviderFact,
  RoleFact,
  TokenFact,
  WebhookFact,
  WorkloadFacts,
} from '../facts/workload-facts.ts'
import type { NetworkPolicyFact } from '../facts/network-facts.ts'
import { parseSdk } from '../facts/sdk.ts'
import { ROLE_ANNOTATION } from '../facts/way.ts'
import { type Case, podOf, type SetUp, type Words } from './cases.suite.ts'

const REGION = 'us-east-1'
const NOW_MS = Date.UTC(2026, 9, 1)
const KEY: Jwk = {
  kty: 'EC',
  kid: 'now',
  use: 'sig',
  alg: 'ES256',
  crv: 'P-256',
  x: 'MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4',
  y: '4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM',
}

const SKIP_LABEL = 'eks.amazonaws.com/skip-pod-identity-webhook'
const WEBHOOK: WebhookFact = {
  configuration: 'podrole-webhook',
  name: 'podrole-webhook.podrole.dev',
  failurePolicy: 'Ignore',
  objectSelector: { matchExpressions: [{ key: SKIP_LABEL, operator: 'DoesNotExist' }] },
}
const certificateAt = async (nowMs: number): Promise<Uint8Array> => {
  const authority = await createCertificateAuthority({
    commonName: 'authority of the tests',
    clock: new ManualClock(nowMs),
  })
  const { cert } = await authority.issue({ names: ['*.issuer.sandbox'] })
  return new X509Certificate(cert).raw
}
const CERTIFICATE = await certificateAt(NOW_MS)
const THUMBPRINT = new X509Certificate(CERTIFICATE).fingerprint.replaceAll(':', '').toLowerCase()
const EXPIRED = await certificateAt(Date.UTC(2000, 0, 1))

/** What `explain` sees of a pod that was made in `before`, when it is `now`. */
export function factsOf(
  { method, options, partition }: Pick<Case, 'method' | 'options' | 'partition'>,
  before: SetUp,
  now: SetUp,
  words: Words,
): WorkloadFacts {
  const inPartition = (arn: string): string => arn.replace('arn:aws:', `arn:${partition}:`)
  const provider = providersOf(now, words).map((one) => ({ ...one, arn: inPartition(one.arn) }))
  const role = roleOf(now, words)
  const container = /--container (\S+)/.exec(options)?.[1]
  const pod = now.unseen?.includes('pod') ? undefined : admit(before, words)
  const { arn, ...cluster } = clusterOf(method, words, partition)
  // Whose tokens STS gets.
  const asked = method === 'broker' ? { ...words, issuer: words.fleet } : words
  return {
    nowMs: NOW_MS,
    subject: { namespace: words.namespace, name: 'orders' },
    account: { accountId: words.account, partition, region: REGION },
    accounts: [words.account, words['other-account']].map((accountId) => ({
      accountId,
      partition,
      region: REGION,
      ...(accountId !== words.account && { profile: 'other' }),
    })),
    cluster: {
      ...cluster,
      ...(arn !== undefined && !now.unseen?.includes('cluster') && { arn }),
      isAutoMode: false,
      issuer: known(issuerOf(now, words)),
      keys: known({ keys: [KEY] }),
    },
    serviceAccount: known(serviceAccountOf(now, words)),
    pod: known(pod),
    ...(container !== undefined && { container }),
    ...(now.error !== undefined && { error: errorFact(now.error) }),
    ...(now.sdk !== undefined && { sdk: parseSdk(now.sdk) }),
    ...(now.token !== undefined && { token: tokenOf(now.token, words) }),
    webhooks: known(now.webhook === 'missing' ? [] : [WEBHOOK]),
    outside: known(outsideOf(now, asked)),
    role: known(roleNamed(role && { ...role, arn: inPartition(role.arn) }, pod, now)),
    provider: known(
      provider.find(({ arn }) => arn.endsWith(`:oidc-provider/${asked.issuer.slice(8)}`)),
    ),
    providerArns: known(provider.map(({ arn }) => arn)),
    association: now.unseen?.includes('associations')
      ? unknown('AccessDeniedException')
      : known(associationOf(now)),
    targetRole: known(targetRoleOf(now, words)),
    agent: known(agentOf(now)),
    networkPolicies: known((now.network?.policies ?? []) as readonly NetworkPolicyFact[]),
    policyEnforcer: known(now.network?.enforcer),
    question: {
      ownerAccountId: words.account,
      action: 's3:GetObject',
      resource: inPartition(`arn:aws:s3:::${words.bucket}/today.txt`),
      resourcePolicy: known(
        now.bucket.policy && {
          name: `bucket:${words.bucket}`,
          text: JSON.stringify(now.bucket.policy),
        },
      ),
      allowedByOrganization: known(isAllowed(now)),
    },
  }
}

/** A Deny of S3 is all that the cases have to keep the account from it. */
const isAllowed = ({ organization }: SetUp): boolean =>
  !Object.values(organization).some(({ Statement }) =>
    Statement.some((one) => one.Effect === 'Deny' && one['Action'] === 's3:*'),
  )

function tokenOf(token: NonNullable<SetUp['token']>, words: Words): TokenFact {
  const { algorithm, audiences, expiresInSeconds, issuedInSeconds } = token
  const { authorizedParty, fault, roles, tags = {} } = token
  const subject = token.subject ?? `system:serviceaccount:${words.namespace}:orders`
  return {
    source: 'given',
    issuer: words.issuer,
    subject,
    audiences,
    algorithm,
    keyId: KEY.kid ?? '',
    expiresAt: NOW_MS / 1000 + expiresInSeconds,
    issuedAt: NOW_MS / 1000 + issuedInSeconds,
    ...(authorizedParty !== undefined && { authorizedParty }),
    aws: {
      tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
      transitiveKeys: [],
      sourceIdentity: undefined,
      roles,
    },
    ...(fault !== undefined && { fault }),
  }
}

function clusterOf(
  method: Case['method'],
  words: Words,
  partition: string,
): Pick<ClusterFact, 'arn' | 'fleetIssuer' | 'kind' | 'name'> {
  if (method === 'irsa') return { kind: 'not-named' }
  return method === 'broker' ? onBroker(words) : onEks(words, partition)
}

const onBroker = ({
  account,
  cluster,
  fleet,
}: Words): Pick<ClusterFact, 'arn' | 'fleetIssuer' | 'kind' | 'name'> => ({
  kind: 'broker',
  name: cluster,
  arn: `arn:aws:podrole:${REGION}:${account}:cluster/${cluster}`,
  fleetIssuer: fleet,
})

const onEks = (
  { account, cluster }: Words,
  partition: string,
): Pick<ClusterFact, 'arn' | 'kind' | 'name'> => ({
  kind: 'eks',
  name: cluster,
  arn: `arn:${partition}:eks:${REGION}:${account}:cluster/${cluster}`,
})

const issuerOf = ({ issuer }: SetUp, words: Words): string =>
  issuer === 'with-port' ? words.issuer.replace('.sandbox', '.sandbox:8443') : words.issuer

function serviceAccountOf(setUp: SetUp, { namespace }: Words): ServiceAccount | undefined {
  if (setUp.serviceAccount === undefined) return undefined
  const { annotations } = setUp.serviceAccount
  return { metadata: { namespace, name: 'orders', annotations } }
}

/** As the webhook mutates it. */
function admit(setUp: SetUp, words: Words): Pod | undefined {
  const made = podOf(setUp, words, { image: 'podrole/demo' }) as Pod
  const creationTimestamp = new Date(NOW_MS).toISOString()
  const pod: Pod = { ...made, metadata: { ...made.metadata, creationTimestamp } }
  // The API server makes no pod without its service account.
  if (setUp.serviceAccount === undefined) return undefined
  if (setUp.webhook === 'missing' || setUp.pod.labels?.[SKIP_LABEL] !== undefined) return pod
  const { patch } = decideMutation({
    pod,
    namespace: words.namespace,
    serviceAccount: serviceAccountOf(setUp, words),
    containerCredentials: setUp.association !== undefined,
    config: parseWebhookConfig({ 'aws-default-region': REGION }),
    random: () => 0.5,
  })
  const admitted = applyJsonPatch(pod, patch)
  return { ...admitted, spec: { ...admitted.spec, nodeName: 'node-1' } }
}

function associationOf({ association }: SetUp): AssociationFact | undefined {
  if (association === undefined) return undefined
  const { ageSeconds, disableSessionTags = false, policy, role, targetRole } = association
  return {
    id: 'a-1',
    roleArn: role,
    disableSessionTags,
    createdAtMs: NOW_MS - ageSeconds * 1000,
    ...(targetRole !== undefined && { targetRoleArn: targetRole }),
    ...(policy !== undefined && { policy: JSON.stringify(policy) }),
  }
}

function targetRoleOf(
  { role: first, targetRole }: SetUp,
  { account, role }: Words,
): RoleFact | undefined {
  if (targetRole === undefined) return undefined
  const trust = JSON.stringify(targetRole.trust)
  const name = `${role}-target`
  return {
    arn: `arn:aws:iam::${targetRole.account ?? account}:role/${name}`,
    name,
    id: 'AROAEXAMPLEEXAMPLE456',
    // As IAM shows a role that is gone, also where one of that name was made again.
    trustPolicy: first?.madeAgain
      ? trust.replaceAll(`arn:aws:iam::${account}:role/${role}"`, 'AROAEXAMPLEEXAMPLE999"')
      : trust,
    maxSessionSeconds: 3600,
    policies: known(
      Object.entries(targetRole.inline).map(([policy, document]) => ({
        name: `inline:${policy}`,
        text: JSON.stringify(document),
      })),
    ),
  }
}

function agentOf({ agent }: SetUp): AgentFact | undefined {
  if (agent === 'missing') return undefined
  const name = 'kube-system/eks-pod-identity-agent-x'
  return { kind: 'pod', name, node: 'node-1', ready: agent === 'runs' }
}

/** IAM is asked for the name that the pod or the annotation ends with. */
function roleNamed(
  role: RoleFact | undefined,
  pod: Pod | undefined,
  { association, serviceAccount }: SetUp,
): RoleFact | undefined {
  const env = pod?.spec.containers[0]?.env?.find(({ name }) => name === 'AWS_ROLE_ARN')
  const asked = env?.value ?? association?.role ?? serviceAccount?.annotations[ROLE_ANNOTATION]
  const text = asked ?? ''
  return text.split('/').at(-1) === role?.name ? role : undefined
}

function roleOf({ role }: SetUp, { account, role: name }: Words): RoleFact | undefined {
  if (role === undefined) return undefined
  const policy = (prefix: string, policies: Readonly<Record<string, object>>): PolicyFact[] =>
    Object.entries(policies).map(([name, document]) => ({
      name: `${prefix}${name}`,
      text: JSON.stringify(document),
    }))
  const managed = `arn:aws:iam::${account}:policy/`
  const policies = [...policy('inline:', role.inline), ...policy(managed, role.attached)]
  return {
    arn: `arn:aws:iam::${account}:role${role.path}${name}`,
    name,
    id: 'AROAEXAMPLEEXAMPLE123',
    trustPolicy: JSON.stringify(role.trust),
    maxSessionSeconds: role.maxSessionSeconds ?? 3600,
    policies: known(policies),
    ...(role.boundary !== undefined && {
      boundary: known({ name: `${managed}boundary`, text: JSON.stringify(role.boundary) }),
    }),
  }
}

const providersOf = ({ providers, thumbprints = [] }: SetUp, { account }: Words): ProviderFact[] =>
  Object.entries(providers).map(([url, clientIds]) => ({
    arn: `arn:aws:iam::${account}:oidc-provider/${url.slice(8)}`,
    clientIds,
    thumbprints: thumbprints.map((one) => (one === 'issuer' ? THUMBPRINT : one)),
  }))

/** As each behaviour looks from outside. */
function outsideOf({ issuer: behaviour }: SetUp, { issuer }: Words): OutsideFacts {
  const url = `${issuer}/.well-known/openid-configuration`
  const document: object = discoveryDocument(behaviour === 'other-issuer' ? `${issuer}/` : issuer, {
    algorithms: ['ES256'],
    jwksUri: `${issuer}/keys.json`,
  })
  const keys = { keys: [behaviour === 'other-keys' ? { ...KEY, kid: 'before' } : KEY] }
  const isSlow = behaviour === 'slow'
  const facts = (at: string, answer: DocumentAnswer): DocumentFacts => ({
    url: at,
    elapsedMs: isSlow ? 5000 : 20,
    distrust: behaviour === 'private' ? 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' : undefined,
    answer,
  })
  const discovery = facts(url, answerOf(behaviour, JSON.stringify(document)))
  return {
    issuer,
    atMs: NOW_MS,
    hosts: [
      {
        host: new URL(issuer).host,
        addresses: ['192.0.2.1'],
        unreachable: behaviour === 'down' ? '192.0.2.1: ECONNREFUSED' : undefined,
        handshakeFault: undefined,
        tls12Fault: undefined,
        chain: [behaviour === 'expired' ? EXPIRED : CERTIFICATE],
      },
    ],
    discovery,
    jwks:
      discovery.answer.kind === 'answer' && discovery.answer.status === 200
        ? facts(`${issuer}/keys.json`, answer(200, JSON.stringify(keys)))
        : undefined,
  }
}

const answer = (status: number, text: string, location?: string): DocumentAnswer => ({
  kind: 'answer',
  status,
  location,
  text,
})

function answerOf(behaviour: SetUp['issuer'], text: string): DocumentAnswer {
  switch (behaviour) {
    case 'slow':
      return { kind: 'timeout' }
    case 'forbidden':
      return answer(403, 'Forbidden')
    case 'redirects':
      return answer(301, '', 'https://elsewhere.example.com')
    case 'not-json':
      return answer(200, '<html>')
    default:
      return answer(200, text)
  }
}
