/** What the node's tests share: a cluster, a node in it, pods, and a wait for what others bring about. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type KubeClient, NAMESPACES, PODS, SERVICE_ACCOUNTS } from '../../kube/client.ts'
import type { Container, Pod, PodSpec } from '../../kube/objects.ts'
import { createKubeClient } from '../../kube/transport.ts'
import { createCertificateAuthority } from '../../lib/certificates.ts'
import { shiftedClock, systemClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { type SandboxCluster, startCluster } from '../cluster/cluster.ts'
import { State } from '../state.ts'
import { createImageTable } from './images.ts'
import { findIsolation } from './isolation.ts'
import { type NodeOptions, type SandboxNode, startNode } from './node.ts'

/** The `bun` image's files, which a pod must see wherever the checkout is. */
const CHECKOUT = join(import.meta.dir, '..', '..', '..')

export const NAMESPACE = 'team'
export const NODE = 'node-1'

export interface TestNode {
  readonly node: SandboxNode
  readonly cluster: SandboxCluster
  /** With all rights; the node itself has those of a kubelet. */
  readonly client: KubeClient
  readonly folder: string
  /** Moves the clock of node and cluster. */
  advance(ms: number): void
  /** Creates a pod on the node. */
  run(name: string, spec: Partial<PodSpec> & { containers: Container[] }): Promise<Pod>
  /** Waits for what a pod comes to; the test's own timeout ends it. */
  pod(name: string, isWanted: (pod: Pod) => boolean): Promise<Pod>
  /** Waits until the pod has ended, and gives what its container wrote. */
  outcome(name: string): Promise<{ phase: string; log: string }>
  log(name: string, container?: string): Promise<string>
  stop(): Promise<void>
}

/** A shell script as a container. */
export const shell = (script: string, more: Partial<Container> = {}): Container => ({
  name: 'main',
  image: 'busybox',
  command: ['sh', '-c', script],
  ...more,
})

export async function startTestNode(options: Partial<NodeOptions> = {}): Promise<TestNode> {
  let shift = 0
  const clock = { now: () => shiftedClock(shift, systemClock).now() }
  const cluster = await startCluster({
    name: 'one',
    issuer: 'https://cluster.issuer.sandbox/one',
    state: new State(),
    clock,
    log: silentLog,
    authority: await createCertificateAuthority({ commonName: 'test', clock }),
  })
  const clientOf = (token: SandboxCluster['adminToken']): KubeClient =>
    createKubeClient({
      server: cluster.server,
      ca: cluster.certificateAuthority,
      token: () => token,
    })
  const client = clientOf(cluster.adminToken)
  await client.create(NAMESPACES, { metadata: { name: NAMESPACE } })
  await until(() =>
    client.get(SERVICE_ACCOUNTS, { namespace: NAMESPACE, name: 'default' }).catch(() => undefined),
  )
  const folder = join(mkdtempSync(join(tmpdir(), 'podrole-node-test-')), 'node')
  const node = await startNode({
    name: NODE,
    client: clientOf(cluster.tokenFor(`system:node:${NODE}`, ['system:nodes'])),
    clusterName: 'one',
    folder,
    images: createImageTable({ bun: { entrypoint: [process.execPath], folders: [CHECKOUT] } }),
    environment: { AWS_REGION: 'eu-west-1' },
    forwards: [],
    network: 'auto',
    kubeletSecret: cluster.kubeletSecret(NODE),
    clock,
    log: silentLog,
    timing: { backOffMs: 20, retryMs: 20 },
    ...options,
  })
  const pod = (name: string, isWanted: (pod: Pod) => boolean): Promise<Pod> =>
    until(async () => {
      const found = await client.get<Pod>(PODS, { namespace: NAMESPACE, name })
      return isWanted(found) && found
    })
  const log = async (name: string, container?: string): Promise<string> => {
    const path = `/api/v1/namespaces/${NAMESPACE}/pods/${name}/log`
    const query = container === undefined ? {} : { container }
    return (await client.raw('GET', path, { query })).text()
  }
  return {
    node,
    cluster,
    client,
    folder,
    advance: (ms) => {
      shift += ms
    },
    run: (name, spec) =>
      client.create<Pod>(PODS, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace: NAMESPACE },
        spec: { nodeName: NODE, terminationGracePeriodSeconds: 1, restartPolicy: 'Never', ...spec },
      }),
    pod,
    log,
    outcome: async (name) => {
      const ended = await pod(name, ({ status }) =>
        ['Succeeded', 'Failed'].includes(status?.phase ?? ''),
      )
      return { phase: ended.status?.phase ?? '', log: await log(name) }
    },
    stop: async () => {
      await node.stop()
      await cluster.stop()
      rmSync(join(folder, '..'), { recursive: true, force: true })
    },
  }
}

/** Waits for a condition that something else brings about; the test's own timeout ends it. */
export async function until<T>(
  read: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  for (;;) {
    const value = await read()
    if (value !== undefined && value !== false) return value
    await Bun.sleep(10)
  }
}

/** What this machine lacks for namespaces, or undefined; with PODROLE_REQUIRE=all nothing is skipped. */
export async function missingNamespaces(): Promise<string | undefined> {
  if (process.env['PODROLE_REQUIRE'] === 'all') return undefined
  const folder = mkdtempSync(join(tmpdir(), 'podrole-probe-'))
  const found = await findIsolation({ folder, network: 'auto', mounts: 'auto' })
  await found.network?.stop()
  rmSync(folder, { recursive: true, force: true })
  const { network, mounts, why } = found.isolation
  if (network === 'namespace' && mounts === 'namespace') return undefined
  return `skipped: needs namespaces (root, or unprivileged user namespaces, with util-linux and iproute2): ${why}`
}

/** Processes of the machine whose environment holds the mark. */
export const processesWith = (mark: string): string[] => processesWhere('environ', mark)

/** Processes of the machine whose words name a folder: the one that holds a node's network. */
export const processesOf = (folder: string): string[] => processesWhere('cmdline', folder)

function processesWhere(file: string, text: string): string[] {
  return readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/${file}`).includes(text)
    } catch {
      return false
    }
  })
}
