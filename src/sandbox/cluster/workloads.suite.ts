/** What the tests of workloads share: a cluster, its paths, and a kubelet that plays along. */
import { call, type Json, makeCluster, settle, type TestCluster } from './cluster.suite.ts'

export const MERGE = { 'content-type': 'application/merge-patch+json' }

/** The path of a type in the namespace `default`. */
export const pathOf = (plural: string, group = 'apps/v1'): string =>
  `${group === 'v1' ? '/api' : '/apis'}/${group}/namespaces/default/${plural}`

export const PODS_AT = pathOf('pods', 'v1')

/** The spec of a workload whose pods have one container. */
export const workload = (image: string, spec: object = {}, podSpec: object = {}): Json => ({
  selector: { matchLabels: { app: 'web' } },
  template: {
    metadata: { labels: { app: 'web' } },
    spec: { containers: [{ name: 'app', image }], ...podSpec },
  },
  ...spec,
})

export interface Workbench {
  readonly cluster: TestCluster
  get(path: string): Promise<Json>
  list(path: string): Promise<Json[]>
  create(path: string, body: object): Promise<Json>
  patch(path: string, body: object): Promise<Json>
  remove(path: string): Promise<Json>
  /** Reports a pod's status as its node would. */
  report(name: string, status: object): Promise<void>
  /**
   * Plays every node for some rounds: pods that wait run and are ready, pods that must end end.
   */
  play(rounds?: number): Promise<void>
  /** Moves the clock and lets controllers see it. */
  advance(ms: number): Promise<void>
}

/** A new cluster with what its tests do to it. */
export async function makeWorkbench(): Promise<Workbench> {
  const cluster = await makeCluster()
  const body = async (method: string, path: string, value?: object): Promise<Json> =>
    (
      await call(cluster, method, path, {
        ...(value && { body: value }),
        ...(method === 'PATCH' && { headers: MERGE }),
      })
    ).body
  const bench: Workbench = {
    cluster,
    get: (path) => body('GET', path),
    list: async (path) => (await body('GET', path)).items,
    create: (path, value) => body('POST', path, value),
    patch: (path, value) => body('PATCH', path, value),
    remove: (path) => body('DELETE', path),
    report: async (name, status) => {
      await body('PATCH', `${PODS_AT}/${name}/status`, { status })
      await settle()
    },
    play: async (rounds = 6) => {
      for (let round = 0; round < rounds; round += 1) {
        await settle()
        for (const pod of await bench.list('/api/v1/pods')) await playPod(cluster, pod)
      }
      await settle()
    },
    advance: async (ms) => {
      cluster.clock.advance(ms)
      cluster.wakeControllers()
      await settle()
      await settle()
    },
  }
  return bench
}

let address = 0

async function playPod(cluster: TestCluster, { metadata, spec, status }: Json): Promise<void> {
  const path = `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`
  if (metadata.deletionTimestamp !== undefined) {
    await call(cluster, 'DELETE', `${path}?gracePeriodSeconds=0`)
  } else if (status.phase === 'Pending' && spec.nodeName !== undefined) {
    address += 1
    const lastTransitionTime = new Date(cluster.clock.now()).toISOString()
    const conditions = [
      ...(status.conditions ?? []).filter(({ type }: Json) => type !== 'Ready'),
      { type: 'Ready', status: 'True', lastTransitionTime },
    ]
    const podIP = `10.0.${address >> 8}.${address & 255}`
    await call(cluster, 'PATCH', `${path}/status`, {
      headers: MERGE,
      body: { status: { phase: 'Running', podIP, podIPs: [{ ip: podIP }], conditions } },
    })
  }
}

export const namesOf = (objects: readonly Json[]): string[] =>
  objects.map(({ metadata }) => metadata.name)

/** Values as texts, in order. */
export const sortedTexts = (values: readonly Json[]): string[] => values.map(String).sort()
