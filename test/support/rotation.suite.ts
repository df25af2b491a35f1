/** A rotation under load on some API server, and the unsafe order: what must be so on each. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { randomNumbers } from './kept-kinds.ts'
import { API_SERVER, type LoadCounts, type Refusal, VERIFIER } from './rotation-load.ts'
import {
  FETCHING,
  KEEPING,
  type RotationStage,
  startRotationStage,
  type StageOptions,
} from './rotation-stage.ts'
import { forceUnsafeOrder, rotateUnderLoad } from './rotation-under-load.ts'

const EVERYBODY = [API_SERVER, FETCHING, KEEPING, VERIFIER].sort()
const SEED = Number(process.env['PODROLE_TEST_SEED'] ?? Date.now() % 1_000_000)
const START_MS = 300_000
/** An hour's token is the longest that is waited for. */
const RUN_MS = 3_600_000

/** Registers the tests; `options` are asked for when they begin. */
export function describeRotationUnderLoad(isSkipped: boolean, options: () => StageOptions): void {
  let stage: RotationStage
  beforeAll(async () => {
    if (!isSkipped) stage = await startRotationStage(options())
  }, START_MS)
  afterAll(() => stage?.stop(), START_MS)

  test.skipIf(isSkipped)(
    `nobody refuses a token from prepare to retire, whatever is killed (PODROLE_TEST_SEED=${SEED})`,
    async () => {
      process.stderr.write(`PODROLE_TEST_SEED=${SEED}\n`)
      const { phases, kills, old, next } = await rotateUnderLoad(stage, randomNumbers(SEED))
      expect(phases.flatMap(({ counts }) => counts.refused)).toEqual([])
      expect(kills).toHaveLength(5)
      const all = phases.map(({ counts }) => counts)
      for (const who of EVERYBODY) {
        expect([who, takenOf(all, who, old) > 100, takenOf(all, who, next) > 100]).toEqual([
          who,
          true,
          true,
        ])
      }
      expect(await stage.issuer.publishedKids()).not.toContain(old)
      expect(stage.issuer.kid('active')).toBe(next)
    },
    RUN_MS,
  )

  test.skipIf(isSkipped)(
    'the unsafe order in a copy of the folder: the refusals show',
    async () => {
      const { activatedUnseen, published, retiredEarly, old, next } = await forceUnsafeOrder(stage)
      // The API server has its keys from the signer, not from what is published.
      expect(whoRefused(activatedUnseen.refused, next)).toEqual(
        EVERYBODY.filter((who) => who !== API_SERVER),
      )
      expect(whoRefused(activatedUnseen.refused, old)).toEqual([])
      expect(published.refused).toEqual([])
      expect(whoRefused(retiredEarly.refused, old)).toEqual(
        expect.arrayContaining([FETCHING, KEEPING]),
      )
      expect(whoRefused(retiredEarly.refused, next)).toEqual([])
    },
    RUN_MS,
  )
}

const takenOf = (all: readonly LoadCounts[], who: string, kid: string): number =>
  all.reduce((total, { taken }) => total + (taken[who]?.[kid] ?? 0), 0)

const whoRefused = (refused: readonly Refusal[], kid: string): readonly string[] =>
  [...new Set(refused.filter((one) => one.kid === kid).map(({ by }) => by))].sort()
