import { AssumeRoleWithWebIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import type { TokenRequestSpec } from '../../kube/client.ts'
import { createEksAuthClient } from '../../aws/eks-auth.ts'
import { systemClock } from '../../lib/clock.ts'
import { codeOf, messageOf } from '../../lib/errors.ts'
import { Secret } from '../../lib/secret.ts'
import type { RunningCluster } from '../../sandbox/sandbox.ts'
import { deleteAssociation } from '../parts/associations.ts'
import { mustBeRefused, mustHold } from './expect.ts'
import { DEMO_IMAGE, ensureServiceAccount, runPod, startPod } from './pods.ts'
import { eksEndpoint, FLEET_SERVICE_ACCOUNT } from './pod-identity-steps.ts'
import { roleArnOf } from './setup-step.ts'
import {
  ALLOWED_KEY,
  BUCKET,
  FORBIDDEN_KEY,
  NAMESPACE,
  OTHER_SERVICE_ACCOUNT,
  REGION,
  SERVICE_ACCOUNT,
  type Stage,
  type Step,
} from './stage.ts'

const PODS_AUDIENCE = 'pods.eks.amazonaws.com'
const STS_AUDIENCE = 'sts.amazonaws.com'

const otherServiceAccount: Step = {
  name: 'refused: other service account',
  run: async (stage) => {
    await ensureServiceAccount(
      stage.edge.client,
      { namespace: NAMESPACE, name: OTHER_SERVICE_ACCOUNT },
      { 'eks.amazonaws.com/role-arn': roleArnOf(stage) },
    )
    const outcome = await runPod(stage.edge.client, {
      name: 'intruder',
      namespace: NAMESPACE,
      serviceAccount: OTHER_SERVICE_ACCOUNT,
      args: ['check', BUCKET, ALLOWED_KEY],
    })
    return mustBeRefused(outcome, /AccessDenied.*AssumeRoleWithWebIdentity/)
  },
}

const forbiddenKey: Step = {
  name: 'refused: other S3 key',
  run: async (stage) => {
    const outcome = await runPod(stage.edge.client, {
      name: 'nosy',
      namespace: NAMESPACE,
      serviceAccount: SERVICE_ACCOUNT,
      args: ['check', BUCKET, FORBIDDEN_KEY],
    })
    return mustBeRefused(outcome, /AccessDenied/)
  },
}

const otherCluster: Step = {
  name: "refused: other cluster's token",
  run: async (stage) => {
    const token = await podToken(stage.eks, SERVICE_ACCOUNT, PODS_AUDIENCE)
    return refusedByBroker(stage, token, /AccessDenied|InvalidToken|InvalidParameter/)
  },
}

const expiredAtSts: Step = {
  name: 'refused: expired, at STS',
  run: async (stage) => {
    const token = await expiredToken(stage, { audience: STS_AUDIENCE, secondsAgo: 301 + 5 })
    const reason = await refusedBySts(stage, token, /ExpiredToken/)
    return `${reason} (over five minutes ago: STS takes a token until then)`
  },
}

const expiredAtBroker: Step = {
  name: 'refused: expired, at broker',
  run: async (stage) => {
    const token = await expiredToken(stage, { audience: PODS_AUDIENCE, secondsAgo: 2 })
    const reason = await refusedByBroker(stage, token, /ExpiredToken/)
    return `${reason} (the broker gives no grace)`
  },
}

const alteredSignature: Step = {
  name: 'refused: altered signature',
  run: async (stage) => {
    const token = await podToken(stage.edge, SERVICE_ACCOUNT, STS_AUDIENCE)
    const [header, payload, signature = ''] = token.split('.')
    const altered = (signature.startsWith('A') ? 'B' : 'A') + signature.slice(1)
    return refusedBySts(stage, `${header}.${payload}.${altered}`, /InvalidIdentityToken/)
  },
}

const otherNode: Step = {
  name: 'refused: from another node',
  run: async (stage) => {
    const { edge } = stage
    const [first, second] = edge.nodes
    mustHold(first !== undefined && second !== undefined, 'the cluster has no second node')
    const at = (node: string, name: string): Parameters<typeof startPod>[1] => ({
      name,
      namespace: NAMESPACE,
      serviceAccount: FLEET_SERVICE_ACCOUNT,
      nodeName: node,
      args: ['idle'],
    })
    const victim = await startPod(edge.client, at(first.name, 'victim'))
    await startPod(edge.client, at(second.name, 'thief'))
    const token = await edge.client.createToken(
      { namespace: NAMESPACE, name: FLEET_SERVICE_ACCOUNT },
      boundTo('victim', victim.metadata.uid),
    )
    const url = await stage.agentUrl(edge.name, second)
    const answer = await second.exec({
      namespace: NAMESPACE,
      pod: 'thief',
      command: [...stage.commandOf(DEMO_IMAGE), 'ask', url, '-'],
      stdin: token,
    })
    return mustBeRefused(readAnswer(answer), /AccessDenied.*node/)
  },
}

const deletedAssociation: Step = {
  name: 'refused: association deleted',
  run: async (stage) => {
    // Admitted while the association is there, so that the webhook still gives it the variables;
    // it asks for credentials for the first time after the association is gone.
    const request = {
      name: 'latecomer',
      namespace: NAMESPACE,
      serviceAccount: SERVICE_ACCOUNT,
      args: ['idle'],
    }
    await startPod(stage.eks.client, request)
    await deleteAssociation(eksEndpoint(stage), {
      clusterName: stage.eks.name,
      namespace: NAMESPACE,
      serviceAccount: SERVICE_ACCOUNT,
    })
    const [node] = stage.eks.nodes
    mustHold(node !== undefined, 'the cluster has no node')
    const inPod = async (...args: readonly string[]): Promise<Answer> =>
      readAnswer(
        await node.exec({
          namespace: NAMESPACE,
          pod: request.name,
          command: [...stage.commandOf(DEMO_IMAGE), ...args],
        }),
      )
    mustBeRefused(await inPod('check', BUCKET, ALLOWED_KEY), /CredentialsProviderError/)
    const answer = await inPod('ask')
    const reason = mustBeRefused(answer, /ResourceNotFound/)
    return `${reason} (a new pod; what an agent already gave to older ones lives until it expires)`
  },
}

export const refusalSteps: readonly Step[] = [
  otherServiceAccount,
  forbiddenKey,
  otherCluster,
  expiredAtSts,
  expiredAtBroker,
  alteredSignature,
  otherNode,
  deletedAssociation,
]

interface Answer {
  readonly ok: boolean
  readonly error?: string
  readonly message?: string
}

/** What the demo's program said on its last line. */
function readAnswer(ran: { readonly stdout: string; readonly stderr: string }): Answer {
  const line = ran.stdout.trim().split('\n').at(-1) ?? ''
  mustHold(line.startsWith('{'), `the program in the pod said nothing: ${ran.stderr}`)
  return JSON.parse(line) as Answer
}

const boundTo = (name: string, uid: string | undefined): TokenRequestSpec => ({
  audiences: [PODS_AUDIENCE],
  boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, ...(uid !== undefined && { uid }) },
})

