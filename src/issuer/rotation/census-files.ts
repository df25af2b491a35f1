/** Censuses out of files: pages of metrics that somebody saved, audit logs of API servers. */
import { closeSync, openSync, readSync } from 'node:fs'
import { StringDecoder } from 'node:string_decoder'
import { codeOf, messageOf, PodroleError } from '../../lib/errors.ts'
import { mergeCensuses, readCensus } from './census.ts'
import { MAX_AUDIT_LINE, readTokenLifetimes } from './census-audit.ts'
import { type Census, signedBetween, type LastSeen } from './decide.ts'
import type { IssuerState } from './state.ts'

const MAX_PAGE_BYTES = 8 << 20
const CHUNK_BYTES = 1 << 16

/**
 * The census over pages of metrics in files, read as OpenMetrics.
 * @throws PodroleError `UnreadableFile`, `CensusUnusable`
 */
export function readCensusFiles(paths: readonly string[]): Census {
  return mergeCensuses(
    paths.map((path) => {
      let text = ''
      for (const chunk of chunksOf(path)) {
        text += chunk
        if (text.length <= MAX_PAGE_BYTES) continue
        throw new PodroleError('CensusUnusable', `${path} has more than ${MAX_PAGE_BYTES} bytes`)
      }
      return readCensus(text, path)
    }),
  )
}

/** An API server's audit log, and which of its tokens count. */
export interface AuditLog {
  /** Its files, the oldest first. */
  readonly paths: readonly string[]
  /** Client ids of the IAM OIDC providers. */
  readonly audiences: readonly string[]
  /** The server's `--api-audiences`. */
  readonly apiAudiences: readonly string[]
}

/**
 * When the last token ends that an API server had signed while a key did, for each key of the state
 * that signs no more.
 * @throws PodroleError `UnreadableFile`, `AuditLogUnusable`: also where the log begins after a key
 */
export function readAuditCensus(state: IssuerState, log: AuditLog): Census {
  const census = new Map<string, LastSeen>()
  for (const key of state.keys) {
    const times = signedBetween(state, key)
    if (times === undefined) continue
    const { audiences, apiAudiences, paths } = log
    const { lastExpMs, longest } = readTokenLifetimes(linesOf(paths), {
      ...times,
      audiences,
      apiAudiences,
    })
    if (lastExpMs === undefined || longest === undefined) continue
    const { namespace, serviceAccount } = longest
    census.set(key.kid, {
      lastExpMs,
      seenBy: `the audit log (the longest is of ${namespace}/${serviceAccount})`,
    })
  }
  return census
}

/** The lines of files, one after the other, each with an end or not. */
function* linesOf(paths: readonly string[]): Generator<string> {
  for (const path of paths) {
    let rest = ''
    for (const chunk of chunksOf(path)) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      yield* lines
      // Whoever reads it refuses a line that is so long.
      if (rest.length > MAX_AUDIT_LINE) break
    }
    if (rest !== '') yield rest
  }
}

function* chunksOf(path: string): Generator<string> {
  const decoder = new StringDecoder('utf8')
  let file: number | undefined
  try {
    file = openSync(path, 'r')
    const bytes = Buffer.alloc(CHUNK_BYTES)
    for (let size = readSync(file, bytes); size > 0; size = readSync(file, bytes)) {
      yield decoder.write(bytes.subarray(0, size))
    }
    yield decoder.end()
  } catch (error) {
    if (error instanceof PodroleError) throw error
    throw new PodroleError(
      'UnreadableFile',
      `cannot read ${path}: ${codeOf(error) ?? messageOf(error)}`,
    )
  } finally {
    if (file !== undefined) closeSync(file)
  }
}
