import { formatResource } from './faults.ts'
import type { PolicyRule } from './rbac/policy-rules.ts'
import { MASTERS, type UserInfo } from './users.ts'

/** What somebody wants to do: with a resource, or with a path that is none. */
export interface AccessAttributes {
  readonly user: UserInfo
  readonly verb: string
  readonly resource?: {
    readonly group: string
    readonly plural: string
    readonly subresource?: string
    readonly namespace?: string
    readonly name?: string
    /** `spec.nodeName=…` and the like: nodes may list their own pods only. */
    readonly fieldSelector?: string
  }
  readonly path?: string
}

export interface AccessVerdict {
  readonly allowed: boolean
  /** Why; '' where nothing allowed it. */
  readonly reason: string
  /** The rule of a role or access policy that allowed it. */
  readonly rule?: PolicyRule
}

/** The port that decides: masters, nodes, RBAC and access policies are adapters of it. */
export type Authorizer = (attributes: AccessAttributes) => AccessVerdict

/** `system:masters` may do everything, whatever the roles say. */
export const mastersAuthorizer: Authorizer = ({ user }) => ({
  allowed: user.groups.includes(MASTERS),
  reason: '',
})

/** The first of several authorizers that allows; all reasons of refusal joined. */
export function unionAuthorizer(authorizers: readonly Authorizer[]): Authorizer {
  return (attributes) => {
    const reasons: string[] = []
    for (const authorize of authorizers) {
      const verdict = authorize(attributes)
      if (verdict.allowed) return verdict
      if (verdict.reason !== '') reasons.push(verdict.reason)
    }
    return { allowed: false, reason: reasons.join(', ') }
  }
}

/** `pods`, or `pods/log`. */
function resourceName(resource: {
  readonly plural: string
  readonly subresource?: string
}): string {
  return resource.subresource === undefined
    ? resource.plural
    : `${resource.plural}/${resource.subresource}`
}

/** Why a request is forbidden, in the words of kube-apiserver. */
export function explainRefusal(attributes: AccessAttributes, reason: string): string {
  const { user, verb, resource, path } = attributes
  const tail = reason === '' ? '' : `: ${reason}`
  const who = `User ${JSON.stringify(user.username)} cannot ${verb}`
  if (resource === undefined) return `${who} path ${JSON.stringify(path ?? '')}${tail}`
  const where =
    resource.namespace === undefined
      ? ' at the cluster scope'
      : ` in the namespace ${JSON.stringify(resource.namespace)}`
  return `${who} resource ${JSON.stringify(resourceName(resource))} in API group ${JSON.stringify(resource.group)}${where}${tail}`
}

/** `create pods NAMESPACE/NAME`, for logs of decisions. */
export function describeAccess({ verb, resource, path }: AccessAttributes): string {
  if (resource === undefined) return `${verb} ${path ?? ''}`
  const subject = [resource.namespace, resource.name].filter((part) => part !== undefined)
  return `${verb} ${formatResource({ group: resource.group, plural: resourceName(resource) })} ${subject.join('/')}`.trim()
}
