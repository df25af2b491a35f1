/** The objects that install the agent on every node of a cluster. */
import type { Container, KubeObject, PodSpec, Volume } from '../kube/objects.ts'
import { DEFAULT_BIND_HOSTS } from './addresses.ts'

export interface AgentManifestOptions {
  readonly clusterName: string
  readonly region: string
  readonly image: string
  /** Default `podrole-system`. */
  readonly namespace?: string
  /** URL of a broker, or of EKS Auth's private endpoint. Without it: EKS Auth of the region. */
  readonly endpoint?: string
  /** The endpoint is a broker: the agent shows it a token of its own. */
  readonly broker?: boolean
  /** A config map of the namespace whose key `ca.crt` holds the CA that signed the broker's. */
  readonly caConfigMap?: string
  readonly bindHosts?: readonly string[]
  /** Default 80, which the SDKs' address has. */
  readonly port?: number
  /** Default 2703, on the node's loopback. */
  readonly probePort?: number
  /** Default 2705, there too. */
  readonly metricsPort?: number
  readonly logLevel?: string
}

/** The audience of the token that an agent shows to a broker. */
export const BROKER_AUDIENCE = 'podrole-broker'

export const AGENT_NAME = 'podrole-agent'
export const AGENT_NAMESPACE = 'podrole-system'
/** Where the agent's own token for a broker is mounted. */
export const BROKER_TOKEN_FILE = '/var/run/secrets/podrole-broker/token'
const CA_FOLDER = '/etc/podrole/broker-ca'
const PORT = 80
const PROBE_PORT = 2703
const BROKER_TOKEN_SECONDS = 3600

interface Probe {
  readonly httpGet: { readonly host: string; readonly path: string; readonly port: number }
  readonly periodSeconds: number
  readonly timeoutSeconds: number
  readonly failureThreshold: number
}

interface ProbedContainer extends Container {
  livenessProbe: Probe
  readinessProbe: Probe
}

/** The agent's pod: what the DaemonSet's template holds. */
export interface AgentPodSpec extends PodSpec {
  priorityClassName: string
  containers: ProbedContainer[]
  initContainers: Container[]
}

/** A DaemonSet, as far as it is written here. */
export interface DaemonSet extends KubeObject {
  spec: {
    selector: { matchLabels: Record<string, string> }
    updateStrategy: Record<string, unknown>
    template: { metadata: { labels: Record<string, string> }; spec: AgentPodSpec }
  }
}

/**
 * The agent's pod: on the node's network, with no right on the node but to bind port 80; the init
 * container alone may change links and addresses.
 */
export function agentPodSpec(options: AgentManifestOptions): AgentPodSpec {
  const volumes = agentVolumes(options)
  return {
    serviceAccountName: AGENT_NAME,
    automountServiceAccountToken: false,
    hostNetwork: true,
    priorityClassName: 'system-node-critical',
    terminationGracePeriodSeconds: 30,
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    // Pods run on tainted nodes too, and a fresh node's first pods need the agent.
    tolerations: [{ operator: 'Exists' }],
    securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
    initContainers: initContainers(options),
    containers: [agentContainer(options, volumes)],
    volumes,
  }
}

/** Namespace, ServiceAccount and DaemonSet, in the order in which they are to be applied. */
export function agentManifests(options: AgentManifestOptions): readonly KubeObject[] {
  const namespace = options.namespace ?? AGENT_NAMESPACE
  const labels = { 'app.kubernetes.io/name': AGENT_NAME, 'app.kubernetes.io/part-of': 'podrole' }
  const matchLabels = { 'app.kubernetes.io/name': AGENT_NAME }
  const metadata = { name: AGENT_NAME, namespace, labels }
  const daemonSet: DaemonSet = {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata,
    spec: {
      selector: { matchLabels },
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '10%' } },
      template: { metadata: { labels }, spec: agentPodSpec(options) },
    },
  }
  const serviceAccount = {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata,
    automountServiceAccountToken: false,
  }
  return [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: namespace, labels: { ...labels, ...namespaceLevels } },
    },
    serviceAccount,
    daemonSet,
  ]
}

