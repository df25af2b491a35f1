import type { AwsAccount } from '../../aws/account.ts'
import { describeEksCluster } from '../../aws/eks-cluster.ts'
import type { Association } from '../../associations/association.ts'
import { codeOf } from '../../lib/errors.ts'
import type { DesiredAddon } from '../desired/desired-state.ts'
import { describeAccessEntries, type ObservedEntry } from '../eks/access-entry-port.ts'
import { type Addon, describeAddons } from '../eks/addon-port.ts'
import { describeAssociations, orGone } from '../eks/association-port.ts'
import { eksAccessEntries } from '../eks/eks-access-entries.ts'
import { eksAddons } from '../eks/eks-addons.ts'
import { eksAssociations } from '../eks/eks-associations.ts'
import { openEks } from '../eks/eks-client.ts'
import type {
  AddonOffer,
  PlanAccessEntry,
  PlanAddon,
  PlanAssociation,
} from '../plan/observed-state.ts'
import { readAddonOffer } from './addon-offer.ts'
import type { ClusterReader } from './ports.ts'

/**
 * A cluster on EKS. A list of associations or access entries names them alone, so each is a call
 * of its own more (two for an entry): EKS has no operation that gives several.
 */
export async function eksReader(
  account: AwsAccount,
  clusterName: string,
  onCall: (operation: string) => void,
): Promise<ClusterReader> {
  const eks = await openEks(account, onCall)
  const addons = eksAddons(eks, clusterName)
  return {
    facts: async () => {
      onCall('DescribeCluster')
      const found = await orGone(() => describeEksCluster(account, clusterName))
      if (found === undefined) return undefined
      const { arn, authenticationMode, autoMode, endpoint, isPrivate, issuer, version } = found
      return {
        arn,
        region: account.region,
        isAutoMode: autoMode,
        authenticationMode,
        kubernetesVersion: version,
        ...(isPrivate && { isPrivate }),
        ...(issuer !== undefined && { issuer }),
        ...(endpoint !== undefined && { endpoint }),
      }
    },
    associations: async () =>
      (await describeAssociations(eksAssociations(eks, clusterName))).map(planAssociationOf),
    accessEntries: async () => {
      try {
        return (await describeAccessEntries(eksAccessEntries(eks, clusterName))).map(planEntryOf)
      } catch (error) {
        // Authentication mode CONFIG_MAP has none.
        if (codeOf(error) === 'InvalidRequest') return []
        throw error
      }
    },
    addons: async (associations) => {
      const byArn = new Map(associations.map((one) => [one.arn, one]))
      return (await describeAddons(addons)).map((one) => planAddonOf(one, byArn))
    },
    offer: (addon: DesiredAddon, kubernetesVersion): Promise<AddonOffer | undefined> =>
      readAddonOffer(eks, addon, kubernetesVersion),
  }
}

/** An association as a plan looks at it. */
export function planAssociationOf(found: Association): PlanAssociation {
  const { associationArn, associationId, ownerArn, policy, roleArn, tags, targetRoleArn } = found
  return {
    serviceAccount: { namespace: found.namespace, name: found.serviceAccount },
    associationId,
    arn: associationArn,
    settings: {
      roleArn,
      disableSessionTags: found.disableSessionTags,
      ...(targetRoleArn !== undefined && { targetRoleArn }),
      ...(policy !== undefined && { policy }),
    },
    ...(ownerArn !== undefined && { ownerArn }),
    tags,
  }
}

/** An access entry as a plan looks at it. */
export const planEntryOf = (found: ObservedEntry): PlanAccessEntry => ({
  principalArn: found.principalArn,
  arn: found.accessEntryArn,
  type: found.type,
  groups: found.kubernetesGroups,
  username: found.username,
  policies: found.accessPolicies.map(({ accessScope, policyArn }) => ({
    policyArn,
    ...(accessScope.type === 'namespace' && { namespaces: accessScope.namespaces }),
  })),
  tags: found.tags,
})

/** An add-on as a plan looks at it. */
export const planAddonOf = (
  found: Addon,
  associations: ReadonlyMap<string, PlanAssociation>,
): PlanAddon => ({
  name: found.addonName,
  arn: found.addonArn,
  settings: {
    version: found.addonVersion,
    associations: found.podIdentityAssociations.flatMap((arn) => {
      const one = associations.get(arn)
      if (one === undefined) return []
      return [{ serviceAccount: one.serviceAccount.name, roleArn: one.settings.roleArn }]
    }),
    ...(found.serviceAccountRoleArn !== undefined && {
      serviceAccountRoleArn: found.serviceAccountRoleArn,
    }),
  },
  tags: found.tags,
  ...(found.status !== 'ACTIVE' && { status: found.status }),
})
