import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { call, makeCluster, podOf, PODS_PATH, type TestCluster } from './cluster.suite.ts'

const MAPS = '/api/v1/namespaces/default/configmaps'

let cluster: TestCluster
beforeAll(async () => {
  cluster = await makeCluster()
  await call(cluster, 'POST', PODS_PATH, { body: podOf('bound') })
  await call(cluster, 'POST', `${PODS_PATH}/bound/binding`, { body: { target: { name: 'here' } } })
})
afterAll(() => cluster.stop())

describe('list', () => {
  test('pages show what was there at the first one', async () => {
    const path = '/api/v1/namespaces/kube-public/configmaps'
    for (const name of ['p1', 'p2', 'p3'])
      await call(cluster, 'POST', path, { body: { metadata: { name } } })
    const names = (answer: Awaited<ReturnType<typeof call>>): string[] =>
      answer.body.items.map((item: { metadata: { name: string } }) => item.metadata.name)
    const first = await call(cluster, 'GET', `${path}?limit=2`)
    expect(names(first)).toEqual(['kube-root-ca.crt', 'p1'])
    expect(first.body.metadata.remainingItemCount).toBe(2)
    await call(cluster, 'DELETE', `${path}/p2`)
    await call(cluster, 'POST', path, { body: { metadata: { name: 'p4' } } })
    const next = await call(
      cluster,
      'GET',
      `${path}?limit=5&continue=${first.body.metadata.continue}`,
    )
    expect(names(next)).toEqual(['p2', 'p3'])
    expect(next.body.metadata).toEqual({ resourceVersion: first.body.metadata.resourceVersion })
    expect((await call(cluster, 'GET', `${path}?continue=nonsense`)).status).toBe(400)
  })

  test('selectors by label and field', async () => {
    const count = async (query: string): Promise<number> =>
      (await call(cluster, 'GET', `${PODS_PATH}?${query}`)).body.items.length
    expect(await count('fieldSelector=spec.nodeName%3Dhere')).toBe(1)
    expect(await count('fieldSelector=metadata.name%3Dbound,spec.nodeName!%3Dhere')).toBe(0)
    const bad = await call(cluster, 'GET', `${PODS_PATH}?fieldSelector=spec.nothing%3Da`)
    expect(bad.body).toMatchObject({
      code: 400,
      message: 'field label not supported: spec.nothing',
    })
  })

  test('a resourceVersion that is not reached', async () => {
    const answer = await call(cluster, 'GET', `${MAPS}?resourceVersion=999999`)
    expect([answer.status, answer.body.reason]).toEqual([504, 'Timeout'])
    expect((await call(cluster, 'GET', `${MAPS}?resourceVersion=x`)).status).toBe(400)
  })

  test('as a table, as metadata alone, as YAML, and in no language we speak', async () => {
    const accept = (value: string): ReturnType<typeof call> =>
      call(cluster, 'GET', `${PODS_PATH}?fieldSelector=metadata.name%3Dbound`, {
        headers: { accept: value },
      })
    const table = await accept('application/json;as=Table;v=v1;g=meta.k8s.io,application/json')
    expect(table.body).toMatchObject({
      kind: 'Table',
      rows: [
        { cells: ['bound', '0/1', 'Pending', '0', '0s', '<none>', 'here', '<none>', '<none>'] },
      ],
    })
    const partial = await accept('application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io')
    expect(partial.body).toMatchObject({
      kind: 'PartialObjectMetadataList',
      items: [{ metadata: { name: 'bound' } }],
    })
    expect((await accept('application/yaml')).body).toContain('kind: PodList')
    expect((await accept('application/vnd.kubernetes.protobuf')).status).toBe(406)
    expect((await accept('application/vnd.kubernetes.protobuf, application/json')).body.kind).toBe(
      'PodList',
    )
  })
})

describe('paths', () => {
  test('version, health, discovery', async () => {
    expect((await call(cluster, 'GET', '/version')).body).toMatchObject({ major: '1', minor: '36' })
    for (const path of ['/healthz', '/readyz', '/livez']) {
      expect((await call(cluster, 'GET', path, { token: null })).body).toBe('ok')
    }
    expect((await call(cluster, 'GET', '/api')).body.versions).toEqual(['v1'])
    const groups = (await call(cluster, 'GET', '/apis')).body.groups.map(
      (group: { name: string }) => group.name,
    )
    expect(groups).toContain('apps')
    const core = (await call(cluster, 'GET', '/api/v1')).body.resources
    expect(core).toContainEqual({
      name: 'serviceaccounts/token',
      singularName: '',
      namespaced: true,
      group: 'authentication.k8s.io',
      version: 'v1',
      kind: 'TokenRequest',
      verbs: ['create'],
    })
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
    const all = await call(cluster, 'GET', '/apis', { headers: { accept } })
    expect(all.body.kind).toBe('APIGroupDiscoveryList')
    expect(all.headers.get('content-type')).toContain('as=APIGroupDiscoveryList')
  })

  test('the issuer’s documents', async () => {
    const { body } = await call(cluster, 'GET', '/.well-known/openid-configuration')
    expect(body).toMatchObject({
      issuer: cluster.issuer,
      jwks_uri: 'https://127.0.0.1/openid/v1/jwks',
      id_token_signing_alg_values_supported: ['RS256'],
    })
    const keys = await call(cluster, 'GET', '/openid/v1/jwks')
    expect(keys.body).toEqual(cluster.jwks())
    expect(JSON.stringify(keys.body)).not.toContain('"d"')
  })

  test.each([
    ['GET', '/api/v1/nothing', 404, 'NotFound'],
    ['GET', '/api/v1/pods/x', 404, 'NotFound'],
    ['GET', '/api/v1/namespaces/default/nodes', 404, 'NotFound'],
    ['GET', `${PODS_PATH}/bound/nothing`, 404, 'NotFound'],
    ['POST', '/api/v1/pods', 405, 'MethodNotAllowed'],
    ['POST', `${PODS_PATH}/bound`, 405, 'MethodNotAllowed'],
    ['PUT', PODS_PATH, 405, 'MethodNotAllowed'],
    ['DELETE', '/api/v1/namespaces', 405, 'MethodNotAllowed'],
    ['GET', '/apis/authentication.k8s.io/v1/tokenreviews', 405, 'MethodNotAllowed'],
    ['PATCH', `${PODS_PATH}/bound/binding`, 405, 'MethodNotAllowed'],
    ['GET', '/api/v1/namespaces/%zz', 400, 'BadRequest'],
  ])('%s %s is %d', async (method, path, status, reason) => {
    const answer = await call(cluster, method, path)
    expect([answer.status, answer.body.reason]).toEqual([status, reason])
  })

  test('a group that is not served is plain text, as in Kubernetes', async () => {
    const answer = await call(cluster, 'GET', '/apis/example.com/v1/things')
    expect([answer.status, answer.body]).toEqual([404, '404 page not found\n'])
  })
})
