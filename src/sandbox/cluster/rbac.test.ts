import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import {
  call,
  type CallOptions,
  type Json,
  makeCluster,
  settle,
  type TestCluster,
} from './cluster.suite.ts'
import { ruleAllows, uncovered, type PolicyRule } from './rbac/policy-rules.ts'

const SCALE = Number(process.env['PODROLE_TEST_SCALE'] ?? 1)
const RBAC = '/apis/rbac.authorization.k8s.io/v1'
const AUTHZ = '/apis/authorization.k8s.io/v1'

let cluster: TestCluster

beforeAll(async () => {
  cluster = await makeCluster()
})
afterAll(() => cluster.stop())

const as = (user: string, ...groups: string[]): string => cluster.tokenFor(user, groups).reveal()

async function admin(method: string, path: string, body?: unknown): Promise<Json> {
  const answer = await call(cluster, method, path, body === undefined ? {} : { body })
  if (answer.status >= 300) throw new Error(answer.body.message)
  await settle()
  return answer.body
}

let number = 0
async function grant(
  user: string,
  rules: readonly object[],
  { namespace, role }: { readonly namespace?: string; readonly role?: string } = {},
): Promise<void> {
  number += 1
  const name = role ?? `role-${number}`
  if (role === undefined) {
    await admin('POST', `${RBAC}/clusterroles`, { metadata: { name }, rules })
  }
  const binding = {
    metadata: { name: `binding-${number}` },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
    subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: user }],
  }
  const path =
    namespace === undefined
      ? `${RBAC}/clusterrolebindings`
      : `${RBAC}/namespaces/${namespace}/rolebindings`
  await admin('POST', path, binding)
}

