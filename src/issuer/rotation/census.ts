/**
 * The census of tokens: what brokers and agents say in their metrics of the tokens that they really
 * saw and that were accepted. It can only keep a key longer: that a process saw nothing since it
 * started proves nothing, so it is no ground to drop one.
 */
import { PodroleError } from '../../lib/errors.ts'
import { MAX_KIDS, TOKEN_EXPIRY, TOKEN_EXPIRY_DROPPED } from '../../token/seen-tokens.ts'
import type { Census, LastSeen } from './decide.ts'

/** A kid of an external signer has up to 1,024 characters (KEP-740). */
const MAX_KID_LENGTH = 1024
/** What a Date can hold, in seconds. */
const MAX_SECONDS = 8.64e12

const END = '# EOF'
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\["\\n])*)"(,?)/y
const VALUE = /^ (\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?: -?\d+(?:\.\d+)?)?$/

/**
 * What one page of metrics says of tokens. OpenMetrics 1.0 it has to be: Prometheus' older text
 * format has no end, so that half a page would pass for a whole one.
 * @param from where the page comes from, for messages
 * @throws PodroleError `CensusUnusable`
 */
export function readCensus(page: string, from: string): Census {
  const lines = page.split('\n')
  if (lines.at(-1) === '') lines.pop()
  if (lines.pop() !== END) throw unusable(from, `it does not end with "${END}": it was cut off`)
  if (!lines.includes(`# TYPE ${TOKEN_EXPIRY} gauge`)) {
    throw unusable(from, `it has no gauge ${TOKEN_EXPIRY}`)
  }
  const census = new Map<string, LastSeen>()
  for (const line of lines) {
    if (line === END) throw unusable(from, `it goes on after "${END}"`)
    const name = /^[\w:]+/.exec(line)?.[0]
    if (name === TOKEN_EXPIRY_DROPPED && !/[ }]0(?:\.0)?(?: |$)/.test(line)) {
      throw unusable(from, `it saw more keys than it can tell of: ${line.slice(0, 200)}`)
    }
    if (name !== TOKEN_EXPIRY) continue
    const { kid, expMs } = readSample(line, from)
    addTo(census, kid, { lastExpMs: expMs, seenBy: from })
    if (census.size > MAX_KIDS) throw unusable(from, `it names more than ${MAX_KIDS} keys`)
  }
  return census
}

/** The latest of each key over all. */
export function mergeCensuses(censuses: readonly Census[]): Census {
  const merged = new Map<string, LastSeen>()
  for (const census of censuses) {
    for (const [kid, seen] of census) addTo(merged, kid, seen)
  }
  return merged
}

function addTo(census: Map<string, LastSeen>, kid: string, seen: LastSeen): void {
  const before = census.get(kid)
  if (before === undefined || before.lastExpMs < seen.lastExpMs) census.set(kid, seen)
}

/** Other labels are what a Prometheus in between added. */
function readSample(line: string, from: string): { readonly kid: string; readonly expMs: number } {
  const bad = (why: string): PodroleError =>
    unusable(from, `${JSON.stringify(line.slice(0, 200))} ${why}`)
  if (line[TOKEN_EXPIRY.length] !== '{') throw bad('has no labels')
  let at = TOKEN_EXPIRY.length + 1
  let kid: string | undefined
  while (line[at] !== '}') {
    LABEL.lastIndex = at
    const [whole, name, value, comma] = LABEL.exec(line) ?? []
    if (whole === undefined || value === undefined) throw bad('has labels that cannot be read')
    if (name === 'kid' && kid !== undefined) throw bad('has two labels kid')
    if (name === 'kid') kid = value.replaceAll(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c))
    at += whole.length
    if (comma === '' && line[at] !== '}') throw bad('has labels that cannot be read')
  }
  if (kid === undefined || kid === '' || kid.length > MAX_KID_LENGTH) {
    throw bad(`has no label kid of 1 to ${MAX_KID_LENGTH} characters`)
  }
  const seconds = Number(VALUE.exec(line.slice(at + 1))?.[1])
  if (!(seconds <= MAX_SECONDS)) throw bad('has a value that is no time in Unix seconds')
  return { kid, expMs: Math.ceil(seconds * 1000) }
}

const unusable = (from: string, why: string): PodroleError =>
  new PodroleError('CensusUnusable', `the metrics of ${from} are of no use: ${why}`, {
    hint: "name the /metrics of podrole's brokers and agents, all of them, read whole and as OpenMetrics",
  })
