import { issuerBase } from '../issuer/documents.ts'
import { readOutsideNames } from '../issuer/outside/issuer-names.ts'
import { parseDurationMs } from '../lib/durations.ts'
import type { CheckFlags } from './commands/issuer.ts'
import { printData, printNote } from './output.ts'
import { namesKeys, readKeySources } from './parts/key-sources.ts'
import { findFromOutside } from './parts/outside-findings.ts'

/** Prints the findings; the exit code is 1 where one is as bad as `--fail-on` says. */
export async function checkIssuer(files: readonly string[], flags: CheckFlags): Promise<number> {
  const { issuer, failOn } = flags
  issuerBase(issuer)
  const waitMs = parseDurationMs(flags.wait)
  const names = readOutsideNames(process.env)
  const all = [...files, ...flags.jwks]
  const keys = namesKeys(all, flags) ? await readKeySources(all, flags) : []
  const findings = await findFromOutside({ issuer, keys }, { names, waitMs })
  printData(flags.output, findings, {
    columns: ['level', 'code', 'what', 'hint'],
    rows: findings.map(({ level, code, message, hint }) => [level, code, message, hint]),
  })
  if (findings.length === 0) printNote(`nothing is wrong with ${issuer} as it is seen from here`)
  const isBad = findings.some(({ level }) => level === 'error' || failOn === 'warning')
  return isBad && failOn !== 'never' ? 1 : 0
}