async function statusOf(
  token: string,
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<number> {
  return (await call(cluster, method, path, { ...options, token })).status
}

describe('default roles', () => {
  test('exist, aggregated, and view has neither nodes nor secrets', async () => {
    const view = await admin('GET', `${RBAC}/clusterroles/view`)
    const resources = view.rules.flatMap((rule: Json) => rule.resources)
    expect(resources).toContain('pods/log')
    for (const absent of ['nodes', 'secrets', 'roles', 'persistentvolumes']) {
      expect(resources).not.toContain(absent)
    }
    const edit = await admin('GET', `${RBAC}/clusterroles/edit`)
    const inEdit = edit.rules.flatMap((rule: Json) => rule.resources)
    expect(inEdit).toContain('secrets')
    expect(inEdit).toContain('services/status')
    const names = (await admin('GET', `${RBAC}/clusterroles`)).items.map(
      (item: Json) => item.metadata.name,
    )
    for (const name of ['cluster-admin', 'system:node', 'system:basic-user', 'system:discovery']) {
      expect(names).toContain(name)
    }
  })

  test('a role labelled for aggregation joins view, and leaves with its label', async () => {
    const label = { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' }
    const rules = [{ apiGroups: ['example.com'], resources: ['things'], verbs: ['get'] }]
    await admin('POST', `${RBAC}/clusterroles`, {
      metadata: { name: 'more', labels: label },
      rules,
    })
    const holds = async (role: string): Promise<boolean> =>
      JSON.stringify(await admin('GET', `${RBAC}/clusterroles/${role}`)).includes('things')
    await settle()
    expect([await holds('view'), await holds('edit'), await holds('admin')]).toEqual([
      true,
      true,
      true,
    ])
    await admin('DELETE', `${RBAC}/clusterroles/more`)
    await settle()
    expect([await holds('view'), await holds('admin')]).toEqual([false, false])
  })

  test('view, edit and admin at work', async () => {
    await grant('viewer', [], { role: 'view' })
    const viewer = as('viewer')
    expect(await statusOf(viewer, 'GET', '/api/v1/pods')).toBe(200)
    expect(await statusOf(viewer, 'GET', '/api/v1/nodes')).toBe(403)
    expect(await statusOf(viewer, 'GET', '/api/v1/namespaces/default/secrets')).toBe(403)
    await grant('editor', [], { role: 'edit', namespace: 'default' })
    const editor = as('editor')
    const body = { metadata: { name: 'made' } }
    const maps = '/configmaps'
    const at = (namespace: string): string => `/api/v1/namespaces/${namespace}${maps}`
    expect(await statusOf(editor, 'POST', at('default'), { body })).toBe(201)
    expect(await statusOf(editor, 'POST', at('kube-public'), { body })).toBe(403)
    expect(await statusOf(editor, 'GET', '/api/v1/configmaps')).toBe(403)
    expect(await statusOf(editor, 'GET', `${RBAC}/namespaces/default/roles`)).toBe(403)
    await grant('lead', [], { role: 'admin', namespace: 'default' })
    expect(await statusOf(as('lead'), 'GET', `${RBAC}/namespaces/default/roles`)).toBe(200)
  })

  test('without a role: discovery and self reviews only; anonymous less still', async () => {
    const nobody = as('nobody')
    expect(await statusOf(nobody, 'GET', '/apis')).toBe(200)
    expect(await statusOf(nobody, 'GET', '/version')).toBe(200)
    expect((await call(cluster, 'GET', '/version', { token: null })).status).toBe(200)
    expect((await call(cluster, 'GET', '/apis', { token: null })).status).toBe(403)
    const jwks = '/openid/v1/jwks'
    expect(await statusOf(nobody, 'GET', jwks)).toBe(403)
    expect(
      await statusOf(as('system:serviceaccount:a:b', 'system:serviceaccounts'), 'GET', jwks),
    ).toBe(200)
  })
})

describe('refusals', () => {
  test('read as kube-apiserver writes them', async () => {
    const said = async (method: string, path: string): Promise<string> =>
      (await call(cluster, method, path, { token: as('jane') })).body.message
    expect(await said('GET', '/api/v1/namespaces/default/pods')).toBe(
      'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"',
    )
    expect(await said('GET', '/api/v1/nodes/one')).toBe(
      'nodes "one" is forbidden: User "jane" cannot get resource "nodes" in API group "" at the cluster scope',
    )
    expect(await said('GET', '/metrics')).toBe('forbidden: User "jane" cannot get path "/metrics"')
    expect(await said('GET', '/apis/apps/v1/namespaces/a/deployments/x/status')).toBe(
      'deployments.apps "x" is forbidden: User "jane" cannot get resource "deployments/status" in API group "apps" in the namespace "a"',
    )
  })

  test('name a role that is not there', async () => {
    await grant('lost', [], { role: 'absent' })
    const answer = await call(cluster, 'GET', '/api/v1/nodes', { token: as('lost') })
    expect(answer.body.message).toEndWith(
      'at the cluster scope: RBAC: clusterrole.rbac.authorization.k8s.io "absent" not found',
    )
  })
})

describe('rules', () => {
  test('resourceNames, subresources and paths', async () => {
    await grant('narrow', [
      { apiGroups: [''], resources: ['configmaps'], verbs: ['get'], resourceNames: ['mine'] },
      { apiGroups: ['*'], resources: ['*/status'], verbs: ['get'] },
      { nonResourceURLs: ['/metrics/*'], verbs: ['get'] },
    ])
    const narrow = as('narrow')
    const maps = '/api/v1/namespaces/default/configmaps'
    expect(await statusOf(narrow, 'GET', `${maps}/mine`)).toBe(404)
    expect(await statusOf(narrow, 'GET', `${maps}/other`)).toBe(403)
    expect(await statusOf(narrow, 'GET', maps)).toBe(403)
    expect(await statusOf(narrow, 'GET', '/api/v1/nodes/x/status')).toBe(404)
    expect(await statusOf(narrow, 'GET', '/api/v1/nodes/x')).toBe(403)
    expect(await statusOf(narrow, 'GET', '/metrics/slis')).toBe(404)
    expect(await statusOf(narrow, 'GET', '/metrics')).toBe(403)
  })

  test('service accounts and groups are subjects; a role counts in its namespace alone', async () => {
    await admin('POST', `${RBAC}/namespaces/default/roles`, {
      metadata: { name: 'maps' },
      rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['list'] }],
    })
    await admin('POST', `${RBAC}/namespaces/default/rolebindings`, {
      metadata: { name: 'maps' },
      roleRef: { kind: 'Role', name: 'maps', apiGroup: 'rbac.authorization.k8s.io' },
      subjects: [
        { kind: 'ServiceAccount', name: 'builder', namespace: 'kube-public' },
        { kind: 'Group', name: 'team' },
      ],
    })
    const account = as('system:serviceaccount:kube-public:builder')
    expect(await statusOf(account, 'GET', '/api/v1/namespaces/default/configmaps')).toBe(200)
    expect(await statusOf(account, 'GET', '/api/v1/namespaces/kube-public/configmaps')).toBe(403)
    expect(await statusOf(as('x', 'team'), 'GET', '/api/v1/namespaces/default/configmaps')).toBe(
      200,
    )
    expect(await statusOf(as('team'), 'GET', '/api/v1/namespaces/default/configmaps')).toBe(403)
    await admin('DELETE', `${RBAC}/namespaces/default/rolebindings/maps`)
    expect(await statusOf(account, 'GET', '/api/v1/namespaces/default/configmaps')).toBe(403)
  })

  test('what is not valid is refused', async () => {
    const cases: readonly (readonly [string, object, string])[] = [
      [
        'clusterroles',
        { rules: [{ apiGroups: [''], resources: ['pods'] }] },
        'verbs must contain at least one value',
      ],
      [
        'clusterroles',
        { rules: [{ verbs: ['get'], resources: ['pods'] }] },
        'resource rules must supply at least one api group',
      ],
      [
        'clusterroles',
        { rules: [{ verbs: ['get'], apiGroups: [''], nonResourceURLs: ['/x'] }] },
        'rules cannot apply to both regular resources and non-resource URLs',
      ],
      [
        'namespaces/default/roles',
        { rules: [{ verbs: ['get'], nonResourceURLs: ['/x'] }] },
        'namespaced rules cannot apply to non-resource URLs',
      ],
      ['clusterroles', { aggregationRule: {} }, 'at least one clusterRoleSelector required'],
      [
        'clusterrolebindings',
        { roleRef: { kind: 'Role', name: 'x' } },
        'supported values: "ClusterRole"',
      ],
      [
        'clusterrolebindings',
        { roleRef: { kind: 'ClusterRole', name: '' } },
        'roleRef.name: Required value',
      ],
      [
        'clusterrolebindings',
        {
          roleRef: { kind: 'ClusterRole', name: 'view' },
          subjects: [{ kind: 'ServiceAccount', name: 'x' }],
        },
        'subjects[0].namespace: Required value',
      ],
      [
        'clusterrolebindings',
        { roleRef: { kind: 'ClusterRole', name: 'view' }, subjects: [{ kind: 'Role', name: 'x' }] },
        'subjects[0].kind: Unsupported value',
      ],
    ]
    for (const [path, body, says] of cases) {
      const full = { metadata: { name: 'bad' }, ...body }
      const answer = await call(cluster, 'POST', `${RBAC}/${path}`, { body: full })
      expect([answer.status, answer.body.message]).toEqual([422, expect.stringContaining(says)])
    }
  })

  test('roleRef never changes', async () => {
    await grant('ref', [], { role: 'view' })
    const path = `${RBAC}/clusterrolebindings/binding-${number}`
    const answer = await call(cluster, 'PATCH', path, {
      headers: { 'content-type': 'application/merge-patch+json' },
      body: { roleRef: { name: 'edit' } },
    })
    expect([answer.status, answer.body.message]).toEqual([
      422,
      expect.stringContaining('cannot change roleRef'),
    ])
  })
})

