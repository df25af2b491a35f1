import { duplicateKeyOf } from './json-document.ts'
import type { JsonNode } from './json-document.ts'
import type { PolicyKind, PolicyPrincipal, PrincipalType } from './policy-document.ts'
import { malformedPolicy, quoteValue, readStrings, SYNTAX_ERRORS } from './policy-faults.ts'

/** Web identity providers that need no IAM OIDC provider. */
const BUILT_IN_PROVIDERS = [
  'accounts.google.com',
  'cognito-identity.amazonaws.com',
  'graph.facebook.com',
  'www.amazon.com',
] as const

const ACCOUNT_ID = /^[0-9]{12}$/
const IAM_PRINCIPAL =
  /^arn:[a-z0-9-]+:iam::[0-9]{12}:(?:root|(?:user|role)\/[\x21-\x29\x2b-\x3e\x40-\x7e]+)$/
const STS_PRINCIPAL =
  /^arn:[a-z0-9-]+:sts::[0-9]{12}:(?:assumed-role\/[\w+=,.@-]+\/[\w+=,.@-]+|federated-user\/[\w+=,.@-]+)$/
/** What IAM shows in the place of a role or user that was deleted. */
const UNIQUE_ID = /^A(?:ROA|IDA)[A-Z0-9]{12,124}$/
const CLOUDFRONT_IDENTITY = /^arn:[a-z0-9-]+:iam::cloudfront:user\/[\x20-\x29\x2b-\x3e\x40-\x7e]+$/
const FEDERATED_PROVIDER =
  /^arn:[a-z0-9-]+:iam::[0-9]{12}:(?:oidc-provider|saml-provider)\/[\x21-\x29\x2b-\x3e\x40-\x7e]+$/
const SERVICE = /^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/
const CANONICAL_USER = /^[0-9a-f]{64}$/

/**
 * Reads a Principal or NotPrincipal element.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
 * @throws PodroleError `MalformedPolicyDocument`.
 */
export function readPrincipals(node: JsonNode, kind: PolicyKind): readonly PolicyPrincipal[] {
  if (node.kind === 'string' && node.value === '*') return [{ type: 'AWS', value: '*' }]
  if (node.kind !== 'object') {
    throw malformedPolicy(
      'Principal must be a JSON object.',
      'Principal is "*", or an object such as {"AWS": "111122223333"}.',
    )
  }
  const twice = duplicateKeyOf(node.members)
  if (twice !== undefined) {
    throw malformedPolicy(SYNTAX_ERRORS, `Principal holds the key ${quoteValue(twice)} twice.`)
  }
  const principals = node.members.flatMap(({ key, value }) => {
    const type = principalType(key, kind)
    return readStrings(value, `Principal ${key}`).map((text) => {
      checkPrincipal(type, text, kind)
      return { type, value: text }
    })
  })
  if (principals.length === 0) {
    throw malformedPolicy(
      'Missing required field Principal cannot be empty!',
      'Principal names nobody.',
    )
  }
  return principals
}

/** Whether the name is one of the four web identity providers that AWS knows by itself. */
export function isBuiltInProvider(name: string): boolean {
  return BUILT_IN_PROVIDERS.some((known) => known === name)
}

function principalType(key: string, kind: PolicyKind): PrincipalType {
  if (key === 'AWS' || key === 'Federated' || key === 'Service') return key
  if (key === 'CanonicalUser' && kind === 'resource') return key
  throw malformedPolicy(
    `Invalid principal in policy: ${quoteValue(key)}`,
    'A principal is of type AWS, Federated or Service (in a bucket policy also CanonicalUser).',
  )
}

function checkPrincipal(type: PrincipalType, value: string, kind: PolicyKind): void {
  const hint = principalFault(type, value, kind)
  if (hint === undefined) return
  throw malformedPolicy(`Invalid principal in policy: "${type}":${quoteValue(value)}`, hint)
}

function principalFault(type: PrincipalType, value: string, kind: PolicyKind): string | undefined {
  switch (type) {
    case 'AWS':
      return isAwsPrincipal(value, kind) ? undefined : awsHint(value)
    case 'Federated':
      if (isBuiltInProvider(value) || FEDERATED_PROVIDER.test(value)) return undefined
      return 'A federated principal is the ARN of an OIDC or SAML provider, or a built-in name such as accounts.google.com.'
    case 'Service':
      if (SERVICE.test(value)) return undefined
      return 'A service principal is a name such as pods.eks.amazonaws.com, without wildcards.'
    case 'CanonicalUser':
      return CANONICAL_USER.test(value) ? undefined : 'A canonical user is 64 hexadecimal digits.'
    default:
      return type satisfies never
  }
}

function isAwsPrincipal(value: string, kind: PolicyKind): boolean {
  return (
    value === '*' ||
    ACCOUNT_ID.test(value) ||
    IAM_PRINCIPAL.test(value) ||
    STS_PRINCIPAL.test(value) ||
    UNIQUE_ID.test(value) ||
    (kind === 'resource' && CLOUDFRONT_IDENTITY.test(value))
  )
}

function awsHint(value: string): string {
  if (/[*?]/.test(value)) {
    return 'A wildcard cannot stand in part of a principal: use "*" with a condition on aws:PrincipalArn.'
  }
  return 'An AWS principal is "*", an account of 12 digits, or the ARN of an account root, user, role or assumed-role session.'
}
