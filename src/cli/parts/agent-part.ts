/**
 * Agents on the nodes of a sandbox's cluster: pods of the agent's own manifest. Each is a process,
 * so it is started with the first pod on its node, which waits for it.
 */
import { join } from 'node:path'
import { AGENT_NAME, agentPodSpec } from '../../agent/manifests.ts'
import { CONFIG_MAPS, PODS, SERVICE_ACCOUNTS } from '../../kube/client.ts'
import type { KubeObject, Pod } from '../../kube/objects.ts'
import { apiPath } from '../../kube/transport.ts'
import type { Clock } from '../../lib/clock.ts'
import { codeOf, PodroleError } from '../../lib/errors.ts'
import type { LogLevel } from '../../lib/log.ts'
import type { SandboxNode } from '../../sandbox/node/node.ts'
import type { RunningCluster, Sandbox } from '../../sandbox/sandbox.ts'
import { installNodeRole, keepCredentialsFile } from './agent-credentials.ts'
import type { BrokerPart } from './broker-part.ts'
import { ensureObject, putObject } from './objects.ts'

export interface AgentPart {
  /** What the webhook tells pods to ask; undefined where it is 169.254.170.23. */
  readonly fullUri: string | undefined
  /** The URL of a node's agent, which is started where it does not run yet. */
  urlOf(node: SandboxNode): Promise<string>
  /** What a pod waits for: the agent of its node, but for agents themselves. */
  beforePod(node: string, pod: Pod): Promise<void>
  /** Ends pods of an earlier start, which a restore brought back with that start's addresses. */
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
  readonly clock: Clock
}

interface LoopbackPorts {
  readonly port: number
  readonly probePort: number
  readonly metricsPort: number
}

interface NodeAgentSurroundings extends AgentSurroundings {
  readonly node: SandboxNode
  /** On the loopback, where the node has no network of its own. */
  readonly ports: LoopbackPorts | undefined
  /** Of an EKS cluster. */
  readonly nodeRole: string | undefined
}

const LINK_LOCAL_URL = 'http://169.254.170.23/v1/credentials'
const CREDENTIALS_FOLDER = '/run/podrole-node-credentials'
const CA_CONFIG_MAP = 'podrole-broker-ca'
const READY_MS = 20_000

/** Lets agents be started; what an earlier start left of them ends. */
export async function prepareAgents(around: AgentSurroundings): Promise<AgentPart> {
  const { cluster, namespace, sandbox, broker } = around
  await ensureObject(cluster.client, SERVICE_ACCOUNTS, {
    metadata: { name: AGENT_NAME, namespace },
  })
  if (broker !== undefined) await installBrokerCa(around, broker)
  const nodeRole = broker === undefined ? installNodeRole(sandbox, cluster) : undefined
  const agents = new Map<string, NodeAgent>()
  for (const node of cluster.nodes) {
    const ports =
      node.isolation.network === 'namespace'
        ? undefined
        : {
            port: await sandbox.keepPort(`agent/${node.name}`),
            probePort: await sandbox.keepPort(`agent-probe/${node.name}`),
            metricsPort: await sandbox.keepPort(`agent-metrics/${node.name}`),
          }
    if (broker !== undefined) await node.addForward(broker.port)
    agents.set(node.name, new NodeAgent({ ...around, node, ports, nodeRole }))
  }
  await Promise.all([...agents.values()].map((agent) => agent.endOthers()))
  const [first] = agents.values()
  return {
    fullUri: first?.isOnLoopback === true ? first.url : undefined,
    urlOf: async (node) => {
      const agent = agents.get(node.name)
      if (agent === undefined) {
        throw new PodroleError('NoSuchNode', `no agent runs on node ${node.name}`)
      }
      await agent.ensure()
      return agent.url
    },
    beforePod: async (node, pod) => {
      const { name, namespace: own } = pod.metadata
      const agent = agents.get(node)
      if (own === namespace && name === podName(node)) await agent?.admit(pod)
      else await agent?.ensure()
    },
    restored: async () => {
      await Promise.all([...agents.values()].map((agent) => agent.restored()))
    },
    stop: async () => {
      await Promise.all([...agents.values()].map((agent) => agent.stop()))
    },
  }
}

/** The agent of one node. */
class NodeAgent {
  readonly url: string
  readonly isOnLoopback: boolean
  readonly #at: NodeAgentSurroundings
  /** Its pod's unique id. */
  #created: Promise<string | undefined> | undefined
  #endCredentials = (): void => undefined
  #isStopped = false

  constructor(at: NodeAgentSurroundings) {
    this.#at = at
    this.isOnLoopback = at.ports !== undefined
    this.url =
      at.ports === undefined ? LINK_LOCAL_URL : `http://127.0.0.1:${at.ports.port}/v1/credentials`
  }

