/** Podrole's own manifests on the sandbox's cluster, with nodes that play along. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import type { KubeObject } from '../../kube/objects.ts'
import { agentManifests } from '../../agent/manifests.ts'
import { webhookManifests } from '../../webhook/manifests.ts'
import { addNode, call, type Json } from './cluster.suite.ts'
import { makeWorkbench, sortedTexts, type Workbench } from './workloads.suite.ts'

let bench: Workbench
beforeEach(async () => {
  bench = await makeWorkbench()
  for (const name of ['a', 'b']) {
    await addNode(bench.cluster, name, { 'kubernetes.io/os': 'linux' })
  }
})
afterEach(() => bench.cluster.stop())

/** Creates objects as `kubectl apply` does: strictly, without a warning. */
async function apply(objects: readonly KubeObject[]): Promise<void> {
  const { registry } = bench.cluster.core
  for (const object of objects) {
    const type = registry.findKind(object.apiVersion ?? '', object.kind ?? '')
    expect(`${object.kind} ${type?.plural}`).not.toContain('undefined')
    const root = type?.group === '' ? '/api' : '/apis'
    const { namespace } = object.metadata
    const at = namespace === undefined ? '' : `/namespaces/${namespace}`
    const path = `${root}/${object.apiVersion}${at}/${type?.plural}?fieldValidation=Strict`
    const answer = await call(bench.cluster, 'POST', path, { body: object })
    expect(`${object.kind} ${answer.status} ${answer.body.message ?? ''}`).toBe(
      `${object.kind} 201 `,
    )
    expect(answer.headers.get('warning')).toBeNull()
  }
  await bench.play(8)
}

const podsIn = (namespace: string): Promise<Json[]> =>
  bench.list(`/api/v1/namespaces/${namespace}/pods`)

describe('podrole is installed by its manifests', () => {
  test('the agent runs on every node, also on one that is not ready', async () => {
    await call(bench.cluster, 'POST', '/api/v1/nodes', {
      body: { metadata: { name: 'fresh', labels: { 'kubernetes.io/os': 'linux' } } },
    })
    await apply(
      agentManifests({
        clusterName: 'one',
        region: 'eu-west-1',
        image: 'podrole:1',
        endpoint: 'https://broker.example',
        broker: true,
        caConfigMap: 'ca',
      }),
    )
    const pods = await podsIn('podrole-system')
    expect(sortedTexts(pods.map(({ spec }) => spec.nodeName))).toEqual(['a', 'b', 'fresh'])
    expect(pods[0].spec).toMatchObject({ hostNetwork: true, priority: 2_000_001_000 })
    const set = await bench.get('/apis/apps/v1/namespaces/podrole-system/daemonsets/podrole-agent')
    expect(set.status).toMatchObject({
      desiredNumberScheduled: 3,
      numberReady: 3,
      updatedNumberScheduled: 3,
      numberAvailable: 3,
    })
  })

  test('the webhook runs, is found by its service and guarded by its budget', async () => {
    const certificate = { cert: 'CERT', key: 'KEY' }
    await apply(webhookManifests({ image: 'podrole:1', certificate, caBundle: 'CA' }))
    expect(await podsIn('podrole-system')).toHaveLength(2)
    const apps = '/apis/apps/v1/namespaces/podrole-system'
    expect((await bench.get(`${apps}/deployments/podrole-webhook`)).status).toMatchObject({
      readyReplicas: 2,
      updatedReplicas: 2,
    })
    const budget = await bench.get(
      '/apis/policy/v1/namespaces/podrole-system/poddisruptionbudgets/podrole-webhook',
    )
    expect(budget.status).toMatchObject({ expectedPods: 2, disruptionsAllowed: 1 })
    const [slice] = await bench.list(
      '/apis/discovery.k8s.io/v1/namespaces/podrole-system/endpointslices',
    )
    expect(slice.ports).toMatchObject([{ name: 'https', port: 8443 }])
    expect(slice.endpoints).toHaveLength(2)
  })
})
