/** Tokens at 100 a second through a whole rotation, on the sandbox, whose clock is moved. */
import { afterAll } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMovedClock } from '../support/moved-clock.ts'
import { describeRotationUnderLoad } from '../support/rotation.suite.ts'

const folder = mkdtempSync(join(tmpdir(), 'podrole-clock-'))

describeRotationUnderLoad(false, () => ({
  settleSeconds: 6,
  // As long as a signer goes on by itself with what it has read of a folder.
  followSeconds: 300,
  clock: createMovedClock(folder),
  // Two minutes are three seconds while the clock is moved.
  load: { perSecond: 100, reusedPerSecond: 25, spareSeconds: 120 },
}))
afterAll(() => rmSync(folder, { recursive: true }))
