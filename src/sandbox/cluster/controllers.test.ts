import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  addNode,
  call,
  type Json,
  makeCluster,
  podOf,
  PODS_PATH,
  reportReady,
  settle,
  type TestCluster,
  until,
} from './cluster.suite.ts'

const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments'
const SETS = '/apis/apps/v1/namespaces/default/replicasets'
const MERGE = { 'content-type': 'application/merge-patch+json' }

let cluster: TestCluster
beforeEach(async () => {
  cluster = await makeCluster()
})
afterEach(() => cluster.stop())

const list = async (path: string): Promise<Json[]> => (await call(cluster, 'GET', path)).body.items
const patch = (path: string, body: object): ReturnType<typeof call> =>
  call(cluster, 'PATCH', path, { headers: MERGE, body })
const deployment = (image: string, replicas: number, spec: object = {}): object => ({
  metadata: { name: 'web' },
  spec: {
    replicas,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: { containers: [{ name: 'app', image }] },
    },
    ...spec,
  },
})

/** Plays the kubelet: pods become ready, or end when they must. */
async function reportPods(): Promise<void> {
  for (let round = 0; round < 6; round += 1) {
    await settle()
    for (const { metadata, status } of await list(PODS_PATH)) {
      const path = `${PODS_PATH}/${metadata.name}`
      if (metadata.deletionTimestamp !== undefined)
        await call(cluster, 'DELETE', `${path}?gracePeriodSeconds=0`)
      else if (status.phase === 'Pending') {
        const conditions = [{ type: 'Ready', status: 'True' }]
        await patch(`${path}/status`, { status: { phase: 'Running', conditions } })
      }
    }
  }
}

describe('namespaces', () => {
  test('get their default account and root certificate, and again when those are deleted', async () => {
    await call(cluster, 'POST', '/api/v1/namespaces', { body: { metadata: { name: 'team' } } })
    await settle()
    const account = '/api/v1/namespaces/team/serviceaccounts/default'
    expect((await call(cluster, 'GET', account)).status).toBe(200)
    const root = await call(cluster, 'GET', '/api/v1/namespaces/team/configmaps/kube-root-ca.crt')
    expect(root.body.data).toEqual({ 'ca.crt': 'PEM' })
    await call(cluster, 'DELETE', account)
    await settle()
    expect((await call(cluster, 'GET', account)).status).toBe(200)
  })

  test('take their content with them, and take nothing new meanwhile', async () => {
    await call(cluster, 'POST', '/api/v1/namespaces', { body: { metadata: { name: 'team' } } })
    await settle()
    const pods = '/api/v1/namespaces/team/pods'
    await call(cluster, 'POST', pods, { body: podOf('p', { nodeName: 'n' }) })
    const marked = await call(cluster, 'DELETE', '/api/v1/namespaces/team')
    expect(marked.body.status.phase).toBe('Terminating')
    const refused = await call(cluster, 'POST', '/api/v1/namespaces/team/configmaps', {
      body: { metadata: { name: 'late' } },
    })
    expect(refused.body).toMatchObject({
      code: 403,
      details: { causes: [{ reason: 'NamespaceTerminating' }] },
    })
    await settle()
    expect((await call(cluster, 'GET', '/api/v1/namespaces/team')).status).toBe(200)
    await call(cluster, 'DELETE', `${pods}/p?gracePeriodSeconds=0`)
    await settle()
    expect((await call(cluster, 'GET', '/api/v1/namespaces/team')).status).toBe(404)
    expect(
      (await list('/api/v1/serviceaccounts')).map(({ metadata }) => metadata.namespace),
    ).not.toContain('team')
  })

  test('default stays', async () => {
    const answer = await call(cluster, 'DELETE', '/api/v1/namespaces/default')
    expect(answer.body.message).toBe(
      'namespaces "default" is forbidden: this namespace may not be deleted',
    )
  })
})

