import type { Tags } from '../../iam/tags.ts'
import type { ClusterAction, KubernetesAction, PlanAction, RoleAction } from './plan.ts'

/**
 * What undoes an action, in order; nothing where nothing can: an authentication mode does not go
 * back.
 */
export function inverseOf(action: PlanAction): readonly PlanAction[] {
  if (action.do === 'tag-role')
    return untag(action, (tags) => ({ do: 'untag-role', role: action.role, before: tags }))
  if (action.do === 'tag-resource') {
    const { arn, cluster, what } = action
    return untag(action, (before) => ({ cluster, do: 'untag-resource', arn, what, before }))
  }
  const inverse = 'cluster' in action ? inverseOfKubernetes(action) : inverseOfRole(action)
  return inverse === undefined ? [] : [inverse]
}

type Tagging = Extract<PlanAction, { readonly do: 'tag-role' | 'tag-resource' }>

/** Keys that had a value get it back, the others go. */
function untag(action: Tagging, remove: (tags: Tags) => PlanAction): readonly PlanAction[] {
  const { after, before } = action
  const changed = Object.keys(before)
  const fresh = Object.fromEntries(Object.entries(after).filter(([key]) => !changed.includes(key)))
  const kept = Object.fromEntries(Object.entries(after).filter(([key]) => changed.includes(key)))
  return [
    ...(changed.length > 0 ? [{ ...action, before: kept, after: before }] : []),
    ...(Object.keys(fresh).length > 0 ? [remove(fresh)] : []),
  ]
}

function inverseOfRole(action: Exclude<RoleAction, { do: 'tag-role' }>): RoleAction {
  switch (action.do) {
    case 'create-provider':
      return { ...action, do: 'delete-provider' }
    case 'delete-provider':
      return { ...action, do: 'create-provider' }
    case 'add-client-id':
      return { ...action, do: 'remove-client-id' }
    case 'remove-client-id':
      return { ...action, do: 'add-client-id' }
    case 'create-role':
      return { ...action, do: 'delete-role' }
    case 'delete-role':
      return { ...action, do: 'create-role' }
    case 'put-trust':
      return { ...action, before: action.after, after: action.before }
    case 'attach-policy':
      return { ...action, do: 'detach-policy' }
    case 'detach-policy':
      return { ...action, do: 'attach-policy' }
    default:
      return inverseOfSettings(action)
  }
}

type RoleSetting = Extract<
  RoleAction,
  {
    readonly do:
      | 'put-inline-policy'
      | 'delete-inline-policy'
      | 'put-boundary'
      | 'delete-boundary'
      | 'untag-role'
  }
>

function inverseOfSettings(action: RoleSetting): RoleAction {
  const { role } = action
  switch (action.do) {
    case 'put-inline-policy': {
      const { after, before, name } = action
      return before === undefined
        ? { do: 'delete-inline-policy', role, name, before: after }
        : { do: 'put-inline-policy', role, name, before: after, after: before }
    }
    case 'delete-inline-policy':
      return { do: 'put-inline-policy', role, name: action.name, after: action.before }
    case 'put-boundary': {
      const { after, before } = action
      return before === undefined
        ? { do: 'delete-boundary', role, before: after }
        : { do: 'put-boundary', role, before: after, after: before }
    }
    case 'delete-boundary':
      return { do: 'put-boundary', role, after: action.before }
    case 'untag-role':
      return { do: 'tag-role', role, before: {}, after: action.before }
    default:
      return action satisfies never
  }
}

function inverseOfKubernetes(
  action: Exclude<KubernetesAction | ClusterAction, Tagging>,
): KubernetesAction | ClusterAction | undefined {
  switch (action.do) {
    case 'create-namespace':
      return { ...action, do: 'delete-namespace' }
    case 'delete-namespace':
      return { ...action, do: 'create-namespace' }
    case 'create-service-account':
      return { ...action, do: 'delete-service-account' }
    case 'delete-service-account':
      return { ...action, do: 'create-service-account' }
    case 'patch-service-account':
      return { ...action, before: action.after, after: action.before }
    default:
      return inverseOfCluster(action)
  }
}

function inverseOfCluster(action: Exclude<ClusterAction, Tagging>): ClusterAction | undefined {
  const { cluster } = action
  switch (action.do) {
    case 'update-addon':
      return { ...action, before: action.after, after: action.before }
    case 'delete-addon':
      return { ...action, do: 'create-addon' }
    case 'create-addon':
      return { ...action, do: 'delete-addon' }
    case 'update-association':
      return { ...action, before: action.after, after: action.before }
    case 'create-association':
      return { ...action, do: 'delete-association' }
    case 'delete-association': {
      const { serviceAccount, settings, tags } = action.association
      return { cluster, do: 'create-association', association: { serviceAccount, settings, tags } }
    }
    case 'create-access-entry':
      return { ...action, do: 'delete-access-entry' }
    case 'delete-access-entry':
      return { ...action, do: 'create-access-entry' }
    case 'update-access-entry':
      return { ...action, before: action.after, after: action.before }
    case 'associate-access-policy': {
      const { after, before, principalArn } = action
      return before === undefined
        ? { cluster, do: 'disassociate-access-policy', principalArn, before: after }
        : { ...action, before: after, after: before }
    }
    case 'disassociate-access-policy': {
      const { before, principalArn } = action
      return { cluster, do: 'associate-access-policy', principalArn, after: before }
    }
    case 'untag-resource': {
      const { arn, before, what } = action
      return { cluster, do: 'tag-resource', arn, what, before: {}, after: before }
    }
    case 'disable-workload-identity':
      return { cluster, do: 'enable-workload-identity' }
    case 'enable-workload-identity':
      return { cluster, do: 'disable-workload-identity', losesAccess: [] }
    case 'update-authentication-mode':
      return undefined
    default:
      return action satisfies never
  }
}
