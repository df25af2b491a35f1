import { duplicateKeyOf, parseJsonDocument } from './json-document.ts'
import type { JsonMember, JsonNode } from './json-document.ts'
import { readConditions } from './policy-conditions.ts'
import type { PolicyDocument, PolicyKind, PolicyStatement } from './policy-document.ts'
import { malformedPolicy, quoteValue, readStrings, SYNTAX_ERRORS } from './policy-faults.ts'
import { readPrincipals } from './policy-principals.ts'

const INVALID_JSON = 'This policy contains invalid Json'
/** What IAM and STS take in a policy's text. */
const ALLOWED_TEXT = /^[\t\n\r\u0020-\u00ff]*$/
const DOCUMENT_ELEMENTS = new Set(['Version', 'Id', 'Statement'])
const STATEMENT_ELEMENTS = new Set([
  'Sid',
  'Effect',
  'Principal',
  'NotPrincipal',
  'Action',
  'NotAction',
  'Resource',
  'NotResource',
  'Condition',
])
const ACTION = /^(?:[a-z0-9-]+|\*):[a-z0-9*?]+$/i
const SID = /^[A-Za-z0-9]*$/
/**
 * Reads a policy document and checks it against the grammar of its kind.
 * The caller checks its size, which is a quota.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
 * @throws PodroleError `MalformedPolicyDocument` (status 400); the message is AWS's own text, the
 * hint says what and where.
 */
export function parsePolicy(text: string, kind: PolicyKind): PolicyDocument {
  const elements = readElements(readJson(text), 'The policy', DOCUMENT_ELEMENTS)
  const version = readVersion(elements.get('Version'))
  const id = readId(elements.get('Id'), kind)
  const statements = readStatements(elements.get('Statement')).map((node, index) =>
    readStatement(node, `Statement ${index + 1}`, kind),
  )
  checkSids(statements, kind)
  return { kind, version, statements, ...(id === undefined ? {} : { id }) }
}

function readJson(text: string): JsonNode {
  if (!ALLOWED_TEXT.test(text)) {
    throw malformedPolicy(
      INVALID_JSON,
      'A policy may hold tab, line feed, carriage return and the characters U+0020 to U+00FF only.',
    )
  }
  try {
    return parseJsonDocument(text)
  } catch (error) {
    throw malformedPolicy(INVALID_JSON, error instanceof Error ? error.message : '', error)
  }
}

function readElements(
  node: JsonNode,
  where: string,
  known: ReadonlySet<string>,
): ReadonlyMap<string, JsonNode> {
  if (node.kind !== 'object') {
    throw malformedPolicy(SYNTAX_ERRORS, `${where} must be an object, not ${node.kind}.`)
  }
  const twice = duplicateKeyOf(node.members)
  if (twice !== undefined) {
    throw malformedPolicy(
      SYNTAX_ERRORS,
      `${where} must not contain multiple instances of the same key: ${quoteValue(twice)} occurs twice.`,
    )
  }
  const unknown = node.members.find(({ key }: JsonMember) => !known.has(key))
  if (unknown !== undefined) {
    throw malformedPolicy(
      SYNTAX_ERRORS,
      `${where} holds ${quoteValue(unknown.key)}; known are ${[...known].join(', ')} (case counts).`,
    )
  }
  return new Map(node.members.map(({ key, value }) => [key, value]))
}

function readVersion(node: JsonNode | undefined): PolicyDocument['version'] {
  if (node === undefined) return '2008-10-17'
  if (node.kind === 'string') {
    if (node.value === '2012-10-17' || node.value === '2008-10-17') return node.value
  }
  throw malformedPolicy(
    'The policy must contain a valid version string',
    'Version is "2012-10-17" (or, without policy variables, "2008-10-17").',
  )
}

function readId(node: JsonNode | undefined, kind: PolicyKind): string | undefined {
  if (node === undefined) return undefined
  if (kind === 'identity') {
    throw malformedPolicy(SYNTAX_ERRORS, 'Id is not allowed in an identity policy.')
  }
  if (node.kind !== 'string') throw malformedPolicy(SYNTAX_ERRORS, 'Id must be a string.')
  return node.value
}

