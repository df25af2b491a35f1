/** What a delete takes of IAM OIDC providers: those that no other role trusts. */
import { trustedProviders } from '../../issuer/provider.ts'
import type { PlanContext } from './context.ts'
import { isLeft } from './delete-in-cluster.ts'
import type { LeavingRole } from './delete-roles.ts'
import { type ClusterPair, providerArnOf } from './role-uses.ts'

/** `iam.withOIDC`; `leaving` is what becomes of roles. */
export function deleteProviders(
  { draft, observed, options }: PlanContext,
  pairs: readonly ClusterPair[],
  leaving: ReadonlyMap<string, LeavingRole>,
): void {
  for (const { desired, observed: cluster } of pairs) {
    const issuer = desired.issuer ?? cluster.issuer
    if (desired.withOidc !== true || issuer === undefined) continue
    const arn = providerArnOf(cluster.arn, issuer)
    const provider = observed.providers.find((one) => one.arn === arn)
    if (provider === undefined) continue
    const { tags } = provider
    if (isLeft(draft, `OIDC provider ${arn}`, { tags, block: 'iam.withOIDC' })) continue
    const trusting = observed.roles.filter(({ trustPolicy }) => trustPolicy.includes(arn))
    const after = trusting.flatMap(({ name }) => leaving.get(name)?.step ?? [])
    const users = trusting.flatMap(({ name, trustPolicy }) => {
      const one = leaving.get(name)
      const left = one === undefined ? trustPolicy : one.trustPolicy
      return left !== undefined && trustedProviders(left).includes(arn) ? [name] : []
    })
    // Nobody has tokens of a cluster that is gone.
    if (users.length > 0 && !options.force && cluster.isGone !== true) {
      draft.refuse({
        code: 'ProviderInUse',
        path: `${desired.source}: iam.withOIDC`,
        text: `${arn} is trusted by ${users.length} other role(s): ${users.join(', ')}`,
        hint: "Take it out of their trust policies ('podrole role trust remove'), or --force: their pods are refused then.",
      })
      continue
    }
    const text = lossOf(users, cluster)
    draft.step({ do: 'delete-provider', provider }, { after, risk: { level: 'loss', text } })
  }
}

function lossOf(users: readonly string[], { isGone }: ClusterPair['observed']): string {
  if (users.length === 0) return 'no role trusts it any more'
  return isGone === true
    ? `the trust policies of ${users.join(', ')} name it still`
    : `pods with ${users.join(', ')} are refused`
}
