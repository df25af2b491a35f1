/** What the measures are made with: names, tokens, reviews, and stand-ins for what is upstream. */
import { createHash } from 'node:crypto'
import { callEks } from '../src/cli/parts/associations.ts'
import { type ServiceAccountName, subjectOf } from '../src/iam/service-account-name.ts'
import { jwksOf } from '../src/issuer/documents.ts'
import type { SigningKey } from '../src/issuer/keys.ts'
import { signToken } from '../src/issuer/sign.ts'
import { jsonResponse } from '../src/lib/handler.ts'
import type { Secret } from '../src/lib/secret.ts'
import { serveHttp, serveTls, type Listening } from '../src/lib/serve.ts'
import type { Bench, PlainRequest } from './measure.ts'

export const REGION = 'eu-west-1'
export const ACCOUNT = '111122223333'
export const ROLE = `arn:aws:iam::${ACCOUNT}:role/shop/worker`
export const ISSUER = 'https://kubernetes.default.svc.cluster.local'
export const CLUSTER = 'edge'
const NAMESPACE = 'shop'
const WORKER: ServiceAccountName = { namespace: NAMESPACE, name: 'worker' }
/** Whom agents run as, in podrole's own manifests. */
const AGENT: ServiceAccountName = { namespace: 'podrole-system', name: 'podrole-agent' }

/** Opaque text of the size that AWS's own has. */
export const filler = (length: number): string =>
  createHash('shake256', { outputLength: length }).update('x').digest('base64').slice(0, length)

export const inOneHour = (): number => Math.floor(Date.now() / 1000) + 3600

/** The claims of a token that the kubelet projects into a pod. */
export function podClaims(
  pod: number,
  { namespace, name } = WORKER,
  audience = 'pods.eks.amazonaws.com',
): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000)
  return {
    aud: [audience],
    exp: now + 86_400,
    iat: now,
    iss: ISSUER,
    jti: crypto.randomUUID(),
    'kubernetes.io': {
      namespace,
      node: { name: 'node-1', uid: crypto.randomUUID() },
      pod: { name: `${name}-${pod}`, uid: crypto.randomUUID() },
      serviceaccount: { name, uid: crypto.randomUUID() },
    },
    nbf: now,
    sub: subjectOf({ namespace, name }),
  }
}

export async function podTokens(key: SigningKey, count: number): Promise<string[]> {
  const tokens = Array.from({ length: count }, (_, pod) => signToken(key, podClaims(pod)))
  return (await Promise.all(tokens)).map((token) => token.reveal())
}

/** What pods ask an agent. */
export async function credentialRequests(key: SigningKey, pods: number): Promise<PlainRequest[]> {
  return (await podTokens(key, pods)).map((authorization) => ({
    method: 'GET',
    path: '/v1/credentials',
    headers: { authorization, accept: 'application/json' },
  }))
}

/** What an agent asks a broker. */
export async function exchangeRequests(key: SigningKey, pods: number): Promise<PlainRequest[]> {
  const bearer = (await signToken(key, podClaims(0, AGENT, 'podrole-broker'))).reveal()
  return (await podTokens(key, pods)).map((token) => ({
    method: 'POST',
    path: `/clusters/${CLUSTER}/assume-role-for-pod-identity`,
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    body: JSON.stringify({ token }),
  }))
}

/** Makes a broker know the cluster of `key`, and its pods' association. */
export async function registerCluster(
  bench: Bench,
  broker: {
    readonly url: string
    readonly credentials: { accessKeyId: string; secretAccessKey: Secret }
  },
  key: SigningKey,
): Promise<void> {
  const endpoint = { ...broker, region: REGION, ca: bench.authority.cert }
  const jwks = jwksOf([key])
  await callEks(endpoint, 'PUT', `/podrole/v1/clusters/${CLUSTER}`, { issuer: ISSUER, jwks })
  await callEks(endpoint, 'POST', `/clusters/${CLUSTER}/pod-identity-associations`, {
    namespace: NAMESPACE,
    serviceAccount: 'worker',
    roleArn: ROLE,
  })
}

/** Reviews of pods as a Deployment makes them, of service accounts with a role: about 4 kB each. */
export function reviewRequests(count: number): PlainRequest[] {
  return Array.from({ length: count }, (_, number) => ({
    method: 'POST',
    path: '/mutate?timeout=10s',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      request: {
        uid: crypto.randomUUID(),
        kind: { group: '', version: 'v1', kind: 'Pod' },
        resource: { group: '', version: 'v1', resource: 'pods' },
        requestKind: { group: '', version: 'v1', kind: 'Pod' },
        requestResource: { group: '', version: 'v1', resource: 'pods' },
        namespace: NAMESPACE,
        operation: 'CREATE',
        userInfo: {
          username: 'system:serviceaccount:kube-system:replicaset-controller',
          groups: ['system:serviceaccounts', 'system:authenticated'],
        },
        object: pod(number),
        oldObject: null,
        dryRun: false,
        options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' },
      },
    }),
  }))
}

