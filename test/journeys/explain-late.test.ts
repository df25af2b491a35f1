/** `podrole explain` where EKS tells of an association late: it says so, and its fix mends it. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readCases } from '../../src/doctor/explain/cases.suite.ts'
import type { Explanation } from '../../src/doctor/explain/explain.ts'
import { renderFix } from '../../src/doctor/explain/render.ts'
import { type ExplainStage, startExplainStage } from '../support/explain-stage.ts'

const WAIT_MS = 240_000
/** Longer than everything that comes between the association and the pod. */
const LAG = '110s'
/** Kubernetes writes times in whole seconds. */
const SECOND_MS = 1100

const CASES = readCases().filter(({ id }) => id === 'pod-identity-works')
let stage: ExplainStage

beforeAll(async () => {
  stage = await startExplainStage(CASES)
}, WAIT_MS)
afterAll(() => stage.stop(), WAIT_MS)

test(
  'a pod that is made right after its association, before the webhook sees it',
  async () => {
    const [one] = CASES
    if (one === undefined) throw new Error('no case')
    const place = await stage.place(one)
    const { after } = one.at(place.words)
    await place.establish({ ...after, association: undefined })
    stage.setFaults([`eks:*=eventual:${LAG}`])
    await place.establish(after)
    await Bun.sleep(SECOND_MS)
    expect(await place.readByPod(after)).toMatchObject({ ok: false })

    const before = JSON.parse((await place.explain(after, '')).out) as Explanation
    expect(before.cause?.reason).toBe('no-role-asked-for')
    expect(before.sentence).toContain('EKS may not tell yet of one that was just made')

    // What was written is seen from now on.
    stage.setFaults([])
    const { code, out } = await place.explain(after, '')
    const explanation = JSON.parse(out) as Explanation
    expect({ code, cause: explanation.cause?.reason, fix: explanation.cause?.fix.kind }).toEqual({
      code: 1,
      cause: 'association-propagating',
      fix: 'commands',
    })
    const fixed = await place.desk.shell(renderFix(explanation))
    expect(fixed).toMatchObject({ code: 0 })
    expect(await place.readByPod(after)).toMatchObject({ ok: true, content: 'tea' })
    await place.end()
  },
  WAIT_MS,
)
