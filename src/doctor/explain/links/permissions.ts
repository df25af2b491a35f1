/** What the role may do, as far as policies of the account go. */
import { tryParseArn } from '../../../iam/arn.ts'
import { authorize, type Decision } from '../../../iam/evaluate.ts'
import { principalContext } from '../../../iam/principal.ts'
import type { ContextKeys } from '../../../iam/request.ts'
import { formatServiceAccountName } from '../../../iam/service-account-name.ts'
import { messageOf } from '../../../lib/errors.ts'
import { type Fact, valueOf } from '../../facts/fact.ts'
import type { QuestionFact, RoleFact, WorkloadFacts } from '../../facts/workload-facts.ts'
import { command, commands, type Fix, outside, withProfile } from '../fix.ts'
import { openKeysOf } from '../open-keys.ts'
import type { ReasonCode } from '../reasons.ts'
import { profileOf, sessionOf, sourceOf } from '../role-session.ts'
import { isUnseenTag, principalTags } from '../session-tags.ts'
import { isKnownKey } from '../trust-call.ts'
import { broken, type LinkVerdict, notApplicable, notKnown, ok } from '../verdict.ts'
import type { Way } from '../../facts/way.ts'

const AS_FAR = 'as far as account policies go'

export function permissionsLink(facts: WorkloadFacts, way: Way): LinkVerdict {
  const { question } = facts
  if (way.method === 'none') return notApplicable('permissions', 'there is no role')
  if (question === undefined) {
    return notApplicable('permissions', 'not asked: name --action and --resource')
  }
  const { association } = facts
  const isChained =
    way.method === 'pod-identity' && valueOf(association)?.targetRoleArn !== undefined
  const role = valueOf(isChained ? facts.targetRole : facts.role)
  if (role === undefined) return notKnown('permissions', 'the role is not known')
  const unread = unreadOf(role, question)
  const isForbidden = isByOrganization(facts, question)
  if (unread !== undefined) {
    return isForbidden ? organizationDenies(facts, role, question) : notKnown('permissions', unread)
  }
  try {
    return judge(facts, role, question)
  } catch (error) {
    return notKnown('permissions', `the role's policies cannot be judged: ${messageOf(error)}`)
  }
}

function unreadOf({ boundary, policies }: RoleFact, question: QuestionFact): string | undefined {
  const facts: readonly (readonly [string, Fact<unknown> | undefined])[] = [
    ['policies of the role', policies],
    ['permissions boundary', boundary],
    ["resource's policy", question.resourcePolicy],
  ]
  for (const [what, fact] of facts) {
    if (fact?.known === false) return `the ${what} cannot be read: ${fact.why}`
  }
  return undefined
}

function judge(facts: WorkloadFacts, role: RoleFact, question: QuestionFact): LinkVerdict {
  const decision = decide(facts, role, question)
  const { action, resource } = question
  const { statements } = decision
  if (!decision.allowed) return refused(facts, role, question, decision)
  if (isByOrganization(facts, question)) {
    return organizationDenies(facts, role, question)
  }
  return ok('permissions', `${role.name} may ${action} on ${resource}, ${AS_FAR}`, { statements })
}

/** As IAM's simulator says, or the message that was given. */
const isByOrganization = ({ error }: WorkloadFacts, question: QuestionFact): boolean =>
  valueOf(question.allowedByOrganization) === false || error?.byOrganization === true

function organizationDenies(
  { account }: WorkloadFacts,
  role: RoleFact,
  { action, resource }: QuestionFact,
): LinkVerdict {
  return broken('permissions', 'organization-denies', {
    text: `policies of the organization keep ${role.name} from ${action} on ${resource}`,
    found: 'not allowed by a service control policy',
    wanted: `${action} allowed by every service control policy over the account`,
    fix: outside(
      `ask whoever governs the organization to let account ${account.accountId} do ${action} on ${resource}`,
    ),
  })
}

function decide(facts: WorkloadFacts, role: RoleFact, question: QuestionFact): Decision {
  const caller = sessionOf(role)
  const { account } = facts
  const sessionPolicy = valueOf(facts.association)?.policy
  const { action, ownerAccountId = caller.accountId, resource } = question
  const boundary = role.boundary === undefined ? undefined : valueOf(role.boundary)
  const resourcePolicy = valueOf(question.resourcePolicy)
  return authorize(
    {
      caller,
      action,
      resource,
      resourceAccountId: tryParseArn(resource)?.accountId || ownerAccountId,
      context: {
        ...principalContext(caller),
        ...sessionTags(facts),
        'aws:RequestedRegion': account.region,
        'aws:SecureTransport': 'true',
      },
    },
    {
      identity: (valueOf(role.policies) ?? []).map((one) => sourceOf(one)),
      ...(boundary !== undefined && { boundary: sourceOf(boundary) }),
      ...(sessionPolicy !== undefined && {
        session: [sourceOf({ name: 'association', text: sessionPolicy }, 'session')],
      }),
      ...(resourcePolicy !== undefined && { resource: sourceOf(resourcePolicy, 'resource') }),
    },
  )
}

