import type { ClusterCore } from './core.ts'
import type { AccessAttributes } from './authorization.ts'
import { decideAccess } from './deciding.ts'
import { badRequest, forbidden } from './faults.ts'
import { AUTHENTICATED, type UserInfo } from './users.ts'

const EXTRA = 'impersonate-extra-'
const SERVICE_ACCOUNT = /^system:serviceaccount:([^:]+):([^:]+)$/
const VALUES_MAX = 100

/**
 * Who a request is made as: itself, or whom its `Impersonate-*` headers name, where the caller
 * may `impersonate` each of them (Kubernetes, "User impersonation").
 * @throws ApiFault BadRequest, Forbidden
 */
export function impersonated(core: ClusterCore, request: Request, caller: UserInfo): UserInfo {
  const { headers } = request
  const username = headers.get('impersonate-user') ?? ''
  // Repeated headers arrive joined; a group's name may hold a comma but not one with a space.
  const groups = (headers.get('impersonate-group') ?? '').split(', ').filter(Boolean)
  const uid = headers.get('impersonate-uid') ?? ''
  const extra = [...headers]
    .filter(([name]) => name.startsWith(EXTRA))
    .map(([name, value]) => [decodeKey(name.slice(EXTRA.length)), value.split(', ')] as const)
  if (username === '') {
    if (groups.length === 0 && uid === '' && extra.length === 0) return caller
    throw badRequest('requested impersonation of groups, uid or extra without impersonating a user')
  }
  if (groups.length + extra.length > VALUES_MAX) throw badRequest('too many impersonation headers')
  const account = SERVICE_ACCOUNT.exec(username)
  const check = (resource: NonNullable<AccessAttributes['resource']>): void => {
    const why = decideAccess(core, { user: caller, verb: 'impersonate', resource })
    if (why !== undefined) throw forbidden(resource, resource.name ?? '', why)
  }
  if (account === null) check({ group: '', plural: 'users', name: username })
  else {
    const [, namespace = '', name = ''] = account
    check({ group: '', plural: 'serviceaccounts', namespace, name })
  }
  const group = 'authentication.k8s.io'
  for (const name of groups) check({ group: '', plural: 'groups', name })
  if (uid !== '') check({ group, plural: 'uids', name: uid })
  for (const [key, values] of extra) {
    for (const name of values) check({ group, plural: 'userextras', subresource: key, name })
  }
  return {
    username,
    groups: groupsOf(username, groups, account?.[1]),
    ...(uid !== '' && { uid }),
    ...(extra.length > 0 && { extra: Object.fromEntries(extra) }),
  }
}

function groupsOf(username: string, asked: readonly string[], namespace?: string): string[] {
  const groups = [...asked]
  if (namespace !== undefined && groups.length === 0) {
    groups.push('system:serviceaccounts', `system:serviceaccounts:${namespace}`)
  }
  const last = username === 'system:anonymous' ? 'system:unauthenticated' : AUTHENTICATED
  return groups.includes(last) ? groups : [...groups, last]
}

function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key)
  } catch {
    return key
  }
}
