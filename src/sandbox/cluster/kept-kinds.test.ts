import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { call, type Json, podOf, settle } from './cluster.suite.ts'
import cases from './testdata/kept-kinds.json'
import { makeWorkbench, MERGE, PODS_AT, type Workbench } from './workloads.suite.ts'

let bench: Workbench
beforeEach(async () => {
  bench = await makeWorkbench()
})
afterEach(() => bench.cluster.stop())

describe('kinds that are kept', () => {
  test.each(cases.kept)('$path', async ({ path, body, filled }) => {
    const at: string = path
    const made = await call(bench.cluster, 'POST', at, { body })
    expect(made.body).toMatchObject(filled)
    expect(made.status).toBe(201)
    const name = made.body.metadata.name as string
    const found = await bench.list(at)
    expect(found.map(({ metadata }) => metadata.name)).toContain(name)
    const patched = await call(bench.cluster, 'PATCH', `${at}/${name}`, {
      headers: MERGE,
      body: { metadata: { labels: { touched: 'yes' } } },
    })
    expect(patched.body.metadata.labels.touched).toBe('yes')
    const table = await call(bench.cluster, 'GET', at, {
      headers: { accept: 'application/json;as=Table;g=meta.k8s.io;v=v1' },
    })
    expect(table.body.columnDefinitions[0].name).toBe('Name')
    expect((await call(bench.cluster, 'DELETE', `${at}/${name}`)).status).toBe(200)
    expect((await bench.get(`${at}/${name}`)).code).toBe(404)
  })

  test.each(cases.refused)('$path: $says', async ({ path, spec, says, ...rest }) => {
    const body: Json = { metadata: { name: 'x' }, ...(spec && { spec }), ...rest.body }
    const answer = await bench.create(path, body)
    expect(answer.message).toContain(says)
    expect(answer.code).toBe(422)
  })
})

describe('priority classes', () => {
  test("give pods their priority; the system's own are there and come back", async () => {
    const classes = '/apis/scheduling.k8s.io/v1/priorityclasses'
    const names = async (): Promise<string[]> =>
      (await bench.list(classes)).map(({ metadata }) => metadata.name)
    expect(await names()).toEqual(['system-cluster-critical', 'system-node-critical'])
    await bench.remove(`${classes}/system-node-critical`)
    await settle()
    expect(await names()).toHaveLength(2)
    await bench.create(classes, { metadata: { name: 'high' }, value: 1000 })
    await bench.create(PODS_AT, podOf('p', { priorityClassName: 'high' }))
    const pod = await bench.get(`${PODS_AT}/p`)
    expect(pod.spec).toMatchObject({ priority: 1000, preemptionPolicy: 'PreemptLowerPriority' })
    const unknown = await bench.create(PODS_AT, podOf('q', { priorityClassName: 'none' }))
    expect(unknown).toMatchObject({
      code: 403,
      message: 'pods "q" is forbidden: no PriorityClass with name none was found',
    })
    const own = await bench.create(PODS_AT, podOf('q', { priority: 7 }))
    expect(own.message).toContain('the integer value of priority (7) must not be provided')
  })
})
