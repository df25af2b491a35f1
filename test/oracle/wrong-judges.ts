/** What judges that are wrong in one thing take a trust policy for. */
import type { ConditionBlock } from './conditions.ts'
import type { JsonPolicy, JsonStatement } from './oracle.ts'

/** A key under its operator; undefined: the condition is not looked at. */
type Reading = (operator: string, key: string) => string | undefined

const isTag = (key: string): boolean => /^aws:(?:RequestTag\/|TagKeys$)/i.test(key)

/** Each condition under the operator that it is read with, where that is free for its key. */
function reread(trust: JsonPolicy, reading: Reading): JsonPolicy {
  const statementOf = (statement: JsonStatement): JsonStatement => {
    if (statement.Condition === undefined) return statement
    const block: Record<string, Record<string, unknown>> = {}
    for (const [written, wants] of Object.entries(statement.Condition satisfies ConditionBlock)) {
      for (const [key, wanted] of Object.entries(wants)) {
        const operator = reading(written, key)
        if (operator === undefined) continue
        const isTaken = Object.keys(block[operator] ?? {}).some(
          (one) => one.toLowerCase() === key.toLowerCase(),
        )
        const keys = (block[isTaken ? written : operator] ??= {})
        keys[key] = wanted
      }
    }
    return { ...statement, Condition: block }
  }
  const { Statement } = trust
  const all = [Statement].flat() as readonly JsonStatement[]
  return { ...trust, Statement: all.map((one) => statementOf(one)) }
}

/** The policy with sts:TagSession given to everybody that it names. */
function allowTagSession(trust: JsonPolicy): JsonPolicy {
  const all = [trust.Statement].flat() as readonly JsonStatement[]
  const free = all.flatMap(({ Effect, Principal }): readonly JsonStatement[] =>
    Effect === 'Allow' && Principal !== undefined
      ? [{ Effect, Principal, Action: 'sts:TagSession' }]
      : [],
  )
  return { ...trust, Statement: [...all, ...free] }
}

export const WRONGS = {
  'who does not look at tags': (trust: JsonPolicy) =>
    reread(trust, (operator, key) => (isTag(key) ? undefined : operator)),
  'who does not ask for sts:TagSession': allowTagSession,
  'who compares tags without case': (trust: JsonPolicy) =>
    reread(trust, (operator, key) =>
      isTag(key) ? operator.replace(/String(Not)?Equals$/, 'String$1EqualsIgnoreCase') : operator,
    ),
  'who takes StringEquals for StringLike': (trust: JsonPolicy) =>
    reread(trust, (operator) => operator.replace(/StringEquals(?!IgnoreCase)/, 'StringLike')),
} as const

export type WrongName = keyof typeof WRONGS
