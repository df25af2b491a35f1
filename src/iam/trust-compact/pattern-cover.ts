import { compileText, type Pattern } from '../pattern.ts'

/** As `compileText` writes `*` and `?`. */
const [ANY] = compileText('*')
const [ONE] = compileText('?')

/**
 * Whether every text that `narrow` matches is matched by `wide`. It never says yes wrongly; where
 * stars and question marks stand side by side in both it may say no to what is so. A value with a
 * policy variable covers itself alone.
 */
export function coversText(wide: string, narrow: string): boolean {
  if (wide === narrow) return true
  if (!/[*?]/.test(wide) || wide.includes('${') || narrow.includes('${')) return false
  return coversPattern(compileText(wide), compileText(narrow))
}

/** `narrow` is read as a text in which a star is a sign of its own, that only a star takes. */
function coversPattern(wide: Pattern, narrow: Pattern): boolean {
  let reached = new Set([0])
  for (const sign of narrow) {
    const next = new Set<number>()
    for (const at of withStars(wide, reached)) {
      const wanted = wide[at]
      if (wanted === ANY) next.add(at)
      else if (wanted === sign || (wanted === ONE && sign !== ANY)) next.add(at + 1)
    }
    reached = next
  }
  return withStars(wide, reached).has(wide.length)
}

/** A star may also take nothing. */
function withStars(wide: Pattern, from: ReadonlySet<number>): ReadonlySet<number> {
  const reached = new Set<number>()
  for (const start of from) {
    let at = start
    reached.add(at)
    while (wide[at] === ANY) {
      at += 1
      reached.add(at)
    }
  }
  return reached
}
