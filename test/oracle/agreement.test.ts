/** `podrole explain`, the sandbox's STS over its wire and the oracle, on the same questions. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { type AgreementStage, startAgreementStage } from '../support/agreement.ts'
import { scaled } from '../support/tools.ts'
import { oracleAnswer, oracleForesight } from './calls.ts'
import type { JsonPolicy, OracleOptions } from './oracle.ts'
import type { TrustQuestions } from './trust-and-tokens.ts'
import { trustQuestions } from './trust-and-tokens.ts'
import { type Account, tokenCall } from './web-identity.ts'
import { ACCOUNT_ID, PROVIDERS, REQUEST_KEYS, ROLE_ARN } from './web-identity-pools.ts'

const TOKENS = 20
const POLICIES = scaled(1000)

let stage: AgreementStage
let account: Account
let questions: fc.Arbitrary<TrustQuestions>

beforeAll(async () => {
  stage = await startAgreementStage()
  const { nowSeconds } = stage
  account = { accountId: ACCOUNT_ID, roleArn: ROLE_ARN, providers: PROVIDERS, nowSeconds }
  questions = trustQuestions(TOKENS, nowSeconds)
})
afterAll(() => stage.stop())

/** A judge that answers wrongly under one operator, to show that it is found out. */
interface Wrong {
  readonly judge: 'explain' | 'STS' | 'the oracle'
  readonly operator: 'StringEquals' | 'StringLike' | 'Bool'
}

/** The questions on which the judges differ, with what each said. */
async function differences(
  { trust, tokens }: TrustQuestions,
  wrong?: Wrong,
): Promise<readonly object[]> {
  const seenBy = (judge: Wrong['judge']): JsonPolicy =>
    wrong?.judge === judge ? turned(trust, wrong.operator) : trust
  const options: OracleOptions = wrong?.judge === 'the oracle' ? { flipped: wrong.operator } : {}
  const signed = await Promise.all(tokens.map((claims) => stage.sign(claims)))
  const answered = await stage.askSts(seenBy('STS'), signed)
  const foreseen = stage.askExplain(seenBy('explain'), signed)
  return tokens.flatMap((claims, at) => {
    const asked = [trust, tokenCall(claims, account), REQUEST_KEYS, options] as const
    const made = { STS: answered[at], oracle: oracleAnswer(...asked) }
    const before = { explain: foreseen[at], oracle: oracleForesight(...asked) }
    const isSame = made.STS === made.oracle && before.explain === before.oracle
    return isSame ? [] : [{ trust, claims, before, made }]
  })
}

/** What a judge takes a policy for that gets the operator wrong. */
function turned(trust: JsonPolicy, operator: Wrong['operator']): JsonPolicy {
  const text = JSON.stringify(trust)
  if (operator === 'Bool') {
    return JSON.parse(
      text.replace(
        /("Bool(?:IfExists)?":\{"[^"]*":)"?(true|false)"?/g,
        (_, start, value) => `${start}"${value === 'false'}"`,
      ),
    ) as JsonPolicy
  }
  const negated = operator.replace('String', 'StringNot')
  const swapped = text.replace(
    /"((?:ForA\w+:)?)(String\w+?)((?:IfExists)?)":\{/g,
    (all, set, name, end) => {
      if (name === operator) return `"${set}${negated}${end}":{`
      return name === negated ? `"${set}${operator}${end}":{` : all
    },
  )
  return JSON.parse(swapped) as JsonPolicy
}

// fast-check prints the seed, the path and the smallest policy of a difference.
test('explain, STS and the oracle say the same of trust policies and tokens', async () => {
  await fc.assert(
    fc.asyncProperty(questions, async (asked) => {
      expect(await differences(asked)).toEqual([])
    }),
    { numRuns: POLICIES },
  )
})

test('between 15 % and 85 % of the questions are answered with yes, and some with maybe', () => {
  const asked = fc.sample(questions, { numRuns: 200, seed: 1 })
  const shareOf = (judge: typeof oracleForesight, answer: string): number =>
    asked
      .flatMap(({ trust, tokens }) =>
        tokens.map((claims) => judge(trust, tokenCall(claims, account), REQUEST_KEYS)),
      )
      .filter((said) => said === answer).length /
    (asked.length * TOKENS)
  expect(shareOf(oracleAnswer, 'yes')).toBeGreaterThan(0.15)
  expect(shareOf(oracleAnswer, 'yes')).toBeLessThan(0.85)
  expect(shareOf(oracleForesight, 'yes')).toBeGreaterThan(0.15)
  expect(shareOf(oracleForesight, 'maybe')).toBeGreaterThan(0.02)
  expect(shareOf(oracleForesight, 'refused')).toBeGreaterThan(0.01)
})

describe.each(['explain', 'STS', 'the oracle'] as const)('%s', (judge) => {
  test.each(['StringEquals', 'StringLike', 'Bool'] as const)(
    'with a wrong %s is found out',
    async (operator) => {
      let found: readonly object[] = []
      for (const asked of fc.sample(questions, { numRuns: 300, seed: 1 })) {
        found = await differences(asked, { judge, operator })
        if (found.length > 0) break
      }
      expect(found).not.toEqual([])
    },
  )
})
