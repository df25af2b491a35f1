import { join } from 'node:path'
import { DEMO_IMAGE } from '../../src/cli/demo/pods.ts'
import {
  startWiredSandbox,
  type WiredSandbox,
  type WiredSandboxOptions,
} from '../../src/cli/parts/wired-sandbox.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createLog } from '../../src/lib/log.ts'

const DEMO_PROGRAM = join(import.meta.dir, '..', '..', 'src', 'cli', 'demo', 'pod-program.ts')

/** A sandbox with all its parts that says what goes wrong alone; the demo's image runs in it. */
export const startQuietSandbox = (
  options: Pick<WiredSandboxOptions, 'accountIds' | 'region' | 'clusters'> &
    Partial<WiredSandboxOptions>,
): Promise<WiredSandbox> =>
  startWiredSandbox({
    port: 0,
    resolve: [],
    trustCas: [],
    network: 'auto',
    clock: systemClock,
    log: createLog('error'),
    logLevel: 'error',
    ...options,
    images: { [DEMO_IMAGE]: DEMO_PROGRAM, ...options.images },
  })
