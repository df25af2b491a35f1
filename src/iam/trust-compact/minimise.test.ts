import { expect, test } from 'bun:test'
import { COMPACT_RULES } from './compact.ts'
import { type Cells, minimise } from './minimise.ts'

const AUDIENCES = ['sts', 'vault']
const SUBJECTS = ['x', 'yy', 'zzz']
const subsets = <T>(values: readonly T[]): readonly (readonly T[])[] =>
  values.reduce<readonly (readonly T[])[]>(
    (all, value) => [...all, ...all.map((one) => [...one, value])],
    [[]],
  )

const UNITS: readonly Cells[] = AUDIENCES.flatMap((audience) =>
  SUBJECTS.map((subject) => [[audience], [subject]]),
)
const BOXES: readonly Cells[] = subsets(AUDIENCES)
  .flatMap((audiences) => subsets(SUBJECTS).map((subjects) => [audiences, subjects]))
  .filter((cells) => cells.every(({ length }) => length > 0))

const keyOf = (unit: Cells): string => unit.map(([value]) => value).join(' ')
const unitsIn = ([audiences = [], subjects = []]: Cells): readonly string[] =>
  audiences.flatMap((audience) => subjects.map((subject) => `${audience} ${subject}`))
/** What a statement costs before its values. */
const FRAME = 40
const costOf = (cells: Cells): number =>
  FRAME + cells.flat().reduce((sum, value) => sum + value.length + 3, 0)
const totalOf = (boxes: readonly Cells[]): number =>
  boxes.reduce((sum, cells) => sum + costOf(cells), 0)

/** The cheapest of all choices of up to three boxes: more are never needed of three columns. */
function cheapest(wanted: ReadonlySet<string>): number {
  const usable = BOXES.filter((cells) => unitsIn(cells).every((unit) => wanted.has(unit)))
  let best = Infinity
  const choose = (from: number, chosen: readonly Cells[]): void => {
    if (totalOf(chosen) >= best) return
    if (new Set(chosen.flatMap(unitsIn)).size === wanted.size) best = totalOf(chosen)
    if (chosen.length === 3) return
    for (let at = from; at < usable.length; at += 1) choose(at + 1, [...chosen, usable[at] ?? []])
  }
  choose(0, [])
  return best
}

test('of every set of audiences and subjects, no choice of statements is shorter', () => {
  const sets = subsets(UNITS).filter(({ length }) => length > 0)
  expect(sets).toHaveLength(63)
  for (const units of sets) {
    const made = minimise(units, costOf, COMPACT_RULES)
    const wanted = new Set(units.map(keyOf))
    expect(new Set(made.flatMap(unitsIn))).toEqual(wanted)
    expect(totalOf(made)).toBe(cheapest(wanted))
  }
})
