import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { addNode, call, type Json } from '../cluster.suite.ts'
import {
  makeWorkbench,
  pathOf,
  sortedTexts,
  PODS_AT,
  type Workbench,
  workload,
} from '../workloads.suite.ts'

const SETS = pathOf('daemonsets')
let bench: Workbench
beforeEach(async () => {
  bench = await makeWorkbench()
})
afterEach(() => bench.cluster.stop())

const nodes = async (...names: string[]): Promise<void> => {
  for (const name of names) await addNode(bench.cluster, name)
}
const make = (spec: object = {}, podSpec: object = {}): Promise<Json> =>
  bench.create(SETS, { metadata: { name: 'agent' }, spec: workload('agent:1', spec, podSpec) })
const images = async (): Promise<string[]> =>
  sortedTexts((await bench.list(PODS_AT)).map(({ spec }) => spec.containers[0].image))
const nodesOf = async (): Promise<string[]> =>
  sortedTexts((await bench.list(PODS_AT)).map(({ spec }) => spec.nodeName))

describe('daemon sets', () => {
  test('put one pod on every node, also on those that come later', async () => {
    await nodes('a', 'b')
    await make()
    await bench.play()
    expect(await nodesOf()).toEqual(['a', 'b'])
    await nodes('c')
    await bench.play()
    expect(await nodesOf()).toEqual(['a', 'b', 'c'])
    const set = await bench.get(`${SETS}/agent`)
    expect(set.status).toEqual({
      observedGeneration: 1,
      desiredNumberScheduled: 3,
      currentNumberScheduled: 3,
      numberMisscheduled: 0,
      numberReady: 3,
      updatedNumberScheduled: 3,
      numberAvailable: 3,
    })
  })

  test("pods have the daemons' tolerations, and their node by affinity", async () => {
    await nodes('a')
    await make({}, { hostNetwork: true })
    await bench.play(1)
    const [pod] = await bench.list(PODS_AT)
    const keys = pod.spec.tolerations.map(({ key, effect }: Json) => `${key}:${effect}`)
    expect(keys).toEqual([
      'node.kubernetes.io/not-ready:NoExecute',
      'node.kubernetes.io/unreachable:NoExecute',
      'node.kubernetes.io/disk-pressure:NoSchedule',
      'node.kubernetes.io/memory-pressure:NoSchedule',
      'node.kubernetes.io/pid-pressure:NoSchedule',
      'node.kubernetes.io/unschedulable:NoSchedule',
      'node.kubernetes.io/network-unavailable:NoSchedule',
    ])
    const required = pod.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution
    expect(required.nodeSelectorTerms).toEqual([
      { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['a'] }] },
    ])
    expect(pod.metadata.ownerReferences).toMatchObject([{ kind: 'DaemonSet', controller: true }])
  })

  test('only where selectors and taints let them', async () => {
    await addNode(bench.cluster, 'linux', { 'kubernetes.io/os': 'linux' })
    await addNode(bench.cluster, 'windows', { 'kubernetes.io/os': 'windows' })
    await call(bench.cluster, 'POST', '/api/v1/nodes', {
      body: {
        metadata: { name: 'tainted', labels: { 'kubernetes.io/os': 'linux' } },
        spec: { taints: [{ key: 'gpu', effect: 'NoSchedule' }] },
      },
    })
    await make({}, { nodeSelector: { 'kubernetes.io/os': 'linux' } })
    await bench.play()
    expect(await nodesOf()).toEqual(['linux'])
    await bench.patch('/api/v1/nodes/linux', {
      spec: { taints: [{ key: 'out', effect: 'NoExecute' }] },
    })
    await bench.play()
    expect(await nodesOf()).toEqual([])
  })

  test('a cordoned node keeps its pod', async () => {
    await nodes('a')
    await make()
    await bench.play()
    await bench.patch('/api/v1/nodes/a', { spec: { unschedulable: true } })
    await bench.play()
    expect(await nodesOf()).toEqual(['a'])
  })

  test('a failed pod is replaced', async () => {
    await nodes('a')
    await make()
    await bench.play()
    const [first] = await bench.list(PODS_AT)
    await bench.report(first.metadata.name, { phase: 'Failed' })
    await bench.play()
    const [second] = await bench.list(PODS_AT)
    expect(second.metadata.uid).not.toBe(first.metadata.uid)
    const events = await bench.list(
      `${pathOf('events', 'v1')}?fieldSelector=reason%3DFailedDaemonPod`,
    )
    expect(events[0].message).toContain(`Found failed daemon pod default/${first.metadata.name}`)
  })

  test.each([
    ['maxUnavailable', { maxUnavailable: 1, maxSurge: 0 }],
    ['maxSurge', { maxUnavailable: 0, maxSurge: 1 }],
  ])('a rolling update by %s replaces every pod and keeps the revision', async (_name, rolling) => {
    await nodes('a', 'b', 'c')
    await make({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: rolling } })
    await bench.play()
    await bench.patch(`${SETS}/agent`, {
      spec: { template: { spec: { containers: [{ name: 'app', image: 'agent:2' }] } } },
    })
    await bench.play(1)
    expect(await images()).toContain('agent:1')
    await bench.play(12)
    expect(await images()).toEqual(['agent:2', 'agent:2', 'agent:2'])
    expect(await nodesOf()).toEqual(['a', 'b', 'c'])
    const revisions = await bench.list(pathOf('controllerrevisions'))
    expect(sortedTexts(revisions.map(({ revision }) => revision))).toEqual(['1', '2'])
    const [pod] = await bench.list(PODS_AT)
    const [newest] = revisions.filter(({ revision }) => revision === 2)
    expect(pod.metadata.labels['controller-revision-hash']).toBe(
      newest.metadata.labels['controller-revision-hash'],
    )
    expect((await bench.get(`${SETS}/agent`)).status).toMatchObject({
      observedGeneration: 2,
      updatedNumberScheduled: 3,
    })
  })

  test('OnDelete waits for a delete', async () => {
    await nodes('a')
    await make({ updateStrategy: { type: 'OnDelete' } })
    await bench.play()
    await bench.patch(`${SETS}/agent`, {
      spec: { template: { spec: { containers: [{ name: 'app', image: 'agent:2' }] } } },
    })
    await bench.play()
    expect(await images()).toEqual(['agent:1'])
    const [pod] = await bench.list(PODS_AT)
    await bench.remove(`${PODS_AT}/${pod.metadata.name}`)
    await bench.play()
    expect(await images()).toEqual(['agent:2'])
  })

  test('a pod counts as available after minReadySeconds', async () => {
    await nodes('a')
    await make({ minReadySeconds: 30 })
    await bench.play()
    const before = await bench.get(`${SETS}/agent`)
    expect(before.status).toMatchObject({ numberReady: 1, numberUnavailable: 1 })
    expect(before.status.numberAvailable).toBeUndefined()
    await bench.advance(29_000)
    expect((await bench.get(`${SETS}/agent`)).status.numberAvailable).toBeUndefined()
    await bench.advance(2000)
    expect((await bench.get(`${SETS}/agent`)).status.numberAvailable).toBe(1)
  })

  test('deleting one takes its pods and revisions', async () => {
    await nodes('a')
    await make()
    await bench.play()
    await bench.remove(`${SETS}/agent`)
    await bench.play()
    expect(await bench.list(PODS_AT)).toEqual([])
    expect(await bench.list(pathOf('controllerrevisions'))).toEqual([])
  })
})

