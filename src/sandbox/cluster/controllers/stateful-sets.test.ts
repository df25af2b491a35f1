import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { addNode, type Json } from '../cluster.suite.ts'
import {
  makeWorkbench,
  namesOf,
  pathOf,
  PODS_AT,
  type Workbench,
  workload,
} from '../workloads.suite.ts'

const SETS = pathOf('statefulsets')
const CLAIMS = pathOf('persistentvolumeclaims', 'v1')
let bench: Workbench
beforeEach(async () => {
  bench = await makeWorkbench()
  await addNode(bench.cluster, 'a')
})
afterEach(() => bench.cluster.stop())

const make = (spec: object = {}, podSpec: object = {}): Promise<Json> =>
  bench.create(SETS, {
    metadata: { name: 'db' },
    spec: workload('db:1', { serviceName: 'db', replicas: 3, ...spec }, podSpec),
  })
const names = async (): Promise<string[]> => namesOf(await bench.list(PODS_AT))
const images = async (): Promise<string[]> =>
  (await bench.list(PODS_AT)).map(({ spec }) => spec.containers[0].image)
const setImage = (image: string): Promise<Json> =>
  bench.patch(`${SETS}/db`, {
    spec: { template: { spec: { containers: [{ name: 'app', image }] } } },
  })

describe('stateful sets', () => {
  test('make their pods one after the other, with names that stay', async () => {
    await make()
    await bench.play(1)
    expect(await names()).toEqual(['db-0', 'db-1'])
    await bench.play(4)
    expect(await names()).toEqual(['db-0', 'db-1', 'db-2'])
    const pod = await bench.get(`${PODS_AT}/db-1`)
    expect(pod.spec).toMatchObject({ hostname: 'db-1', subdomain: 'db' })
    expect(pod.metadata.labels).toMatchObject({
      'statefulset.kubernetes.io/pod-name': 'db-1',
      'apps.kubernetes.io/pod-index': '1',
    })
    const { status } = await bench.get(`${SETS}/db`)
    expect(status).toMatchObject({
      observedGeneration: 1,
      replicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
      currentReplicas: 3,
      updatedReplicas: 3,
    })
    expect(status.currentRevision).toBe(status.updateRevision)
    expect(pod.metadata.labels['controller-revision-hash']).toBe(status.updateRevision)
  })

  test('Parallel makes them all at once', async () => {
    await make({ podManagementPolicy: 'Parallel' })
    await bench.play(0)
    expect(await names()).toEqual(['db-0', 'db-1', 'db-2'])
  })

  test('a pod that is deleted comes back under its name', async () => {
    await make()
    await bench.play()
    const before = await bench.get(`${PODS_AT}/db-1`)
    await bench.remove(`${PODS_AT}/db-1`)
    await bench.play()
    const after = await bench.get(`${PODS_AT}/db-1`)
    expect(after.metadata.uid).not.toBe(before.metadata.uid)
  })

  test('scale down from the end, up at the end, and start where told', async () => {
    await make({ ordinals: { start: 5 } })
    await bench.play()
    expect(await names()).toEqual(['db-5', 'db-6', 'db-7'])
    await bench.patch(`${SETS}/db`, { spec: { replicas: 1 } })
    await bench.play(8)
    expect(await names()).toEqual(['db-5'])
  })

  test('a new template rolls from the last pod to the first', async () => {
    await make()
    await bench.play()
    await setImage('db:2')
    await bench.play(2)
    expect(await images()).toEqual(['db:1', 'db:1', 'db:2'])
    const during = (await bench.get(`${SETS}/db`)).status
    expect(during.currentRevision).not.toBe(during.updateRevision)
    await bench.play(10)
    expect(await images()).toEqual(['db:2', 'db:2', 'db:2'])
    const { status } = await bench.get(`${SETS}/db`)
    expect(status).toMatchObject({ observedGeneration: 2, updatedReplicas: 3, currentReplicas: 3 })
    expect(status.currentRevision).toBe(status.updateRevision)
  })

  test('a partition keeps the first pods, also when they are made again', async () => {
    await make({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } } })
    await bench.play()
    await setImage('db:2')
    await bench.play(8)
    expect(await images()).toEqual(['db:1', 'db:1', 'db:2'])
    await bench.remove(`${PODS_AT}/db-0`)
    await bench.play(4)
    expect(await images()).toEqual(['db:1', 'db:1', 'db:2'])
  })

  test('each pod has its own claims, which stay', async () => {
    const claim = {
      metadata: { name: 'data' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    }
    const mounts = {
      containers: [
        { name: 'app', image: 'db:1', volumeMounts: [{ name: 'data', mountPath: '/data' }] },
      ],
    }
    await make({ replicas: 2, volumeClaimTemplates: [claim] }, mounts)
    await bench.play()
    expect(namesOf(await bench.list(CLAIMS))).toEqual(['data-db-0', 'data-db-1'])
    const pod = await bench.get(`${PODS_AT}/db-1`)
    expect(pod.spec.volumes).toContainEqual({
      name: 'data',
      persistentVolumeClaim: { claimName: 'data-db-1' },
    })
    await bench.remove(`${SETS}/db`)
    await bench.play()
    expect(await names()).toEqual([])
    expect(await bench.list(CLAIMS)).toHaveLength(2)
  })

  test('what is not mutable is refused, and what makes no sense', async () => {
    await make()
    const changed = await bench.patch(`${SETS}/db`, { spec: { serviceName: 'other' } })
    expect(changed.message).toContain(
      "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals'",
    )
    const policy = await bench.create(SETS, {
      metadata: { name: 'x' },
      spec: workload('x', { podManagementPolicy: 'Any' }),
    })
    expect(policy.message).toContain("must be 'OrderedReady' or 'Parallel'")
    const start = await bench.create(SETS, {
      metadata: { name: 'x' },
      spec: workload('x', { ordinals: { start: -1 } }),
    })
    expect(start.message).toContain('spec.ordinals.start')
  })
})