describe('the scheduler', () => {
  const nodeOf = async (name: string): Promise<unknown> =>
    (await call(cluster, 'GET', `${PODS_PATH}/${name}`)).body.spec.nodeName

  test('binds to a Ready node that the selector takes', async () => {
    await addNode(cluster, 'a')
    await addNode(cluster, 'b', { disk: 'ssd' })
    await call(cluster, 'POST', PODS_PATH, { body: podOf('any') })
    await call(cluster, 'POST', PODS_PATH, {
      body: podOf('ssd', { nodeSelector: { disk: 'ssd' } }),
    })
    await settle()
    expect([await nodeOf('any'), await nodeOf('ssd')]).toEqual(['a', 'b'])
    await reportReady(cluster, 'a', 'False')
    await call(cluster, 'POST', PODS_PATH, { body: podOf('later') })
    await settle()
    expect(await nodeOf('later')).toBe('b')
  })

  test('says why it cannot, and tries again when a node changes', async () => {
    await call(cluster, 'POST', PODS_PATH, { body: podOf('waits') })
    await settle()
    const { body } = await call(cluster, 'GET', `${PODS_PATH}/waits`)
    expect(body.status.conditions).toMatchObject([
      { type: 'PodScheduled', status: 'False', reason: 'Unschedulable' },
    ])
    const events = await list(
      '/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dwaits',
    )
    expect(events).toMatchObject([
      {
        reason: 'FailedScheduling',
        message: 'no nodes available to schedule pods',
        type: 'Warning',
      },
    ])
    await addNode(cluster, 'a')
    expect(await nodeOf('waits')).toBe('a')
  })

  test('taints keep pods away that do not tolerate them', async () => {
    await call(cluster, 'POST', '/api/v1/nodes', {
      body: {
        metadata: { name: 'a' },
        spec: { taints: [{ key: 'gpu', value: 'x', effect: 'NoSchedule' }] },
      },
    })
    await reportReady(cluster, 'a', 'True')
    await call(cluster, 'POST', PODS_PATH, { body: podOf('plain') })
    await call(cluster, 'POST', PODS_PATH, {
      body: podOf('gpu', { tolerations: [{ key: 'gpu', operator: 'Exists' }] }),
    })
    await settle()
    expect([await nodeOf('plain'), await nodeOf('gpu')]).toEqual([undefined, 'a'])
  })

  test('pods of a node that is deleted go with it', async () => {
    await addNode(cluster, 'a')
    await call(cluster, 'POST', PODS_PATH, { body: podOf('p') })
    await settle()
    await call(cluster, 'DELETE', '/api/v1/nodes/a')
    await settle()
    expect((await call(cluster, 'GET', `${PODS_PATH}/p`)).status).toBe(404)
  })
})

