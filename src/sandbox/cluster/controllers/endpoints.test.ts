import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { addNode, type Json, settle } from '../cluster.suite.ts'
import { makeWorkbench, pathOf, PODS_AT, type Workbench, workload } from '../workloads.suite.ts'

const SLICES = pathOf('endpointslices', 'discovery.k8s.io/v1')
const SERVICES = pathOf('services', 'v1')
let bench: Workbench
beforeEach(async () => {
  bench = await makeWorkbench()
  await addNode(bench.cluster, 'a', { 'topology.kubernetes.io/zone': 'eu-1a' })
})
afterEach(() => bench.cluster.stop())

const ports = [{ name: 'web', containerPort: 8080 }]
const deploy = async (): Promise<void> => {
  await bench.create(pathOf('deployments'), {
    metadata: { name: 'web' },
    spec: workload(
      'web:1',
      { replicas: 2 },
      { containers: [{ name: 'app', image: 'web:1', ports }] },
    ),
  })
  await bench.create(SERVICES, {
    metadata: { name: 'web' },
    spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 'web' }] },
  })
  await bench.play()
}

describe('endpoint slices and Endpoints', () => {
  test("hold the selector's pods with the ports they serve", async () => {
    await deploy()
    const [slice, ...others] = await bench.list(SLICES)
    expect(others).toEqual([])
    expect(slice).toMatchObject({
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
      metadata: {
        labels: {
          'kubernetes.io/service-name': 'web',
          'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
        },
        ownerReferences: [{ kind: 'Service', name: 'web', controller: true }],
      },
    })
    const pods = await bench.list(PODS_AT)
    expect(slice.endpoints.map(({ addresses }: Json) => addresses[0])).toEqual(
      pods.map(({ status }) => status.podIP),
    )
    expect(slice.endpoints[0]).toMatchObject({
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: 'a',
      zone: 'eu-1a',
      targetRef: { kind: 'Pod', name: pods[0].metadata.name },
    })
    const endpoints = await bench.get(`${pathOf('endpoints', 'v1')}/web`)
    expect(endpoints.subsets).toMatchObject([
      { addresses: [{ nodeName: 'a' }, {}], ports: [{ name: 'http', port: 8080 }] },
    ])
  })

  test('follow readiness and the end of pods', async () => {
    await deploy()
    const [pod] = await bench.list(PODS_AT)
    await bench.report(pod.metadata.name, { conditions: [{ type: 'Ready', status: 'False' }] })
    const conditionsOf = async (): Promise<Json> => {
      const [slice] = await bench.list(SLICES)
      return slice.endpoints.find(({ targetRef }: Json) => targetRef.name === pod.metadata.name)
        ?.conditions
    }
    expect(await conditionsOf()).toEqual({ ready: false, serving: false, terminating: false })
    const endpoints = await bench.get(`${pathOf('endpoints', 'v1')}/web`)
    expect(endpoints.subsets[0].notReadyAddresses).toHaveLength(1)
    await bench.report(pod.metadata.name, { conditions: [{ type: 'Ready', status: 'True' }] })
    await bench.remove(`${PODS_AT}/${pod.metadata.name}`)
    await settle()
    expect(await conditionsOf()).toEqual({ ready: false, serving: true, terminating: true })
    await bench.play()
    expect(await conditionsOf()).toBeUndefined()
  })

  test('go with their service, and are not made for one without a selector', async () => {
    await deploy()
    await bench.create(SERVICES, { metadata: { name: 'bare' }, spec: { ports: [{ port: 80 }] } })
    await bench.remove(`${SERVICES}/web`)
    await bench.play(2)
    expect(await bench.list(SLICES)).toEqual([])
    expect(await bench.list(pathOf('endpoints', 'v1'))).toEqual([])
  })

  test('a slice that somebody deletes comes back', async () => {
    await deploy()
    const [slice] = await bench.list(SLICES)
    await bench.remove(`${SLICES}/${slice.metadata.name}`)
    await settle()
    expect(await bench.list(SLICES)).toHaveLength(1)
  })
})
