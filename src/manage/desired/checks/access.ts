import { type FaultPath, formatPath, quoteValue } from '../faults.ts'
import { accessPolicyArnFault, principalArnFault } from './arns.ts'
import {
  type CheckContext,
  type Fields,
  fieldsOf,
  isSet,
  itemsOf,
  textOf,
  textsOf,
  uniqueness,
} from './check.ts'
import { checkTags } from './roles.ts'

/** https://docs.aws.amazon.com/general/latest/gr/eks.html */
const MAX_ENTRIES = 3000
const MAX_GROUPS = 100
const MAX_NAME = 1024
const RESERVED = ['system:', 'eks:', 'aws:', 'amazon:', 'iam:']
const NODE_TYPES = ['EC2_LINUX', 'EC2_WINDOWS', 'FARGATE_LINUX', 'HYBRID_LINUX', 'HYPERPOD_LINUX']
const SCOPE_NAMESPACE = /^[a-z0-9*](?:[a-z0-9*-]{0,61}[a-z0-9*])?$/

/** `accessConfig` https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html */
export function checkAccess(access: Fields, context: CheckContext): void {
  const at: FaultPath = ['accessConfig', 'accessEntries']
  const entries = itemsOf(access['accessEntries'])
  if (entries.length > 0 && access['authenticationMode'] === 'CONFIG_MAP') {
    context.complain(
      ['accessConfig', 'authenticationMode'],
      'it must be set to either API_AND_CONFIG_MAP or API to use access entries',
    )
  }
  if (entries.length > MAX_ENTRIES) {
    context.complain(
      at,
      `${entries.length} entries are given: a cluster has at most ${MAX_ENTRIES}`,
    )
  }
  const unique = uniqueness(context, 'an access entry of the principal')
  for (const [index, raw] of entries.entries()) {
    const entry = fieldsOf(raw)
    const path = [...at, index]
    const principal = textOf(entry['principalARN'])
    if (principal !== undefined) {
      const principalPath = [...path, 'principalARN']
      context.complain(principalPath, principalFault(principal, entry, context))
      unique(principal, principalPath, formatPath(path))
    }
    checkEntryType(entry, path, context)
    checkNames(entry, path, context)
    checkPolicies(itemsOf(entry['accessPolicies']), [...path, 'accessPolicies'], context)
    checkTags(entry['tags'], [...path, 'tags'], context)
  }
}

function principalFault(arn: string, entry: Fields, context: CheckContext): string | undefined {
  const fault = principalArnFault(arn, context)
  if (fault !== undefined) return fault
  if (/:role\/aws-service-role\//.test(arn)) {
    return `${quoteValue(arn)} is a service-linked role, which takes no access entry`
  }
  const type = textOf(entry['type']) ?? 'STANDARD'
  if (type === 'STANDARD' || !arn.includes(':user/')) return undefined
  return `${quoteValue(arn)} is a user: an entry of type ${type} is for a role`
}

/** Entries of nodes take their name and groups from EKS, and no access policies. */
function checkEntryType(entry: Fields, path: FaultPath, { complain }: CheckContext): void {
  const type = textOf(entry['type']) ?? ''
  if (!NODE_TYPES.includes(type)) return
  for (const field of ['kubernetesGroups', 'kubernetesUsername', 'accessPolicies']) {
    if (isSet(entry[field])) {
      complain([...path, field], `it cannot be specified when type is set to ${type}`)
    }
  }
}

function checkNames(entry: Fields, path: FaultPath, { complain }: CheckContext): void {
  const groups = textsOf(entry['kubernetesGroups'])
  const seen = new Set<string>()
  for (const [at, group] of groups) {
    const twice = seen.has(group) ? `${quoteValue(group)} is given twice` : undefined
    seen.add(group)
    complain([...path, 'kubernetesGroups', at], reservedFault(group) ?? twice)
  }
  if (groups.length > MAX_GROUPS) {
    complain(
      [...path, 'kubernetesGroups'],
      `${groups.length} groups are given: wanted at most ${MAX_GROUPS}`,
    )
  }
  const username = textOf(entry['kubernetesUsername'])
  if (username === undefined) return
  complain(
    [...path, 'kubernetesUsername'],
    reservedFault(username) ?? sessionFault(username, entry),
  )
}

function reservedFault(name: string): string | undefined {
  const prefix = RESERVED.find((reserved) => name.startsWith(reserved))
  if (prefix !== undefined) return `${quoteValue(name)} begins with ${prefix}, which is reserved`
  return name.length > MAX_NAME
    ? `it has ${name.length} characters: wanted at most ${MAX_NAME}`
    : undefined
}

function sessionFault(username: string, entry: Fields): string | undefined {
  const session = username.search(/\{\{SessionName(?:Raw)?\}\}/)
  if (session < 0) return undefined
  if (textOf(entry['principalARN'])?.includes(':user/') === true) {
    return `${quoteValue(username)} holds {{SessionName}}: a user has no session`
  }
  return username.slice(0, session).includes(':')
    ? undefined
    : `${quoteValue(username)} needs a colon before {{SessionName}}`
}

function checkPolicies(policies: readonly unknown[], at: FaultPath, context: CheckContext): void {
  const unique = uniqueness(context, 'the access policy')
  for (const [index, raw] of policies.entries()) {
    const policy = fieldsOf(raw)
    const path = [...at, index]
    const arn = textOf(policy['policyARN'])
    if (arn !== undefined) {
      context.complain([...path, 'policyARN'], accessPolicyArnFault(arn, context))
      unique(arn, [...path, 'policyARN'], formatPath(path))
    }
    checkScope(fieldsOf(policy['accessScope']), [...path, 'accessScope'], context)
  }
}

function checkScope(scope: Fields, path: FaultPath, { complain }: CheckContext): void {
  const namespaces = textsOf(scope['namespaces'])
  const at = [...path, 'namespaces']
  if (scope['type'] === 'cluster' && namespaces.length > 0) {
    complain(at, 'it cannot be specified when accessScope.type is set to cluster')
  }
  if (scope['type'] === 'namespace' && namespaces.length === 0) {
    complain(
      at,
      'at least one namespace must be specified when accessScope.type is set to namespace',
    )
  }
  for (const [index, namespace] of namespaces) {
    if (SCOPE_NAMESPACE.test(namespace)) continue
    complain(
      [...at, index],
      `${quoteValue(namespace)} is not a namespace, nor a pattern with "*" for some`,
    )
  }
}
