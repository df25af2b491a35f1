/** A network namespace with a loopback of its own: whatever is opened there, nobody else sees. */
import { spawnSync } from 'node:child_process'
import type { Missing } from './once.ts'

/** The command in a network namespace that has a loopback and nothing else. */
export const onOwnLoopback = (command: readonly string[]): readonly string[] => [
  'unshare',
  '--net',
  'sh',
  '-c',
  'ip link set lo up && exec "$@"',
  'sh',
  ...command,
]

/** What the machine lacks for it, if anything (for `lacks`). */
export function missingLoopback(): Missing | undefined {
  const [program = '', ...words] = onOwnLoopback(['true'])
  if (spawnSync(program, words).status === 0) return undefined
  return { tool: 'network namespaces', get: 'run as root, with unshare and ip' }
}