describe('escalation', () => {
  const WRITE_ROLES = {
    apiGroups: ['rbac.authorization.k8s.io'],
    resources: ['*'],
    verbs: ['create', 'update', 'get', 'patch'],
  }

  test('nobody gives what they have not', async () => {
    await grant('granter', [
      WRITE_ROLES,
      { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] },
    ])
    const token = as('granter')
    const create = (rules: object[], name: string): Promise<Json> =>
      call(cluster, 'POST', `${RBAC}/clusterroles`, { token, body: { metadata: { name }, rules } })
    expect(
      (await create([{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }], 'ok')).status,
    ).toBe(201)
    const refused = await create(
      [{ apiGroups: [''], resources: ['pods', 'secrets'], verbs: ['get', 'list'] }],
      'too-much',
    )
    expect([refused.status, refused.body.message]).toEqual([
      403,
      'clusterroles.rbac.authorization.k8s.io "too-much" is forbidden: user "granter" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n' +
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}',
    ])
    const body = { metadata: { name: 'agg' }, aggregationRule: { clusterRoleSelectors: [{}] } }
    const aggregated = await call(cluster, 'POST', `${RBAC}/clusterroles`, { token, body })
    expect(aggregated.body.message).toContain(
      'must have cluster-admin privileges to use an aggregationRule',
    )
    const changed = await call(cluster, 'PUT', `${RBAC}/clusterroles/ok`, {
      token,
      body: {
        metadata: { name: 'ok' },
        rules: [{ apiGroups: [''], resources: ['nodes'], verbs: ['get'] }],
      },
    })
    expect(changed.status).toBe(403)
  })

  test('escalate and bind lift it; a binding of an absent role is not found', async () => {
    const binding = (name: string, role: string): object => ({
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
      subjects: [{ kind: 'User', name: 'friend' }],
    })
    await grant('binder', [
      WRITE_ROLES,
      {
        apiGroups: ['rbac.authorization.k8s.io'],
        resources: ['clusterroles'],
        verbs: ['bind'],
        resourceNames: ['view'],
      },
    ])
    const path = `${RBAC}/namespaces/default/rolebindings`
    const token = as('binder')
    expect(await statusOf(token, 'POST', path, { body: binding('v', 'view') })).toBe(201)
    expect(await statusOf(token, 'POST', path, { body: binding('e', 'edit') })).toBe(403)
    expect(await statusOf(token, 'POST', path, { body: binding('a', 'nowhere') })).toBe(404)
    await grant('escalator', [{ ...WRITE_ROLES, verbs: ['create', 'escalate'] }])
    const role = {
      metadata: { name: 'all' },
      rules: [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }],
    }
    expect(await statusOf(as('escalator'), 'POST', `${RBAC}/clusterroles`, { body: role })).toBe(
      201,
    )
  })
})

