import { mkdirSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import type { Clock } from '../../lib/clock.ts'

/** Where podrole keeps what it needs on this machine (XDG Base Directory Specification). */
export function stateFolder(environment: Readonly<Record<string, string | undefined>>): string {
  const { HOME = homedir(), XDG_STATE_HOME: base = '' } = environment
  return join(isAbsolute(base) ? base : join(HOME, '.local', 'state'), 'podrole')
}

/** Keeps a trust policy as it was before a write; the file's path. */
export type KeepPriorTrust = (role: { accountId: string; name: string }, text: string) => string

/**
 * Keeps trust policies in `trust/` of the state folder, for their owner alone, one file for each
 * write; none is ever written over.
 */
export function keepPriorTrust(folder: string, clock: Clock): KeepPriorTrust {
  return ({ accountId, name }, text) => {
    const trust = join(folder, 'trust')
    mkdirSync(trust, { recursive: true, mode: 0o700 })
    const time = new Date(clock.now()).toISOString().replaceAll(':', '-')
    const random = crypto.randomUUID().slice(0, 8)
    const file = join(trust, `${accountId}-${name}-${time}-${random}.json`)
    writeFileSync(file, text, { mode: 0o600, flag: 'wx' })
    return file
  }
}
