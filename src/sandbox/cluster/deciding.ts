/** Decides what users of a cluster may do, and puts it on record. */
import {
  type AccessAttributes,
  type AccessVerdict,
  describeAccess,
  explainRefusal,
} from './authorization.ts'
import type { ClusterCore } from './core.ts'
import { MASTERS, nodeOf, SANDBOX_PARTS } from './users.ts'

/** Why somebody may not do something, in kube-apiserver's words; undefined where they may. */
export function decideAccess(core: ClusterCore, attributes: AccessAttributes): string | undefined {
  const verdict = core.authorize(attributes)
  recordVerdict(core, attributes, verdict)
  return verdict.allowed ? undefined : explainRefusal(attributes, verdict.reason)
}

/** Puts a verdict on record. */
export function recordVerdict(
  core: ClusterCore,
  attributes: AccessAttributes,
  verdict: AccessVerdict,
): void {
  const { allowed, reason, rule } = verdict
  core.decisions.record({
    atMs: core.clock.now(),
    kind: 'authorization',
    outcome: allowed ? 'allowed' : 'denied',
    user: attributes.user.username,
    subject: describeAccess(attributes),
    reason: allowed
      ? reason || `members of ${MASTERS} may do everything`
      : explainRefusal(attributes, reason),
    ...(rule !== undefined && { rule }),
    ...(allowed && isRoutine(attributes) && { isRoutine: true }),
  })
}

/** Discovery comes before every command of kubectl, and nodes and the sandbox's parts never rest. */
function isRoutine({ user, verb, resource }: AccessAttributes): boolean {
  const isDiscovery = resource === undefined && verb === 'get'
  return isDiscovery || nodeOf(user) !== undefined || user.groups.includes(SANDBOX_PARTS)
}