describe('deployments', () => {
  test('make pods through a replica set, and report them', async () => {
    await addNode(cluster, 'a')
    await call(cluster, 'POST', DEPLOYMENTS, { body: deployment('app:1', 3) })
    await reportPods()
    const pods = await list(PODS_PATH)
    expect(pods).toHaveLength(3)
    const [set] = await list(SETS)
    expect(pods[0].metadata.ownerReferences).toMatchObject([
      { kind: 'ReplicaSet', name: set.metadata.name, controller: true },
    ])
    expect(pods[0].metadata.labels['pod-template-hash']).toBe(
      set.metadata.labels['pod-template-hash'],
    )
    const { body } = await call(cluster, 'GET', `${DEPLOYMENTS}/web`)
    expect(body.status).toMatchObject({
      replicas: 3,
      updatedReplicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
      observedGeneration: 1,
    })
    expect(body.metadata.annotations).toEqual({ 'deployment.kubernetes.io/revision': '1' })
  })

  test('replace a pod that is deleted, and scale', async () => {
    await addNode(cluster, 'a')
    await call(cluster, 'POST', DEPLOYMENTS, { body: deployment('app:1', 2) })
    await reportPods()
    const [first] = await list(PODS_PATH)
    await call(cluster, 'DELETE', `${PODS_PATH}/${first.metadata.name}?gracePeriodSeconds=0`)
    await reportPods()
    expect((await list(PODS_PATH)).map(({ metadata }) => metadata.name)).not.toContain(
      first.metadata.name,
    )
    expect(await list(PODS_PATH)).toHaveLength(2)
    await patch(`${DEPLOYMENTS}/web`, { spec: { replicas: 1 } })
    await reportPods()
    expect(await list(PODS_PATH)).toHaveLength(1)
  })

  test.each(['RollingUpdate', 'Recreate'])(
    '%s to a new template ends the old pods',
    async (type) => {
      await addNode(cluster, 'a')
      await call(cluster, 'POST', DEPLOYMENTS, {
        body: deployment('app:1', 3, { strategy: { type } }),
      })
      await reportPods()
      const containers = [{ name: 'app', image: 'app:2' }]
      await patch(`${DEPLOYMENTS}/web`, { spec: { template: { spec: { containers } } } })
      for (let round = 0; round < 6; round += 1) await reportPods()
      const pods = await list(PODS_PATH)
      expect(pods.map(({ spec }) => spec.containers[0].image)).toEqual(['app:2', 'app:2', 'app:2'])
      expect(await list(SETS)).toHaveLength(2)
      const { body } = await call(cluster, 'GET', `${DEPLOYMENTS}/web`)
      expect(body.status).toMatchObject({
        updatedReplicas: 3,
        readyReplicas: 3,
        observedGeneration: 2,
      })
      expect(body.metadata.annotations['deployment.kubernetes.io/revision']).toBe('2')
    },
  )

  test('a pod that is refused shows as an event, and comes when nothing refuses it any more', async () => {
    const broken = deployment('app:1', 1) as Json
    broken.spec.template.spec.serviceAccountName = 'later'
    await call(cluster, 'POST', DEPLOYMENTS, { body: broken })
    await settle()
    const events = await list(
      '/api/v1/namespaces/default/events?fieldSelector=reason%3DFailedCreate',
    )
    expect(events[0].message).toContain('serviceaccount "later" not found')
    await call(cluster, 'POST', '/api/v1/namespaces/default/serviceaccounts', {
      body: { metadata: { name: 'later' } },
    })
    await until(
      () =>
        cluster.core.store.list(cluster.core.registry.find('', 'v1', 'pods')!, 'default').length ===
        1,
    )
  })

  test('a selector that does not fit its template is refused', async () => {
    const body = deployment('app:1', 1, { selector: { matchLabels: { app: 'other' } } })
    const answer = await call(cluster, 'POST', DEPLOYMENTS, { body })
    expect(answer.body.message).toContain('`selector` does not match template `labels`')
    expect(answer.body.message).toStartWith('Deployment.apps "web" is invalid')
  })
})

describe('garbage collection', () => {
  const remove = (policy: string): ReturnType<typeof call> =>
    call(cluster, 'DELETE', `${DEPLOYMENTS}/web?propagationPolicy=${policy}`)

  test.each(['Background', 'Foreground'])('%s takes replica sets and pods', async (policy) => {
    await addNode(cluster, 'a')
    await call(cluster, 'POST', DEPLOYMENTS, { body: deployment('app:1', 2) })
    await reportPods()
    await remove(policy)
    await reportPods()
    expect(await list(DEPLOYMENTS)).toEqual([])
    expect(await list(SETS)).toEqual([])
    expect(await list(PODS_PATH)).toEqual([])
  })

  test('Orphan leaves them', async () => {
    await call(cluster, 'POST', DEPLOYMENTS, { body: deployment('app:1', 2) })
    await settle()
    await remove('Orphan')
    await settle()
    expect(await list(DEPLOYMENTS)).toEqual([])
    const sets = await list(SETS)
    expect(sets).toHaveLength(1)
    expect(sets[0].metadata.ownerReferences).toBeUndefined()
    expect(await list(PODS_PATH)).toHaveLength(2)
  })
})
