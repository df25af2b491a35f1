/** Workloads of the cluster's controllers, run by a node as processes. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Pod } from '../../kube/objects.ts'
import {
  missingNamespaces,
  NAMESPACE,
  shell,
  startTestNode,
  type TestNode,
  until,
} from './node.suite.ts'

const missing = await missingNamespaces()
if (missing !== undefined) process.stderr.write(`${import.meta.file}: ${missing}\n`)

describe.skipIf(missing !== undefined)('workloads on a node', () => {
  let t: TestNode
  beforeAll(async () => {
    t = await startTestNode()
  }, 30_000)
  afterAll(() => t.stop())

  // eslint-disable-next-line typescript/no-explicit-any -- answers of every shape
  type Json = any
  const at = (group: string, plural: string): string =>
    `${group === 'v1' ? '/api' : '/apis'}/${group}/namespaces/${NAMESPACE}/${plural}`
  const read = async (path: string): Promise<Json> => (await t.client.raw('GET', path)).json()
  const create = async (path: string, value: object): Promise<Json> => {
    const answer = await t.client.raw('POST', path, { body: JSON.stringify(value) })
    return answer.json()
  }
  const template = (app: string, script: string, more: object = {}): object => ({
    metadata: { labels: { app } },
    spec: { terminationGracePeriodSeconds: 1, containers: [shell(script)], ...more },
  })

  test('a job runs its pods to their end, and is complete', async () => {
    const jobs = at('batch/v1', 'jobs')
    await create(jobs, {
      metadata: { name: 'once' },
      spec: {
        completions: 2,
        completionMode: 'Indexed',
        template: template('once', 'echo index $JOB_COMPLETION_INDEX', { restartPolicy: 'Never' }),
      },
    })
    const job = await until(async () => {
      const found = await read(`${jobs}/once`)
      return (found.status.conditions ?? []).some(({ type }: Json) => type === 'Complete') && found
    })
    expect(job.status).toMatchObject({ succeeded: 2, completedIndexes: '0,1' })
    const { items } = await read(`${at('v1', 'pods')}?labelSelector=app%3Donce`)
    const logs = await Promise.all((items as Pod[]).map((pod) => t.log(pod.metadata.name ?? '')))
    expect(logs.sort()).toEqual(['index 0\n', 'index 1\n'])
  }, 30_000)

  test('a daemon set and a stateful set come up, and the service finds their pods', async () => {
    const spec = (app: string): object => ({
      selector: { matchLabels: { app } },
      template: template(app, 'sleep 600'),
    })
    await create(at('apps/v1', 'daemonsets'), { metadata: { name: 'every' }, spec: spec('every') })
    await create(at('apps/v1', 'statefulsets'), {
      metadata: { name: 'db' },
      spec: { ...spec('db'), replicas: 2, serviceName: 'db' },
    })
    await create(at('v1', 'services'), {
      metadata: { name: 'db' },
      spec: { clusterIP: 'None', selector: { app: 'db' }, ports: [{ port: 80 }] },
    })
    await until(async () => {
      const daemon = await read(`${at('apps/v1', 'daemonsets')}/every`)
      const set = await read(`${at('apps/v1', 'statefulsets')}/db`)
      return daemon.status.numberReady === 1 && set.status.readyReplicas === 2
    })
    const slices = await until(async () => {
      const { items } = await read(at('discovery.k8s.io/v1', 'endpointslices'))
      return items[0]?.endpoints?.length === 2 && items
    })
    expect(slices[0].endpoints.map(({ hostname }: Json) => hostname)).toEqual(['db-0', 'db-1'])
  }, 30_000)
})
