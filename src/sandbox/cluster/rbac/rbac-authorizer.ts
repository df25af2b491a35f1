import type { AccessAttributes, AccessVerdict, Authorizer } from '../authorization.ts'
import type { ObjectStore } from '../object-store.ts'
import { listAt, stringAt, type ApiObject } from '../objects.ts'
import { CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES } from '../types/rbac.ts'
import type { UserInfo } from '../users.ts'
import { ruleAllows, rulesOf, type PolicyRule } from './policy-rules.ts'

/** A binding that names a user, with what it grants. */
export interface Grant {
  readonly rules: readonly PolicyRule[]
  /** Rights on paths hold cluster-wide only. */
  readonly isClusterWide: boolean
  /** Where the role is not there. */
  readonly fault?: string
  /** `ClusterRoleBinding "a" of ClusterRole "b" to Group "c"`. */
  readonly description: string
}

interface Binding {
  readonly object: ApiObject
  readonly subject: unknown
}

/** What a cluster's roles and bindings give to users. */
export interface Rbac {
  readonly authorize: Authorizer
  /** Bindings of a user, of the whole cluster first, then of one namespace. */
  grantsOf(user: UserInfo, namespace: string | undefined): Grant[]
  /** The rules behind a binding's `roleRef`; undefined where the role is not there. */
  rulesOfRole(reference: unknown, namespace: string | undefined): readonly PolicyRule[] | undefined
}

const KINDS = new Set([ROLES, CLUSTER_ROLES, ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS])
const SERVICE_ACCOUNT = 'system:serviceaccount:'

/**
 * Role-based access control over the store's objects (Kubernetes, "Using RBAC Authorization").
 * Bindings are kept by subject until one of the four kinds changes.
 */
export function createRbac(store: ObjectStore): Rbac {
  let bindings: Map<string, Binding[]> | undefined
  let rules = new Map<string, readonly PolicyRule[] | undefined>()
  store.subscribe(({ resource }) => {
    if (!KINDS.has(resource)) return
    bindings = undefined
    rules = new Map()
  })
  const rulesOfRole: Rbac['rulesOfRole'] = (reference, namespace) => {
    const isCluster = stringAt(reference, 'kind') === 'ClusterRole'
    const name = stringAt(reference, 'name')
    const key = isCluster ? name : `${namespace}/${name}`
    if (rules.has(key)) return rules.get(key)
    const role = isCluster
      ? store.get(CLUSTER_ROLES, undefined, name)
      : store.get(ROLES, namespace, name)
    const found = role === undefined ? undefined : rulesOf(role)
    rules.set(key, found)
    return found
  }
  const grantsOf: Rbac['grantsOf'] = (user, namespace) => {
    const index = (bindings ??= indexBindings(store))
    const scopes = namespace === undefined ? [''] : ['', namespace]
    return scopes.flatMap((scope) =>
      keysOf(user).flatMap((key) =>
        (index.get(`${scope}|${key}`) ?? []).map((binding) =>
          grantOf(binding, scope, rulesOfRole(binding.object['roleRef'], scope)),
        ),
      ),
    )
  }
  return {
    grantsOf,
    rulesOfRole,
    authorize: (attributes) =>
      verdictOf(attributes, grantsOf(attributes.user, attributes.resource?.namespace)),
  }
}

function verdictOf(attributes: AccessAttributes, grants: readonly Grant[]): AccessVerdict {
  const faults = new Set<string>()
  for (const grant of grants) {
    if (grant.fault !== undefined) faults.add(grant.fault)
    if (attributes.resource === undefined && !grant.isClusterWide) continue
    const rule = grant.rules.find((one) => ruleAllows(one, attributes))
    if (rule !== undefined) {
      return { allowed: true, reason: `RBAC: allowed by ${grant.description}`, rule }
    }
  }
  const all = [...faults]
  if (all.length === 0) return { allowed: false, reason: '' }
  return { allowed: false, reason: `RBAC: ${all.length === 1 ? all[0] : `[${all.join(', ')}]`}` }
}

/** The names under which bindings may hold a user. */
function keysOf({ username, groups }: UserInfo): string[] {
  const keys = [`User ${username}`, ...groups.map((group) => `Group ${group}`)]
  return username.startsWith(SERVICE_ACCOUNT) ? [...keys, `ServiceAccount ${username}`] : keys
}

function indexBindings(store: ObjectStore): Map<string, Binding[]> {
  const index = new Map<string, Binding[]>()
  for (const object of [...store.list(CLUSTER_ROLE_BINDINGS), ...store.list(ROLE_BINDINGS)]) {
    const scope = object.metadata.namespace ?? ''
    for (const subject of listAt(object, 'subjects')) {
      const key = `${scope}|${subjectKey(subject, scope)}`
      const known = index.get(key)
      if (known === undefined) index.set(key, [{ object, subject }])
      else if (known.at(-1)?.object !== object) known.push({ object, subject })
    }
  }
  return index
}

/** A service account without a namespace is one of the binding's. */
function subjectKey(subject: unknown, scope: string): string {
  const kind = stringAt(subject, 'kind')
  const name = stringAt(subject, 'name')
  return kind === 'ServiceAccount'
    ? `${kind} ${SERVICE_ACCOUNT}${stringAt(subject, 'namespace') || scope}:${name}`
    : `${kind} ${name}`
}

function grantOf(
  { object, subject }: Binding,
  scope: string,
  rules: readonly PolicyRule[] | undefined,
): Grant {
  const role = object['roleRef']
  const [kind, name] = [stringAt(role, 'kind'), stringAt(role, 'name')]
  const isClusterWide = scope === ''
  const bindingName = object.metadata.name ?? ''
  const binding = isClusterWide
    ? `ClusterRoleBinding ${JSON.stringify(bindingName)}`
    : `RoleBinding ${JSON.stringify(`${bindingName}/${scope}`)}`
  const of = `of ${kind} ${JSON.stringify(name)}`
  return {
    isClusterWide,
    rules: rules ?? [],
    ...(rules === undefined && {
      fault: `${kind.toLowerCase()}.rbac.authorization.k8s.io ${JSON.stringify(name)} not found`,
    }),
    description: `${binding} ${of} to ${describeSubject(subject)}`,
  }
}

function describeSubject(subject: unknown): string {
  const [kind, name] = [stringAt(subject, 'kind'), stringAt(subject, 'name')]
  const shown = kind === 'ServiceAccount' ? `${name}/${stringAt(subject, 'namespace')}` : name
  return `${kind} ${JSON.stringify(shown)}`
}
