/** The fewest characters that cover the same combinations: pure sets, of no policy's grammar. */

/** For each axis the values of one list; it covers every combination of one of each. */
export type Cells = readonly (readonly string[])[]

/** What may be done to lists without changing what they admit; tests break these one by one. */
export interface CoverRules {
  /** Whether everything that `narrow` stands for, `wide` stands for too. */
  readonly covers: (axis: number, wide: string, narrow: string) => boolean
  /** Whether two lists of everything else are the same, so that theirs may be joined. */
  readonly isSame: (one: readonly string[], other: readonly string[]) => boolean
}

/** How far a search goes before it is content with what it has. */
const MAX_UNITS = 1000
const MAX_AXES_ORDERED = 4
const MAX_BOXES = 200
const MAX_EXACT = 12

/**
 * The cheapest cover that is found of what the boxes cover together: the boxes joined as they are,
 * taken apart and joined in every order of the axes, and (where few are) chosen among the largest
 * boxes that lie within.
 * @param costOf characters of a box
 */
export function minimise(
  boxes: readonly Cells[],
  costOf: (cells: Cells) => number,
  rules: CoverRules,
): readonly Cells[] {
  const axes = boxes[0]?.map((_, axis) => axis) ?? []
  const isTooMany = boxes.reduce((sum, cells) => sum + sizeOf(cells), 0) > MAX_UNITS
  const candidates: (readonly Cells[])[] = [boxes, joinPairs(boxes, rules)]
  const units = isTooMany ? [] : undominated(boxes.flatMap(unitsOf), rules)
  if (!isTooMany) {
    const varying = axes.filter((axis) => new Set(units.map((unit) => unit[axis]?.[0])).size > 1)
    const orders = varying.length <= MAX_AXES_ORDERED ? ordersOf(varying) : [varying]
    const folded = orders.map((order) => fold(units, order, rules))
    candidates.push(...folded)
    const largest = largestBoxes(folded.flat(), rules)
    if (largest !== undefined) candidates.push(...coversFrom(largest, units, costOf, rules))
  }
  const total = (cells: readonly Cells[]): number =>
    cells.reduce((sum, one) => sum + costOf(one), 0)
  return candidates.reduce((best, one) => (total(one) < total(best) ? one : best))
}

const sizeOf = (cells: Cells): number => cells.reduce((size, { length }) => size * length, 1)

function unitsOf(cells: Cells): readonly Cells[] {
  return cells.reduce<readonly Cells[]>(
    (units, values) => units.flatMap((unit) => values.map((value) => [...unit, [value]])),
    [[]],
  )
}

/** Whether every combination of `narrow` is one of `wide`. */
export const coversCells = (wide: Cells, narrow: Cells, rules: CoverRules): boolean =>
  narrow.every((values, axis) =>
    values.every((value) => wide[axis]?.some((one) => rules.covers(axis, one, value)) === true),
  )

