/** What an access entry may be: EKS's rules, as pure checks. */
import { tryParseArn } from '../../iam/arn.ts'
import { parseTags, type Tags } from '../../iam/tags.ts'
import { checkAll } from '../../lib/collect-faults.ts'
import { PodroleError } from '../../lib/errors.ts'
import { type AccessPolicyWish, readAccessPolicies } from './access-policy-request.ts'

/** An entry as it is asked for, as typed. */
export interface AccessEntryWishes {
  readonly principalArn: string
  /** Of an entry that is made, or of the one that is there. */
  readonly type?: string
  readonly username?: string
  readonly kubernetesGroups?: readonly string[]
  /** `NAME=cluster`, `ARN=namespace:shop,bank-*`. */
  readonly accessPolicies: readonly string[]
  /** `KEY=VALUE` */
  readonly tags: readonly string[]
}

export interface AccessEntryRequest {
  readonly principalArn: string
  readonly type?: string
  readonly username?: string
  readonly kubernetesGroups?: readonly string[]
  readonly accessPolicies: readonly AccessPolicyWish[]
  readonly tags: Tags
}

/** Nodes: EKS gives them their names and groups, and no access policies. */
const NODE_TYPES = ['EC2_LINUX', 'EC2_WINDOWS', 'FARGATE_LINUX', 'HYBRID_LINUX', 'HYPERPOD_LINUX']
/** Whether an entry of that type is set up by EKS alone. */
export const isNodeType = (type: string): boolean => NODE_TYPES.includes(type)

const TYPES = ['STANDARD', 'EC2', ...NODE_TYPES]
const RESERVED = ['system:', 'eks:', 'aws:', 'amazon:', 'iam:']
const MAX_TEXT = 1024
const MAX_GROUPS = 100

/**
 * Reads an entry; every fault is told at once. Sources: EKS API Reference, CreateAccessEntry and
 * AssociateAccessPolicy; EKS User Guide, "Create access entries".
 * @throws PodroleError `InvalidAccessEntry`, `InvalidTag`
 */
export function readAccessEntry(wishes: AccessEntryWishes): AccessEntryRequest {
  const { accessPolicies, kubernetesGroups, principalArn, tags, type, username } = wishes
  const { partition = 'aws' } = tryParseArn(principalArn) ?? {}
  const read: { policies: readonly AccessPolicyWish[]; tags: Tags } = { policies: [], tags: {} }
  const faults = [
    principalFault(principalArn, type),
    ...typeFaults(wishes),
    ...(kubernetesGroups ?? []).map(groupFault),
    groupsFault(kubernetesGroups ?? []),
    username === undefined ? undefined : usernameFault(username, principalArn),
  ].filter((fault) => fault !== undefined)
  checkAll('InvalidAccessEntry', [
    ...faults.map((fault) => () => {
      throw fault
    }),
    () => {
      read.policies = readAccessPolicies(accessPolicies, partition)
    },
    () => {
      read.tags = parseTags(tags)
    },
  ])
  return {
    principalArn,
    accessPolicies: read.policies,
    tags: read.tags,
    ...(type !== undefined && { type }),
    ...(username !== undefined && { username }),
    ...(kubernetesGroups !== undefined && { kubernetesGroups }),
  }
}

const invalid = (message: string, hint?: string): PodroleError =>
  new PodroleError('InvalidAccessEntry', message, hint === undefined ? {} : { hint })

const show = (text: string): string =>
  JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text)

const PRINCIPAL = /^(role|user)\/(?:[\x21-\x7e]{0,510}\/)?[\w+=,.@-]{1,64}$/

/** Why an ARN is no principal of an entry of that type. */
function principalFault(text: string, type = 'STANDARD'): PodroleError | undefined {
  const arn = tryParseArn(text)
  const [, session] = /^assumed-role\/([^/]+)\//.exec(arn?.resource ?? '') ?? []
  if (arn?.service === 'sts' && session !== undefined) {
    return invalid(
      `principal ${show(text)} is a session of a role: wanted the role's own ARN`,
      `Such as arn:${arn.partition}:iam::${arn.accountId}:role/${session}, with its path if it has one.`,
    )
  }
  const [, kind] = PRINCIPAL.exec(arn?.resource ?? '') ?? []
  const isOfIam = arn?.service === 'iam' && /^\d{12}$/.test(arn.accountId)
  if (arn === undefined || !isOfIam || kind === undefined) {
    return invalid(
      `principal ${show(text)} is not the ARN of a role or user: wanted arn:PARTITION:iam::ACCOUNT:role/NAME`,
    )
  }
  if (arn.resource.startsWith('role/aws-service-role/')) {
    return invalid(`principal ${show(text)} is a service-linked role, which EKS manages itself`)
  }
  if (kind === 'user' && type !== 'STANDARD') {
    return invalid(`an access entry of type ${type} is for a role, and ${show(text)} is a user`)
  }
  return undefined
}

function typeFaults(wishes: AccessEntryWishes): readonly PodroleError[] {
  const { accessPolicies, kubernetesGroups = [], type, username } = wishes
  if (type === undefined) return []
  if (!TYPES.includes(type)) {
    return [invalid(`type ${show(type)} is not one: wanted ${TYPES.join(', ')}`)]
  }
  if (!isNodeType(type)) return []
  const given = [
    ...(kubernetesGroups.length > 0 ? ['Kubernetes groups'] : []),
    ...(username === undefined ? [] : ['a user name']),
    ...(accessPolicies.length > 0 ? ['access policies'] : []),
  ]
  return given.map((what) =>
    invalid(`an access entry of type ${type} takes no ${what.replace(/^a /, '')}: EKS sets it up`),
  )
}

function groupsFault(groups: readonly string[]): PodroleError | undefined {
  if (groups.length > MAX_GROUPS) {
    return invalid(`${groups.length} Kubernetes groups are given: EKS takes ${MAX_GROUPS}`)
  }
  const twice = groups.find((group, at) => groups.indexOf(group) !== at)
  return twice === undefined ? undefined : invalid(`group ${show(twice)} is given twice`)
}

function groupFault(group: string): PodroleError | undefined {
  const fault = nameFault(`group ${show(group)}`, group)
  if (fault === undefined || group !== 'system:masters') return fault
  return invalid(
    fault.message,
    '--access-policy AmazonEKSClusterAdminPolicy=cluster gives as much.',
  )
}

function nameFault(what: string, text: string): PodroleError | undefined {
  if (text === '' || text.length > MAX_TEXT) {
    return invalid(`${what} has ${text.length} characters: wanted 1 to ${MAX_TEXT}`)
  }
  const prefix = RESERVED.find((reserved) => text.startsWith(reserved))
  return prefix === undefined
    ? undefined
    : invalid(`${what} begins with ${show(prefix)}, which EKS keeps for itself`)
}

/** A session's name must not be able to spell another user's whole name. */
function usernameFault(username: string, principalArn: string): PodroleError | undefined {
  const fault = nameFault(`user name ${show(username)}`, username)
  const session = username.search(/\{\{SessionName(?:Raw)?\}\}/)
  if (fault !== undefined || session === -1) return fault
  if (/:user\//.test(principalArn)) {
    return invalid(
      `user name ${show(username)} holds {{SessionName}}, and an IAM user has no session`,
    )
  }
  return username.slice(0, session).includes(':')
    ? undefined
    : invalid(`user name ${show(username)} has no colon before {{SessionName}}`)
}
