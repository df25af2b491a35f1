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

  const node = (schema: object): object => ({
    versions: [{ ...version('v1'), schema: { openAPIV3Schema: schema } }],
  })
  const field = (schema: object): object => node({ type: 'object', properties: { x: schema } })
  const refusals: readonly (readonly [string, object, string])[] = [
    ['no versions', { versions: [] }, 'must have at least one version'],
    [
      'two storage versions',
      { versions: [version('v1'), version('v2', { storage: true })] },
      'exactly one version marked as storage version',
    ],
    [
      'the same version twice',
      { versions: [version('v1'), version('v1', { storage: false })] },
      'must contain unique version names',
    ],
    ['an unknown scope', { scope: 'Galaxy' }, 'spec.scope: Unsupported value: "Galaxy"'],
    ['a group without a dot', { group: 'example' }, 'should be a domain with at least one dot'],
    [
      'a group of Kubernetes',
      { group: 'things.k8s.io' },
      'protected groups must have approval annotation',
    ],
    [
      'a conversion webhook',
      { conversion: { strategy: 'Webhook' } },
      'spec.conversion.strategy: Forbidden',
    ],
    ['no schema', { versions: [version('v1', { schema: {} })] }, 'schemas are required'],
    ['a root that is no object', node({ type: 'string' }), 'must be object at the root'],
    [
      'a field without a type',
      field({ minimum: 1 }),
      'properties[x].type: Required value: must not be empty for specified object fields',
    ],
    ['an unknown type', field({ type: 'text' }), 'Unsupported value: "text"'],
    ['a list without items', field({ type: 'array' }), 'properties[x].items: Required value'],
    ['a reference', field({ type: 'object', $ref: '#/x' }), '$ref is not supported'],
    [
      'unique items',
      field({ type: 'array', uniqueItems: true, items: { type: 'string' } }),
      'uniqueItems cannot be set to true',
    ],
    [
      'structure inside anyOf',
      field({ type: 'object', anyOf: [{ default: 1 }] }),
      'must be empty to be structural',
    ],
    [
      'a pattern that is none',
      field({ type: 'string', pattern: '(' }),
      'must be a valid regular expression',
    ],
    [
      'a pattern with look-ahead',
      field({ type: 'string', pattern: '(?=a)' }),
      'must be a valid regular expression',
    ],
    [
      'a default of another type',
      field({ type: 'integer', default: 'x' }),
      'must be of type integer',
    ],
    [
      'both kinds of properties',
      field({ type: 'object', properties: {}, additionalProperties: { type: 'string' } }),
      'mutual exclusive',
    ],
    [
      'CEL',
      field({ type: 'string', 'x-kubernetes-validations': [{ rule: 'true' }] }),
      'does not evaluate CEL',
    ],
    [
      'a column without a path',
      {
        versions: [
          version('v1', {
            additionalPrinterColumns: [{ name: 'X', type: 'string', jsonPath: 'x' }],
          }),
        ],
      },
      'unrecognized simple JSON path',
    ],
  ]
  for (const [name, spec, says] of refusals) {
    test(`with ${name} is refused`, async () => {
      const group = (spec as { group?: string }).group ?? 'example.com'
      const body = { ...thing(spec, 'bads', 'Bad'), metadata: { name: `bads.${group}` } }
      const answer = await call(cluster, 'POST', CRDS, { body })
      expect([answer.status, answer.body.message]).toEqual([422, expect.stringContaining(says)])
    })
  }

  test('by another name than its resource is refused', async () => {
    const body = { ...thing({}, 'bads', 'Bad'), metadata: { name: 'other.example.com' } }
    const answer = await call(cluster, 'POST', CRDS, { body })
    expect(answer.body.message).toContain('must be spec.names.plural+"."+spec.group')
  })

  test('with a kind that is in use is not established, until the other goes', async () => {
    await define(cluster, thing({}, 'firsts', 'Double'))
    await define(cluster, thing({}, 'seconds', 'Double'))
    const read = async (): Promise<Json> =>
      (await call(cluster, 'GET', `${CRDS}/seconds.example.com`)).body.status.conditions
    expect(await read()).toMatchObject([
      { type: 'NamesAccepted', status: 'False', reason: 'SingularConflict' },
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

  test('keeps its scope and kind', async () => {
    const { body } = await call(cluster, 'GET', `${CRDS}/things.example.com`)
    const changed = { ...body, spec: { ...body.spec, scope: 'Cluster' } }
    const answer = await call(cluster, 'PUT', `${CRDS}/things.example.com`, { body: changed })
    expect([answer.status, answer.body.message]).toEqual([
      422,
      expect.stringContaining('field is immutable'),
    ])
  })
})