function readStatements(node: JsonNode | undefined): readonly JsonNode[] {
  if (node === undefined) {
    throw malformedPolicy('Missing required field Statement', 'The policy holds no Statement.')
  }
  const statements = node.kind === 'array' ? node.items : [node]
  if (statements.length === 0) {
    throw malformedPolicy(
      'Could not parse the policy: Statement is empty!',
      'Statement is an empty array.',
    )
  }
  return statements
}

function readStatement(node: JsonNode, where: string, kind: PolicyKind): PolicyStatement {
  const elements = readElements(node, where, STATEMENT_ELEMENTS)
  const sid = readSid(elements.get('Sid'), where, kind)
  const effect = readEffect(elements.get('Effect'), where)
  const condition = elements.get('Condition')
  return {
    effect,
    ...(sid === undefined ? {} : { sid }),
    ...readPrincipalElements(elements, effect, kind),
    ...readActions(elements, where, kind),
    ...readResources(elements, where, kind),
    conditions: condition === undefined ? [] : readConditions(condition),
  }
}

/** Bucket policies take whole sentences: Amazon S3 User Guide, "Examples of bucket policies". */
function readSid(node: JsonNode | undefined, where: string, kind: PolicyKind): string | undefined {
  if (node === undefined) return undefined
  const isText = node.kind === 'string'
  if (isText && (kind === 'resource' || SID.test(node.value))) return node.value
  throw malformedPolicy(
    'Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*',
    `The Sid of ${where} holds something other than letters and digits.`,
  )
}

function readEffect(node: JsonNode | undefined, where: string): 'Allow' | 'Deny' {
  if (node === undefined) {
    throw malformedPolicy('Missing required field Effect', `${where} holds no Effect.`)
  }
  const effect = node.kind === 'string' ? node.value : node.kind
  if (effect === 'Allow' || effect === 'Deny') return effect
  throw malformedPolicy(
    `Invalid effect: ${effect.slice(0, 100)}`,
    `The Effect of ${where} is "Allow" or "Deny"; case counts.`,
  )
}