/** The node's network is outside what Pod Security's lower levels allow. */
const namespaceLevels = { 'pod-security.kubernetes.io/enforce': 'privileged' }

function agentContainer(
  options: AgentManifestOptions,
  volumes: readonly Volume[],
): ProbedContainer {
  const port = options.probePort ?? PROBE_PORT
  const probe = (path: string, failureThreshold: number): Probe => ({
    // No port is declared: on the node's network the scheduler would reserve it.
    httpGet: { host: '127.0.0.1', path, port },
    periodSeconds: 10,
    timeoutSeconds: 10,
    failureThreshold,
  })
  return {
    name: 'agent',
    image: options.image,
    args: agentArguments(options),
    securityContext: containerSecurity(options),
    resources: { requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '256Mi' } },
    livenessProbe: probe('/healthz', 3),
    readinessProbe: probe('/readyz', 3),
    ...(volumes.length > 0 && {
      volumeMounts: volumes.map((volume) => ({
        name: volume.name,
        mountPath: volume.name === 'broker-ca' ? CA_FOLDER : folderOf(BROKER_TOKEN_FILE),
        readOnly: true,
      })),
    }),
  }
}

function agentArguments(options: AgentManifestOptions): string[] {
  const { endpoint, port, probePort, metricsPort, logLevel } = options
  return [
    'agent',
    '--cluster-name',
    options.clusterName,
    '--region',
    options.region,
    ...(endpoint === undefined ? [] : ['--endpoint', endpoint]),
    ...(options.broker === true ? ['--broker-token-file', BROKER_TOKEN_FILE] : []),
    ...(options.caConfigMap === undefined ? [] : ['--ca-file', `${CA_FOLDER}/ca.crt`]),
    ...(options.bindHosts ?? []).flatMap((host) => ['--bind-hosts', host]),
    ...(port === undefined ? [] : ['--port', String(port)]),
    ...(probePort === undefined ? [] : ['--probe-port', String(probePort)]),
    ...(metricsPort === undefined ? [] : ['--metrics-port', String(metricsPort)]),
    ...(logLevel === undefined ? [] : ['--log-level', logLevel]),
  ]
}

function initContainers(options: AgentManifestOptions): Container[] {
  const hosts = options.bindHosts ?? DEFAULT_BIND_HOSTS
  // On loopback alone there is no link to make.
  if (!hosts.some((host) => DEFAULT_BIND_HOSTS.includes(host))) return []
  return [
    {
      name: 'init',
      image: options.image,
      args: ['agent', 'init'],
      securityContext: {
        runAsUser: 0,
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] },
      },
    },
  ]
}

/**
 * Port 80 needs NET_BIND_SERVICE. Kubernetes gives added capabilities to root alone (it has no
 * ambient capabilities), and without privilege escalation a file's capabilities do not count: so
 * for port 80 the user is root, stripped of everything else; for any port above 1023 it is not.
 */
function containerSecurity(options: AgentManifestOptions): Record<string, unknown> {
  const privilegedPort = (options.port ?? PORT) < 1024
  return {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    ...(privilegedPort
      ? { runAsUser: 0, capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] } }
      : { runAsUser: 65_532, runAsNonRoot: true, capabilities: { drop: ['ALL'] } }),
  }
}

function agentVolumes(options: AgentManifestOptions): Volume[] {
  const token = {
    audience: BROKER_AUDIENCE,
    expirationSeconds: BROKER_TOKEN_SECONDS,
    path: 'token',
  }
  return [
    ...(options.broker === true
      ? [{ name: 'broker-token', projected: { sources: [{ serviceAccountToken: token }] } }]
      : []),
    ...(options.caConfigMap === undefined
      ? []
      : [{ name: 'broker-ca', configMap: { name: options.caConfigMap } }]),
  ]
}

const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/'))
