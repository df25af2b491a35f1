import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { call, makeCluster, podOf, PODS_PATH, type TestCluster } from './cluster.suite.ts'
import invalidPods from './testdata/invalid-pods.json'

const MERGE = { 'content-type': 'application/merge-patch+json' }
const STRATEGIC = { 'content-type': 'application/strategic-merge-patch+json' }

let cluster: TestCluster
beforeAll(async () => {
  cluster = await makeCluster()
})
afterAll(() => cluster.stop())

describe('pods', () => {
  test.each(invalidPods.map((one) => [one.name, one] as const))('%s', async (_name, one) => {
    const body = { metadata: { name: 'p' }, spec: one.spec }
    const answer = await call(cluster, 'POST', PODS_PATH, { body })
    expect([answer.status, answer.body.code]).toEqual([one.code, one.code])
    expect(answer.body.message).toContain(one.message)
  })

  test('the API token volume is mounted as the ServiceAccount admission does it', async () => {
    const { body } = await call(cluster, 'POST', PODS_PATH, {
      body: podOf('mounted', { initContainers: [{ name: 'init', image: 'i' }] }),
    })
    const [volume] = body.spec.volumes
    expect(volume.name).toMatch(/^kube-api-access-.{5}$/)
    expect(volume.projected).toEqual({
      sources: [
        { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [
              {
                path: 'namespace',
                fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' },
              },
            ],
          },
        },
      ],
      defaultMode: 420,
    })
    const mount = {
      name: volume.name,
      readOnly: true,
      mountPath: '/var/run/secrets/kubernetes.io/serviceaccount',
    }
    expect(body.spec.containers[0].volumeMounts).toEqual([mount])
    expect(body.spec.initContainers[0].volumeMounts).toEqual([mount])
    expect(body.spec).toMatchObject({ serviceAccountName: 'default', restartPolicy: 'Always' })
    expect(body.status).toEqual({ phase: 'Pending', qosClass: 'BestEffort' })
  })

  test('automountServiceAccountToken: the pod counts before its account', async () => {
    await call(cluster, 'POST', '/api/v1/namespaces/default/serviceaccounts', {
      body: { metadata: { name: 'quiet' }, automountServiceAccountToken: false },
    })
    const mountsOf = async (name: string, spec: object): Promise<unknown> =>
      (await call(cluster, 'POST', PODS_PATH, { body: podOf(name, spec) })).body.spec.volumes
    expect(await mountsOf('quiet-1', { serviceAccountName: 'quiet' })).toBeUndefined()
    const own = { serviceAccountName: 'quiet', automountServiceAccountToken: true }
    expect(await mountsOf('quiet-2', own)).toHaveLength(1)
    expect(await mountsOf('quiet-3', { automountServiceAccountToken: false })).toBeUndefined()
  })

  test('the spec cannot be changed, but for its images', async () => {
    await call(cluster, 'POST', PODS_PATH, { body: podOf('fixed') })
    const image = { spec: { containers: [{ name: 'app', image: 'app:2' }] } }
    const changed = await call(cluster, 'PATCH', `${PODS_PATH}/fixed`, {
      headers: STRATEGIC,
      body: image,
    })
    expect(changed.body.spec.containers[0].image).toBe('app:2')
    expect(changed.body.metadata.generation).toBe(2)
    const refused = await call(cluster, 'PATCH', `${PODS_PATH}/fixed`, {
      headers: MERGE,
      body: { spec: { hostNetwork: true } },
    })
    expect(refused.status).toBe(422)
    expect(refused.body.message).toContain('pod updates may not change fields other than')
  })

  test('binding happens once', async () => {
    await call(cluster, 'POST', PODS_PATH, { body: podOf('bound') })
    const body = { target: { kind: 'Node', name: 'here' } }
    expect((await call(cluster, 'POST', `${PODS_PATH}/bound/binding`, { body })).status).toBe(201)
    expect((await call(cluster, 'GET', `${PODS_PATH}/bound`)).body.spec.nodeName).toBe('here')
    const again = await call(cluster, 'POST', `${PODS_PATH}/bound/binding`, { body })
    expect(again.body.message).toContain('pod bound is already assigned to node "here"')
    expect(again.status).toBe(409)
  })

  test('a pod on a node ends in its grace period, and at once with none', async () => {
    await call(cluster, 'POST', PODS_PATH, { body: podOf('graceful', { nodeName: 'here' }) })
    const first = await call(cluster, 'DELETE', `${PODS_PATH}/graceful`)
    expect(first.body.metadata).toMatchObject({
      deletionTimestamp: '2026-01-01T00:00:30Z',
      deletionGracePeriodSeconds: 30,
    })
    expect((await call(cluster, 'GET', `${PODS_PATH}/graceful`)).status).toBe(200)
    const last = await call(cluster, 'DELETE', `${PODS_PATH}/graceful?gracePeriodSeconds=0`)
    expect([last.status, last.body.kind]).toEqual([200, 'Pod'])
    expect((await call(cluster, 'GET', `${PODS_PATH}/graceful`)).status).toBe(404)
  })
})
