/** Documents as they are written → what they mean, in one vocabulary. */
import type { z } from 'zod'
import { partitionOfRegion } from '../../iam/partitions.ts'
import { POLICY_NAME } from '../roles/role-port.ts'
import { policyTextOf } from './checks/policies.ts'
import type {
  AddonAssociation,
  AddonIdentity,
  DesiredAccess,
  DesiredAddon,
  DesiredAssociation,
  DesiredCluster,
  DesiredRole,
  DesiredServiceAccount,
  FragmentTarget,
  MadeRole,
  TrustConditions,
} from './desired-state.ts'
import type {
  accessConfig as accessConfigSchema,
  addon as addonSchema,
  DOCUMENT_SCHEMAS,
  DocumentKind,
  podIdentityAssociation,
  serviceAccount as serviceAccountSchema,
} from './schema.ts'
import { wellKnownPermissions } from './well-known-policies.ts'

type Documents = { [Kind in DocumentKind]: z.output<(typeof DOCUMENT_SCHEMAS)[Kind]> }
type Blocks = Documents['fragment']
type AssociationFields = z.output<typeof podIdentityAssociation>
type ServiceAccountFields = z.output<typeof serviceAccountSchema>
type AddonFields = z.output<typeof addonSchema>
type AccessFields = z.output<typeof accessConfigSchema>

/** A document that has no fault. */
export function clusterOf(
  kind: DocumentKind,
  source: string,
  read: { readonly value: unknown; readonly target: FragmentTarget },
): DesiredCluster {
  if (kind === 'mk8s') return workloadIdentityOf(source, read.value as Documents['mk8s'])
  if (kind === 'fragment') {
    const { cluster = '', region } = read.target
    const at = { source, name: cluster, tags: {}, ...(region !== undefined && { region }) }
    return { ...at, kind: 'eks', ...blocksOf(read.value as Blocks, at) }
  }
  const document = read.value as Documents['eksctl'] | Documents['podrole']
  const { accountID, name, region, tags = {} } = document.metadata
  const at = {
    source,
    name,
    region,
    tags,
    ...(accountID !== undefined && { accountId: accountID }),
  }
  if (document.kind !== 'Cluster') return { ...at, kind: 'eks', ...blocksOf(document, at) }
  const { addons = [], broker, issuer } = document
  return {
    ...at,
    kind: 'self-managed',
    ...blocksOf({ iam: document.iam }, at),
    ...(issuer !== undefined && { issuer: issuer.url }),
    ...(broker !== undefined && { broker: broker.url }),
    // The only add-on that such a cluster has is document 002's.
    ...(document.addons !== undefined && {
      workloadIdentity: addons.length > 0 ? 'enabled' : 'disabled',
    }),
  }
}

function workloadIdentityOf(source: string, document: Documents['mk8s']): DesiredCluster {
  const isEnabled = document.spec?.addOns?.awsWorkloadIdentity !== undefined
  return {
    source,
    kind: 'workload-identity',
    name: document.name,
    tags: {},
    workloadIdentity: isEnabled ? 'enabled' : 'disabled',
  }
}

type Place = Pick<DesiredCluster, 'region' | 'tags'>
type OfBlocks = Pick<
  DesiredCluster,
  'withOidc' | 'serviceAccounts' | 'associations' | 'access' | 'addons'
>

function blocksOf(blocks: Blocks, place: Place): OfBlocks {
  const { accessConfig, addons, addonsConfig, iam = {} } = blocks
  const { podIdentityAssociations, serviceAccounts, withOIDC } = iam
  const isAutomatic = addonsConfig?.autoApplyPodIdentityAssociations === true
  return {
    ...(withOIDC !== undefined && { withOidc: withOIDC }),
    ...(serviceAccounts !== undefined && {
      serviceAccounts: serviceAccounts.map((one, at) =>
        serviceAccountOf(one, `iam.serviceAccounts[${at}]`, place),
      ),
    }),
    ...(podIdentityAssociations !== undefined && {
      associations: podIdentityAssociations.map((one, at) =>
        associationOf(one, `iam.podIdentityAssociations[${at}]`, place),
      ),
    }),
    ...(accessConfig !== undefined && { access: accessOf(accessConfig, place) }),
    ...(addons !== undefined && {
      addons: addons.map((one, at) => addonOf(one, { path: `addons[${at}]`, place, isAutomatic })),
    }),
  }
}

function serviceAccountOf(
  fields: ServiceAccountFields,
  path: string,
  place: Place,
): DesiredServiceAccount {
  const { metadata, roleOnly = false, subjectPattern } = fields
  const { annotations = {}, labels = {}, name, namespace = 'default' } = metadata
  return {
    path,
    serviceAccount: { namespace, name },
    labels,
    annotations,
    roleOnly,
    ...(subjectPattern !== undefined && { subjectPattern }),
    role: roleOf(
      {
        ...fields,
        given: fields.attachRoleARN,
        policy: fields.attachPolicy,
        policyName: undefined,
      },
      { arns: fields.attachPolicyARNs, boundary: fields.permissionsBoundary, place },
    ),
  }
}

function associationOf(fields: AssociationFields, path: string, place: Place): DesiredAssociation {
  const { disableSessionTags = false, policy, tags = {}, targetRoleARN } = fields
  return {
    path,
    serviceAccount: { namespace: fields.namespace, name: fields.serviceAccountName },
    createServiceAccount: fields.createServiceAccount === true,
    role: associationRole(fields, place),
    disableSessionTags,
    tags: { ...place.tags, ...tags },
    ...(targetRoleARN !== undefined && { targetRoleArn: targetRoleARN }),
    ...(policy !== undefined && { policy }),
  }
}

