/** What a delete takes and says of clusters that are gone themselves. */
import { isOwned, type Tags } from '../../iam/tags.ts'
import type { PlanContext } from './context.ts'
import type { DeletedRoles, LeavingRole } from './delete-roles.ts'
import type { PlanRole } from './observed-state.ts'
import { ownTrustAfter } from './own-trust.ts'
import { blockOfTags, clusterOfTags, isAdopted, isDeclaredBy } from './ownership.ts'
import { planRoleGone } from './plan-old-roles.ts'
import type { ClusterPair } from './role-uses.ts'

/**
 * Roles of add-ons are found by their tags: EKS tells no more what it recommended to whom.
 * @returns the roles that change or go, with those
 */
export function deleteGone(
  context: PlanContext,
  pairs: readonly ClusterPair[],
  { leaving, looked }: DeletedRoles,
): ReadonlyMap<string, LeavingRole> {
  const all = new Map(leaving)
  for (const pair of pairs.filter(({ observed }) => observed.isGone === true)) {
    const made = context.observed.roles.filter(({ tags }) => isMadeFor(tags, pair))
    sayGone(context, pair, made)
    for (const role of made.filter(({ name }) => !looked.has(name))) {
      const isAddons = pair.desired.addons !== undefined && isDeclaredBy(role.tags, 'addons')
      if (isAddons && isForItAlone(context, role)) {
        all.set(role.name, { step: planRoleGone(context, role, []) })
        continue
      }
      const why = isAddons
        ? 'its trust policy lets others in, or cannot be read'
        : `podrole made it for this cluster (${blockOfTags(role.tags) ?? ''}), and nothing in the files leads to it`
      context.draft.remark({ code: 'left-alone', text: `role ${role.name}: ${why}` })
    }
  }
  return all
}

const isMadeFor = (tags: Tags, { observed }: ClusterPair): boolean =>
  isOwned(tags) &&
  !isAdopted(tags) &&
  blockOfTags(tags) !== undefined &&
  clusterOfTags(tags) === observed.arn

function sayGone(
  { draft, observed }: PlanContext,
  pair: ClusterPair,
  made: readonly PlanRole[],
): void {
  const { name, region } = pair.observed
  const providers = observed.providers.filter(({ tags }) => isMadeFor(tags, pair))
  const text =
    made.length + providers.length > 0
      ? `cluster ${name} in ${region} is gone: of what podrole made for it only IAM has something left`
      : `there is no cluster ${name} in ${region} of account ${observed.accountId}, and IAM has nothing that podrole made for it: where that is a surprise, look at name, region and credentials`
  draft.remark({ code: 'cluster-gone', text })
}

/** Whether its trust policy lets in nobody but the clusters that files speak of. */
function isForItAlone({ spoken }: PlanContext, { arn, tags, trustPolicy }: PlanRole): boolean {
  const wanted = { uses: [], conditions: {}, roleArn: arn, madeFor: clusterOfTags(tags) }
  try {
    return ownTrustAfter(trustPolicy, wanted, spoken).isEmpty
  } catch {
    // Whom it lets in is not known.
    return false
  }
}
