import { setTimeout as sleep } from 'node:timers/promises'
import { PodroleError } from '../../lib/errors.ts'
import { type Addon, type AddonPort, findAddon } from './addon-port.ts'

export interface AddonWait {
  readonly timeoutMs: number
  /** Told when the status changes, and now and then while it does not. */
  readonly onProgress: (text: string) => void
  /** Between two looks; 2 seconds if not given, longer and longer up to 15. */
  readonly firstDelayMs?: number
}

const FIRST_DELAY_MS = 2000
const MAX_DELAY_MS = 15_000
const STILL_MS = 30_000

/** As the AWS SDK's waiter has it (EKS, AddonActive). */
const FAILED = ['CREATE_FAILED', 'UPDATE_FAILED', 'DEGRADED', 'DELETE_FAILED']
const IN_PROGRESS = ['CREATING', 'UPDATING', 'DELETING']

/**
 * Waits until an add-on is ACTIVE with that version. One that is not shown yet was made just now.
 * @throws PodroleError `AddonFailed` with what EKS says is wrong, `AddonTimeout`
 */
export async function waitUntilActive(
  port: AddonPort,
  wanted: { readonly addonName: string; readonly addonVersion: string },
  wait: AddonWait,
): Promise<Addon> {
  const { addonName, addonVersion } = wanted
  const found = await look(port, addonName, wait, {
    isDone: (addon) => addon?.status === 'ACTIVE' && addon.addonVersion === addonVersion,
    // A read that is behind may show the state that an update is to mend.
    isStale: (addon) => addon.status === 'DEGRADED' && addon.addonVersion !== addonVersion,
  })
  if (found !== undefined) return found
  throw timedOut(addonName, wait)
}

/** Waits until an add-on is gone. @throws PodroleError `AddonFailed`, `AddonTimeout` */
export async function waitUntilGone(
  port: AddonPort,
  addonName: string,
  wait: AddonWait,
): Promise<void> {
  await look(port, addonName, wait, {
    isDone: (addon) => addon === undefined,
    isStale: ({ status }) => status !== 'DELETE_FAILED',
  })
}

/**
 * An add-on when EKS is through with what it does to it; undefined where it is gone.
 * @param wanted the version that it is to have: having failed with that one is a fault
 * @throws PodroleError `AddonFailed`, `AddonTimeout`
 */
export async function settledAddon(
  port: AddonPort,
  addonName: string,
  { wait, wanted }: { readonly wait: AddonWait; readonly wanted?: string },
): Promise<Addon | undefined> {
  return look(port, addonName, wait, {
    isDone: (addon) =>
      !IN_PROGRESS.includes(addon?.status ?? '') &&
      (addon?.addonVersion !== wanted || !FAILED.includes(addon?.status ?? '')),
    isStale: (addon) => addon.addonVersion !== wanted,
  })
}

async function look(
  port: AddonPort,
  addonName: string,
  wait: AddonWait,
  judge: {
    readonly isDone: (addon: Addon | undefined) => boolean
    readonly isStale: (addon: Addon) => boolean
  },
): Promise<Addon | undefined> {
  const started = performance.now()
  let delay = wait.firstDelayMs ?? FIRST_DELAY_MS
  let [before, toldAt] = ['', started]
  for (;;) {
    const addon = await findAddon(port, addonName)
    if (judge.isDone(addon)) return addon
    const status = addon?.status ?? 'not shown yet'
    if (addon !== undefined && FAILED.includes(status) && !judge.isStale(addon)) {
      throw failed(addon)
    }
    const now = performance.now()
    const seconds = Math.round((now - started) / 1000)
    if (status !== before || now - toldAt >= STILL_MS) {
      wait.onProgress(`add-on ${addonName} is ${status}${seconds > 0 ? ` after ${seconds} s` : ''}`)
      ;[before, toldAt] = [status, now]
    }
    if (now - started + delay > wait.timeoutMs) throw timedOut(addonName, wait)
    await sleep(delay)
    delay = Math.min(MAX_DELAY_MS, delay * 1.5)
  }
}

const failed = ({ addonName, issues, status }: Addon): PodroleError =>
  new PodroleError(
    'AddonFailed',
    `add-on ${addonName} is ${status}: ${issues.length === 0 ? 'EKS does not say why' : issues.join('; ')}`,
    { hint: 'Mend that, or disable the add-on and enable it again.' },
  )

const timedOut = (addonName: string, { timeoutMs }: AddonWait): PodroleError =>
  new PodroleError(
    'AddonTimeout',
    `add-on ${addonName} is not there yet after ${Math.round(timeoutMs / 1000)} s; EKS goes on`,
    { hint: 'Look again with podrole addon status, or wait longer with --timeout.' },
  )
