import { createHmac, randomBytes } from 'node:crypto'
import { issuerApp } from '../../issuer/issuer-app.ts'
import {
  exportSigningKey,
  generateSigningKey,
  loadSigningKey,
  type SigningKey,
} from '../../issuer/keys.ts'
import {
  type CertificateAuthority,
  createCertificateAuthority,
  loadCertificateAuthority,
} from '../../lib/certificates.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Handler } from '../../lib/handler.ts'
import type { Log } from '../../lib/log.ts'
import { Secret } from '../../lib/secret.ts'
import { serveTls } from '../../lib/serve.ts'
import type { Jwks } from '../../token/jwks.ts'
import type { KubeletTls } from '../node/kubelet-tls.ts'
import type { State } from '../state.ts'
import { clusterApp } from './app.ts'
import { tokenKey } from './authentication.ts'
import { mastersAuthorizer, unionAuthorizer } from './authorization.ts'
import { clusterRoleAggregation } from './controllers/cluster-role-aggregation.ts'
import { customResources } from './controllers/custom-resources.ts'
import { deployments } from './controllers/deployments.ts'
import { garbageCollection } from './controllers/garbage.ts'
import { namespaceContent, namespaceDefaults } from './controllers/namespaces.ts'
import { replicaSets } from './controllers/replica-sets.ts'
import { scheduler } from './controllers/scheduler.ts'
import { startControllers } from './controllers/work-queue.ts'
import { WORKLOAD_CONTROLLERS } from './controllers/workloads.ts'
import { type ClusterCore, systemOperation } from './core.ts'
import { createObject } from './creating.ts'
import { accessPolicyAuthorizer, type EksAccess } from './eks-access.ts'
import { IssuedSecrets } from './issued-secrets.ts'
import { serveCustomTypes } from './custom/custom-types.ts'
import { type Decision, DecisionLog } from './decisions.ts'
import { omit } from './objects.ts'
import { nodeAuthorizer } from './node-authorization.ts'
import { ObjectStore } from './object-store.ts'
import {
  type ClusterRestore,
  type Collections,
  type LiveNodes,
  planClusterRestore,
} from './restoring.ts'
import { createBootstrapRoles } from './rbac/bootstrap.ts'
import { createRbac } from './rbac/rbac-authorizer.ts'
import { Registry } from './resource-types.ts'
import { NAMESPACES, SERVICES } from './types/core.ts'
import { externalSigner, ownKey, type TokenKeys } from './token-keys.ts'
import { REGISTRY } from './types/table.ts'
import { MASTERS, systemUser } from './users.ts'

export interface ClusterSettings {
  readonly name: string
  /** The `iss` of service account tokens: an https URL without a port. */
  readonly issuer: string
  readonly state: State
  readonly clock: Clock
  readonly log: Log
  /** Audiences that the API takes tokens for; `https://kubernetes.default.svc` by default. */
  readonly apiAudiences?: readonly string[]
  /** Of an EKS cluster: its tokens and access entries. */
  readonly eks?: EksAccess
  /** The Unix socket of an ExternalJWTSigner that signs in place of a key of its own. */
  readonly signingEndpoint?: string
  /** Changes of a type that watches can be resumed over; 2,000 by default. */
  readonly historyMax?: number
  /** Hears of every decision as it is made. */
  readonly onDecision?: (decision: Decision) => void
}

export interface ClusterOptions extends ClusterSettings {
  readonly authority: CertificateAuthority
  /** 127.0.0.1 by default. */
  readonly hostname?: string
  /** A free port by default. */
  readonly port?: number
}

export interface SandboxCluster {
  readonly name: string
  readonly issuer: string
  /** `https://127.0.0.1:PORT` */
  readonly server: string
  /** PEM of the authority that signed the server's certificate. */
  readonly certificateAuthority: string
  /** Of a user in `system:masters`. */
  readonly adminToken: Secret
  /** A static token, of `system:node:NAME` in `system:nodes` for example. */
  tokenFor(user: string, groups: readonly string[]): Secret
  /** A kubeconfig file of the administrator, in YAML. */
  kubeconfig(): string
  jwks(): Jwks
  /** Discovery and JWKS at the issuer's own path, for whoever publishes them. */
  readonly issuerApp: Handler
  /** A token of this cluster's key with any claims, for tests. */
  signToken(claims: Readonly<Record<string, unknown>>): Promise<Secret>
  /** The bearer token with which the API calls a node's kubelet port. */
  kubeletSecret(nodeName: string): Secret
  /** Of an API server that calls nodes over TLS; the sandbox's own does not. */
  kubeletTls?(nodeName: string): Promise<KubeletTls>
  /** The last 10,000 tokens that were given out. */
  issuedSecrets(): readonly string[]
  /** The last decisions of authentication, authorization and webhooks. */
  decisions(): readonly Decision[]
  /** How its objects become what they were; of the sandbox's own, whose objects are in the state. */
  planRestore?(
    then: Collections,
    at: { readonly now: Collections; readonly liveNodes: LiveNodes },
  ): ClusterRestore
  stop(): Promise<void>
}

