/** What EKS is asked for by the actions of a plan, whoever asks it. Pure. */
import type { AccessPolicy } from '../desired/desired-state.ts'
import type { AccessEntryPort } from '../eks/access-entry-port.ts'
import type { AddonPort } from '../eks/addon-port.ts'
import type { AssociationPort } from '../eks/association-port.ts'
import type { AssociationSettings } from '../plan/observed-state.ts'
import type { ClusterAction, NewAccessEntry, NewAddon, NewAssociation } from '../plan/plan.ts'

export function newAssociation({
  serviceAccount,
  settings,
  tags,
}: NewAssociation): Parameters<AssociationPort['create']>[0] {
  const { name, namespace } = serviceAccount
  return { namespace, serviceAccount: name, ...settings, tags }
}

/** What is left out of a change stays as it is: the empty text takes it away. */
export const associationChange = (
  settings: AssociationSettings,
): Parameters<AssociationPort['update']>[1] => ({
  roleArn: settings.roleArn,
  disableSessionTags: settings.disableSessionTags,
  targetRoleArn: settings.targetRoleArn ?? '',
  policy: settings.policy ?? '',
})

type AddonInput = Parameters<AddonPort['create']>[0]

export function newAddon(addon: NewAddon): AddonInput & { readonly addonVersion: string } {
  const { configurationValues, name: addonName, namespace, settings, tags } = addon
  const { associations, serviceAccountRoleArn, version: addonVersion } = settings
  const conflicts = resolutionOf(addon.resolveConflicts)
  return {
    addonName,
    addonVersion,
    tags,
    ...(associations.length > 0 && { podIdentityAssociations: associations }),
    ...(serviceAccountRoleArn !== undefined && { serviceAccountRoleArn }),
    ...(configurationValues !== undefined && { configurationValues }),
    ...(namespace !== undefined && { namespace }),
    ...(conflicts !== undefined && { resolveConflicts: conflicts }),
  }
}

export function addonChange(
  action: Extract<ClusterAction, { readonly do: 'update-addon' }>,
): Parameters<AddonPort['update']>[1] {
  const { after, before } = action
  const conflicts = resolutionOf(action.resolveConflicts)
  const isSame = Bun.deepEquals(before.associations, after.associations)
  return {
    addonVersion: after.version,
    ...(!isSame && { podIdentityAssociations: after.associations }),
    // EKS takes away the role that an update does not name.
    ...(after.serviceAccountRoleArn !== undefined && {
      serviceAccountRoleArn: after.serviceAccountRoleArn,
    }),
    ...(conflicts !== undefined && { resolveConflicts: conflicts }),
  }
}

/** eksctl writes it in small letters. */
function resolutionOf(text: string | undefined): 'OVERWRITE' | 'NONE' | 'PRESERVE' | undefined {
  const wanted = text?.toUpperCase()
  return wanted === 'OVERWRITE' || wanted === 'NONE' || wanted === 'PRESERVE' ? wanted : undefined
}

export const newEntry = ({
  groups,
  principalArn,
  tags,
  type,
  username,
}: NewAccessEntry): Parameters<AccessEntryPort['create']>[0] => ({
  principalArn,
  type,
  tags,
  ...(groups !== undefined && { kubernetesGroups: groups }),
  ...(username !== undefined && { username }),
})

export const entryChange = ({
  after: { groups, username },
  before,
}: Extract<ClusterAction, { readonly do: 'update-access-entry' }>): Parameters<
  AccessEntryPort['update']
>[1] => ({
  kubernetesGroups: groups,
  // EKS gives nodes a name that nobody may send it.
  ...(username !== before.username && { username }),
})

export const accessPolicyOf = ({
  namespaces,
  policyArn,
}: AccessPolicy): Parameters<AccessEntryPort['associate']>[1] => ({
  policyArn,
  accessScope: namespaces === undefined ? { type: 'cluster' } : { type: 'namespace', namespaces },
})