function readPrincipalElements(
  elements: ReadonlyMap<string, JsonNode>,
  effect: 'Allow' | 'Deny',
  kind: PolicyKind,
): Pick<PolicyStatement, 'principals' | 'notPrincipals'> {
  const principal = elements.get('Principal')
  const notPrincipal = elements.get('NotPrincipal')
  if (kind === 'identity' || kind === 'session') {
    if (principal === undefined && notPrincipal === undefined) return {}
    throw malformedPolicy(
      'Policy document should not specify a principal.',
      'The principal of an identity or session policy is the one that it is attached to.',
    )
  }
  if (notPrincipal !== undefined) {
    checkNotPrincipal(principal, effect, kind)
    return { notPrincipals: readPrincipals(notPrincipal, kind) }
  }
  if (principal === undefined) {
    throw malformedPolicy('Missing required field Principal', 'The statement holds no Principal.')
  }
  return { principals: readPrincipals(principal, kind) }
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html */
function checkNotPrincipal(
  principal: JsonNode | undefined,
  effect: 'Allow' | 'Deny',
  kind: PolicyKind,
): void {
  if (effect === 'Allow') {
    throw malformedPolicy(
      'Allow with NotPrincipal is not allowed.',
      'It would grant access to everyone else, anonymous callers too.',
    )
  }
  if (kind === 'trust') {
    throw malformedPolicy(
      'AssumeRole policy must not contain NotPrincipal field.',
      'Deny with Principal "*" and a condition on aws:PrincipalArn does what NotPrincipal would.',
    )
  }
  if (principal !== undefined) {
    throw malformedPolicy(SYNTAX_ERRORS, 'A statement holds Principal or NotPrincipal, not both.')
  }
}

function readActions(
  elements: ReadonlyMap<string, JsonNode>,
  where: string,
  kind: PolicyKind,
): Pick<PolicyStatement, 'actions' | 'notActions'> {
  const action = elements.get('Action')
  const notAction = elements.get('NotAction')
  if (action !== undefined && notAction !== undefined) {
    throw malformedPolicy(SYNTAX_ERRORS, `${where} holds Action or NotAction, not both.`)
  }
  const node = action ?? notAction
  const actions = node === undefined ? [] : readStrings(node, `Action of ${where}`)
  if (actions.length === 0) {
    throw malformedPolicy(
      kind === 'trust' ? 'Missing required field Action' : 'Policy statement must contain actions.',
      `${where} names no action.`,
    )
  }
  for (const name of actions) checkAction(name, kind)
  return action === undefined ? { notActions: actions } : { actions }
}

function checkAction(action: string, kind: PolicyKind): void {
  if (kind === 'trust' && !/^sts:/i.test(action)) {
    throw malformedPolicy(
      'AssumeRole policy may only specify STS AssumeRole actions.',
      `${quoteValue(action)} is no action of STS.`,
    )
  }
  if (action === '*' || ACTION.test(action)) return
  throw malformedPolicy(
    action.includes(':')
      ? SYNTAX_ERRORS
      : 'Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.',
    `${quoteValue(action)} is no action; wanted "*", or a form such as s3:GetObject or s3:Get*.`,
  )
}

function readResources(
  elements: ReadonlyMap<string, JsonNode>,
  where: string,
  kind: PolicyKind,
): Pick<PolicyStatement, 'resources' | 'notResources'> {
  const resource = elements.get('Resource')
  const notResource = elements.get('NotResource')
  if (kind === 'trust') return checkNoResources(resource, notResource)
  if (resource !== undefined && notResource !== undefined) {
    throw malformedPolicy(SYNTAX_ERRORS, `${where} holds Resource or NotResource, not both.`)
  }
  const node = resource ?? notResource
  const resources = node === undefined ? [] : readStrings(node, `Resource of ${where}`)
  if (resources.length === 0) {
    throw malformedPolicy('Policy statement must contain resources.', `${where} names no resource.`)
  }
  for (const name of resources) checkResource(name, kind)
  return resource === undefined ? { notResources: resources } : { resources }
}

function checkNoResources(
  resource: JsonNode | undefined,
  notResource: JsonNode | undefined,
): Pick<PolicyStatement, 'resources' | 'notResources'> {
  if (resource === undefined && notResource === undefined) return {}
  throw malformedPolicy(
    resource === undefined
      ? 'AssumeRole policy must not contain resources.'
      : 'Has prohibited field Resource',
    'The resource of a trust policy is the role that it is attached to.',
  )
}

/** A short ARN is read with `*` for what is missing, but not in a session policy. */
function checkResource(resource: string, kind: PolicyKind): void {
  if (resource === '*') return
  const parts = resource.split(':', 7).length
  const isArn = /^arn:[^:]/.test(resource)
  if (isArn && (parts >= 6 || kind !== 'session')) return
  throw malformedPolicy(
    `Resource ${resource.slice(0, 200)} must be in ARN format or "*".`,
    kind === 'session' && isArn
      ? 'A session policy takes ARNs with all six parts only.'
      : 'Wanted "*" or a form such as arn:aws:s3:::bucket/*.',
  )
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_sid.html */
function checkSids(statements: readonly PolicyStatement[], kind: PolicyKind): void {
  const seen = new Set<string>()
  for (const { sid } of statements) {
    if (sid === undefined || sid === '') continue
    if (seen.has(sid)) {
      throw malformedPolicy(
        kind === 'trust' || kind === 'resource'
          ? 'The Statement Ids in the policy are not unique'
          : 'Statement IDs (SID) in a single policy must be unique.',
        `Two statements have the Sid ${quoteValue(sid)}.`,
      )
    }
    seen.add(sid)
  }
}
