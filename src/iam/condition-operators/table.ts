import type { BaseOperator } from '../policy-document.ts'
import { matchArn } from './arn.ts'
import { matchBinary } from './binary.ts'
import { matchBoolean } from './boolean.ts'
import { matchDate } from './date.ts'
import { matchIpAddress } from './ip-address.ts'
import { matchNumber } from './numeric.ts'
import type { ValueMatch } from './operand.ts'
import { matchString, matchStringIgnoringCase, matchStringPattern } from './string.ts'

/** An operator that compares values: its positive form, and whether it is negated. */
export interface OperatorRule {
  readonly matches: ValueMatch
  readonly negated: boolean
}

/** Every operator but Null, which compares no values. */
export const OPERATOR_RULES: Readonly<Record<Exclude<BaseOperator, 'Null'>, OperatorRule>> = {
  StringEquals: positive(matchString),
  StringNotEquals: negated(matchString),
  StringEqualsIgnoreCase: positive(matchStringIgnoringCase),
  StringNotEqualsIgnoreCase: negated(matchStringIgnoringCase),
  StringLike: positive(matchStringPattern),
  StringNotLike: negated(matchStringPattern),
  NumericEquals: positive(matchNumber((order) => order === 0)),
  NumericNotEquals: negated(matchNumber((order) => order === 0)),
  NumericLessThan: positive(matchNumber((order) => order < 0)),
  NumericLessThanEquals: positive(matchNumber((order) => order <= 0)),
  NumericGreaterThan: positive(matchNumber((order) => order > 0)),
  NumericGreaterThanEquals: positive(matchNumber((order) => order >= 0)),
  DateEquals: positive(matchDate((order) => order === 0)),
  DateNotEquals: negated(matchDate((order) => order === 0)),
  DateLessThan: positive(matchDate((order) => order < 0)),
  DateLessThanEquals: positive(matchDate((order) => order <= 0)),
  DateGreaterThan: positive(matchDate((order) => order > 0)),
  DateGreaterThanEquals: positive(matchDate((order) => order >= 0)),
  Bool: positive(matchBoolean),
  BinaryEquals: positive(matchBinary),
  IpAddress: positive(matchIpAddress),
  NotIpAddress: negated(matchIpAddress),
  ArnEquals: positive(matchArn),
  ArnLike: positive(matchArn),
  ArnNotEquals: negated(matchArn),
  ArnNotLike: negated(matchArn),
}

function positive(matches: ValueMatch): OperatorRule {
  return { matches, negated: false }
}

function negated(matches: ValueMatch): OperatorRule {
  return { matches, negated: true }
}
