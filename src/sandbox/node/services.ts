import type { KubeClient } from '../../kube/client.ts'
import type { Pod } from '../../kube/objects.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import type { ImageTable } from './images.ts'
import type { Isolation } from './launch.ts'
import type { LateNetwork } from './late-network.ts'

/** How long a node waits; tests shorten it. Milliseconds. */
export interface Timing {
  /** Before a container's second restart; doubled each time. */
  readonly backOffMs: number
  readonly maxBackOffMs: number
  /** Before what the pod refers to is looked for again. */
  readonly retryMs: number
  readonly heartbeatMs: number
}

export const TIMING: Timing = {
  backOffMs: 1000,
  maxBackOffMs: 300_000,
  retryMs: 1000,
  heartbeatMs: 10_000,
}

/** What the parts of one node share. */
export interface NodeServices {
  readonly name: string
  readonly client: KubeClient
  readonly clock: Clock
  readonly log: Log
  readonly images: ImageTable
  readonly isolation: Isolation
  readonly network: LateNetwork | undefined
  readonly hasSetpriv: boolean
  readonly timing: Timing
  readonly folder: string
  /** What `hostPath` means by `/`. */
  readonly hostRoot: string
  readonly environment: Readonly<Record<string, string>>
  /** What a pod waits for before its containers start. */
  readonly beforePod: (pod: Pod) => Promise<void>
}

/** ISO time without milliseconds, as Kubernetes writes it. */
export const timeOf = (clock: Clock): string =>
  `${new Date(clock.now()).toISOString().slice(0, 19)}Z`
