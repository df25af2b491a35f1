/** Agents on the nodes of a sandbox's cluster: pods of the agent's own manifest. */
import { join } from 'node:path'
import { AGENT_NAME, agentPodSpec } from '../../agent/manifests.ts'
import { CONFIG_MAPS, PODS, SERVICE_ACCOUNTS } from '../../kube/client.ts'
import type { KubeObject, Pod } from '../../kube/objects.ts'
import { apiPath } from '../../kube/transport.ts'
import { PodroleError } from '../../lib/errors.ts'
import type { LogLevel } from '../../lib/log.ts'
import type { SandboxNode } from '../../sandbox/node/node.ts'
import type { RunningCluster, Sandbox } from '../../sandbox/sandbox.ts'
import { installNodeRole, keepCredentialsFile } from './agent-credentials.ts'
import type { BrokerPart } from './broker-part.ts'
import { ensureObject, putObject } from './objects.ts'

export interface AgentPart {
  /** What the webhook tells pods to ask; undefined where it is 169.254.170.23. */
  readonly fullUri: string | undefined
  /** Node → the URL of its agent's credentials. */
  readonly urls: ReadonlyMap<string, string>
  /** Replaces pods of an earlier start, which a restore brought back with that start's addresses. */
  restored(): Promise<void>
  stop(): Promise<void>
}

export interface AgentSurroundings {
  readonly cluster: RunningCluster
  readonly sandbox: Sandbox
  /** There where the cluster is not EKS. */
  readonly broker: BrokerPart | undefined
  readonly namespace: string
  readonly logLevel: LogLevel
}

const LINK_LOCAL_URL = 'http://169.254.170.23/v1/credentials'
const CREDENTIALS_FOLDER = '/run/podrole-node-credentials'
const CA_CONFIG_MAP = 'podrole-broker-ca'
const READY_MS = 20_000

/** Starts an agent on each node and waits until all of them answer. */
export async function startAgents(around: AgentSurroundings): Promise<AgentPart> {
  const { cluster, namespace, sandbox } = around
  await ensureObject(cluster.client, SERVICE_ACCOUNTS, {
    metadata: { name: AGENT_NAME, namespace },
  })
  if (around.broker !== undefined) await installBrokerCa(around, around.broker)
  const nodeRole =
    around.broker === undefined ? installNodeRole(around.sandbox, cluster) : undefined
  const ends: (() => void)[] = []
  const urls = new Map<string, string>()
  const pods = new Map<SandboxNode, Pod>()
  const uids = new Map<SandboxNode, string | undefined>()
  const replacePod = async (node: SandboxNode, pod: Pod): Promise<void> => {
    // One of an earlier start has that start's addresses.
    await removeAgent(around, node, { gracePeriodSeconds: '1' })
    uids.set(node, (await cluster.client.create<Pod>(PODS, pod)).metadata.uid)
  }
  for (const node of cluster.nodes) {
    const ports =
      node.isolation.network === 'namespace'
        ? undefined
        : {
            port: await sandbox.keepPort(`agent/${node.name}`),
            probePort: await sandbox.keepPort(`agent-probe/${node.name}`),
          }
    pods.set(node, agentPod(around, node, ports))
    if (nodeRole !== undefined) ends.push(giveCredentials(around, node, nodeRole))
    if (around.broker !== undefined) await node.addForward(around.broker.port)
    urls.set(
      node.name,
      ports === undefined ? LINK_LOCAL_URL : `http://127.0.0.1:${ports.port}/v1/credentials`,
    )
  }
  for (const [node, pod] of pods) await replacePod(node, pod)
  for (const node of cluster.nodes) await waitUntilRunning(around, node)
  const [first] = cluster.nodes
  const isLoopback = first !== undefined && first.isolation.network === 'loopback'
  return {
    fullUri: isLoopback ? urls.get(first.name) : undefined,
    urls,
    restored: async () => {
      for (const [node, pod] of pods) {
        const there = await findAgent(around, node)
        // Where none was, none is wanted.
        if (there === undefined || there.metadata.uid === uids.get(node)) continue
        await replacePod(node, pod)
        await waitUntilRunning(around, node)
      }
    },
    stop: async () => {
      for (const end of ends.splice(0)) end()
      for (const node of cluster.nodes) await removeAgent(around, node)
    },
  }
}

