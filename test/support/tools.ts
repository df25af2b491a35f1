/** Tools that some tests need and a machine may lack. */
/** True where every missing tool is a failure (`PODROLE_REQUIRE=all`). */
export const requiresAll: boolean = process.env['PODROLE_REQUIRE'] === 'all'

/** How far generated tests go: run counts are multiplied by this (`PODROLE_TEST_SCALE`). */
export function scaled(count: number): number {
  return Math.max(1, Math.ceil(count * Number(process.env['PODROLE_TEST_SCALE'] ?? 1)))
}

/**
 * Says on one line what a test lacks and how to get it, for `test.skipIf`; throws instead where
 * every tool is required, but for one that no package registry has (`isOptional`).
 */
export function lacks(
  what: string,
  missing:
    | { readonly tool: string; readonly get: string; readonly isOptional?: boolean }
    | undefined,
): boolean {
  if (missing === undefined) return false
  const line = `skipped: ${what}: needs ${missing.tool} (${missing.get})`
  if (requiresAll && missing.isOptional !== true) throw new Error(line)
  process.stderr.write(`${line}\n`)
  return true
}
