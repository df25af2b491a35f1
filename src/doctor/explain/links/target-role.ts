/** The role that the association's role goes on to. */
import { parseArn, tryParseArn } from '../../../iam/arn.ts'
import { authorizeTrust, type Decision } from '../../../iam/evaluate.ts'
import { parsePolicy } from '../../../iam/policy.ts'
import { principalContext } from '../../../iam/principal.ts'
import { type JsonNode, parseJsonDocument } from '../../../iam/json-document.ts'
import { formatJsonDocument, jsonNodeOf } from '../../../iam/json-text.ts'
import { memberOf } from '../../../iam/trust-statements.ts'
import { messageOf } from '../../../lib/errors.ts'
import { valueOf } from '../../facts/fact.ts'
import type { AssociationFact, RoleFact, WorkloadFacts } from '../../facts/workload-facts.ts'
import type { Way } from '../../facts/way.ts'
import { command, commands, type Fix, outside, withProfile } from '../fix.ts'
import { openKeysOf } from '../open-keys.ts'
import type { ReasonCode } from '../reasons.ts'
import { profileOf, sessionOf, sourceOf } from '../role-session.ts'
import { isUnseenTag, principalTags, requestTags } from '../session-tags.ts'
import { isKnownKey } from '../trust-call.ts'
import { broken, type LinkVerdict, notApplicable, notKnown, ok } from '../verdict.ts'

export function targetRoleLink(facts: WorkloadFacts, way: Way): LinkVerdict {
  const association = valueOf(facts.association)
  const arn = association?.targetRoleArn
  if (way.method !== 'pod-identity' || association === undefined || arn === undefined) {
    return notApplicable('target-role', 'there is no target role')
  }
  const { targetRole } = facts
  const role = valueOf(facts.role)
  if (!targetRole.known) return notKnown('target-role', `${arn} cannot be read: ${targetRole.why}`)
  if (role?.policies.known !== true)
    return notKnown('target-role', `the policies of ${way.roleArn} are not known`)
  const target = targetRole.value
  if (target?.arn !== arn) {
    return broken('target-role', 'target-role-missing', {
      text: `there is no target role ${arn}`,
      found: target?.arn ?? 'nothing',
      wanted: arn,
      fix: outside(
        `make the role ${arn}, which trusts ${role.arn}, or take it off the association (podrole association update --no-target-role)`,
      ),
    })
  }
  try {
    return judge(facts, { association, role, target })
  } catch (error) {
    return notKnown('target-role', `the policies cannot be judged: ${messageOf(error)}`)
  }
}

interface Chain {
  readonly association: AssociationFact
  readonly role: RoleFact
  readonly target: RoleFact
}

const actionsOf = ({ disableSessionTags }: AssociationFact): readonly string[] =>
  disableSessionTags ? ['sts:AssumeRole'] : ['sts:AssumeRole', 'sts:TagSession']

function judge(facts: WorkloadFacts, chain: Chain): LinkVerdict {
  const { association, role, target } = chain
  const caller = sessionOf(role)
  const trust = { name: 'trust', document: parsePolicy(target.trustPolicy, 'trust') }
  const identity = (valueOf(role.policies) ?? []).map((one) => sourceOf(one))
  const boundary = role.boundary === undefined ? undefined : valueOf(role.boundary)
  const context = {
    ...principalContext(caller),
    ...(!association.disableSessionTags && { ...requestTags(facts), ...principalTags(facts) }),
    ...(association.externalId !== undefined && { 'sts:ExternalId': association.externalId }),
  }
  const resourceAccountId = tryParseArn(target.arn)?.accountId ?? ''
  for (const action of actionsOf(association)) {
    const decision = authorizeTrust(
      { caller, action, context, resource: target.arn, resourceAccountId },
      trust,
      { identity, ...(boundary !== undefined && { boundary: sourceOf(boundary) }) },
    )
    if (!decision.allowed) return refused(facts, chain, { action, decision })
  }
  return ok('target-role', `${role.name} may go on to ${target.arn}`)
}

