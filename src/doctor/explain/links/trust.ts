/** The role and its trust policy, statement by statement. */
import { tryParseArn } from '../../../iam/arn.ts'
import { formatServiceAccountName } from '../../../iam/service-account-name.ts'
import { STS_AUDIENCE } from '../../../iam/trust-document.ts'
import { explainTrust, type TrustExplanation } from '../../../iam/trust-explain.ts'
import { messageOf } from '../../../lib/errors.ts'
import { valueOf } from '../../facts/fact.ts'
import type { RoleFact, WorkloadFacts } from '../../facts/workload-facts.ts'
import { command, commands, type Fix, outside, withProfile } from '../fix.ts'
import { type TrustFault, trustFaultOf } from '../trust-fault.ts'
import { fleetCall, podIdentityCall, type TrustCall, webIdentityCall } from '../trust-call.ts'
import { broken, type LinkVerdict, notApplicable, notKnown, ok } from '../verdict.ts'
import { hostPathOf, type Way } from '../../facts/way.ts'
import { allowIt } from './permissions.ts'
import { annotateAgain } from './pod.ts'

export function trustLink(facts: WorkloadFacts, way: Way): LinkVerdict {
  if (way.method === 'none') return notApplicable('trust', 'no role is asked for')
  const { roleArn = '', token } = way
  const named = tryParseArn(roleArn)
  if (named === undefined) return notKnown('trust', 'which role is meant is not known')
  const { account } = facts
  if (named.partition !== account.partition) return otherPartition(facts, way)
  if (named.accountId !== account.accountId) {
    return notKnown(
      'trust',
      `the role is in account ${named.accountId}, and these credentials are of ${account.accountId}: give credentials of it with --role-profile`,
    )
  }
  if (!facts.role.known) return notKnown('trust', `the role cannot be read: ${facts.role.why}`)
  const role = facts.role.value
  if (role === undefined) return missing(facts, way)
  if (role.arn !== roleArn) {
    if (way.annotatedRoleArn === role.arn && way.pod !== undefined) return missing(facts, way)
    return broken('trust', 'role-path-differs', {
      text: `${roleArn} is no role: ${role.name} has the ARN ${role.arn}`,
      found: roleArn,
      wanted: role.arn,
      fix: annotateAgain(facts, "write the role's own ARN, and make the pod again", role.arn),
    })
  }
  const association = valueOf(facts.association)
  if (way.method === 'pod-identity' && association !== undefined && !way.asksSts) {
    return judge(facts, role, podIdentityCall(facts, association))
  }
  if (token === undefined || hostPathOf(token.issuer) === undefined) {
    return notKnown('trust', 'who asks is not known')
  }
  if (way.method === 'irsa') return judge(facts, role, webIdentityCall(facts, token))
  if (association === undefined) return notKnown('trust', 'who asks is not known')
  return judge(facts, role, fleetCall(facts, token, association))
}

function judge(facts: WorkloadFacts, role: RoleFact, call: TrustCall): LinkVerdict {
  let explained: TrustExplanation
  try {
    explained = explainTrust(role.trustPolicy, {
      ...call,
      role: { arn: role.arn, accountId: facts.account.accountId },
    })
  } catch (error) {
    return notKnown(
      'trust',
      `the trust policy of ${role.name} cannot be judged: ${messageOf(error)}`,
    )
  }
  const { admits, keys, statements } = explained
  if (admits === 'yes') return ok('trust', `${role.name} trusts ${call.who}`, { statements })
  if (admits === 'maybe') {
    return notKnown(
      'trust',
      `${role.name} trusts ${call.who} if ${keys.join(', ')} is as it wants`,
      {
        statements,
      },
    )
  }
  const fault = trustFaultOf(explained, call)
  return broken('trust', fault.reason, {
    text: `${role.name} does not trust ${call.who}: ${fault.text}`,
    found: fault.found,
    wanted: fault.wanted,
    statements,
    fix: isExtra(explained, call)
      ? outside(
          `let the statement of ${role.name} that admits ${call.who} allow ${explained.missing} too`,
        )
      : withProfile(fixOf(facts, role, fault, call), facts.account.profile),
  })
}

