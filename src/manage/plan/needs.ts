/**
 * What the caller needs of AWS for a step. Source: Service Authorization Reference, "Actions,
 * resources, and condition keys" for IAM and EKS.
 */
import { formatArn, parseArn } from '../../iam/arn.ts'
import { keyOf, s3PlaceOf } from '../../issuer/publishing/s3-place.ts'
import type { AssociationSettings } from './observed-state.ts'
import type { NeededAction, PlanAction } from './plan.ts'

/** The ARN of a role of the account by its name. */
export type RoleArnOf = (name: string) => string

export function neededActions(action: PlanAction, roleArnOf: RoleArnOf): readonly NeededAction[] {
  switch (action.do) {
    case 'create-provider':
      return on(action.provider.arn, [
        'iam:CreateOpenIDConnectProvider',
        'iam:TagOpenIDConnectProvider',
      ])
    case 'delete-provider':
      return on(action.provider.arn, ['iam:DeleteOpenIDConnectProvider'])
    case 'add-client-id':
      return on(action.arn, ['iam:AddClientIDToOpenIDConnectProvider'])
    case 'remove-client-id':
      return on(action.arn, ['iam:RemoveClientIDFromOpenIDConnectProvider'])
    case 'create-role':
      return on(action.role.arn, [
        'iam:CreateRole',
        'iam:TagRole',
        ...(action.role.boundaryArn === undefined ? [] : ['iam:PutRolePermissionsBoundary']),
      ])
    case 'delete-role':
      return on(action.role.arn, ['iam:DeleteRole'])
    case 'put-trust':
    case 'attach-policy':
    case 'detach-policy':
    case 'put-inline-policy':
    case 'delete-inline-policy':
    case 'put-boundary':
    case 'delete-boundary':
    case 'tag-role':
    case 'untag-role':
      return on(roleArnOf(action.role), [ROLE_CALLS[action.do]])
    default:
      return neededInCluster(action)
  }
}

const ROLE_CALLS = {
  'put-trust': 'iam:UpdateAssumeRolePolicy',
  'attach-policy': 'iam:AttachRolePolicy',
  'detach-policy': 'iam:DetachRolePolicy',
  'put-inline-policy': 'iam:PutRolePolicy',
  'delete-inline-policy': 'iam:DeleteRolePolicy',
  'put-boundary': 'iam:PutRolePermissionsBoundary',
  'delete-boundary': 'iam:DeleteRolePermissionsBoundary',
  'tag-role': 'iam:TagRole',
  'untag-role': 'iam:UntagRole',
} as const

type InCluster = Extract<PlanAction, { readonly cluster: string }>

function neededInCluster(action: InCluster): readonly NeededAction[] {
  const { cluster } = action
  switch (action.do) {
    case 'update-authentication-mode':
      return on(cluster, ['eks:UpdateClusterConfig'])
    case 'create-addon':
      return [
        ...on(cluster, ['eks:CreateAddon', 'eks:TagResource']),
        ...passing(action.addon.settings.associations.map(({ roleArn }) => roleArn)),
      ]
    case 'update-addon':
      return [
        ...on(inCluster(cluster, 'addon', `${action.name}/*`), ['eks:UpdateAddon']),
        ...passing(action.after.associations.map(({ roleArn }) => roleArn)),
      ]
    case 'delete-addon':
      return on(inCluster(cluster, 'addon', `${action.addon.name}/*`), ['eks:DeleteAddon'])
    case 'create-association':
      return [
        ...on(cluster, ['eks:CreatePodIdentityAssociation', 'eks:TagResource']),
        ...passing(rolesOf(action.association.settings)),
      ]
    case 'update-association':
      return [
        ...on(associationArn(cluster, action.associationId), ['eks:UpdatePodIdentityAssociation']),
        ...passing(rolesOf(action.after)),
      ]
    case 'delete-association':
      return on(associationArn(cluster, action.association.associationId ?? '*'), [
        'eks:DeletePodIdentityAssociation',
      ])
    case 'tag-resource':
      return on(action.arn, ['eks:TagResource'])
    case 'untag-resource':
      return on(action.arn, ['eks:UntagResource'])
    default:
      return neededForAccess(action)
  }
}

type ForAccess = Exclude<
  InCluster,
  {
    readonly do:
      | 'update-authentication-mode'
      | `${string}-addon`
      | `${string}-association`
      | `${string}-resource`
  }
>

function neededForAccess(action: ForAccess): readonly NeededAction[] {
  const { cluster } = action
  switch (action.do) {
    case 'create-access-entry':
      return on(cluster, ['eks:CreateAccessEntry', 'eks:TagResource'])
    case 'delete-access-entry':
      return on(entryArn(cluster, action.entry.principalArn), ['eks:DeleteAccessEntry'])
    case 'update-access-entry':
      return on(entryArn(cluster, action.principalArn), ['eks:UpdateAccessEntry'])
    case 'associate-access-policy':
      return on(entryArn(cluster, action.principalArn), ['eks:AssociateAccessPolicy'])
    case 'disassociate-access-policy':
      return on(entryArn(cluster, action.principalArn), ['eks:DisassociateAccessPolicy'])
    // Kubernetes' own to allow.
    case 'create-namespace':
    case 'delete-namespace':
    case 'create-service-account':
    case 'delete-service-account':
    case 'patch-service-account':
    case 'disable-workload-identity':
      return []
    case 'enable-workload-identity':
      return neededToPublish(cluster, action.issuer ?? '')
    default:
      return action satisfies never
  }
}

/** An issuer in S3 is published there; else Kubernetes' own to allow. */
function neededToPublish(cluster: string, issuer: string): readonly NeededAction[] {
  const found = s3PlaceOf(issuer)
  if (found === undefined) return []
  const { partition } = parseArn(cluster)
  const resource = `${found.place.bucket}/${keyOf(found.place, '/*')}`
  const arn = formatArn({ partition, service: 's3', region: '', accountId: '', resource })
  return on(arn, ['s3:GetObject', 's3:PutObject'])
}

const on = (resource: string, actions: readonly string[]): readonly NeededAction[] =>
  actions.map((action) => ({ action, resource }))

/** EKS checks that the caller may give the role away, and looks at its trust policy. */
const passing = (roleArns: readonly string[]): readonly NeededAction[] =>
  [...new Set(roleArns)].flatMap((arn) => on(arn, ['iam:PassRole', 'iam:GetRole']))

const rolesOf = ({ roleArn }: AssociationSettings): readonly string[] => [roleArn]

/** `arn:…:cluster/NAME` → `arn:…:TYPE/NAME/REST` */
const inCluster = (clusterArn: string, type: string, rest: string): string =>
  `${clusterArn.replace(/:cluster\//, `:${type}/`)}/${rest}`

const associationArn = (clusterArn: string, id: string): string =>
  inCluster(clusterArn, 'podidentityassociation', id)

/** Behind the cluster: kind, account and name of the principal, and an id that only EKS knows. */
function entryArn(clusterArn: string, principalArn: string): string {
  const [, , , , account = '', resource = ''] = principalArn.split(':')
  const [kind = ''] = resource.split('/')
  const name = resource.split('/').at(-1) ?? ''
  return inCluster(clusterArn, 'access-entry', `${kind}/${account}/${name}/*`)
}