function refused(
  facts: WorkloadFacts,
  chain: Chain,
  { action, decision }: { readonly action: string; readonly decision: Decision },
): LinkVerdict {
  const { association, role, target } = chain
  const { statements } = decision
  const isUnseen = (key: string): boolean =>
    !association.disableSessionTags && isUnseenTag(facts, key)
  const open = openKeysOf(decision, (key) => isKnownKey(key) && !isUnseen(key))
  if (open.length > 0) {
    return notKnown(
      'target-role',
      `whether ${role.name} may ${action} on ${target.arn} hangs on ${open.join(', ')} of the request`,
      { statements },
    )
  }
  const former = formerPrincipalOf(target)
  const isTrust = /trust-policy/.test(decision.reason)
  const reason: ReasonCode = isTrust
    ? former === undefined
      ? 'target-role-does-not-trust'
      : 'target-role-trusts-former-role'
    : 'target-role-not-allowed'
  const who = former === undefined ? '' : `; it names ${former}, a role that was deleted`
  return broken('target-role', reason, {
    text: isTrust
      ? `${target.name} does not let ${role.name} ${action}${who}`
      : `no policy of ${role.name} allows ${action} on ${target.arn}`,
    found: former ?? decision.text,
    wanted: `${role.arn} may ${action} on ${target.arn}`,
    statements,
    fix: isTrust ? trustFix(facts, chain) : withProfile(allowFix(chain), profileOf(facts, role)),
  })
}

/** What IAM shows for a principal that was deleted, also where one of that name was made again. */
const formerPrincipalOf = ({ trustPolicy }: RoleFact): string | undefined =>
  /"((?:AROA|AIDA)[A-Z0-9]{12,})"/.exec(trustPolicy)?.[1]

const allowFix = ({ association, role, target }: Chain): Fix =>
  commands(
    'let the role go on to the target role',
    command(
      'aws',
      'iam',
      'put-role-policy',
      '--role-name',
      role.name,
      '--policy-name',
      'podrole-target-role',
      '--policy-document',
      JSON.stringify({
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Action: actionsOf(association), Resource: target.arn }],
      }),
    ),
  )

function trustFix(facts: WorkloadFacts, { association, role, target }: Chain): Fix {
  const statement = {
    Effect: 'Allow',
    Principal: { AWS: role.arn },
    Action: actionsOf(association),
  }
  const { account, accounts = [account] } = facts
  const { accountId } = parseArn(target.arn)
  if (!accounts.some((one) => one.accountId === accountId)) {
    return outside(
      `add to the trust policy of ${target.arn}, in its account: ${JSON.stringify(statement)}`,
    )
  }
  const document = withStatement(withoutFormer(target.trustPolicy), jsonNodeOf(statement))
  return withProfile(
    commands(
      'add a statement to the trust policy of the target role',
      command(
        'aws',
        'iam',
        'update-assume-role-policy',
        '--role-name',
        target.name,
        '--policy-document',
        document,
      ),
    ),
    profileOf(facts, target),
  )
}

/** IAM refuses a document that names a principal which is not there. */
function withoutFormer(text: string): string {
  const root = parseJsonDocument(text)
  const statement = memberOf(root, 'Statement')
  if (root.kind !== 'object' || statement?.kind !== 'array') return text
  const items = statement.items.filter(
    (one) => !/"(?:AROA|AIDA)[A-Z0-9]{12,}"/.test(formatJsonDocument(one)),
  )
  return formatJsonDocument(withMember(root, { ...statement, items }))
}

function withStatement(text: string, added: JsonNode): string {
  const root = parseJsonDocument(text)
  const statement = memberOf(root, 'Statement')
  if (root.kind !== 'object' || statement === undefined) return text
  const items = statement.kind === 'array' ? statement.items : [statement]
  return formatJsonDocument(withMember(root, { kind: 'array', items: [...items, added] }))
}

const withMember = (root: Extract<JsonNode, { kind: 'object' }>, value: JsonNode): JsonNode => ({
  ...root,
  members: root.members.map((one) => (one.key === 'Statement' ? { ...one, value } : one)),
})