  /**
   * Resolves when it answers; where its pod is gone, another is started.
   * @throws PodroleError `AgentNotReady`; the next call tries again
   */
  async ensure(): Promise<void> {
    while (!this.#isStopped) {
      const creating = (this.#created ??= this.#create())
      let isReady = false
      try {
        isReady = await becomesReady(this.#at, await creating)
      } finally {
        if (!isReady && this.#created === creating) this.#created = undefined
      }
      if (isReady) return
    }
  }

  /** Lets its own pod go on; one of an earlier start waits for its end. */
  async admit(pod: Pod): Promise<void> {
    if (!(await this.#owns(pod))) await new Promise(() => undefined)
  }

  /** Ends a pod of an earlier start, which has that start's addresses. */
  async endOthers(): Promise<void> {
    const pod = await findAgent(this.#at)
    if (pod !== undefined && !(await this.#owns(pod))) {
      await removeAgent(this.#at, { gracePeriodSeconds: '0' })
    }
  }

  /** Where a restore took its pod away, those that run on the node have another agent. */
  async restored(): Promise<void> {
    await this.endOthers()
    if (this.#created !== undefined && (await hasOtherPods(this.#at))) await this.ensure()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#endCredentials()
    if (this.#created === undefined) return
    await this.#created.catch(() => undefined)
    await removeAgent(this.#at)
  }

  async #owns({ metadata }: Pod): Promise<boolean> {
    const uid = await this.#created?.catch(() => undefined)
    return uid !== undefined && uid === metadata.uid
  }

  async #create(): Promise<string | undefined> {
    const { node, nodeRole, ports, cluster } = this.#at
    this.#endCredentials()
    if (nodeRole !== undefined) this.#endCredentials = giveCredentials(this.#at, node, nodeRole)
    await removeAgent(this.#at, { gracePeriodSeconds: '1' })
    return (await cluster.client.create<Pod>(PODS, agentPod(this.#at, node, ports))).metadata.uid
  }
}

/**
 * The pod of the agent's DaemonSet with what the sandbox's node does for it already: the addresses
 * are there, so that it needs no init container.
 */
function agentPod(
  around: AgentSurroundings,
  node: SandboxNode,
  ports: LoopbackPorts | undefined,
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
    metadata: {
      name: podName(node.name),
      namespace,
      labels: { 'app.kubernetes.io/name': AGENT_NAME },
    },
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

/**
 * Whether a pod becomes the node's agent that answers, and is not gone before.
 * @throws PodroleError `AgentNotReady`
 */
async function becomesReady(
  around: NodeAgentSurroundings,
  uid: string | undefined,
): Promise<boolean> {
  const until = Date.now() + READY_MS
  for (;;) {
    const { metadata, status } = (await findAgent(around)) ?? {}
    if (metadata?.uid !== uid || metadata?.deletionTimestamp !== undefined) return false
    const ready = status?.conditions?.find(({ type }) => type === 'Ready')
    if (status?.phase === 'Running' && ready?.status === 'True') return true
    if (Date.now() > until) {
      const waiting = status?.containerStatuses?.[0]?.state
      throw new PodroleError(
        'AgentNotReady',
        `the agent on node ${around.node.name} is not ready after ${READY_MS / 1000} s: ${JSON.stringify(waiting ?? status ?? {})}`,
      )
    }
    await Bun.sleep(40)
  }
}

/** Whether anything but the agent is on its node and not over. */
async function hasOtherPods({ cluster, namespace, node }: NodeAgentSurroundings): Promise<boolean> {
  const { items } = await cluster.client.list<Pod>(PODS, {
    fieldSelector: `spec.nodeName=${node.name}`,
  })
  return items.some(({ metadata, status }) => {
    const isAgent = metadata.namespace === namespace && metadata.name === podName(node.name)
    return !isAgent && !['Succeeded', 'Failed'].includes(status?.phase ?? '')
  })
}

/** Ends it; one that has only just started does not hear the signal that asks it to. */
async function removeAgent(
  around: NodeAgentSurroundings,
  query: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { client } = around.cluster
  const ref = { namespace: around.namespace, name: podName(around.node.name) }
  await client.raw('DELETE', apiPath(PODS, ref), { query }).catch(() => undefined)
  const until = Date.now() + READY_MS
  while (Date.now() < until) {
    if ((await findAgent(around)) === undefined) return
    await Bun.sleep(40)
  }
}

const findAgent = ({ cluster, namespace, node }: NodeAgentSurroundings): Promise<Pod | undefined> =>
  cluster.client.get<Pod>(PODS, { namespace, name: podName(node.name) }).catch((error: unknown) => {
    if (codeOf(error) === 'NotFound') return undefined
    throw error
  })

const podName = (node: string): string => `${AGENT_NAME}-${node}`
