/** Tools that some tests need and a machine may lack. */
import { spawnSync } from 'node:child_process'

/** True where every missing tool is a failure (`PODROLE_REQUIRE=all`). */
export const requiresAll: boolean = process.env['PODROLE_REQUIRE'] === 'all'

/** How far generated tests go: run counts are multiplied by this (`PODROLE_TEST_SCALE`). */
export function scaled(count: number): number {
  return Math.max(1, Math.ceil(count * Number(process.env['PODROLE_TEST_SCALE'] ?? 1)))
}

/**
 * Says on one line what a test lacks and how to get it, for `test.skipIf`; throws instead where
 * every tool is required.
 */
export function lacks(
  what: string,
  missing: { readonly tool: string; readonly get: string } | undefined,
): boolean {
  if (missing === undefined) return false
  const line = `skipped: ${what}: needs ${missing.tool} (${missing.get})`
  if (requiresAll) throw new Error(line)
  process.stderr.write(`${line}\n`)
  return true
}

/** Whether a command runs and exits with 0. */
export function runs(command: string, ...args: readonly string[]): boolean {
  return spawnSync(command, [...args], { stdio: 'ignore' }).status === 0
}

/** Undefined where network and mount namespaces can be made and `ip` is there. */
export function namespacesMissing(): { tool: string; get: string } | undefined {
  if (!runs('ip', '-V')) return { tool: 'ip', get: 'apt-get install iproute2' }
  if (!runs('unshare', '--net', '--mount', 'true') && !runs('unshare', '-Urnm', 'true')) {
    return {
      tool: 'unshare with rights to make namespaces',
      get: 'run as root, or allow user namespaces',
    }
  }
  return undefined
}