function pod(number: number): object {
  const labels = { app: 'worker', 'pod-template-hash': '5f6d8c7b9' }
  const metadata = { generateName: 'worker-5f6d8c7b9-', namespace: NAMESPACE, labels }
  const mount = {
    name: 'kube-api-access-x2x7q',
    readOnly: true,
    mountPath: '/var/run/secrets/kubernetes.io/serviceaccount',
  }
  const container = (name: string): object => ({
    name,
    image: `registry.example/${name}:1.2.3`,
    env: ['A', 'B', 'C', 'D', 'E'].map((letter) => ({ name: `SETTING_${letter}`, value: letter })),
    ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
    livenessProbe: { httpGet: { path: '/healthz', port: 'http' }, periodSeconds: 10 },
    readinessProbe: { httpGet: { path: '/readyz', port: 'http' }, periodSeconds: 10 },
    volumeMounts: [{ name: 'data', mountPath: '/data' }, mount],
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    imagePullPolicy: 'IfNotPresent',
    securityContext: { allowPrivilegeEscalation: false, runAsNonRoot: true },
  })
  const projected = {
    defaultMode: 420,
    sources: [
      { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
      { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
    ],
  }
  const spec = {
    volumes: [
      { name: 'data', emptyDir: {} },
      { name: mount.name, projected },
    ],
    initContainers: [container('migrate')],
    containers: [container('app'), container('proxy')],
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    serviceAccountName: `worker-${number}`,
    securityContext: { fsGroup: 1000 },
    schedulerName: 'default-scheduler',
    priority: 0,
    enableServiceLinks: true,
  }
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec, status: {} }
}

/** An API server with service accounts `worker-0` and up, each with a role, that never change. */
export async function startKubeApi(bench: Bench, accounts: number): Promise<Listening> {
  const items = Array.from({ length: accounts }, (_, number) => ({
    metadata: {
      name: `worker-${number}`,
      namespace: NAMESPACE,
      annotations: { 'eks.amazonaws.com/role-arn': ROLE },
    },
  }))
  return serveTls({
    hostname: '127.0.0.1',
    port: 0,
    certificate: await bench.authority.issue({ names: ['127.0.0.1'] }),
    handler: (request) =>
      new URL(request.url).searchParams.has('watch')
        ? new Response(new ReadableStream())
        : jsonResponse({ metadata: { resourceVersion: '1' }, items }),
  })
}

/** An EKS Auth that gives everybody credentials. */
export function startEksAuth(): Listening {
  const answer = (): object => ({
    subject: { namespace: NAMESPACE, serviceAccount: 'worker' },
    audience: 'pods.eks.amazonaws.com',
    podIdentityAssociation: {
      associationArn: `arn:aws:eks:${REGION}:${ACCOUNT}:podidentityassociation/${CLUSTER}/a-1`,
      associationId: 'a-1',
    },
    assumedRoleUser: {
      arn: `arn:aws:sts::${ACCOUNT}:assumed-role/worker/s`,
      assumeRoleId: 'AROAEXAMPLE:s',
    },
    credentials: {
      sessionToken: filler(900),
      secretAccessKey: filler(40),
      accessKeyId: 'ASIAEXAMPLEEXAMPLE00',
      expiration: inOneHour(),
    },
  })
  return serveHttp({ hostname: '127.0.0.1', port: 0, handler: () => jsonResponse(answer()) })
}

/** An STS that opens every web identity's session. */
export function startSts(): Listening {
  const answer =
    (): string => `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAEXAMPLEEXAMPLE00</AccessKeyId>
<SecretAccessKey>${filler(40)}</SecretAccessKey><SessionToken>${filler(900)}</SessionToken>
<Expiration>${new Date(inOneHour() * 1000).toISOString()}</Expiration></Credentials>
<AssumedRoleUser><Arn>arn:aws:sts::${ACCOUNT}:assumed-role/worker/s</Arn>
<AssumedRoleId>AROAEXAMPLE:s</AssumedRoleId></AssumedRoleUser></AssumeRoleWithWebIdentityResult>
<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></AssumeRoleWithWebIdentityResponse>`
  return serveHttp({
    hostname: '127.0.0.1',
    port: 0,
    handler: () => new Response(answer(), { headers: { 'content-type': 'text/xml' } }),
  })
}
