/** Numbers of an indexed job's pods, as Kubernetes writes them: `0,2-4`. */

/** Runs of numbers, first and last of each, in ascending order, with gaps between them. */
export type Indexes = readonly (readonly [first: number, last: number])[]

/** Reads numbers below a limit; what is no number is passed over. */
export function parseIndexes(text: string, limit: number): Indexes {
  const runs = text.split(',').flatMap((part): [number, number][] => {
    const [first = Number.NaN, last = first] = part.split('-').map(readIndex)
    return first < limit && last >= first ? [[first, Math.min(last, limit - 1)]] : []
  })
  return inOrder(runs)
}

const readIndex = (text: string): number => (/^\d{1,10}$/.test(text) ? Number(text) : Number.NaN)

/** Writes numbers; two that follow each other with a comma, more with a dash. */
export function formatIndexes(indexes: Indexes): string {
  return indexes
    .map(([first, last]) =>
      first === last ? `${first}` : `${first}${last === first + 1 ? ',' : '-'}${last}`,
    )
    .join(',')
}

export const indexesOf = (numbers: Iterable<number>): Indexes =>
  inOrder([...numbers].map((number) => [number, number]))

/** What is in one or the other. */
export const uniteIndexes = (one: Indexes, other: Indexes): Indexes => inOrder([...one, ...other])

export const countIndexes = (indexes: Indexes): number =>
  indexes.reduce((sum, [first, last]) => sum + last - first + 1, 0)

export const hasIndex = (indexes: Indexes, index: number): boolean =>
  indexes.some(([first, last]) => first <= index && index <= last)

/** How many numbers are in both. */
export function countCommonIndexes(one: Indexes, other: Indexes): number {
  let [count, at, otherAt] = [0, 0, 0]
  for (;;) {
    const [run, otherRun] = [one[at], other[otherAt]]
    if (run === undefined || otherRun === undefined) return count
    count += Math.max(0, Math.min(run[1], otherRun[1]) - Math.max(run[0], otherRun[0]) + 1)
    if (run[1] <= otherRun[1]) at += 1
    if (otherRun[1] <= run[1]) otherAt += 1
  }
}

/** The first so many numbers below a limit that are not among some. */
export function firstIndexesBeside(taken: Indexes, count: number, limit: number): number[] {
  const found: number[] = []
  let next = 0
  for (const [first, last] of [...taken, [limit, limit] as const]) {
    for (; next < Math.min(first, limit) && found.length < count; next += 1) found.push(next)
    next = Math.max(next, last + 1)
  }
  return found
}

function inOrder(runs: Indexes): Indexes {
  const joined: [number, number][] = []
  for (const [first, last] of runs.toSorted((left, right) => left[0] - right[0])) {
    const before = joined.at(-1)
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last)
    else joined.push([first, last])
  }
  return joined
}

/**
 * How many numbers a text names, or what is wrong with it in the words of
 * `pkg/apis/batch/validation`, which takes them in ascending order and below a limit alone.
 */
export function checkIndexes(text: string, limit: number): number | string {
  let [total, last] = [0, -1]
  for (const part of text === '' ? [] : text.split(',')) {
    const run = checkRun(part, limit)
    if (typeof run === 'string') return run
    if (run[0] <= last) return outOfOrder(last, run[0])
    total += run[1] - run[0] + 1
    last = run[1]
  }
  return total
}

const outOfOrder = (last: number, next: number): string =>
  `non-increasing order, previous: ${last}, current: ${next}`

function checkRun(part: string, limit: number): readonly [number, number] | string {
  const ends = part.split('-')
  if (ends.length > 2) {
    return `the fragment ${JSON.stringify(part)} violates the requirement that an index interval can have at most two parts separated by '-'`
  }
  for (const end of ends) {
    if (!/^[+-]?\d{1,18}$/.test(end)) {
      return `cannot convert string to integer for index: ${JSON.stringify(end)}`
    }
    if (Number(end) >= limit) return `too large index: ${JSON.stringify(end)}`
  }
  const [first = 0, last = first] = ends.map(Number)
  return ends.length === 2 && first >= last ? outOfOrder(first, last) : [first, last]
}
