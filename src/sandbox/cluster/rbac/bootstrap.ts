import { type ClusterCore, systemOperation } from '../core.ts'
import { createObject } from '../creating.ts'
import type { JsonRecord } from '../objects.ts'
import { CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, RBAC_GROUP } from '../types/rbac.ts'
import { systemUser } from '../users.ts'
import data from './bootstrap-roles.json'
import { parseRules } from './policy-rules.ts'

interface RoleRow {
  readonly rules: readonly (readonly string[])[]
  /** Made of the roles that are labelled for it. */
  readonly aggregates?: string
  readonly aggregatedTo?: string
}

const OPERATION = systemOperation(systemUser('apiserver'))
const aggregateLabel = (name: string): JsonRecord => ({
  [`${RBAC_GROUP}/aggregate-to-${name}`]: 'true',
})

/**
 * Makes the default roles and bindings that are not there yet, as kube-apiserver does when it
 * starts (Kubernetes, "Default roles and role bindings"), and those of podrole's running parts.
 */
export async function createBootstrapRoles(core: ClusterCore): Promise<void> {
  for (const [name, row] of Object.entries<RoleRow>(data.roles)) {
    if (core.store.get(CLUSTER_ROLES, undefined, name) !== undefined) continue
    const { aggregates, aggregatedTo } = row
    const selector = aggregates !== undefined && { matchLabels: aggregateLabel(aggregates) }
    const value = {
      metadata: metadataOf(name, aggregatedTo === undefined ? {} : aggregateLabel(aggregatedTo)),
      rules: parseRules(row.rules),
      ...(selector && { aggregationRule: { clusterRoleSelectors: [selector] } }),
    }
    await createObject(core, { type: CLUSTER_ROLES }, value, OPERATION)
  }
  for (const [name, subjects] of Object.entries<readonly string[]>(data.bindings)) {
    if (core.store.get(CLUSTER_ROLE_BINDINGS, undefined, name) !== undefined) continue
    const value = {
      metadata: metadataOf(name),
      roleRef: { apiGroup: RBAC_GROUP, kind: 'ClusterRole', name },
      subjects: subjects.map((subject) => {
        const [kind, ...words] = subject.split(' ')
        return { kind, apiGroup: RBAC_GROUP, name: words.join(' ') }
      }),
    }
    await createObject(core, { type: CLUSTER_ROLE_BINDINGS }, value, OPERATION)
  }
}

function metadataOf(name: string, labels: JsonRecord = {}): JsonRecord {
  return {
    name,
    labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...labels },
    annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'true' },
  }
}
