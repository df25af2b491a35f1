/** Access policies as they are typed: `AmazonEKSViewPolicy=namespace:shop,bank-*`. */
import { tryParseArn } from '../../iam/arn.ts'
import { checkAll } from '../../lib/collect-faults.ts'
import { PodroleError } from '../../lib/errors.ts'
import type { AccessPolicy, AccessScope } from './access-entry-port.ts'

/** What an entry is to have, with the policy's whole ARN. */
export type AccessPolicyWish = AccessPolicy

const NAME = /^[A-Za-z][\w-]{0,127}$/
const POLICY = /^cluster-access-policy\/([\w-]+)$/
/** RFC 1123 labels, in which EKS takes a `*`. */
const NAMESPACE = /^[a-z0-9*](?:[a-z0-9*-]{0,61}[a-z0-9*])?$/
const MAX_NAMESPACES = 100

/**
 * Reads `NAME=cluster` and `NAME=namespace:A,B`, a name or an ARN before the `=`; all faults at once.
 * @throws PodroleError `InvalidAccessPolicy`
 */
export function readAccessPolicies(
  texts: readonly string[],
  partition: string,
): readonly AccessPolicyWish[] {
  const read: AccessPolicyWish[] = []
  checkAll(
    'InvalidAccessPolicy',
    texts.map((text) => () => {
      const at = text.indexOf('=')
      if (at === -1) throw wanted(`access policy ${show(text)} has no scope`)
      const policyArn = readPolicyArn(text.slice(0, at), partition)
      if (read.some((one) => one.policyArn === policyArn)) {
        throw wanted(`access policy ${policyName(policyArn)} is given twice`)
      }
      read.push({ policyArn, accessScope: readScope(text, text.slice(at + 1)) })
    }),
  )
  return read
}

/**
 * The ARN of a policy by its name, or the ARN itself.
 * @throws PodroleError `InvalidAccessPolicy`
 */
export function readPolicyArn(text: string, partition: string): string {
  if (NAME.test(text)) return `arn:${partition}:eks::aws:cluster-access-policy/${text}`
  const arn = tryParseArn(text)
  const isPolicy = arn?.service === 'eks' && arn.accountId === 'aws' && POLICY.test(arn.resource)
  if (!isPolicy) {
    throw wanted(`${show(text)} is neither the name nor the ARN of an access policy`)
  }
  if (arn.partition === partition) return text
  throw wanted(
    `access policy ${text} is in partition ${arn.partition}, the principal in ${partition}`,
  )
}

function readScope(text: string, scope: string): AccessScope {
  if (scope === 'cluster') return { type: 'cluster' }
  const [, list] = /^namespace:(.*)$/s.exec(scope) ?? []
  if (list === undefined) throw wanted(`access policy ${show(text)} has the scope ${show(scope)}`)
  const namespaces = [...new Set(list.split(',').map((one) => one.trim()))]
  const wrong = namespaces.find((namespace) => !NAMESPACE.test(namespace))
  if (list === '') throw wanted(`access policy ${show(text)} names no namespace`)
  if (wrong !== undefined) {
    throw wanted(`access policy ${show(text)} names ${show(wrong)}, which is no namespace`)
  }
  if (namespaces.length > MAX_NAMESPACES) {
    throw wanted(
      `an access policy takes ${MAX_NAMESPACES} namespaces, ${namespaces.length} are given`,
    )
  }
  return { type: 'namespace', namespaces }
}

const show = (text: string): string =>
  JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text)

const wanted = (problem: string): PodroleError =>
  new PodroleError('InvalidAccessPolicy', problem, {
    hint: 'Wanted NAME=cluster or NAME=namespace:ONE,OTHER, such as AmazonEKSViewPolicy=namespace:shop.',
  })

/** `AmazonEKSViewPolicy` */
export const policyName = (policyArn: string): string =>
  POLICY.exec(tryParseArn(policyArn)?.resource ?? '')?.[1] ?? policyArn

/** As it is typed. */
export const formatAccessPolicy = ({ accessScope, policyArn }: AccessPolicy): string =>
  `${policyName(policyArn)}=${accessScope.type === 'cluster' ? 'cluster' : `namespace:${accessScope.namespaces.join(',')}`}`

/** Whether two scopes are the same, whatever the order of their namespaces. */
export const isSameScope = (one: AccessScope, other: AccessScope): boolean =>
  one.type === 'namespace' && other.type === 'namespace'
    ? new Set(one.namespaces).symmetricDifference(new Set(other.namespaces)).size === 0
    : one.type === other.type
