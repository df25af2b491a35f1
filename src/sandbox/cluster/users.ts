/** Who makes a request, as authentication found. */
export interface UserInfo {
  readonly username: string
  readonly uid?: string
  readonly groups: readonly string[]
  readonly extra?: Readonly<Record<string, readonly string[]>>
}

export const AUTHENTICATED = 'system:authenticated'
export const MASTERS = 'system:masters'
/** The group of what the sandbox itself runs against a cluster; it gives no rights. */
export const SANDBOX_PARTS = 'podrole:sandbox'
export const NODE_PREFIX = 'system:node:'

export const ANONYMOUS: UserInfo = {
  username: 'system:anonymous',
  groups: ['system:unauthenticated'],
}

/** The cluster's own parts (controllers, scheduler) act as these; they may do everything. */
export function systemUser(name: string): UserInfo {
  return { username: `system:${name}`, groups: [MASTERS, AUTHENTICATED] }
}

/** The node that a user is the kubelet of, or undefined. */
export function nodeOf(user: UserInfo): string | undefined {
  return user.groups.includes('system:nodes') && user.username.startsWith(NODE_PREFIX)
    ? user.username.slice(NODE_PREFIX.length)
    : undefined
}

/** The user as TokenReview, SelfSubjectReview and AdmissionReview show it. */
export function userInfoObject(user: UserInfo): Record<string, unknown> {
  return {
    username: user.username,
    ...(user.uid !== undefined && { uid: user.uid }),
    groups: [...user.groups],
    ...(user.extra !== undefined && { extra: user.extra }),
  }
}
