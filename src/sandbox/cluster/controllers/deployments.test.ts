import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { addNode, type Json, settle } from '../cluster.suite.ts'
import {
  makeWorkbench,
  pathOf,
  sortedTexts,
  PODS_AT,
  type Workbench,
  workload,
} from '../workloads.suite.ts'
import { call } from '../cluster.suite.ts'

const DEPLOYMENTS = pathOf('deployments')
const SETS = pathOf('replicasets')
const REVISION = 'deployment.kubernetes.io/revision'
let bench: Workbench
beforeEach(async () => {
  bench = await makeWorkbench()
})
afterEach(() => bench.cluster.stop())

const make = async (spec: object = {}): Promise<Json> => {
  const made = await bench.create(DEPLOYMENTS, {
    metadata: { name: 'web' },
    spec: workload('web:1', { replicas: 2, ...spec }),
  })
  await settle()
  return made
}
const read = (): Promise<Json> => bench.get(`${DEPLOYMENTS}/web`)
const setImage = (image: string): Promise<Json> =>
  bench.patch(`${DEPLOYMENTS}/web`, {
    spec: { template: { spec: { containers: [{ name: 'app', image }] } } },
  })
const progress = async (): Promise<Json> =>
  (await read()).status.conditions.find(({ type }: Json) => type === 'Progressing')

describe('a roll-out', () => {
  test('is over when all is available, and says so', async () => {
    await addNode(bench.cluster, 'a')
    await make()
    await bench.play()
    const [set] = await bench.list(SETS)
    expect(await progress()).toMatchObject({
      status: 'True',
      reason: 'NewReplicaSetAvailable',
      message: `ReplicaSet "${set.metadata.name}" has successfully progressed.`,
    })
  })

  test('that takes too long is told apart, and recovers', async () => {
    await make({ progressDeadlineSeconds: 60 })
    expect(await progress()).toMatchObject({ status: 'True', reason: 'ReplicaSetUpdated' })
    await bench.advance(59_000)
    expect(await progress()).toMatchObject({ status: 'True' })
    await bench.advance(2000)
    expect(await progress()).toMatchObject({ status: 'False', reason: 'ProgressDeadlineExceeded' })
    await addNode(bench.cluster, 'a')
    await bench.play()
    expect(await progress()).toMatchObject({ status: 'True', reason: 'NewReplicaSetAvailable' })
  })

  test('waits minReadySeconds for each pod', async () => {
    await addNode(bench.cluster, 'a')
    await make({
      minReadySeconds: 10,
      strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
    })
    await bench.play()
    expect((await read()).status).toMatchObject({ readyReplicas: 2, unavailableReplicas: 2 })
    await bench.advance(10_000)
    expect((await read()).status).toMatchObject({ availableReplicas: 2 })
    await setImage('web:2')
    await bench.play()
    const images = async (): Promise<string[]> =>
      sortedTexts((await bench.list(PODS_AT)).map(({ spec }) => spec.containers[0].image))
    expect(await images()).toEqual(['web:1', 'web:1', 'web:2'])
    await bench.advance(10_000)
    await bench.play()
    expect(await images()).toEqual(['web:1', 'web:2', 'web:2'])
  })

  test('back to an old template takes its replica set again, as the newest revision', async () => {
    await addNode(bench.cluster, 'a')
    await make()
    await bench.play()
    await setImage('web:2')
    await bench.play(10)
    await setImage('web:1')
    await bench.play(10)
    const sets = await bench.list(SETS)
    expect(sortedTexts(sets.map(({ metadata }) => metadata.annotations[REVISION]))).toEqual([
      '2',
      '3',
    ])
    expect((await read()).metadata.annotations[REVISION]).toBe('3')
  })

  test('kubectl rollout restart: an annotation of the template is a new template', async () => {
    await addNode(bench.cluster, 'a')
    await make()
    await bench.play()
    const before = (await bench.list(PODS_AT)).map(({ metadata }) => metadata.uid)
    await call(bench.cluster, 'PATCH', `${DEPLOYMENTS}/web`, {
      headers: { 'content-type': 'application/strategic-merge-patch+json' },
      body: {
        spec: {
          template: {
            metadata: {
              annotations: { 'kubectl.kubernetes.io/restartedAt': '2026-01-01T00:00:00Z' },
            },
          },
        },
      },
    })
    await bench.play(10)
    const after = (await bench.list(PODS_AT)).map(({ metadata }) => metadata.uid)
    expect(after).toHaveLength(2)
    expect(after.filter((uid) => before.includes(uid))).toEqual([])
    expect((await read()).status).toMatchObject({ observedGeneration: 2, updatedReplicas: 2 })
  })

  test('says in events what it scales, and shows its images with -o wide', async () => {
    await addNode(bench.cluster, 'a')
    await make()
    await bench.play()
    await setImage('web:2')
    await bench.play(10)
    const path = `${pathOf('events', 'v1')}?fieldSelector=reason%3DScalingReplicaSet`
    const messages = (await bench.list(path)).map(({ message }) => message as string)
    expect(messages.some((text) => /^Scaled up replica set web-\w+ from 0 to 2$/.test(text))).toBe(
      true,
    )
    expect(
      messages.some((text) => /^Scaled down replica set web-\w+ from 1 to 0$/.test(text)),
    ).toBe(true)
    const table = await call(bench.cluster, 'GET', DEPLOYMENTS, {
      headers: { accept: 'application/json;as=Table;g=meta.k8s.io;v=v1' },
    })
    expect(table.body.rows[0].cells.slice(-3)).toEqual(['app', 'web:2', 'app=web'])
  })

  test('paused: nothing moves but the scale', async () => {
    await addNode(bench.cluster, 'a')
    await make()
    await bench.play()
    await bench.patch(`${DEPLOYMENTS}/web`, { spec: { paused: true } })
    await bench.patch(`${DEPLOYMENTS}/web`, { spec: { replicas: 3 } })
    await bench.play()
    expect(await progress()).toMatchObject({ status: 'Unknown', reason: 'DeploymentPaused' })
    expect(await bench.list(PODS_AT)).toHaveLength(3)
    await setImage('web:2')
    await bench.play()
    expect(await bench.list(SETS)).toHaveLength(1)
  })
})

describe('replica sets', () => {
  test('take pods that fit and that nobody controls, and set free those that fit no more', async () => {
    await bench.create(PODS_AT, {
      metadata: { name: 'stray', labels: { app: 'web' } },
      spec: { containers: [{ name: 'app', image: 'web:1' }] },
    })
    await bench.create(SETS, {
      metadata: { name: 'web' },
      spec: workload('web:1', { replicas: 1 }),
    })
    await settle()
    const pods = await bench.list(PODS_AT)
    expect(pods).toHaveLength(1)
    expect(pods[0].metadata.ownerReferences).toMatchObject([{ kind: 'ReplicaSet', name: 'web' }])
    await bench.patch(`${PODS_AT}/stray`, { metadata: { labels: { app: 'debug' } } })
    await settle()
    expect((await bench.get(`${PODS_AT}/stray`)).metadata.ownerReferences).toBeUndefined()
    expect(await bench.list(PODS_AT)).toHaveLength(2)
  })
})
