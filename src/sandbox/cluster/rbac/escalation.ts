import type { Admission } from '../admission.ts'
import type { ClusterCore } from '../core.ts'
import { recordVerdict } from '../deciding.ts'
import { ApiFault, forbidden } from '../faults.ts'
import { isRecord, sameJson, stringAt, type ApiObject } from '../objects.ts'
import { CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES } from '../types/rbac.ts'
import { MASTERS } from '../users.ts'
import { describeRule, quoteList, rulesOf, uncovered, type PolicyRule } from './policy-rules.ts'

const EVERYTHING: readonly PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
]

/**
 * Nobody gives rights that they have not, unless they may `escalate` roles or `bind` them
 * (Kubernetes, "Privilege escalation prevention and bootstrapping").
 * @throws ApiFault Forbidden; NotFound for a binding of a role that is not there
 */
export function checkEscalation(core: ClusterCore, admission: Admission): void {
  const { type, operation, object, oldObject, context } = admission
  if (object === undefined || operation === 'DELETE') return
  const isRole = type === ROLES || type === CLUSTER_ROLES
  if (!isRole && type !== ROLE_BINDINGS && type !== CLUSTER_ROLE_BINDINGS) return
  if (context.user.groups.includes(MASTERS)) return
  if (isRole) checkRole(core, admission, object, oldObject)
  else if (oldObject === undefined || !sameBinding(object, oldObject)) {
    checkBinding(core, admission, object)
  }
}

const sameBinding = (object: ApiObject, old: ApiObject): boolean =>
  sameJson(object['subjects'], old['subjects']) && sameJson(object['roleRef'], old['roleRef'])

function checkRole(
  core: ClusterCore,
  admission: Admission,
  object: ApiObject,
  old: ApiObject | undefined,
): void {
  const rules = rulesOf(object)
  const aggregation = object['aggregationRule']
  if (
    old !== undefined &&
    sameJson(rules, rulesOf(old)) &&
    sameJson(aggregation, old['aggregationRule'])
  ) {
    return
  }
  if (may(core, admission, 'escalate', nameOf(admission), admission.type.plural)) return
  const missing = missingOf(core, admission, rules)
  if (missing !== undefined) throw forbidden(admission.type, nameOf(admission), missing)
  if (isRecord(aggregation) && missingOf(core, admission, EVERYTHING) !== undefined) {
    const says = 'must have cluster-admin privileges to use an aggregationRule'
    throw forbidden(admission.type, nameOf(admission), says)
  }
}

function checkBinding(core: ClusterCore, admission: Admission, object: ApiObject): void {
  const reference = object['roleRef']
  const [kind, name] = [stringAt(reference, 'kind'), stringAt(reference, 'name')]
  // What is not valid is refused for that, by validation.
  if (name === '' || (kind !== 'Role' && kind !== 'ClusterRole')) return
  const plural = kind === 'Role' ? ROLES.plural : CLUSTER_ROLES.plural
  if (may(core, admission, 'bind', name, plural)) return
  const rules = core.rbac.rulesOfRole(reference, admission.namespace)
  if (rules === undefined) {
    const singular = kind.toLowerCase()
    throw new ApiFault({
      reason: 'NotFound',
      code: 404,
      message: `${singular}.rbac.authorization.k8s.io ${JSON.stringify(name)} not found`,
      details: { name, group: 'rbac.authorization.k8s.io', kind: singular },
    })
  }
  const missing = missingOf(core, admission, rules)
  if (missing !== undefined) throw forbidden(admission.type, nameOf(admission), missing)
}

const nameOf = ({ name, object }: Admission): string => name || (object?.metadata.name ?? '')

function may(
  core: ClusterCore,
  { context, namespace }: Admission,
  verb: string,
  ...[name, plural]: [name: string, plural: string]
): boolean {
  const resource = {
    group: ROLES.group,
    plural,
    name,
    ...(namespace !== undefined && { namespace }),
  }
  const attributes = { user: context.user, verb, resource }
  const verdict = core.authorize(attributes)
  // Who may not may still have the rights itself.
  if (verdict.allowed) recordVerdict(core, attributes, verdict)
  return verdict.allowed
}

/** Why a user may not give these rights; undefined where they may. */
function missingOf(
  core: ClusterCore,
  { context, namespace }: Admission,
  wanted: readonly PolicyRule[],
): string | undefined {
  const { user } = context
  const grants = core.rbac.grantsOf(user, namespace)
  const missing = uncovered(
    grants.flatMap(({ rules }) => rules),
    wanted,
  )
  const who = `user ${JSON.stringify(user.username)} (groups=${quoteList(user.groups)})`
  if (missing === undefined)
    return `${who} is attempting to grant too many RBAC permissions at once`
  if (missing.length === 0) return undefined
  const shown = [...new Set(missing.map(describeRule))].sort()
  const faults = grants.flatMap(({ fault }) => fault ?? [])
  const tail = faults.length === 0 ? '' : `; resolution errors: [${faults.join(', ')}]`
  return `${who} is attempting to grant RBAC permissions not currently held:\n${shown.join('\n')}${tail}`
}
