import { formatServiceAccountName } from '../../iam/service-account-name.ts'
import type { PlanAction } from './plan.ts'

/** Names a step by what it changes: no two steps of a plan have the same. */
export function actionId(action: PlanAction): string {
  const object = objectOf(action)
  const place = 'cluster' in action ? `${action.cluster} ` : ''
  return `${action.do} ${place}${object}`.trimEnd()
}

/** What the action is done to, within its cluster or account. */
export function objectOf(action: PlanAction): string {
  switch (action.do) {
    case 'create-provider':
    case 'delete-provider':
      return action.provider.arn
    case 'add-client-id':
    case 'remove-client-id':
      return `${action.arn} ${action.clientId}`
    case 'create-role':
    case 'delete-role':
      return action.role.name
    case 'attach-policy':
    case 'detach-policy':
      return `${action.role} ${action.policyArn}`
    case 'put-inline-policy':
    case 'delete-inline-policy':
      return `${action.role} ${action.name}`
    case 'put-trust':
      return `${action.role} ${action.phase}`
    case 'put-boundary':
    case 'delete-boundary':
    case 'tag-role':
    case 'untag-role':
      return action.role
    default:
      return clusterObjectOf(action)
  }
}

type InCluster = Extract<PlanAction, { readonly cluster: string }>

function clusterObjectOf(action: InCluster): string {
  switch (action.do) {
    case 'create-addon':
    case 'delete-addon':
      return action.addon.name
    case 'update-addon':
      return action.name
    case 'create-association':
    case 'delete-association':
      return formatServiceAccountName(action.association.serviceAccount)
    case 'update-association':
    case 'patch-service-account':
      return formatServiceAccountName(action.serviceAccount)
    case 'create-access-entry':
    case 'delete-access-entry':
      return action.entry.principalArn
    case 'update-access-entry':
      return action.principalArn
    case 'associate-access-policy':
      return `${action.principalArn} ${action.after.policyArn}`
    case 'disassociate-access-policy':
      return `${action.principalArn} ${action.before.policyArn}`
    case 'tag-resource':
    case 'untag-resource':
      return action.what
    case 'create-namespace':
    case 'delete-namespace':
      return action.namespace
    case 'create-service-account':
    case 'delete-service-account':
      return formatServiceAccountName(action.object.serviceAccount)
    case 'update-authentication-mode':
      return action.after
    case 'enable-workload-identity':
    case 'disable-workload-identity':
      return ''
    default:
      return action satisfies never
  }
}