/** A cluster that the sandbox itself serves. */
export interface ServedCluster extends SandboxCluster {
  /** A kubeconfig file with a client certificate (a day) of that user and groups, in YAML. */
  certificateKubeconfig(user: string, groups: readonly string[]): Promise<string>
}

/** A cluster without its socket: the core for `clusterApp`, with its controllers running. */
export interface PreparedCluster extends Omit<SandboxCluster, 'server' | 'kubeconfig'> {
  readonly core: ClusterCore
  readonly app: Handler
  /** Lets controllers take up at once what is due by the clock, after a test has moved it. */
  wakeControllers(): void
}

const SERVER_NAMES = [
  '127.0.0.1',
  'localhost',
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
]
const API_AUDIENCE = 'https://kubernetes.default.svc'
const FIRST_NAMESPACES = ['default', 'kube-node-lease', 'kube-public', 'kube-system']
/** Bodies of `exec` are streams; objects have kube-apiserver's own limit of 3 MiB. */
const STREAM_BYTES_MAX = 1 << 30

/** Starts a cluster's API server over HTTPS, its controllers and its scheduler. */
export async function startCluster(options: ClusterOptions): Promise<ServedCluster> {
  const hostname = options.hostname ?? '127.0.0.1'
  const certificate = await options.authority.issue({
    names: [...new Set([hostname, ...SERVER_NAMES])],
  })
  const cluster = await prepareCluster({ ...options, certificateAuthority: options.authority.cert })
  const clients = await clientAuthority(options)
  const listening = await serveTls({
    clientAuthorities: [clients.cert],
    hostname,
    port: options.port ?? 0,
    handler: cluster.app,
    log: options.log,
    certificate,
    maxBodyBytes: STREAM_BYTES_MAX,
    // Watches and followed logs are quiet for hours.
    idleTimeoutSeconds: 0,
  })
  const server = listening.url
  return {
    ...omit(cluster, 'core', 'app', 'wakeControllers'),
    server,
    kubeconfig: () =>
      kubeconfigOf(server, cluster, {
        name: `${cluster.name}-admin`,
        token: cluster.adminToken.reveal(),
      }),
    certificateKubeconfig: async (commonName, organizations) => {
      const { cert, key } = await clients.issueClient({ commonName, organizations, validDays: 1 })
      cluster.core.issued.add(key)
      return kubeconfigOf(server, cluster, {
        name: `${cluster.name}-${commonName}`,
        'client-certificate-data': Buffer.from(cert).toString('base64'),
        'client-key-data': Buffer.from(key).toString('base64'),
      })
    },
    stop: async () => {
      await cluster.stop()
      await listening.stop(1000)
    },
  }
}

/** Everything of a cluster but its socket, for tests that call its handler. */
export async function prepareCluster(
  settings: ClusterSettings & { readonly certificateAuthority: string },
): Promise<PreparedCluster> {
  const { core, stopping } = await createCore(settings)
  serveCustomTypes(core)
  await createFirstObjects(core)
  const controllers = startControllers(core, [
    namespaceDefaults,
    namespaceContent,
    clusterRoleAggregation,
    customResources,
    garbageCollection,
    deployments,
    replicaSets,
    ...WORKLOAD_CONTROLLERS,
    scheduler,
  ])
  const tokenFor = (
    username: string,
    groups: readonly string[],
    token = randomBytes(24).toString('base64url'),
  ): Secret => {
    core.staticTokens.set(tokenKey(token), { username, groups: [...groups] })
    core.issued.add(token)
    return new Secret(token)
  }
  const jwks = (): Jwks => core.tokenKeys.jwks()
  return {
    core,
    app: clusterApp(core),
    name: settings.name,
    issuer: settings.issuer,
    certificateAuthority: settings.certificateAuthority,
    adminToken: tokenFor('kubernetes-admin', [MASTERS], adminTokenOf(settings)),
    tokenFor: (username, groups) => tokenFor(username, groups),
    jwks,
    issuerApp: issuerApp({ issuer: settings.issuer, jwks }),
    signToken: async (claims) => {
      const token = await core.tokenKeys.sign(claims)
      core.issued.add(token.reveal())
      return token
    },
    issuedSecrets: () => core.issued.list(),
    kubeletSecret: (nodeName) => core.kubeletSecret(nodeName),
    decisions: () => core.decisions.list(),
    planRestore: (then, at) => planClusterRestore(core, then, at),
    wakeControllers: () => controllers.wake(),
    stop: async () => {
      controllers.stop()
      stopping.abort()
      core.tokenKeys.stop()
    },
  }
}

