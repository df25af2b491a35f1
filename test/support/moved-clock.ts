/** One clock for several programs, which a test moves while they run. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface MovedClock {
  /** What a program is started with to go by this clock. */
  readonly environment: Readonly<Record<string, string>>
  now(): number
  /**
   * Lets so much time pass, many times as fast as it does: programs that are at work meanwhile see
   * it go on in small steps, never back.
   */
  pass(ms: number): Promise<void>
}

/** As fast as this at most: what is read every two seconds is then read every 80. */
const TIMES = 40
const STEP_MS = 25

/**
 * A clock that is right until it is moved. TLS goes by the machine's time, so that certificates that
 * are made before are good for it.
 */
export function createMovedClock(folder: string): MovedClock {
  const file = join(folder, 'clock')
  writeFileSync(file, new Uint8Array(new Float64Array(1).buffer))
  const offset = new Float64Array(Bun.mmap(file, { shared: true }).buffer, 0, 1)
  const offsetMs = (): number => offset[0] ?? 0
  return {
    environment: {
      BUN_OPTIONS: `--preload=${join(import.meta.dir, 'moved-clock-preload.ts')}`,
      PODROLE_TEST_CLOCK_FILE: file,
    },
    now: () => Date.now() + offsetMs(),
    pass: async (ms) => {
      const endMs = Date.now() + offsetMs() + ms
      while (Date.now() + offsetMs() < endMs) {
        offset[0] = offsetMs() + STEP_MS * (TIMES - 1)
        await Bun.sleep(STEP_MS)
      }
    },
  }
}
