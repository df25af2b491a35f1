import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../../lib/clock.ts'
import type { OutsideFinding } from './findings.ts'

export interface Waiting {
  /** Milliseconds in all; 0 looks once. */
  readonly waitMs: number
  readonly clock: Clock
  /** Is told what is waited for, when that changes. */
  readonly note: (text: string) => void
  readonly sleep?: (ms: number) => Promise<unknown>
}

const PAUSES_MS = [500, 1000, 2000, 3000, 5000]

/**
 * Looks until nothing is wrong, until something is that will not pass, or until time is over; the
 * last look's findings. Names, caches and S3's settings take their time to reach everybody.
 */
export async function waitForOutside(
  look: () => Promise<readonly OutsideFinding[]>,
  waiting: Waiting,
): Promise<readonly OutsideFinding[]> {
  const startMs = waiting.clock.now()
  let told = ''
  for (let round = 0; ; round += 1) {
    const findings = await look()
    const errors = findings.filter(({ level }) => level === 'error')
    const leftMs = waiting.waitMs - (waiting.clock.now() - startMs)
    if (errors.length === 0 || errors.some(({ mayPass }) => !mayPass) || leftMs <= 0) {
      return findings
    }
    const [first] = errors
    if (first !== undefined && first.message !== told) {
      told = first.message
      waiting.note(`not there yet, looking again for ${Math.ceil(leftMs / 1000)} s: ${told}`)
    }
    const pause = PAUSES_MS[Math.min(round, PAUSES_MS.length - 1)] ?? 0
    await (waiting.sleep ?? sleep)(Math.min(pause, leftMs))
  }
}