/** Of the session that Pod Identity begins. */
function sessionTags(facts: WorkloadFacts): ContextKeys {
  return isTagged(facts) ? principalTags(facts) : {}
}

const isTagged = ({ association }: WorkloadFacts): boolean =>
  valueOf(association)?.disableSessionTags === false

function refused(
  facts: WorkloadFacts,
  role: RoleFact,
  question: QuestionFact,
  decision: Decision,
): LinkVerdict {
  const { action, resource } = question
  const { reason, statements } = decision
  const isUnseen = (key: string): boolean => isTagged(facts) && isUnseenTag(facts, key)
  const open = openKeysOf(
    decision,
    (key) => (isKnownKey(key) || KNOWN.has(key.toLowerCase())) && !isUnseen(key),
  )
  if (open.length > 0) {
    return notKnown(
      'permissions',
      `whether ${role.name} may ${action} on ${resource} hangs on ${open.join(', ')} of the request`,
      { statements },
    )
  }
  const owner = ownerOf(question)
  if (reason === 'resource-policy-does-not-allow' && tryParseArn(resource)?.service !== 's3') {
    return notKnown(
      'permissions',
      `${resource} is of account ${owner}, and its own policy, which has to let ${role.name} in, is not read`,
      { statements },
    )
  }
  const denies = statements.find(({ effect, matched }) => matched && effect === 'Deny')
  const code = REASON_OF[reason] ?? 'permission-missing'
  const by =
    denies === undefined ? '' : `: statement ${denies.statement} of ${denies.policy} denies it`
  return broken('permissions', code, {
    text: `${role.name} may not ${action} on ${resource}${by}`,
    found: decision.text,
    wanted: `${action} on ${resource} allowed`,
    statements,
    fix: fixOf(
      code,
      { facts, role, question },
      denies && `statement ${denies.statement} of ${denies.policy}`,
    ),
  })
}

/** By its ARN, else by who could read its policy. */
const ownerOf = ({ ownerAccountId = '', resource }: QuestionFact): string =>
  tryParseArn(resource)?.accountId || ownerAccountId

/** Of `OF_THE_REQUEST`, what is known all the same. */
const KNOWN: ReadonlySet<string> = new Set(['aws:requestedregion'])

const REASON_OF: Partial<Readonly<Record<Decision['reason'], ReasonCode>>> = {
  'explicit-deny-in-identity-policy': 'permission-denied',
  'explicit-deny-in-boundary': 'boundary-limits',
  'explicit-deny-in-resource-policy': 'resource-policy-denies',
  'resource-policy-does-not-allow': 'resource-policy-lacks',
  'boundary-does-not-allow': 'boundary-limits',
  'session-policy-does-not-allow': 'session-policy-limits',
  'explicit-deny-in-session-policy': 'session-policy-limits',
}

interface About {
  readonly facts: WorkloadFacts
  readonly role: RoleFact
  readonly question: QuestionFact
}

/** Name of the inline policy that the fix writes. */
const POLICY_NAME = 'podrole-explain'

function fixOf(code: ReasonCode, { facts, question, role }: About, deny = ''): Fix {
  const { action, resource } = question
  const boundary = role.boundary === undefined ? '' : (valueOf(role.boundary)?.name ?? '')
  switch (code) {
    case 'boundary-limits':
      return outside(
        `let the permissions boundary ${boundary} of ${role.name} allow ${action} on ${resource}, or take it off the role: it belongs to whoever governs the account`,
      )
    case 'session-policy-limits':
      return commands(
        'take the session policy off the association, or put in its place one that allows it too',
        command(
          'podrole',
          'association',
          'update',
          formatServiceAccountName(facts.subject),
          '--cluster',
          facts.cluster.name ?? '',
          ...(facts.cluster.kind === 'broker' ? ['--broker'] : []),
          '--no-policy',
          '--adopt',
        ),
      )
    case 'permission-denied':
      return outside(`narrow or remove ${deny}, so that it does not deny ${action} on ${resource}`)
    case 'resource-policy-lacks':
      return outside(
        `let the policy of the resource ${resource} allow ${action} to ${role.arn}, in account ${ownerOf(question)}, which it is of`,
      )
    case 'resource-policy-denies':
      return outside(
        `narrow or remove ${deny}, the policy of the resource itself, so that it does not deny ${role.arn}`,
      )
    default:
      return withProfile(
        commands('give the role a policy that allows it', allowIt(role.name, question)),
        profileOf(facts, role),
      )
  }
}

/** The command that allows a role one action on one resource. */
export const allowIt = (
  roleName: string,
  { action, resource }: Pick<QuestionFact, 'action' | 'resource'>,
): string =>
  command(
    'aws',
    'iam',
    'put-role-policy',
    '--role-name',
    roleName,
    '--policy-name',
    POLICY_NAME,
    '--policy-document',
    JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: action, Resource: resource }],
    }),
  )