const associationRole = (fields: AssociationFields, place: Place): DesiredRole =>
  roleOf(
    {
      ...fields,
      given: fields.roleARN,
      policy: fields.permissionPolicy,
      policyName: fields.permissionPolicyName,
    },
    { arns: fields.permissionPolicyARNs, boundary: fields.permissionsBoundaryARN, place },
  )

interface RoleFields {
  readonly given: string | undefined
  readonly policy: unknown
  readonly policyName: string | undefined
  readonly roleName?: string | undefined
  readonly wellKnownPolicies?: Readonly<Record<string, boolean | undefined>> | undefined
  readonly tags?: Readonly<Record<string, string>> | undefined
  readonly trustConditions?: Readonly<Record<string, Readonly<Record<string, unknown>>>> | undefined
}

function roleOf(
  fields: RoleFields,
  more: {
    readonly arns: readonly string[] | undefined
    readonly boundary: string | undefined
    readonly place: Place
  },
): DesiredRole {
  const { given, policyName = POLICY_NAME, roleName, tags, trustConditions = {} } = fields
  if (given !== undefined) return { kind: 'given', arn: given }
  const { arns = [], boundary, place } = more
  const partition = partitionOfRegion(place.region ?? '').id
  const wellKnown = wellKnownPermissions(fields.wellKnownPolicies ?? {}, partition)
  const text = policyTextOf(fields.policy)
  const role: MadeRole = {
    policyArns: [...new Set([...arns, ...wellKnown.policyArns])],
    inline: { ...wellKnown.inline, ...(text !== undefined && { [policyName]: text }) },
    tags: { ...place.tags, ...tags },
    trustConditions: conditionsOf(trustConditions),
    ...(roleName !== undefined && { name: roleName }),
    ...(boundary !== undefined && { boundaryArn: boundary }),
  }
  return { kind: 'made', ...role }
}

/** Values as a policy's parser takes them: numbers and booleans are their text. */
function conditionsOf(
  written: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
): TrustConditions {
  const entries = Object.entries(written).map(
    ([operator, keys]) =>
      [
        operator,
        Object.fromEntries(
          Object.entries(keys).map(
            ([key, value]) =>
              [key, Array.isArray(value) ? value.map(String) : String(value)] as const,
          ),
        ),
      ] as const,
  )
  return Object.fromEntries(entries)
}

function accessOf(fields: AccessFields, place: Place): DesiredAccess {
  const { accessEntries, authenticationMode } = fields
  return {
    path: 'accessConfig',
    ...(authenticationMode !== undefined && { authenticationMode }),
    ...(accessEntries !== undefined && {
      entries: accessEntries.map((entry, at) => ({
        path: `accessConfig.accessEntries[${at}]`,
        principalArn: entry.principalARN,
        type: entry.type === undefined || entry.type === '' ? 'STANDARD' : entry.type,
        tags: { ...place.tags, ...entry.tags },
        policies: (entry.accessPolicies ?? []).map(({ accessScope, policyARN }) => ({
          policyArn: policyARN,
          ...(accessScope.type === 'namespace' && { namespaces: accessScope.namespaces ?? [] }),
        })),
        ...(entry.kubernetesGroups !== undefined && { groups: entry.kubernetesGroups }),
        ...(entry.kubernetesUsername !== undefined && { username: entry.kubernetesUsername }),
      })),
    }),
  }
}

function addonOf(
  fields: AddonFields,
  at: { readonly path: string; readonly place: Place; readonly isAutomatic: boolean },
): DesiredAddon {
  const { configurationValues, namespaceConfig, resolveConflicts, tags = {}, version } = fields
  return {
    path: at.path,
    name: fields.name,
    identity: addonIdentityOf(fields, at),
    tags: { ...at.place.tags, ...tags },
    ...(version !== undefined && { version }),
    ...(configurationValues !== undefined && { configurationValues }),
    ...(resolveConflicts !== undefined && {
      resolveConflicts: resolveConflicts.toUpperCase() as 'NONE' | 'OVERWRITE' | 'PRESERVE',
    }),
    ...(namespaceConfig !== undefined && { namespace: namespaceConfig.namespace }),
  }
}

function addonIdentityOf(
  fields: AddonFields,
  { isAutomatic, path, place }: { path: string; place: Place; isAutomatic: boolean },
): AddonIdentity {
  const { podIdentityAssociations, useDefaultPodIdentityAssociations } = fields
  if (podIdentityAssociations !== undefined) {
    const associations = podIdentityAssociations.map((one, at): AddonAssociation => ({
      path: `${path}.podIdentityAssociations[${at}]`,
      serviceAccount: { namespace: one.namespace, name: one.serviceAccountName },
      role: associationRole(one, place),
    }))
    return { kind: 'associations', associations }
  }
  if (hasIrsa(fields)) {
    const role = roleOf(
      {
        given: fields.serviceAccountRoleARN,
        policy: fields.attachPolicy,
        policyName: undefined,
        wellKnownPolicies: fields.wellKnownPolicies,
        tags: fields.tags,
      },
      { arns: fields.attachPolicyARNs, boundary: fields.permissionsBoundary, place },
    )
    return { kind: 'irsa', role }
  }
  const isRecommended = useDefaultPodIdentityAssociations ?? isAutomatic
  return { kind: isRecommended ? 'recommended' : 'unspoken' }
}

const hasIrsa = (fields: AddonFields): boolean =>
  fields.serviceAccountRoleARN !== undefined ||
  fields.attachPolicy !== undefined ||
  (fields.attachPolicyARNs ?? []).length > 0 ||
  Object.values(fields.wellKnownPolicies ?? {}).includes(true)
