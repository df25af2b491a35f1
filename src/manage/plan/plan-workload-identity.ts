import { ROLE_ANNOTATION } from '../roles/annotate.ts'
import type { PlanContext } from './context.ts'
import type { ClusterPair } from './role-uses.ts'

/** Document 002's add-on: issuer and webhook on the cluster. */
export function planWorkloadIdentity(
  { draft, options }: PlanContext,
  { desired, observed: cluster }: ClusterPair,
): void {
  const { isDeclared, status } = cluster.workloadIdentity
  const wanted = desired.workloadIdentity
  if (wanted === undefined || wanted === status) return
  if (wanted === 'enabled') {
    draft.step({ do: 'enable-workload-identity', cluster: cluster.arn })
    return
  }
  if (!isDeclared) {
    const text = `cluster ${cluster.name} has awsWorkloadIdentity, which no file enabled: it stays`
    draft.remark({ code: 'not-declared', text })
    return
  }
  const losesAccess = cluster.serviceAccounts
    .filter(({ annotations }) => annotations[ROLE_ANNOTATION] !== undefined)
    .map(({ serviceAccount: { name, namespace } }) => `${namespace}/${name}`)
    .sort()
  const who = losesAccess.length === 0 ? 'nobody' : losesAccess.join(', ')
  if (losesAccess.length > 0 && !options.force) {
    draft.refuse({
      code: 'LosesAccess',
      path: `${desired.source}: spec.addOns.awsWorkloadIdentity`,
      text: `without it these service accounts lose their roles: ${who}`,
      hint: 'Go on with --force, or list the add-on.',
    })
    return
  }
  draft.step(
    { do: 'disable-workload-identity', cluster: cluster.arn, losesAccess },
    { risk: { level: 'loss', text: `${who} loses access` } },
  )
}
