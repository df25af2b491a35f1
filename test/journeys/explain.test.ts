/**
 * Every case of src/doctor/explain/testdata in a sandbox: the pod's read fails, `explain` names the
 * cause, its fix is carried out as printed, and the pod's read succeeds. README.md there says how.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type Case, readCases } from '../../src/doctor/explain/cases.suite.ts'
import type { Explanation } from '../../src/doctor/explain/explain.ts'
import { renderFix } from '../../src/doctor/explain/render.ts'
import { findPodPrograms } from '../support/pod-programs.ts'
import { type CasePlace, type ExplainStage, startExplainStage } from '../support/explain-stage.ts'
import { missingLoopback } from '../support/own-loopback.ts'
import { lacks } from '../support/tools.ts'

/** Pods and commands are processes: as many cases at once as keep two cores busy. */
const AT_ONCE = 4
const CASE_MS = 300_000
const ONLY = process.env['PODROLE_EXPLAIN_CASES']

const ASKED = readCases().filter(
  ({ id, onlyOverFacts }) =>
    onlyOverFacts === undefined && (ONLY === undefined || new RegExp(ONLY).test(id)),
)
const { images, missing } = await findPodPrograms(ASKED.flatMap(({ programs }) => programs))
const lacking = [...Map.groupBy(missing, ([, { tool }]) => tool).values()].flatMap((group) => {
  const programs = group.map(([program]) => program)
  return lacks(`podrole explain of pods with ${programs.join(', ')}`, group[0]?.[1]) ? programs : []
})
const lacksNamespaces =
  ASKED.some(({ needsNamespaces }) => needsNamespaces) &&
  lacks("podrole explain of what goes to the agent's own address", missingLoopback())
const isSkipped = ({ needsNamespaces, programs }: Case): boolean =>
  (needsNamespaces && lacksNamespaces) || programs.some((one) => lacking.includes(one))
const CASES = ASKED.filter((one) => !isSkipped(one))

let stage: ExplainStage
const running = new Map<string, Promise<Told>>()

beforeAll(async () => {
  stage = await startExplainStage(CASES, images)
  const waiting = [...CASES]
  const slots = CASES.map((one) => ({ one, ...Promise.withResolvers<Told>() }))
  for (const { one, promise } of slots) {
    promise.catch(() => undefined)
    running.set(one.id, promise)
  }
  const work = async (): Promise<void> => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      const slot = slots.find((other) => other.one === one)
      await runCase(one).then(slot?.resolve, slot?.reject)
    }
  }
  for (let at = 0; at < AT_ONCE; at += 1) void work()
}, CASE_MS)

afterAll(() => stage.stop(), CASE_MS)

/** What came of a case. */
interface Told {
  readonly firstRead: unknown
  readonly found: unknown
  readonly fixed?: unknown
  readonly lastRead?: unknown
}

async function runCase(one: Case): Promise<Told> {
  const place = await stage.place(one)
  try {
    const { after, before, repaired } = one.at(place.words)
    await place.establish(before)
    const firstRead = await place.readByPod(before)
    await place.establish(after)
    const { code, err, out } = await place.explain(after, one.options)
    if (!out.startsWith('{')) return { firstRead, found: { code, err } }
    const explanation = JSON.parse(out) as Explanation
    const found = { code, ...foundOf(explanation) }
    if (one.expect === undefined) return { firstRead, found }
    const fixed = await carryOut(explanation, place, () => place.establish(repaired))
    return { firstRead, found, fixed, lastRead: await place.readByPod(repaired) }
  } finally {
    await place.end()
  }
}

const foundOf = ({ cause, links, sentence, verdict }: Explanation): object => ({
  verdict,
  ...(cause === undefined ? { sentence } : { cause: cause.reason, fix: cause.fix.kind }),
  warnings: links
    .flatMap((link) => (link.status === 'ok' ? link.warnings : []))
    .filter((text) => !SLOW_HERE.test(text)),
})

/** An issuer on a machine with other work is slow at times. */
const SLOW_HERE = /took \d+ ms; STS waits 5 seconds/

async function carryOut(
  explanation: Explanation,
  { desk }: CasePlace,
  repair: () => Promise<void>,
): Promise<unknown> {
  const { cause } = explanation
  if (cause === undefined) return 'no cause'
  // What --fix prints.
  const printed = renderFix(explanation)
  if (cause.fix.kind === 'commands') {
    const { code, err } = await desk.shell(printed)
    return code === 0 ? 'done' : err
  }
  if (cause.fix.kind === 'desired') {
    desk.write('fix.yaml', printed)
    const { code, err } = await desk.shell('podrole apply -f fix.yaml --yes')
    return code === 0 ? 'done' : err
  }
  await repair()
  return 'done'
}

describe('every case, in a sandbox', () => {
  for (const one of ASKED) {
    test.skipIf(isSkipped(one))(
      `${one.id}: ${one.name}`,
      async () => {
        const told = await running.get(one.id)
        if (one.expect === undefined) {
          expect(told).toEqual({
            firstRead: expect.objectContaining({ ok: true, content: 'tea' }),
            found: { code: 0, verdict: 'ok', sentence: expect.any(String), warnings: [] },
          })
          return
        }
        expect(told).toEqual({
          firstRead: expect.objectContaining({
            ok: false,
            ...(one.programSays !== undefined && {
              message: expect.stringContaining(one.programSays),
            }),
          }),
          found: { code: 1, verdict: 'broken', ...one.expect, warnings: expect.any(Array) },
          fixed: 'done',
          lastRead: expect.objectContaining({ ok: true, content: 'tea' }),
        })
      },
      CASE_MS,
    )
  }
})