describe('reviews', () => {
  const review = async (kind: string, spec: object, token?: string, path = AUTHZ): Promise<Json> =>
    call(cluster, 'POST', `${path}/${kind}`, {
      body: { spec },
      ...(token !== undefined && { token }),
    })
  const pods = { namespace: 'default', verb: 'list', resource: 'pods' }

  test('of access, with the reason', async () => {
    await grant('reviewed', [], { role: 'view', namespace: 'default' })
    const answer = await review('subjectaccessreviews', {
      user: 'reviewed',
      resourceAttributes: pods,
    })
    expect(answer.body.status).toEqual({
      allowed: true,
      reason: `RBAC: allowed by RoleBinding "binding-${number}/default" of ClusterRole "view" to User "reviewed"`,
    })
    const other = { ...pods, namespace: 'kube-public' }
    const refused = await review('subjectaccessreviews', {
      user: 'reviewed',
      resourceAttributes: other,
    })
    expect(refused.body.status).toEqual({ allowed: false })
    const own = await review(
      'selfsubjectaccessreviews',
      { resourceAttributes: pods },
      as('reviewed'),
    )
    expect(own.body.status.allowed).toBe(true)
  })

  test('local ones speak of their namespace only', async () => {
    const path = `${AUTHZ}/namespaces/default`
    const spec = { user: 'reviewed', resourceAttributes: pods }
    const kind = 'localsubjectaccessreviews'
    expect((await review(kind, spec, undefined, path)).body.status.allowed).toBe(true)
    const other = { ...spec, resourceAttributes: { ...pods, namespace: 'kube-public' } }
    expect((await review(kind, other, undefined, path)).status).toBe(422)
    const bad = { user: 'x', nonResourceAttributes: { path: '/x', verb: 'get' } }
    expect((await review(kind, bad, undefined, path)).status).toBe(422)
  })

  test('of rules list them', async () => {
    const answer = await review('selfsubjectrulesreviews', { namespace: 'default' }, as('reviewed'))
    const { resourceRules, nonResourceRules, incomplete } = answer.body.status
    expect(incomplete).toBe(false)
    expect(resourceRules.some((rule: Json) => rule.resources.includes('pods'))).toBe(true)
    expect(nonResourceRules.some((rule: Json) => rule.nonResourceURLs.includes('/api'))).toBe(true)
    expect((await review('selfsubjectrulesreviews', {}, as('reviewed'))).status).toBe(400)
  })
})

describe('impersonation', () => {
  test('is for who may impersonate', async () => {
    const headers = { 'impersonate-user': 'jane', 'impersonate-group': 'team' }
    const whoami = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
    const asAdmin = await call(cluster, 'POST', whoami, { headers, body: {} })
    expect(asAdmin.body.status.userInfo).toEqual({
      username: 'jane',
      groups: ['team', 'system:authenticated'],
    })
    const refused = await call(cluster, 'POST', whoami, { headers, body: {}, token: as('joe') })
    expect(refused.body.message).toBe(
      'users "jane" is forbidden: User "joe" cannot impersonate resource "users" in API group "" at the cluster scope',
    )
    const alone = { 'impersonate-group': 'system:masters' }
    expect((await call(cluster, 'POST', whoami, { headers: alone, body: {} })).status).toBe(400)
  })
})

test('what a set of rules does not cover is never allowed by it, and the rest is', () => {
  const words = (...all: string[]): fc.Arbitrary<string[]> =>
    fc.uniqueArray(fc.constantFrom(...all), { minLength: 1, maxLength: 3 })
  const rule: fc.Arbitrary<PolicyRule> = fc.record({
    verbs: words('get', 'list', 'create'),
    apiGroups: words('', 'apps', '*'),
    resources: words('pods', 'pods/log', 'nodes', '*', '*/log'),
  })
  const rules = fc.array(rule, { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(rules, rules, (owned, wanted) => {
      const missing = uncovered(owned, wanted)
      if (missing === undefined || missing.length > 0) return
      const user = { username: 'u', groups: [] }
      for (const verb of ['get', 'list', 'create']) {
        for (const group of ['', 'apps', 'batch']) {
          for (const [plural, subresource] of [
            ['pods'],
            ['pods', 'log'],
            ['nodes'],
            ['jobs', 'log'],
          ] as const) {
            const resource = { group, plural, ...(subresource && { subresource }) }
            const asked = { user, verb, resource }
            if (wanted.some((one) => ruleAllows(one, asked))) {
              expect(owned.some((one) => ruleAllows(one, asked))).toBe(true)
            }
          }
        }
      }
    }),
    { numRuns: Math.ceil(300 * SCALE) },
  )
})
