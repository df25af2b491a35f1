/** Looks at an issuer from outside and tells what is wrong. */
import type { Expected } from '../../issuer/outside/judge.ts'
import type { OutsideFinding } from '../../issuer/outside/findings.ts'
import type { IssuerNames } from '../../issuer/outside/issuer-names.ts'
import { systemClock } from '../../lib/clock.ts'
import { printNote } from '../output.ts'

/** The findings of the last look, after at most `waitMs`. */
export async function findFromOutside(
  expected: Expected,
  { names, waitMs }: { readonly names: IssuerNames; readonly waitMs: number },
): Promise<readonly OutsideFinding[]> {
  const { gatherOutside } = await import('../../issuer/outside/gather.ts')
  const { judgeOutside } = await import('../../issuer/outside/judge.ts')
  const { waitForOutside } = await import('../../issuer/outside/wait.ts')
  const looking = { names, clock: systemClock }
  return waitForOutside(
    async () => judgeOutside(await gatherOutside(expected.issuer, looking), expected),
    { waitMs, clock: systemClock, note: printNote },
  )
}

/** One line each, and what to do. */
export function printFindings(findings: readonly OutsideFinding[]): void {
  for (const { code, level, message, hint } of findings) {
    process.stderr.write(`${level}: ${message} (${code})\n         ${hint}\n`)
  }
}

export const hasErrors = (findings: readonly OutsideFinding[]): boolean =>
  findings.some(({ level }) => level === 'error')
