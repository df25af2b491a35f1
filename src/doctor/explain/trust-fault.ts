/** Which of the usual mistakes keeps a trust policy from admitting a call. */
import { issuerHostPathOf } from '../../iam/arn.ts'
import type { StatementOutcome } from '../../iam/evaluate.ts'
import { compileText, matchesPattern } from '../../iam/pattern.ts'
import type { TrustExplanation } from '../../iam/trust-explain.ts'
import type { ReasonCode } from './reasons.ts'
import type { TrustCall } from './trust-call.ts'
import { hostPathOf } from '../facts/way.ts'

export interface TrustFault {
  readonly reason: ReasonCode
  /** One sentence, without its full stop. */
  readonly text: string
  readonly found: string
  readonly wanted: string
  readonly statement: string
}

type Mismatch = NonNullable<StatementOutcome['mismatch']>
type ConditionMismatch = Extract<Mismatch, { readonly reason: 'condition' }>

export function trustFaultOf(explained: TrustExplanation, call: TrustCall): TrustFault {
  const { denied, missing = '', nearest } = explained
  if (denied !== undefined) {
    const { statement } = denied
    return {
      reason: 'trust-denies',
      text: `statement ${statement} denies ${missing}`,
      found: `Deny ${statement}`,
      wanted: 'no Deny that matches',
      statement,
    }
  }
  const mismatch = nearest?.mismatch
  const statement = nearest?.statement ?? '-'
  if (mismatch === undefined || mismatch.reason === 'principal') {
    return principalFault(explained.statements, call)
  }
  if (mismatch.reason === 'condition') return conditionFault(mismatch, statement, call)
  if (missing === 'sts:TagSession') {
    return {
      reason: 'trust-lacks-tag-session',
      text: `statement ${statement} allows ${quoted(mismatch.wanted)}, and the session has tags, for which sts:TagSession is needed`,
      found: mismatch.wanted.join(', '),
      wanted: 'sts:TagSession too',
      statement,
    }
  }
  return {
    reason: 'trust-lacks-action',
    text: `statement ${statement} allows ${quoted(mismatch.wanted)}, and ${missing} is asked for`,
    found: mismatch.wanted.join(', '),
    wanted: missing,
    statement,
  }
}

function principalFault(statements: readonly StatementOutcome[], call: TrustCall): TrustFault {
  const named = statements.flatMap(({ effect, mismatch }) =>
    effect === 'Allow' && mismatch?.reason === 'principal' ? mismatch.wanted : [],
  )
  const { caller } = call
  const isService = caller.kind === 'service'
  const wanted =
    caller.kind === 'web-identity' ? caller.provider : isService ? caller.service : call.who
  const providers = named.flatMap((text) => {
    const arn = text.replace(/^Federated:/, '')
    return issuerHostPathOf(arn) === undefined ? [] : [arn]
  })
  const isOther = providers.length > 0 && !isService
  const found = (isOther ? providers : named).join(', ') || 'nobody'
  return {
    reason: isOther ? 'trust-other-provider' : 'trust-no-principal',
    text: `it names ${found}, not ${wanted}`,
    found,
    wanted,
    statement: '-',
  }
}

function conditionFault(
  mismatch: ConditionMismatch,
  statement: string,
  call: TrustCall,
): TrustFault {
  const { actual, key, operator, wanted } = mismatch
  const there = actual === undefined ? 'the request has no such key' : `it is ${quoted(actual)}`
  return {
    reason: reasonOf(mismatch, call),
    text: `statement ${statement} wants ${operator} ${key} ${quoted(wanted)}, and ${there}`,
    found: actual === undefined ? 'no such key' : actual.join(', '),
    wanted: wanted.join(', '),
    statement,
  }
}

function reasonOf(
  { actual, key, operator, wanted }: ConditionMismatch,
  call: TrustCall,
): ReasonCode {
  const claim = /:(sub|aud)$/i.exec(key)?.[1]?.toLowerCase()
  const host = hostPathOf(call.issuer)?.toLowerCase()
  if (claim === undefined) {
    const passesTags = call.caller.kind === 'service' || call.target[0] === '--fleet'
    if (!passesTags || !/^aws:RequestTag\//i.test(key)) return 'trust-condition-false'
    return actual === undefined ? 'trust-wants-tags' : 'trust-tag-differs'
  }
  if (actual === undefined && key.slice(0, -claim.length - 1).toLowerCase() !== host) {
    return 'trust-other-issuer-key'
  }
  const isExact = /Equals/.test(operator)
  const isPattern = (text: string): boolean =>
    /[*?]/.test(text) && (actual ?? []).some((one) => matchesPattern(compileText(text), one))
  if (isExact && wanted.some(isPattern)) return 'trust-wildcard-in-equals'
  if (claim === 'aud') {
    return wanted.some((text) => text.startsWith('system:serviceaccount:'))
      ? 'trust-audience-holds-subject'
      : 'trust-audience-differs'
  }
  return 'trust-subject-differs'
}

const MAX_QUOTED = 3

function quoted(values: readonly string[]): string {
  const shown = values.slice(0, MAX_QUOTED).map((value) => JSON.stringify(value.slice(0, 200)))
  const more = values.length - shown.length
  return [...shown, ...(more > 0 ? [`${more} more`] : [])].join(' or ')
}
