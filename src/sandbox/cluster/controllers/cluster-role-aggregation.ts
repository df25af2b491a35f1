import { type ClusterCore, systemOperation } from '../core.ts'
import { isRecord, listAt, sameJson, type ApiObject } from '../objects.ts'
import { labelSelectorOf } from '../selectors.ts'
import { CLUSTER_ROLES } from '../types/rbac.ts'
import { updateObject } from '../updating.ts'
import { systemUser } from '../users.ts'
import type { Controller } from './work-queue.ts'

const OPERATION = systemOperation(systemUser('kube-controller-manager'))

/** Fills cluster roles that have an aggregationRule with the rules of the roles it selects. */
export const clusterRoleAggregation: Controller = {
  name: 'cluster-role-aggregation',
  keysOf: (core, { resource }) =>
    resource === CLUSTER_ROLES
      ? core.store
          .list(CLUSTER_ROLES)
          .flatMap((role) => (isRecord(role['aggregationRule']) ? [role.metadata.name ?? ''] : []))
      : [],
  reconcile: async (core, name) => {
    const role = core.store.get(CLUSTER_ROLES, undefined, name)
    if (role === undefined || !isRecord(role['aggregationRule'])) return
    const rules = aggregatedRules(core, role)
    if (sameJson(rules, listAt(role, 'rules'))) return
    const target = { type: CLUSTER_ROLES, name }
    await updateObject(core, target, (stored) => ({ ...stored, rules }), OPERATION)
  },
}

function aggregatedRules(core: ClusterCore, role: ApiObject): unknown[] {
  const rules: unknown[] = []
  for (const selector of listAt(role['aggregationRule'], 'clusterRoleSelectors')) {
    if (!isRecord(selector)) continue
    const selects = labelSelectorOf(selector)
    for (const other of core.store.list(CLUSTER_ROLES)) {
      if (other.metadata.name === role.metadata.name) continue
      if (!selects(other.metadata.labels ?? {})) continue
      for (const rule of listAt(other, 'rules')) {
        if (!rules.some((known) => sameJson(known, rule))) rules.push(rule)
      }
    }
  }
  return rules
}
