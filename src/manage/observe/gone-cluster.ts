/** An EKS cluster that is no more: what podrole made for it in IAM names it still. */
import { type ProviderPort, trustedProviders } from '../../issuer/provider.ts'
import { issuerHostPathOf } from '../../iam/arn.ts'
import { isOwned } from '../../iam/tags.ts'
import { mapLimited } from '../../lib/map-limited.ts'
import type { PlanRole } from '../plan/observed-state.ts'
import { clusterOfTags } from '../plan/ownership.ts'

/** Providers read at once. An account has 100 at most by default. */
const PROVIDERS_AT_ONCE = 4

/**
 * The issuer that a cluster had: EKS names it no more, but its provider has the cluster's tag, and
 * the roles that were made for it trust that provider.
 * @param roles asked only where no provider is left
 * @returns undefined where nothing tells it, or not one alone
 */
export async function issuerOfGone(
  clusterArn: string,
  {
    providers,
    roles,
  }: {
    readonly providers: Pick<ProviderPort, 'get' | 'list'>
    readonly roles: () => Promise<readonly PlanRole[]>
  },
): Promise<string | undefined> {
  const found = await mapLimited(await providers.list(), PROVIDERS_AT_ONCE, providers.get)
  const own = found.flatMap((one) =>
    one !== undefined && isOwned(one.tags) && clusterOfTags(one.tags) === clusterArn ? one.arn : [],
  )
  const arns = own.length > 0 ? own : trustedByRolesOf(clusterArn, await roles())
  const [arn = ''] = arns
  const hostPath = arns.length === 1 ? issuerHostPathOf(arn) : undefined
  return hostPath === undefined ? undefined : `https://${hostPath}`
}

/** Providers that roles trust which were made for the cluster; its own one is EKS's. */
function trustedByRolesOf(clusterArn: string, roles: readonly PlanRole[]): readonly string[] {
  const made = roles.filter(({ tags }) => isOwned(tags) && clusterOfTags(tags) === clusterArn)
  const trusted = made.flatMap(({ trustPolicy }) => trustedProviders(trustPolicy))
  return [...new Set(trusted)].filter((arn) => /:oidc-provider\/oidc\.eks\./.test(arn))
}