describe('daemon sets are refused', () => {
  test.each([
    ['an empty selector', { selector: {} }, 'empty selector is invalid for daemonset'],
    [
      'a selector that takes others',
      { selector: { matchLabels: { app: 'x' } } },
      'does not match template',
    ],
    [
      'an unknown strategy',
      { updateStrategy: { type: 'Now' } },
      'supported values: "RollingUpdate", "OnDelete"',
    ],
    [
      'neither unavailable nor surge',
      { updateStrategy: { rollingUpdate: { maxUnavailable: 0 } } },
      'cannot be 0 when maxSurge is 0',
    ],
    [
      'both unavailable and surge',
      { updateStrategy: { rollingUpdate: { maxUnavailable: 1, maxSurge: 1 } } },
      'may not be set when maxUnavailable is non-zero',
    ],
  ])('%s', async (_name, spec, says) => {
    const answer = await make(spec)
    expect(answer.code).toBe(422)
    expect(answer.message).toContain(says)
  })

  test('a restart policy that ends, and a selector that changes', async () => {
    const never = await make({}, { restartPolicy: 'Never' })
    expect(never.message).toContain('Unsupported value: "Never": supported values: "Always"')
    await make()
    const changed = await bench.patch(`${SETS}/agent`, {
      spec: { selector: { matchLabels: { more: 'x' } } },
    })
    expect(changed.message).toContain('field is immutable')
  })

  test('a controller revision whose data changes', async () => {
    const path = pathOf('controllerrevisions')
    await bench.create(path, { metadata: { name: 'r' }, data: { a: 1 }, revision: 1 })
    const changed = await bench.patch(`${path}/r`, { data: { a: 2 } })
    expect(changed.message).toContain('data: Invalid value')
    expect((await bench.patch(`${path}/r`, { revision: -1 })).code).toBe(422)
  })
})
