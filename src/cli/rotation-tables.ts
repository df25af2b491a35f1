/** How the outlooks of an issuer's rotation are printed, wherever its keys are. */
import type { CommandOutlook, KeyOutlook } from '../issuer/rotation/outlook.ts'

export interface Table {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** A line for each key that is not gone. */
export const keyTable = (keys: readonly KeyOutlook[]): Table => ({
  columns: ['kid', 'algorithm', 'state', 'since', 'waits for', 'until'],
  rows: keys.map(({ kid, algorithm, state, since, waitsFor = '', until = '', seenBy }) => [
    kid,
    algorithm,
    state,
    since,
    seenBy === undefined ? waitsFor : `${waitsFor} (seen by ${seenBy})`,
    until,
  ]),
})

/** A line for each command. */
export const commandTable = (outlooks: readonly CommandOutlook[]): Table => ({
  columns: ['command', 'when', 'what'],
  rows: outlooks.map(({ command, when, until = when, why, does }) => [
    command,
    until,
    why ?? does.join('; '),
  ]),
})
