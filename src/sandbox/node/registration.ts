import { arch, release, totalmem } from 'node:os'
import { type KubeClient, NODES } from '../../kube/client.ts'
import type { KubeNode } from '../../kube/objects.ts'
import { codeOf } from '../../lib/errors.ts'
import { faultFields } from '../../lib/log.ts'
import { type NodeServices, timeOf } from './services.ts'
import { sleep } from './waiting.ts'

/** The node's object at the API server: made, kept alive by heartbeats, marked when it stops. */
export class Registration {
  readonly #services: NodeServices
  readonly #port: number
  readonly #stopping = new AbortController()
  readonly #startedAt: string
  #beating: Promise<void> | undefined

  /** @param port of the node's own HTTP server */
  constructor(services: NodeServices, port: number) {
    this.#services = services
    this.#port = port
    this.#startedAt = timeOf(services.clock)
  }

  /** @throws what the API server answers when it does not take the node */
  async start(): Promise<void> {
    const { client, name } = this.#services
    const labels = labelsOf(name)
    const object: KubeNode = {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, labels },
      spec: { providerID: `podrole-sandbox:///${name}` },
    }
    try {
      await client.create<KubeNode>(NODES, object)
    } catch (error) {
      if (codeOf(error) !== 'AlreadyExists') throw error
      await client.mergePatch(NODES, { name }, { metadata: { labels } })
    }
    await this.#beat(client, 'True')
    this.#beating = this.#keepBeating()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#beating
    // The API server may be gone already.
    await Promise.race([
      this.#beat(this.#services.client, 'False').catch(() => undefined),
      Bun.sleep(1000),
    ])
  }

  async #keepBeating(): Promise<void> {
    const { signal } = this.#stopping
    const { timing, client, log } = this.#services
    while (!signal.aborted) {
      await sleep(timing.heartbeatMs, signal)
      if (signal.aborted) return
      await this.#beat(client, 'True').catch((error: unknown) =>
        log.warn('heartbeat of node not written', faultFields(error)),
      )
    }
  }

  async #beat(client: KubeClient, ready: 'True' | 'False'): Promise<void> {
    const { name, clock } = this.#services
    const now = timeOf(clock)
    const resources = {
      cpu: String(navigator.hardwareConcurrency),
      memory: memoryOf(),
      pods: '110',
    }
    const status = {
      addresses: [
        { type: 'InternalIP', address: '127.0.0.1' },
        { type: 'Hostname', address: name },
      ],
      daemonEndpoints: { kubeletEndpoint: { Port: this.#port } },
      capacity: resources,
      allocatable: resources,
      conditions: [
        {
          type: 'Ready',
          status: ready,
          reason: ready === 'True' ? 'KubeletReady' : 'KubeletStopped',
          message: ready === 'True' ? 'runs pods as processes' : 'the node was stopped',
          lastHeartbeatTime: now,
          lastTransitionTime: ready === 'True' ? this.#startedAt : now,
        },
      ],
      nodeInfo: {
        architecture: archOf(),
        operatingSystem: process.platform,
        kernelVersion: release(),
        osImage: 'podrole sandbox',
        kubeletVersion: 'v1.36.0-podrole',
        kubeProxyVersion: '',
        containerRuntimeVersion: 'podrole-processes://1',
        machineID: name,
        systemUUID: name,
        bootID: name,
      },
    }
    await client.mergePatch<KubeNode>(NODES, { name, subresource: 'status' }, { status })
  }
}

const labelsOf = (name: string): Record<string, string> => ({
  'kubernetes.io/os': 'linux',
  'kubernetes.io/arch': archOf(),
  'kubernetes.io/hostname': name,
})

/** Kubernetes has Go's names of architectures. */
const archOf = (): string => (arch() === 'x64' ? 'amd64' : arch())

const memoryOf = (): string => `${Math.floor(totalmem() / 1024)}Ki`
