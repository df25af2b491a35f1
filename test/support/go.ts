/** The Go toolchain, as tests that build Go programs use it. */
import { spawn, spawnSync } from 'node:child_process'
import type { Missing } from './once.ts'

const GO = 'go'

/** What a machine without Go lacks. */
export const missingGo = (): Missing | undefined =>
  spawnSync(GO, ['version']).status === 0
    ? undefined
    : { tool: 'Go', get: 'https://go.dev/dl, 1.26 or later' }

/** Runs `go` gently in a module's folder. Returns the last line that it wrote where it failed. */
export async function runGo(folder: string, args: readonly string[]): Promise<string | undefined> {
  const child = spawn('nice', ['-n', '19', GO, ...args], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000)
  })
  const code = await new Promise((resolve) => {
    child.on('error', () => resolve(-1))
    child.on('close', resolve)
  })
  return code === 0 ? undefined : (said.trim().split('\n').at(-1) ?? `exit code ${String(code)}`)
}
