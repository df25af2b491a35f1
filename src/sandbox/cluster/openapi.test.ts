import { describe, expect, test } from 'bun:test'
import { call, makeCluster } from './cluster.suite.ts'
import { openapiAt } from './openapi.ts'
import { REGISTRY } from './types/table.ts'

const document = (path: string): Record<string, Record<string, unknown>> =>
  openapiAt(REGISTRY, path) as Record<string, Record<string, unknown>>

describe('OpenAPI', () => {
  test('the index names a document of each group that is served', () => {
    const { paths } = document('/openapi/v3')
    const roots = Object.keys(paths!)
    expect(roots).toContain('api/v1')
    expect(roots).toContain('apis/apps/v1')
    for (const root of roots) expect(document(`/openapi/v3/${root}`)).toHaveProperty('components')
  })

  test.each([
    '/openapi/v3/api/v2',
    '/openapi/v3/apis/apps',
    '/openapi/v3/apis/a/b/c',
    '/openapi/v3x',
  ])('%s is none', (path) => expect(openapiAt(REGISTRY, path)).toBeUndefined())

  test('references lead somewhere, and each kind is found by its extension', () => {
    for (const group of Object.keys(document('/openapi/v3')['paths']!)) {
      const made = document(`/openapi/v3/${group}`)
      const { schemas } = made['components'] as { schemas: Record<string, object> }
      for (const [, name] of JSON.stringify(made).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
        expect(Object.keys(schemas[name!] ?? {})).not.toEqual([])
      }
    }
    const { schemas } = document('/openapi/v3/apis/apps/v1')['components'] as {
      schemas: Record<string, Record<string, unknown>>
    }
    expect(schemas['io.k8s.api.apps.v1.Deployment']).toMatchObject({
      'x-kubernetes-group-version-kind': [{ group: 'apps', version: 'v1', kind: 'Deployment' }],
      properties: {
        spec: {
          allOf: [{ $ref: '#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec' }],
          default: {},
        },
      },
    })
    expect(schemas['io.k8s.api.core.v1.PodSpec']).toMatchObject({
      properties: { containers: { type: 'array', 'x-kubernetes-patch-merge-key': 'name' } },
    })
  })

  test('patches tell kubectl that fieldValidation is there', () => {
    const { paths } = document('/openapi/v3/api/v1') as { paths: Record<string, object> }
    expect(paths['/api/v1/namespaces/{namespace}/pods/{name}']).toMatchObject({
      patch: {
        parameters: expect.arrayContaining([expect.objectContaining({ name: 'fieldValidation' })]),
        'x-kubernetes-group-version-kind': { group: '', version: 'v1', kind: 'Pod' },
      },
    })
  })

  test('is answered to whoever is authenticated, and only read', async () => {
    const cluster = await makeCluster()
    const token = cluster.tokenFor('someone', []).reveal()
    expect((await call(cluster, 'GET', '/openapi/v3/api/v1', { token })).status).toBe(200)
    expect((await call(cluster, 'POST', '/openapi/v3')).status).toBe(405)
    await cluster.stop()
  })
})
