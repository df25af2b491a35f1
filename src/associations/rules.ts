/** What an association may hold: the rules of EKS's API and of IAM, as one pure check. */

import { type Arn, parseArn } from '../iam/arn.ts'
import { parsePolicy } from '../iam/policy.ts'
import { messageOf, PodroleError } from '../lib/errors.ts'

/** The values of an association that its owner chooses. */
export interface AssociationRequest {
  readonly clusterName: string
  readonly namespace: string
  readonly serviceAccount: string
  readonly roleArn: string
  readonly targetRoleArn?: string
  readonly disableSessionTags?: boolean
  /** Session policy, JSON text. */
  readonly policy?: string
  readonly tags?: Readonly<Record<string, string>>
}

/** Where the cluster is, for rules that depend on it. */
export interface AssociationPlace {
  readonly partition: string
  /** On EKS the role is in the cluster's account; a broker leaves it out: any account will do. */
  readonly roleAccountId?: string
}

/** One broken rule. */
export interface AssociationFault {
  readonly field: keyof AssociationRequest
  /** Quotes the value and says what was wanted. */
  readonly message: string
}

export const CLUSTER_NAME_PATTERN = /^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$/
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const ROLE = /^role\/(?:[\u0021-\u007e]{0,510}\/)?[\w+=,.@-]{1,64}$/
const TAG_TEXT = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u

const MAX_TAGS = 50
const MAX_POLICY_CHARACTERS = 2048

/**
 * Every fault of a request, empty where it is good. Sources: Amazon EKS API Reference,
 * CreatePodIdentityAssociation and PodIdentityAssociation; Kubernetes "Object Names and IDs";
 * IAM User Guide, "IAM and AWS STS quotas" (session policy, tags).
 */
export function validateAssociationRequest(
  request: AssociationRequest,
  place: AssociationPlace,
): readonly AssociationFault[] {
  const faults: AssociationFault[] = []
  const complain = (field: keyof AssociationRequest, message: string | undefined): void => {
    if (message !== undefined) faults.push({ field, message })
  }
  complain('clusterName', clusterNameFault(request.clusterName))
  complain('namespace', namespaceFault(request.namespace))
  complain('serviceAccount', serviceAccountFault(request.serviceAccount))
  complain('roleArn', roleFault('roleArn', request.roleArn, place))
  if (request.targetRoleArn !== undefined) {
    // A target role may be in any account.
    const anywhere = { partition: place.partition }
    complain('targetRoleArn', roleFault('targetRoleArn', request.targetRoleArn, anywhere))
  }
  if (request.policy !== undefined) {
    complain('policy', sessionPolicyFault(request.policy, request.disableSessionTags === true))
  }
  for (const message of tagFaults(request.tags ?? {})) complain('tags', message)
  return faults
}

function clusterNameFault(name: string): string | undefined {
  if (CLUSTER_NAME_PATTERN.test(name)) return undefined
  return `cluster name ${quote(name)} is not one: wanted 1 to 100 letters, digits, - and _, the first a letter or digit`
}

function namespaceFault(namespace: string): string | undefined {
  if (LABEL.test(namespace)) return undefined
  return `namespace ${quote(namespace)} is not one: wanted 1 to 63 lower-case letters, digits and -`
}

function serviceAccountFault(name: string): string | undefined {
  const good = name.length <= 253 && name.split('.').every((label) => SUBDOMAIN_LABEL.test(label))
  if (good) return undefined
  return `serviceAccount ${quote(name)} is not a service account's name: wanted 1 to 253 lower-case letters, digits, - and .`
}

const SUBDOMAIN_LABEL = /^[a-z0-9](?:[a-z0-9-]{0,251}[a-z0-9])?$/

function roleFault(field: string, text: string, place: AssociationPlace): string | undefined {
  const arn = readRoleArn(text)
  const wanted = `arn:${place.partition}:iam::${place.roleAccountId ?? 'ACCOUNT'}:role/NAME`
  if (arn === undefined) return `${field} ${quote(text)} is not the ARN of a role: wanted ${wanted}`
  if (arn.partition !== place.partition) {
    return `${field} ${quote(text)} is in the partition ${arn.partition}: wanted ${wanted}`
  }
  if (place.roleAccountId !== undefined && arn.accountId !== place.roleAccountId) {
    return `${field} ${quote(text)} is in another account than the cluster: wanted ${wanted}; a role of another account can be the targetRoleArn`
  }
  return undefined
}

function readRoleArn(text: string): Arn | undefined {
  let arn: Arn
  try {
    arn = parseArn(text)
  } catch {
    return undefined
  }
  const isRole =
    arn.service === 'iam' &&
    arn.region === '' &&
    /^\d{12}$/.test(arn.accountId) &&
    ROLE.test(arn.resource)
  return isRole ? arn : undefined
}

function sessionPolicyFault(policy: string, tagsDisabled: boolean): string | undefined {
  if (!tagsDisabled) return 'policy needs disableSessionTags: true'
  if (policy.length > MAX_POLICY_CHARACTERS) {
    return `policy has ${policy.length} characters: wanted at most ${MAX_POLICY_CHARACTERS}`
  }
  return policyShapeFault(policy)
}

function policyShapeFault(policy: string): string | undefined {
  try {
    parsePolicy(policy, 'session')
    return undefined
  } catch (error) {
    const hint = error instanceof PodroleError && error.hint ? ` ${error.hint}` : ''
    return `policy is not a session policy: ${messageOf(error)}${hint}`
  }
}

function tagFaults(tags: Readonly<Record<string, string>>): string[] {
  const entries = Object.entries(tags)
  const faults: string[] = []
  if (entries.length > MAX_TAGS) {
    faults.push(`tags holds ${entries.length} tags: wanted at most ${MAX_TAGS}`)
  }
  for (const [key, value] of entries.slice(0, MAX_TAGS)) {
    if (key.length < 1 || key.length > 128 || !TAG_TEXT.test(key)) {
      faults.push(
        `tag key ${quote(key)} is not one: wanted 1 to 128 letters, digits, spaces and _.:/=+-@`,
      )
    } else if (/^aws:/i.test(key)) {
      faults.push(`tag key ${quote(key)} begins with aws:, which is reserved`)
    }
    if (value.length > 256 || !TAG_TEXT.test(value)) {
      faults.push(
        `value of tag ${quote(key)} is not one: wanted at most 256 letters, digits, spaces and _.:/=+-@`,
      )
    }
  }
  return faults
}

/** A value as a message shows it: never more than 100 characters of it. */
function quote(value: string): string {
  return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value)
}
