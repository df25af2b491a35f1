import { compilePattern, PatternFault, type Pattern } from './pattern.ts'

const patterns = new Map<string, Pattern | string>()
const PATTERNS_MAX = 10_000

/** A schema's pattern, compiled once; a string says what is wrong with it. */
export function patternOf(source: string): Pattern | string {
  const known = patterns.get(source)
  if (known !== undefined) return known
  let made: Pattern | string
  try {
    made = compilePattern(source)
  } catch (thrown) {
    if (!(thrown instanceof PatternFault)) throw thrown
    made = thrown.message
  }
  if (patterns.size >= PATTERNS_MAX) patterns.clear()
  patterns.set(source, made)
  return made
}
