import { isRecord } from '../objects.ts'

type Step =
  | { readonly kind: 'field'; readonly name: string }
  | { readonly kind: 'index'; readonly at: number }
  | { readonly kind: 'all' }
  | { readonly kind: 'filter'; readonly name: string; readonly value: string }

const STEP =
  /\.([A-Za-z0-9_$\-/\ue000]+)|\['((?:[^'\\]|\\.)+)'\]|\[(-?\d{1,9})\]|(\[\*\])|\[\?\(@\.([\w-]+) *== *["']([^"']*)["']\)\]/y

/** A path of a printer column; undefined where the text is none: `.a.b`, `[0]`, `[?(@.a=="b")]`. */
export function parseJsonPath(text: string): readonly Step[] | undefined {
  if (text.length > 1000) return undefined
  const steps: Step[] = []
  const source = text.replaceAll('\\.', '\ue000')
  STEP.lastIndex = 0
  while (STEP.lastIndex < source.length) {
    const from = STEP.lastIndex
    const match = STEP.exec(source)
    if (match === null || match.index !== from) return undefined
    const [, field, quoted, index, all, name, value] = match
    if (index !== undefined) steps.push({ kind: 'index', at: Number(index) })
    else if (all !== undefined) steps.push({ kind: 'all' })
    else if (name !== undefined) steps.push({ kind: 'filter', name, value: value ?? '' })
    else steps.push({ kind: 'field', name: (field ?? quoted ?? '').replaceAll('\ue000', '.') })
  }
  return steps.length === 0 ? undefined : steps
}

const FOUND_MAX = 1000

/** Every value that a path finds in an object, at most 1,000. */
export function findValues(steps: readonly Step[], object: unknown): unknown[] {
  let found: unknown[] = [object]
  for (const step of steps) {
    found = found.flatMap((value) => take(step, value)).slice(0, FOUND_MAX)
  }
  return found
}

function take(step: Step, value: unknown): unknown[] {
  switch (step.kind) {
    case 'field':
      return isRecord(value) && Object.hasOwn(value, step.name) ? [value[step.name]] : []
    case 'index': {
      const item: unknown = Array.isArray(value) ? value.at(step.at) : undefined
      return item === undefined ? [] : [item]
    }
    case 'all':
      return Array.isArray(value) ? value : isRecord(value) ? Object.values(value) : []
    default:
      return Array.isArray(value)
        ? value.filter((item) => isRecord(item) && String(item[step.name]) === step.value)
        : []
  }
}