/** Without those that another covers; of two that are the same the first stays. */
function undominated(boxes: readonly Cells[], rules: CoverRules): readonly Cells[] {
  const kept: Cells[] = []
  const seen = new Set<string>()
  const different = boxes.filter((cells) => {
    const key = JSON.stringify(cells)
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
  for (const [at, cells] of different.entries()) {
    const isCovered =
      kept.some((one) => coversCells(one, cells, rules)) ||
      different
        .slice(at + 1)
        .some((one) => coversCells(one, cells, rules) && !coversCells(cells, one, rules))
    if (!isCovered) kept.push(cells)
  }
  return kept
}

/** Joins two that differ in one list alone, until there is no such pair. */
function joinPairs(boxes: readonly Cells[], rules: CoverRules): readonly Cells[] {
  let joined = [...undominated(boxes, rules)]
  for (;;) {
    const pair = findPair(joined, rules)
    if (pair === undefined) return joined
    const [one, other, cells] = pair
    joined = joined.flatMap((box) => (box === one ? [cells] : box === other ? [] : [box]))
  }
}

function findPair(
  boxes: readonly Cells[],
  rules: CoverRules,
): readonly [Cells, Cells, Cells] | undefined {
  for (const [at, one] of boxes.entries()) {
    for (const other of boxes.slice(at + 1)) {
      const different = one.flatMap((values, axis) =>
        rules.isSame(values, other[axis] ?? []) ? [] : [axis],
      )
      const [axis = 0] = different
      if (different.length <= 1) return [one, other, unionAt(one, other, axis, rules)]
    }
  }
  return undefined
}

function unionAt(one: Cells, other: Cells, axis: number, rules: CoverRules): Cells {
  return one.map((values, at) =>
    at === axis ? withoutCovered([...values, ...(other[axis] ?? [])], axis, rules) : values,
  )
}

function withoutCovered(
  values: readonly string[],
  axis: number,
  rules: CoverRules,
): readonly string[] {
  const different = [...new Set(values)]
  return different.filter(
    (value, at) =>
      !different.some(
        (one, place) =>
          place !== at &&
          rules.covers(axis, one, value) &&
          (place < at || !rules.covers(axis, value, one)),
      ),
  )
}

/** Joins along each axis in turn what is the same in all others. */
function fold(
  units: readonly Cells[],
  order: readonly number[],
  rules: CoverRules,
): readonly Cells[] {
  let boxes = units
  for (const axis of order) {
    const groups: Cells[] = []
    const places = new Map<string, number>()
    for (const cells of boxes) {
      const key = JSON.stringify(cells.map((values, at) => (at === axis ? [] : values.toSorted())))
      const at = places.get(key)
      const group = at === undefined ? undefined : groups[at]
      if (at !== undefined && group !== undefined) groups[at] = unionAt(group, cells, axis, rules)
      else {
        places.set(key, groups.length)
        groups.push(cells)
      }
    }
    boxes = groups
  }
  return boxes
}

function ordersOf(axes: readonly number[]): readonly (readonly number[])[] {
  if (axes.length === 0) return [[]]
  return axes.flatMap((first) =>
    ordersOf(axes.filter((axis) => axis !== first)).map((rest) => [first, ...rest]),
  )
}

/**
 * All largest boxes within what the boxes cover, by consensus: two that meet in all lists but one
 * cover there the union of it. Undefined where they become too many.
 */
function largestBoxes(boxes: readonly Cells[], rules: CoverRules): readonly Cells[] | undefined {
  let largest = [...undominated(boxes, rules)]
  for (let at = 0; at < largest.length; at += 1) {
    for (let other = 0; other < at; other += 1) {
      const [a, b] = [largest[at] ?? [], largest[other] ?? []]
      const made = a
        .map((_, axis) => consensus(a, b, axis, rules))
        .filter((cells) => cells.every(({ length }) => length > 0))
        .filter((cells) => !largest.some((one) => coversCells(one, cells, rules)))
      if (made.length > 0) largest = [...largest, ...made]
      if (largest.length > MAX_BOXES) return undefined
    }
  }
  return undominated(largest, rules)
}

const consensus = (a: Cells, b: Cells, axis: number, rules: CoverRules): Cells =>
  a.map((values, at) => {
    const others = b[at] ?? []
    if (at === axis) return withoutCovered([...values, ...others], axis, rules)
    const both = [
      ...values.filter((value) => others.some((one) => rules.covers(at, one, value))),
      ...others.filter((value) => values.some((one) => rules.covers(at, one, value))),
    ]
    return withoutCovered(both, at, rules)
  })

/** Covers of the units by some of the boxes: every choice where few are there, else a greedy one. */
function coversFrom(
  boxes: readonly Cells[],
  units: readonly Cells[],
  costOf: (cells: Cells) => number,
  rules: CoverRules,
): readonly (readonly Cells[])[] {
  const covered = boxes.map((cells) =>
    units.flatMap((unit, at) => (coversCells(cells, unit, rules) ? [at] : [])),
  )
  const isCover = (chosen: readonly number[]): boolean =>
    new Set(chosen.flatMap((at) => covered[at] ?? [])).size === units.length
  const chosen =
    boxes.length <= MAX_EXACT
      ? choicesOf(boxes.length).filter(isCover)
      : [greedy(covered, units.length, boxes.map(costOf))]
  return chosen.map((places) =>
    trim(
      places.map((at) => boxes[at] ?? []),
      units,
      rules,
    ),
  )
}

const choicesOf = (count: number): readonly (readonly number[])[] =>
  Array.from({ length: 2 ** count - 1 }, (_, bits) =>
    Array.from({ length: count }, (_place, at) => at).filter((at) => ((bits + 1) >> at) & 1),
  )

function greedy(
  covered: readonly (readonly number[])[],
  total: number,
  costs: readonly number[],
): readonly number[] {
  const done = new Set<number>()
  const chosen: number[] = []
  while (done.size < total) {
    const worth = covered.map(
      (units, at) => units.filter((unit) => !done.has(unit)).length / (costs[at] ?? 1),
    )
    const best = worth.indexOf(Math.max(...worth))
    for (const unit of covered[best] ?? []) done.add(unit)
    chosen.push(best)
  }
  return chosen
}

/** Without the values that others cover anyway. */
function trim(
  boxes: readonly Cells[],
  units: readonly Cells[],
  rules: CoverRules,
): readonly Cells[] {
  let left = [...boxes]
  const coversAll = (cells: readonly Cells[]): boolean =>
    units.every((unit) => cells.some((one) => coversCells(one, unit, rules)))
  for (const at of boxes.keys()) {
    const others = left.filter((_, place) => place !== at)
    if (coversAll(others.filter(isFull))) {
      left = left.map((cells, place) => (place === at ? cells.map(() => []) : cells))
      continue
    }
    for (const [axis, values] of (boxes[at] ?? []).entries()) {
      for (const value of values) {
        const tried = left.map((cells, place) => (place === at ? drop(cells, axis, value) : cells))
        if (coversAll(tried.filter(isFull))) left = tried
      }
    }
  }
  return left.filter(isFull)
}

const isFull = (cells: Cells): boolean => cells.every(({ length }) => length > 0)

const drop = (cells: Cells, axis: number, value: string): Cells =>
  cells.map((values, at) => (at === axis ? values.filter((one) => one !== value) : values))
