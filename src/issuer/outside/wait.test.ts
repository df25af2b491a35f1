import { expect, test } from 'bun:test'
import { ManualClock } from '../../lib/clock.ts'
import { finding, type OutsideFinding } from './findings.ts'
import { waitForOutside } from './wait.ts'

const passing = finding('KeyMissing', 'a key is missing', '')
const lasting = finding('ChainExtra', 'the chain is wrong', '')
const warning = finding('CertificateUntrusted', 'a private authority', '')

/** How often it looked, for how long it slept, and what it told. */
async function wait(
  looks: readonly (readonly OutsideFinding[])[],
  waitMs = 60_000,
): Promise<{ looked: number; slept: number; told: string[]; left: readonly OutsideFinding[] }> {
  const clock = new ManualClock()
  const startMs = clock.now()
  const told: string[] = []
  let looked = 0
  const left = await waitForOutside(async () => looks[Math.min(looked++, looks.length - 1)]!, {
    waitMs,
    clock,
    note: (text) => void told.push(text),
    sleep: async (ms) => clock.advance(ms),
  })
  return { looked, slept: clock.now() - startMs, told, left }
}

test('nothing wrong, or a warning alone: one look', async () => {
  expect(await wait([[]])).toEqual({ looked: 1, slept: 0, told: [], left: [] })
  expect(await wait([[warning]])).toMatchObject({ looked: 1, left: [warning] })
})

test('what may pass is looked at again, and told once', async () => {
  const found = await wait([[passing], [passing], [warning, passing], []])
  expect(found).toEqual({
    looked: 4,
    slept: 3500,
    told: ['not there yet, looking again for 60 s: a key is missing'],
    left: [],
  })
})

test('what will not pass ends it at once', async () => {
  expect(await wait([[passing], [passing, lasting]])).toMatchObject({
    looked: 2,
    left: [passing, lasting],
  })
})

test('it ends when time is over', async () => {
  const found = await wait([[passing]])
  expect(found).toMatchObject({ slept: 60_000, left: [passing] })
  expect(found.looked).toBeLessThan(20)
  expect(await wait([[passing]], 0)).toMatchObject({ looked: 1, slept: 0, left: [passing] })
})