async function createCore(
  settings: ClusterSettings & { readonly certificateAuthority: string },
): Promise<{ core: ClusterCore; stopping: AbortController }> {
  const { name, state } = settings
  const registry = new Registry(REGISTRY.types)
  const store = new ObjectStore(state, name, registry.stored(), settings.historyMax)
  const secrets = state.table<string>(`cluster-keys/${name}`)
  const kubeletKey = secrets.get('kubelet') ?? randomBytes(32).toString('hex')
  secrets.set('kubelet', kubeletKey)
  const stopping = new AbortController()
  const rbac = createRbac(store)
  const core: ClusterCore = {
    name,
    issuer: settings.issuer,
    clock: settings.clock,
    log: settings.log,
    registry,
    store,
    decisions: new DecisionLog(settings.onDecision),
    authorize: unionAuthorizer([
      mastersAuthorizer,
      nodeAuthorizer(store),
      rbac.authorize,
      ...(settings.eks === undefined ? [] : [accessPolicyAuthorizer(settings.eks)]),
    ]),
    rbac,
    ...(settings.eks !== undefined && { eks: settings.eks }),
    apiAudiences: settings.apiAudiences ?? [API_AUDIENCE],
    tokenKeys: await tokenKeysOf(settings),
    staticTokens: new Map(),
    issued: new IssuedSecrets(),
    certificateAuthority: settings.certificateAuthority,
    kubeletSecret: (node) =>
      new Secret(createHmac('sha256', Buffer.from(kubeletKey, 'hex')).update(node).digest('hex')),
    stopping: stopping.signal,
  }
  return { core, stopping }
}

const tokenKeysOf = async ({
  state,
  name,
  log,
  signingEndpoint,
}: ClusterSettings): Promise<TokenKeys> =>
  signingEndpoint === undefined
    ? ownKey(await keyOfCluster(state, name))
    : externalSigner(signingEndpoint, { log })

/** RS256 with 2,048 bits, as clusters have; made once and kept with the state. */
async function keyOfCluster(state: State, name: string): Promise<SigningKey> {
  const secrets = state.table<string>(`cluster-keys/${name}`)
  const pem = secrets.get('service-account-key')
  if (pem !== undefined) return loadSigningKey(pem)
  const made = await generateSigningKey('RS256')
  secrets.set('service-account-key', exportSigningKey(made).reveal())
  return made
}

/** Made once and kept with the state, so that kubeconfig files stay good. */
function adminTokenOf({ state, name }: ClusterSettings): string {
  const secrets = state.table<string>(`cluster-keys/${name}`)
  const token = secrets.get('admin-token') ?? randomBytes(24).toString('base64url')
  secrets.set('admin-token', token)
  return token
}

async function createFirstObjects(core: ClusterCore): Promise<void> {
  const operation = systemOperation(systemUser('apiserver'))
  for (const name of FIRST_NAMESPACES) {
    if (core.store.get(NAMESPACES, undefined, name) !== undefined) continue
    await createObject(core, { type: NAMESPACES }, { metadata: { name } }, operation)
  }
  await createBootstrapRoles(core)
  if (core.store.get(SERVICES, 'default', 'kubernetes') !== undefined) return
  const value = {
    metadata: {
      name: 'kubernetes',
      labels: { component: 'apiserver', provider: 'kubernetes' },
    },
    spec: { ports: [{ name: 'https', port: 443, protocol: 'TCP' }] },
  }
  await createObject(core, { type: SERVICES, namespace: 'default' }, value, operation)
}

/** Signs client certificates; made once and kept with the state, as the cluster's other keys. */
async function clientAuthority({
  state,
  name,
  clock,
}: ClusterOptions): Promise<CertificateAuthority> {
  const secrets = state.table<string>(`cluster-keys/${name}`)
  const [cert, key] = [secrets.get('client-ca-certificate'), secrets.get('client-ca-key')]
  if (cert !== undefined && key !== undefined) return loadCertificateAuthority(cert, key)
  const made = await createCertificateAuthority({ commonName: `${name} clients`, clock })
  secrets.set('client-ca-certificate', made.cert)
  secrets.set('client-ca-key', made.key)
  return made
}

/**
 * JSON is YAML; kubeconfig files are the one place that shows a user's credentials. Names are the
 * cluster's own, so that files of several clusters can be merged.
 */
function kubeconfigOf(
  server: string,
  { name, certificateAuthority }: Pick<PreparedCluster, 'name' | 'certificateAuthority'>,
  { name: user, ...credentials }: Readonly<Record<string, string>>,
): string {
  const authority = Buffer.from(certificateAuthority).toString('base64')
  return `${JSON.stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name, cluster: { server, 'certificate-authority-data': authority } }],
      users: [{ name: user, user: credentials }],
      contexts: [{ name, context: { cluster: name, user, namespace: 'default' } }],
      'current-context': name,
    },
    null,
    2,
  )}\n`
}
