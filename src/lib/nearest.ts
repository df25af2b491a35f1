/**
 * The known word that a mistyped one most likely means: the same but for capitals, else the one
 * with the fewest letters changed, added, dropped or swapped with their neighbour; undefined where
 * none is near.
 */
export function nearestOf(text: string, known: readonly string[]): string | undefined {
  const same = known.find((word) => word.toLowerCase() === text.toLowerCase())
  if (same !== undefined) return same
  if (text.length > MAX_LENGTH) return undefined
  let best: string | undefined
  let least = Math.max(1, Math.floor(text.length / 3)) + 1
  for (const word of known) {
    const distance = distanceOf(text.toLowerCase(), word.toLowerCase())
    if (distance < least) [best, least] = [word, distance]
  }
  return best
}

/** Comparing costs the product of both lengths. */
const MAX_LENGTH = 64

/** The optimal string alignment distance. */
function distanceOf(one: string, other: string): number {
  let twoBack: number[] = []
  let last = Array.from({ length: other.length + 1 }, (_, at) => at)
  for (let i = 1; i <= one.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= other.length; j += 1) {
      const isSame = one[i - 1] === other[j - 1]
      const isSwapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]
      row.push(
        Math.min(
          at(last, j) + 1,
          at(row, j - 1) + 1,
          at(last, j - 1) + (isSame ? 0 : 1),
          isSwapped ? at(twoBack, j - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      )
    }
    ;[twoBack, last] = [last, row]
  }
  return at(last, other.length)
}

const at = (row: readonly number[], index: number): number => row[index] ?? 0