/** What a token brings along that no service account token has: no command of podrole allows it. */
const isExtra = ({ denied, missing }: TrustExplanation, { actions, target }: TrustCall): boolean =>
  denied === undefined && target[0] === '--issuer' && missing !== actions[0]

function fixOf(facts: WorkloadFacts, role: RoleFact, fault: TrustFault, call: TrustCall): Fix {
  if (fault.reason === 'trust-denies') {
    return outside(
      `narrow or remove statement ${fault.statement} of the trust policy of ${role.name}, so that it does not deny ${call.who}`,
    )
  }
  const { audience, issuer, target } = call
  const name = formatServiceAccountName(facts.subject)
  const add = ['role', 'trust', 'add', role.name, '--service-account', name]
  return commands(
    'add a statement for the service account; the others stay as they are',
    command('podrole', ...add, ...target, ...audienceOption(issuer && audience)),
  )
}

const audienceOption = (audience = ''): readonly string[] =>
  audience === '' || audience === STS_AUDIENCE ? [] : ['--audience', audience]

function otherPartition(facts: WorkloadFacts, { roleArn = '' }: Way): LinkVerdict {
  const { account } = facts
  const arn = valueOf(facts.role)?.arn ?? roleArn.replace(/^arn:[^:]*/, `arn:${account.partition}`)
  return broken('trust', 'role-other-partition', {
    text: `${roleArn} names another partition than account ${account.accountId} is in, ${account.partition}`,
    found: roleArn,
    wanted: arn,
    fix: annotateAgain(facts, "write the role's own ARN, and make the pod again", arn),
  })
}

function targetOf({ cluster }: WorkloadFacts, way: Way): readonly string[] {
  const { asksSts, method, token } = way
  const { name = '' } = cluster
  if (method === 'irsa') {
    const audience = token?.authorizedParty ?? token?.audiences[0]
    return ['--issuer', token?.issuer ?? '', ...audienceOption(audience)]
  }
  return asksSts
    ? ['--fleet', '--issuer', token?.issuer ?? '', '--clusters', name]
    : ['--cluster', name, '--method', 'pod-identity']
}

function missing(facts: WorkloadFacts, way: Way): LinkVerdict {
  const { annotatedRoleArn, roleArn = '' } = way
  if (
    way.method === 'irsa' &&
    annotatedRoleArn !== undefined &&
    annotatedRoleArn !== roleArn &&
    way.pod !== undefined
  ) {
    const { name = '', namespace = '' } = way.pod.metadata
    return broken('trust', 'pod-admitted-with-other-role', {
      text: `the pod was admitted with ${roleArn}, which there is not; its service account has ${annotatedRoleArn} by now`,
      found: roleArn,
      wanted: annotatedRoleArn,
      fix: commands(
        'make the pod again',
        command('kubectl', 'delete', 'pod', name, '-n', namespace),
      ),
    })
  }
  const name = /[^/]+$/.exec(roleArn)?.[0] ?? ''
  const path = /:role(\/.*\/)[^/]+$/.exec(roleArn)?.[1]
  return broken('trust', 'role-missing', {
    text: `there is no role ${roleArn}`,
    found: 'nothing',
    wanted: roleArn,
    fix: withProfile(
      commands(
        'make the role, and give it what the pod is to do',
        command(
          'podrole',
          'role',
          'create',
          '--name',
          name,
          ...(path === undefined ? [] : ['--path', path]),
          '--service-account',
          formatServiceAccountName(facts.subject),
          ...targetOf(facts, way),
        ),
        ...(facts.question === undefined ? [] : [allowIt(name, facts.question)]),
      ),
      facts.account.profile,
    ),
  })
}
