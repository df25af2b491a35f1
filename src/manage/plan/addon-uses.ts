import { AGENT_ADDON } from '../desired/checks/addons.ts'
import type { DesiredAddon } from '../desired/desired-state.ts'
import type { AddonOffer } from './observed-state.ts'
import { type ClusterPair, podIdentityWay, type RoleUse } from './role-uses.ts'

const BLOCK = 'addons'

/** An add-on of a file with the roles that it is to have. */
export interface AddonUses {
  readonly addon: DesiredAddon
  readonly uses: readonly RoleUse[]
}

/** Add-ons of which a file says something about identity; the others are nobody's concern here. */
const managedAddons = ({ desired }: ClusterPair): readonly DesiredAddon[] =>
  (desired.addons ?? []).filter(
    ({ identity, name }) => name === AGENT_ADDON || identity.kind !== 'unspoken',
  )

/** The uses of roles by add-ons of a cluster. */
export function addonUsesOf(pair: ClusterPair): readonly AddonUses[] {
  return managedAddons(pair).map((addon) => ({ addon, uses: usesOf(pair, addon) }))
}

function usesOf(pair: ClusterPair, addon: DesiredAddon): readonly RoleUse[] {
  const { desired, observed: cluster } = pair
  const path = `${desired.source}: ${addon.path}`
  const offer = offerOf(pair, addon)
  const namespace = addon.namespace ?? offer?.namespace ?? 'kube-system'
  const common = { block: BLOCK, cluster } as const
  const recommended = offer?.recommended ?? []
  switch (addon.identity.kind) {
    case 'associations':
      return addon.identity.associations.map((one) => ({
        ...common,
        path: `${desired.source}: ${one.path}`,
        serviceAccount: one.serviceAccount,
        subject: one.serviceAccount,
        by: podIdentityWay(cluster, false),
        role: one.role,
      }))
    case 'recommended':
      return recommended.map(({ policyArns, serviceAccount: name }) => ({
        ...common,
        path,
        serviceAccount: { namespace, name },
        subject: { namespace, name },
        by: podIdentityWay(cluster, false),
        role: { kind: 'made', policyArns, inline: {}, tags: addon.tags, trustConditions: {} },
      }))
    case 'irsa': {
      const { role } = addon.identity
      const { issuer } = cluster
      if (issuer === undefined) return []
      return recommended.map(({ serviceAccount: name }) => ({
        ...common,
        path,
        // One role for all of them, named after the first.
        serviceAccount: { namespace, name: recommended[0]?.serviceAccount ?? name },
        subject: { namespace, name },
        by: { way: 'irsa', issuer },
        role,
      }))
    }
    case 'unspoken':
      return []
    default:
      return addon.identity satisfies never
  }
}

/** What EKS has to offer of the add-on. */
export const offerOf = (
  { observed }: ClusterPair,
  { name }: DesiredAddon,
): AddonOffer | undefined => observed.offers.find((offer) => offer.name === name)
