import { formatResource } from './faults.ts'
import type { UserInfo } from './users.ts'

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
}

/** The port that decides; RBAC is another adapter of it. */
export type Authorizer = (attributes: AccessAttributes) => AccessVerdict

/** One line of a table of rights. `*` stands for everything. */
export interface AccessRule {
  readonly subjects: readonly string[]
  readonly verbs: readonly string[]
  readonly apiGroups?: readonly string[]
  /** `pods`, `serviceaccounts/token`. */
  readonly resources?: readonly string[]
  /** A trailing `*` matches any end. */
  readonly paths?: readonly string[]
}

const READ = ['get', 'list', 'watch']

/** Kubernetes' own default roles as far as they are needed, and podrole's running parts. */
export const DEFAULT_RULES: readonly AccessRule[] = [
  {
    subjects: ['system:masters'],
    verbs: ['*'],
    apiGroups: ['*'],
    resources: ['*'],
    paths: ['*'],
  },
  {
    subjects: ['system:authenticated', 'system:unauthenticated'],
    verbs: ['get'],
    paths: ['/healthz', '/livez', '/readyz', '/version', '/version/'],
  },
  {
    subjects: ['system:authenticated'],
    verbs: ['get'],
    paths: ['/api', '/api/*', '/apis', '/apis/*', '/openapi', '/openapi/*'],
  },
  {
    subjects: ['system:authenticated'],
    verbs: ['create'],
    apiGroups: ['authentication.k8s.io', 'authorization.k8s.io'],
    resources: ['selfsubjectreviews', 'selfsubjectaccessreviews'],
  },
  {
    subjects: ['system:serviceaccounts'],
    verbs: ['get'],
    paths: ['/.well-known/openid-configuration', '/openid/v1/jwks'],
  },
  {
    subjects: ['podrole:webhook'],
    verbs: READ,
    apiGroups: [''],
    resources: ['serviceaccounts', 'namespaces'],
  },
  {
    subjects: ['podrole:agent', 'podrole:broker'],
    verbs: ['create'],
    apiGroups: ['authentication.k8s.io'],
    resources: ['tokenreviews'],
  },
]

const has = (list: readonly string[] | undefined, wanted: string): boolean =>
  list !== undefined && (list.includes('*') || list.includes(wanted))

/** Allows what one rule of a table allows to one of the user's groups, or to the user by name. */
export function rulesAuthorizer(rules: readonly AccessRule[]): Authorizer {
  return ({ user, verb, resource, path }) => {
    const names = new Set([...user.groups, user.username])
    const rule = rules.find(
      (candidate) =>
        candidate.subjects.some((subject) => names.has(subject)) &&
        has(candidate.verbs, verb) &&
        (resource === undefined
          ? (candidate.paths ?? []).some((pattern) => matchesPath(pattern, path ?? ''))
          : has(candidate.apiGroups, resource.group) &&
            has(candidate.resources, resourceName(resource))),
    )
    return rule === undefined
      ? { allowed: false, reason: '' }
      : { allowed: true, reason: `rule for ${rule.subjects.join(', ')}` }
  }
}

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

const matchesPath = (pattern: string, path: string): boolean =>
  pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : pattern === path

/** `pods`, or `pods/log`. */
export function resourceName(resource: {
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
