/** Where `podrole issuer rotate` learns of tokens that were seen. */
import { readFileSync } from 'node:fs'
import { mergeCensuses } from '../../issuer/rotation/census.ts'
import { readAuditCensus, readCensusFiles } from '../../issuer/rotation/census-files.ts'
import { gatherCensus } from '../../issuer/rotation/census-gather.ts'
import type { Census } from '../../issuer/rotation/decide.ts'
import type { IssuerState } from '../../issuer/rotation/state.ts'
import { messageOf, PodroleError } from '../../lib/errors.ts'

export interface CensusFlags {
  /** URLs, also several in one text with commas between them. */
  readonly metrics: readonly string[]
  readonly metricsFile: readonly string[]
  readonly metricsCaFile?: string
  readonly auditLog: readonly string[]
  readonly auditAudience: readonly string[]
  readonly apiAudience: readonly string[]
}

/** The audience of IRSA, where nothing else is said. */
const STS_AUDIENCE = 'sts.amazonaws.com'

/**
 * Asks all that the flags name; one that cannot tell is a fault, never "none seen".
 * @throws PodroleError `UnreadableFile`, `InvalidMetricsUrl`, `CensusUnusable`, `CensusIncomplete`,
 *   `AuditLogUnusable`
 */
export async function takeCensus(flags: CensusFlags, state: IssuerState): Promise<Census> {
  const urls = flags.metrics.flatMap((text) => text.split(','))
  const ca = flags.metricsCaFile === undefined ? undefined : readText(flags.metricsCaFile)
  const { auditAudience, apiAudience, auditLog } = flags
  return mergeCensuses([
    await gatherCensus(urls, ca === undefined ? {} : { ca }),
    readCensusFiles(flags.metricsFile),
    ...(auditLog.length === 0
      ? []
      : [
          readAuditCensus(state, {
            paths: auditLog,
            audiences: auditAudience.length === 0 ? [STS_AUDIENCE] : auditAudience,
            apiAudiences: apiAudience.length === 0 ? [state.issuer] : apiAudience,
          }),
        ]),
  ])
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new PodroleError('UnreadableFile', `cannot read ${path}: ${messageOf(error)}`)
  }
}
