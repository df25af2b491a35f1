/** One line of a comparison. */
export interface DiffLine {
  readonly sign: ' ' | '-' | '+'
  readonly text: string
}

/**
 * The lines that both texts have, those that went and those that came, in order; the fewest changes
 * there are. Costs the product of both lengths: for texts of some hundred lines.
 */
export function diffLines(before: string, after: string): readonly DiffLine[] {
  const old = before.split('\n')
  const now = after.split('\n')
  const common = commonLengths(old, now)
  const lines: DiffLine[] = []
  let [i, j] = [0, 0]
  while (i < old.length || j < now.length) {
    const [left, right] = [old[i], now[j]]
    if (left !== undefined && left === right) {
      lines.push({ sign: ' ', text: left })
      i += 1
      j += 1
    } else if (
      left !== undefined &&
      (right === undefined || at(common, i + 1, j) >= at(common, i, j + 1))
    ) {
      lines.push({ sign: '-', text: left })
      i += 1
    } else {
      lines.push({ sign: '+', text: right ?? '' })
      j += 1
    }
  }
  return lines
}

const at = (table: readonly (readonly number[])[], i: number, j: number): number =>
  table[i]?.[j] ?? 0

/** How long the longest common sequence is of what follows each pair of lines. */
function commonLengths(old: readonly string[], now: readonly string[]): readonly number[][] {
  const table = [...old, ''].map(() => [...now, ''].map(() => 0))
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      const row = table[i]
      if (row === undefined) continue
      row[j] =
        old[i] === now[j]
          ? at(table, i + 1, j + 1) + 1
          : Math.max(at(table, i + 1, j), at(table, i, j + 1))
    }
  }
  return table
}

/** The changes with `context` lines around them; what is left out between them is `…`. */
export function formatDiff(lines: readonly DiffLine[], context = 3): string {
  const near = lines.map((_, index) =>
    lines.slice(Math.max(0, index - context), index + context + 1).some(({ sign }) => sign !== ' '),
  )
  return lines
    .flatMap(({ sign, text }, index) => {
      if (near[index] === true) return [`${sign} ${text}\n`]
      return near[index - 1] === true || index === 0 ? ['  …\n'] : []
    })
    .join('')
}