/**
 * The pod of the agent's DaemonSet with what the sandbox's node does for it already: the addresses
 * are there, so that it needs no init container.
 */
function agentPod(
  around: AgentSurroundings,
  node: SandboxNode,
  ports: { readonly port: number; readonly probePort: number } | undefined,
): Pod {
  const { cluster, sandbox, broker, namespace } = around
  const spec = agentPodSpec({
    clusterName: cluster.name,
    region: cluster.region,
    image: 'podrole',
    logLevel: around.logLevel,
    endpoint: broker?.endpoint.url ?? sandbox.endpoint,
    ...(broker !== undefined && { broker: true, caConfigMap: CA_CONFIG_MAP }),
    ...(ports !== undefined && { bindHosts: ['127.0.0.1'], ...ports }),
  })
  const [container] = spec.containers
  if (container === undefined) throw new PodroleError('NoAgent', 'the agent has no container')
  if (broker === undefined) {
    spec.volumes = [
      ...(spec.volumes ?? []),
      { name: 'node-credentials', hostPath: { path: CREDENTIALS_FOLDER } },
    ]
    container.volumeMounts = [
      ...(container.volumeMounts ?? []),
      { name: 'node-credentials', mountPath: CREDENTIALS_FOLDER, readOnly: true },
    ]
    container.env = [
      { name: 'AWS_SHARED_CREDENTIALS_FILE', value: join(CREDENTIALS_FOLDER, 'credentials') },
    ]
  }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: podName(node), namespace, labels: { 'app.kubernetes.io/name': AGENT_NAME } },
    spec: { ...spec, initContainers: [], nodeName: node.name, restartPolicy: 'Always' },
  }
}

function giveCredentials(
  around: AgentSurroundings,
  node: SandboxNode,
  roleArn: string,
): () => void {
  const file = join(node.hostRoot, CREDENTIALS_FOLDER, 'credentials')
  return keepCredentialsFile(around.sandbox, { roleArn, name: node.name, file })
}

async function installBrokerCa(around: AgentSurroundings, broker: BrokerPart): Promise<void> {
  await putObject(around.cluster.client, CONFIG_MAPS, {
    metadata: { name: CA_CONFIG_MAP, namespace: around.namespace },
    data: { 'ca.crt': broker.endpoint.ca },
  } as KubeObject)
}

async function waitUntilRunning(around: AgentSurroundings, node: SandboxNode): Promise<void> {
  const ref = { namespace: around.namespace, name: podName(node) }
  const until = Date.now() + READY_MS
  for (;;) {
    const pod = await around.cluster.client.get<Pod>(PODS, ref)
    const ready = pod.status?.conditions?.find(({ type }) => type === 'Ready')
    if (pod.status?.phase === 'Running' && ready?.status === 'True') return
    if (Date.now() > until) {
      const waiting = pod.status?.containerStatuses?.[0]?.state
      throw new PodroleError(
        'AgentNotReady',
        `the agent on node ${node.name} is not ready after ${READY_MS / 1000} s: ${JSON.stringify(waiting ?? pod.status ?? {})}`,
      )
    }
    await Bun.sleep(40)
  }
}

/** Ends it; one that has only just started does not hear the signal that asks it to. */
async function removeAgent(
  around: AgentSurroundings,
  node: SandboxNode,
  query: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { client } = around.cluster
  const ref = { namespace: around.namespace, name: podName(node) }
  await client.raw('DELETE', apiPath(PODS, ref), { query }).catch(() => undefined)
  const until = Date.now() + READY_MS
  while (Date.now() < until) {
    if ((await findAgent(around, node)) === undefined) return
    await Bun.sleep(40)
  }
}

const findAgent = (
  { cluster, namespace }: AgentSurroundings,
  node: SandboxNode,
): Promise<Pod | undefined> =>
  cluster.client.get<Pod>(PODS, { namespace, name: podName(node) }).catch(() => undefined)

const podName = (node: SandboxNode): string => `${AGENT_NAME}-${node.name}`
