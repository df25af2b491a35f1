import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { addNode, call, type Json, podOf, settle } from '../cluster.suite.ts'
import {
  makeWorkbench,
  namesOf,
  pathOf,
  PODS_AT,
  type Workbench,
  workload,
} from '../workloads.suite.ts'

const BUDGETS = pathOf('poddisruptionbudgets', 'policy/v1')
const DEPLOYMENTS = pathOf('deployments')
let bench: Workbench
beforeEach(async () => {
  bench = await makeWorkbench()
  await addNode(bench.cluster, 'a')
})
afterEach(() => bench.cluster.stop())

const make = async (spec: object): Promise<Json> => {
  const made = await bench.create(BUDGETS, {
    metadata: { name: 'web' },
    spec: { selector: { matchLabels: { app: 'web' } }, ...spec },
  })
  await settle()
  return made
}
const deploy = async (replicas: number): Promise<void> => {
  await bench.create(DEPLOYMENTS, {
    metadata: { name: 'web' },
    spec: workload('web:1', { replicas }),
  })
  await bench.play()
}
const statusOf = async (): Promise<Json> => (await bench.get(`${BUDGETS}/web`)).status
const evict = (name: string, body: object = {}): ReturnType<typeof call> =>
  call(bench.cluster, 'POST', `${PODS_AT}/${name}/eviction`, {
    body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name }, ...body },
  })

describe('disruption budgets', () => {
  test.each([
    [{ minAvailable: 2 }, { expectedPods: 3, desiredHealthy: 2, disruptionsAllowed: 1 }],
    [{ minAvailable: '50%' }, { expectedPods: 3, desiredHealthy: 2, disruptionsAllowed: 1 }],
    [{ maxUnavailable: 2 }, { expectedPods: 3, desiredHealthy: 1, disruptionsAllowed: 2 }],
    [{ maxUnavailable: '34%' }, { expectedPods: 3, desiredHealthy: 1, disruptionsAllowed: 2 }],
    [{ minAvailable: '100%' }, { expectedPods: 3, desiredHealthy: 3, disruptionsAllowed: 0 }],
  ])('%j of three pods', async (spec, wanted) => {
    await make(spec)
    await deploy(3)
    const status = await statusOf()
    expect(status).toMatchObject({ ...wanted, currentHealthy: 3, observedGeneration: 1 })
    const isAllowed = wanted.disruptionsAllowed > 0
    expect(status.conditions).toMatchObject([
      {
        type: 'DisruptionAllowed',
        status: isAllowed ? 'True' : 'False',
        reason: isAllowed ? 'SufficientPods' : 'InsufficientPods',
      },
    ])
  })

  test('nobody can say how many pods of a job should be there', async () => {
    await make({ maxUnavailable: 1 })
    const job = await bench.create(pathOf('jobs', 'batch/v1'), {
      metadata: { name: 'work' },
      spec: { suspend: true, template: podOf('', { restartPolicy: 'Never' }) },
    })
    const { uid } = job.metadata
    const owner = { apiVersion: 'batch/v1', kind: 'Job', name: 'work', uid, controller: true }
    const metadata = { name: 'alone', labels: { app: 'web' }, ownerReferences: [owner] }
    await bench.create(PODS_AT, { ...(podOf('alone') as Json), metadata })
    await settle()
    expect((await statusOf()).conditions).toMatchObject([
      { status: 'False', reason: 'SyncFailed', message: 'found no controllers for pod "alone"' },
    ])
  })

  test.each([
    [{ minAvailable: 1, maxUnavailable: 1 }, 'minAvailable and maxUnavailable cannot be both set'],
    [{ minAvailable: -1 }, 'must be greater than or equal to 0'],
    [{ minAvailable: '101%' }, 'must not be greater than 100%'],
    [{ maxUnavailable: 'some' }, 'a valid percent string'],
    [{ unhealthyPodEvictionPolicy: 'Never' }, 'supported values: "AlwaysAllow", "IfHealthyBudget"'],
  ])('%j is refused', async (spec, says) => {
    const answer = await make(spec)
    expect(answer.code).toBe(422)
    expect(answer.message).toContain(says)
  })
})

describe('eviction', () => {
  test('is refused with 429 when the budget says no, and allowed again later', async () => {
    await make({ minAvailable: 1 })
    await deploy(2)
    const [first = '', second = ''] = namesOf(await bench.list(PODS_AT))
    expect(await evict(first)).toMatchObject({ status: 201, body: { status: 'Success' } })
    const refused = await evict(second)
    expect(refused.status).toBe(429)
    expect(refused.headers.get('retry-after')).toBe('10')
    expect(refused.body).toMatchObject({
      reason: 'TooManyRequests',
      message: "Cannot evict pod as it would violate the pod's disruption budget.",
      details: { causes: [{ reason: 'DisruptionBudget' }] },
    })
    expect(refused.body.details.causes[0].message).toBe(
      'The disruption budget web needs 1 healthy pods and has 1 currently',
    )
    await bench.play()
    expect((await evict(second)).status).toBe(201)
  })

  test('of a pod that nobody protects, that waits, or in a dry run', async () => {
    await bench.create(PODS_AT, podOf('free', { nodeName: 'a' }))
    await bench.play(1)
    const dry = await evict('free', { deleteOptions: { dryRun: ['All'] } })
    expect(dry.status).toBe(201)
    expect((await bench.get(`${PODS_AT}/free`)).metadata.deletionTimestamp).toBeUndefined()
    expect((await evict('free')).status).toBe(201)
    expect((await bench.get(`${PODS_AT}/free`)).metadata.deletionTimestamp).toBeDefined()
  })

  test('of a pod that is not ready: as the policy says', async () => {
    await make({ minAvailable: 2 })
    await deploy(2)
    const [name = ''] = namesOf(await bench.list(PODS_AT))
    await bench.report(name, { conditions: [{ type: 'Ready', status: 'False' }] })
    expect((await evict(name)).status).toBe(429)
    await bench.patch(`${BUDGETS}/web`, { spec: { unhealthyPodEvictionPolicy: 'AlwaysAllow' } })
    expect((await evict(name)).status).toBe(201)
  })

  test('with two budgets, for another name, of no pod', async () => {
    await make({ minAvailable: 0 })
    await bench.create(BUDGETS, {
      metadata: { name: 'all' },
      spec: { minAvailable: 0, selector: {} },
    })
    await deploy(1)
    const [name = ''] = namesOf(await bench.list(PODS_AT))
    const two = await evict(name)
    expect(two.body).toMatchObject({ code: 500 })
    expect(two.body.message).toContain('more than one PodDisruptionBudget')
    expect((await evict(name, { metadata: { name: 'other' } })).status).toBe(400)
    expect((await evict('nobody')).status).toBe(404)
    expect((await evict(name, { apiVersion: 'v1' })).status).toBe(400)
  })
})
