/** `podrole explain`, the sandbox over its wire and the oracle, on pods by Pod Identity and a fleet. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { type PodAgreementStage, startPodAgreementStage } from '../support/pod-agreement.ts'
import { scaled } from '../support/tools.ts'
import { oracleAnswer, oracleForesight } from './calls.ts'
import type { JsonPolicy } from './oracle.ts'
import { type AskingPod, podCall, type PodWay } from './pod-calls.ts'
import { FLEET_HOST } from './pod-pools.ts'
import { type PodQuestions, podQuestions } from './trust-and-pods.ts'
import type { Account } from './web-identity.ts'
import { ACCOUNT_ID, ROLE_ARN, STS } from './web-identity-pools.ts'
import { WRONGS, type WrongName } from './wrong-judges.ts'

const PODS = 20
const POLICIES = scaled(155)
const WAYS: readonly PodWay[] = ['pod-identity', 'fleet']
const JUDGES = ['explain', 'AWS', 'the oracle'] as const

let stage: PodAgreementStage
let account: Account

beforeAll(async () => {
  stage = await startPodAgreementStage()
  account = {
    accountId: ACCOUNT_ID,
    roleArn: ROLE_ARN,
    providers: { [`https://${FLEET_HOST}`]: [STS] },
    nowSeconds: stage.nowSeconds,
  }
})
afterAll(() => stage.stop())

/** A judge that takes the policy for another one, to show that it is found out. */
interface Wrong {
  readonly judge: (typeof JUDGES)[number]
  readonly name: WrongName
}

/** The pods of which the judges differ, with what each said. */
async function differences(
  way: PodWay,
  { pods, trust }: PodQuestions,
  wrong?: Wrong,
): Promise<readonly object[]> {
  const seenBy = (judge: Wrong['judge']): JsonPolicy =>
    wrong?.judge === judge ? WRONGS[wrong.name](trust) : trust
  const answered = await stage.askAws(way, seenBy('AWS'), pods)
  const foreseen = stage.askExplain(way, seenBy('explain'), pods)
  return pods.flatMap((pod, at) => {
    const said = oracleSays(way, seenBy('the oracle'), pod)
    const isSame = answered[at] === said.made && foreseen[at] === said.before
    return isSame ? [] : [{ trust, pod, AWS: answered[at], explain: foreseen[at], oracle: said }]
  })
}

function oracleSays(
  way: PodWay,
  trust: JsonPolicy,
  pod: AskingPod,
): { readonly made: string; readonly before: string } {
  const { call, hidden } = podCall(way, pod, account)
  return {
    made: oracleAnswer(trust, call, hidden),
    before: oracleForesight(trust, call, hidden),
  }
}

describe.each(WAYS)('%s', (way) => {
  // fast-check prints the seed, the path and the smallest policy of a difference.
  test('explain, the sandbox and the oracle say the same of trust policies and pods', async () => {
    await fc.assert(
      fc.asyncProperty(podQuestions(way, PODS), async (asked) => {
        expect(await differences(way, asked)).toEqual([])
      }),
      { numRuns: POLICIES },
    )
  })

  test('between 15 % and 85 % of the pods get the role, and of some nobody can know', () => {
    const said = fc
      .sample(podQuestions(way, PODS), { numRuns: 200, seed: 1 })
      .flatMap(({ pods, trust }) => pods.map((pod) => oracleSays(way, trust, pod)))
    const shareOf = (when: 'made' | 'before', answer: string): number =>
      said.filter((one) => one[when] === answer).length / said.length
    expect(shareOf('made', 'yes')).toBeGreaterThan(0.15)
    expect(shareOf('made', 'yes')).toBeLessThan(0.85)
    expect(shareOf('before', 'yes')).toBeGreaterThan(0.15)
    expect(shareOf('before', 'maybe')).toBeGreaterThan(0.02)
    expect(shareOf('before', 'refused')).toBeGreaterThan(0.01)
  })

  describe.each(JUDGES)('%s', (judge) => {
    test.each(Object.keys(WRONGS) as WrongName[])('%s is found out', async (name) => {
      let found: readonly object[] = []
      for (const asked of fc.sample(podQuestions(way, PODS), { numRuns: 300, seed: 1 })) {
        found = await differences(way, asked, { judge, name })
        if (found.length > 0) break
      }
      expect(found).not.toEqual([])
    })
  })
})
