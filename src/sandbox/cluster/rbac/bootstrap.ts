import { type ClusterCore, systemOperation } from '../core.ts'
import { createObject } from '../creating.ts'
import type { JsonRecord } from '../objects.ts'
import type { ResourceType } from '../resource-types.ts'
import {
  CLUSTER_ROLE_BINDINGS,
  CLUSTER_ROLES,
  RBAC_GROUP,
  ROLE_BINDINGS,
  ROLES,
} from '../types/rbac.ts'
import { systemUser } from '../users.ts'
import data from './bootstrap-roles.json'
import { parseRules } from './policy-rules.ts'

interface RoleRow {
  readonly rules: readonly (readonly string[])[]
  /** Made of the roles that are labelled for it. */
  readonly aggregates?: string
  readonly aggregatedTo?: string
}

interface BindingRow {
  readonly role: string
  readonly subjects: readonly string[]
}

interface Where {
  readonly type: ResourceType
  readonly namespace?: string
}

const OPERATION = systemOperation(systemUser('apiserver'))
/** What podrole's own parts have is not among Kubernetes' defaults, nor labelled as such. */
const OWN_PREFIX = 'podrole:'
const aggregateLabel = (name: string): JsonRecord => ({
  [`${RBAC_GROUP}/aggregate-to-${name}`]: 'true',
})

/**
 * Makes the default roles and bindings that are not there yet, as kube-apiserver 1.36 does when it
 * starts (Kubernetes, "Default roles and role bindings"), and those of podrole's running parts. The
 * namespaces of some of them must be there.
 */
export async function createBootstrapRoles(core: ClusterCore): Promise<void> {
  for (const [name, row] of Object.entries<RoleRow>(data.roles)) {
    await make(core, { type: CLUSTER_ROLES }, name, roleOf(row))
  }
  for (const [name, subjects] of Object.entries<readonly string[]>(data.bindings)) {
    const binding = bindingOf('ClusterRole', { role: name, subjects })
    await make(core, { type: CLUSTER_ROLE_BINDINGS }, name, binding)
  }
  for (const [namespace, { roles, bindings }] of Object.entries(data.namespaces)) {
    for (const [name, row] of Object.entries<RoleRow>(roles)) {
      await make(core, { type: ROLES, namespace }, name, roleOf(row))
    }
    for (const [name, row] of Object.entries<BindingRow>(bindings)) {
      await make(core, { type: ROLE_BINDINGS, namespace }, name, bindingOf('Role', row))
    }
  }
}

async function make(
  core: ClusterCore,
  where: Where,
  name: string,
  { labels = {}, ...value }: JsonRecord & { readonly labels?: JsonRecord },
): Promise<void> {
  if (core.store.get(where.type, where.namespace, name) !== undefined) return
  const metadata = name.startsWith(OWN_PREFIX)
    ? { name }
    : {
        name,
        labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...labels },
        annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'true' },
      }
  await createObject(core, where, { ...value, metadata }, OPERATION)
}

function roleOf({ rules, aggregates, aggregatedTo }: RoleRow): JsonRecord & {
  readonly labels?: JsonRecord
} {
  const selector = aggregates !== undefined && { matchLabels: aggregateLabel(aggregates) }
  return {
    ...(aggregatedTo !== undefined && { labels: aggregateLabel(aggregatedTo) }),
    rules: parseRules(rules),
    ...(selector && { aggregationRule: { clusterRoleSelectors: [selector] } }),
  }
}

const bindingOf = (kind: string, { role, subjects }: BindingRow): JsonRecord => ({
  roleRef: { apiGroup: RBAC_GROUP, kind, name: role },
  subjects: subjects.map(subjectOf),
})

/** `Group NAME`, `User NAME` or `ServiceAccount NAMESPACE/NAME`. */
function subjectOf(text: string): JsonRecord {
  const [kind = '', who = ''] = text.split(' ')
  if (kind !== 'ServiceAccount') return { kind, apiGroup: RBAC_GROUP, name: who }
  const [namespace, name] = who.split('/')
  return { kind, namespace, name }
}