/** A token such as the kubelet would put into a pod of that service account, unbound. */
function podToken(cluster: RunningCluster, name: string, audience: string): Promise<string> {
  return cluster.client.createToken({ namespace: NAMESPACE, name }, { audiences: [audience] })
}

/** A token that the cluster's own key signed and whose time is over. */
async function expiredToken(
  stage: Stage,
  when: { readonly audience: string; readonly secondsAgo: number },
): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const name = when.audience === STS_AUDIENCE ? SERVICE_ACCOUNT : FLEET_SERVICE_ACCOUNT
  const signed: Secret = await stage.edge.cluster.signToken({
    iss: stage.edge.cluster.issuer,
    sub: `system:serviceaccount:${NAMESPACE}:${name}`,
    aud: [when.audience],
    iat: now - 4000,
    nbf: now - 4000,
    exp: now - when.secondsAgo,
    'kubernetes.io': {
      namespace: NAMESPACE,
      serviceaccount: { name, uid: crypto.randomUUID() },
      pod: { name: 'old', uid: crypto.randomUUID() },
    },
  })
  return signed.reveal()
}

async function refusedBySts(stage: Stage, token: string, words: RegExp): Promise<string> {
  const sts = new STSClient({ region: REGION, endpoint: stage.sandbox.endpoint, maxAttempts: 1 })
  const outcome = await sts
    .send(
      new AssumeRoleWithWebIdentityCommand({
        RoleArn: roleArnOf(stage),
        RoleSessionName: 'demo',
        WebIdentityToken: token,
      }),
    )
    .then(
      () => ({ ok: true }),
      (error: Error) => ({ ok: false, error: error.name, message: error.message }),
    )
  return mustBeRefused(outcome, words)
}

async function refusedByBroker(stage: Stage, token: string, words: RegExp): Promise<string> {
  const { broker, edge } = stage
  const credentials = await broker.clusterKey('agent', edge.name)
  const client = createEksAuthClient({
    endpoint: broker.endpoint.url,
    region: REGION,
    ca: broker.endpoint.ca,
    authorization: { kind: 'sigv4', credentials: () => Promise.resolve(credentials) },
    clock: systemClock,
    attempts: 1,
  })
  const outcome = await client
    .assumeRoleForPodIdentity({ clusterName: edge.name, token: new Secret(token) })
    .then(
      () => ({ ok: true }),
      (error: unknown) => ({ ok: false, error: codeOf(error) ?? '', message: messageOf(error) }),
    )
  return mustBeRefused(outcome, words)
}
