import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { call, type Json, makeCluster, settle, type TestCluster } from '../cluster.suite.ts'
import { CRDS, define, thing, version } from './custom.suite.ts'

let cluster: TestCluster

beforeAll(async () => {
  cluster = await makeCluster()
  await define(cluster, thing())
})
afterAll(() => cluster.stop())

describe('a definition', () => {
  test('is established and discovered', async () => {
    const { body } = await call(cluster, 'GET', `${CRDS}/things.example.com`)
    expect(body.status.conditions.map((one: Json) => [one.type, one.status])).toEqual([
      ['NamesAccepted', 'True'],
      ['Established', 'True'],
    ])
    expect(body.status.storedVersions).toEqual(['v1'])
    expect(body.spec.names.listKind).toBe('ThingList')
    const group = await call(cluster, 'GET', '/apis/example.com')
    expect(group.body.versions.map((one: Json) => one.version)).toEqual(['v1', 'v1beta1'])
    const resources = await call(cluster, 'GET', '/apis/example.com/v1')
    expect(resources.body.resources.map((one: Json) => one.name)).toEqual([
      'things',
      'things/status',
      'things/scale',
    ])
    expect(resources.body.resources[0].shortNames).toEqual(['th'])
    const openapi = await call(cluster, 'GET', '/openapi/v3/apis/example.com/v1')
    const { properties } = openapi.body.components.schemas['com.example.v1.Thing']
    expect(Object.keys(properties)).toEqual(['spec', 'status', 'apiVersion', 'kind', 'metadata'])
    expect(properties.spec.properties.size.maximum).toBe(9)
  })

  const field = (schema: object): object => ({
    versions: [
      {
        ...version('v1'),
        schema: { openAPIV3Schema: { type: 'object', properties: { x: schema } } },
        selectableFields: [],
      },
    ],
  })
  /** What kube-apiserver serves and this server does not; test/cluster/contract has the others. */
  const refusals: readonly (readonly [string, object, string])[] = [
    [
      'a conversion webhook',
      {
        conversion: {
          strategy: 'Webhook',
          webhook: {
            clientConfig: { url: 'https://127.0.0.1:1/' },
            conversionReviewVersions: ['v1'],
          },
        },
      },
      'this server converts by the strategy None only',
    ],
    [
      'CEL',
      field({ type: 'string', 'x-kubernetes-validations': [{ rule: 'true' }] }),
      'this server does not evaluate CEL',
    ],
    [
      'a column whose path this server does not read',
      {
        versions: [
          version('v1', {
            additionalPrinterColumns: [
              { name: 'X', type: 'string', jsonPath: '.spec.x[?(@.a>1)]' },
            ],
          }),
        ],
      },
      'this server reads no such JSON path',
    ],
  ]
  for (const [name, spec, says] of refusals) {
    test(`with ${name} is refused`, async () => {
      const answer = await call(cluster, 'POST', CRDS, { body: thing(spec, 'bads', 'Bad') })
      expect([answer.status, answer.body.message]).toEqual([422, expect.stringContaining(says)])
    })
  }

  test('with a kind that is in use is not established, until the other goes', async () => {
    await define(cluster, thing({}, 'firsts', 'Double'))
    await define(cluster, thing({}, 'seconds', 'Double'))
    const read = async (): Promise<Json> =>
      (await call(cluster, 'GET', `${CRDS}/seconds.example.com`)).body.status.conditions
    expect(await read()).toMatchObject([
      { type: 'NamesAccepted', status: 'False', reason: 'ListKindConflict' },
      { type: 'Established', status: 'False', reason: 'NotAccepted' },
    ])
    const path = '/apis/example.com/v1/seconds'
    expect((await call(cluster, 'GET', path)).status).toBe(404)
    await call(cluster, 'DELETE', `${CRDS}/firsts.example.com`)
    await settle()
    expect((await call(cluster, 'GET', path)).status).toBe(200)
    await call(cluster, 'DELETE', `${CRDS}/seconds.example.com`)
    await settle()
  })
})
