/**
 * What a process counts and measures, as a page that Prometheus reads: OpenMetrics 1.0 and
 * Prometheus' text format 0.0.4. Our own, for the reasons of docs/decisions/0007-metrics.md.
 */

/** The names of labels with their values. */
export type Labels = Readonly<Record<string, string>>

/** A value that is read when the page is asked for. */
export interface Reading {
  readonly labels?: Labels
  readonly value: number
}

interface Described {
  /** Lower case with underscores, its unit last; a counter's ends in `_total`. */
  readonly name: string
  /** One line, without quotes and backslashes. */
  readonly help: string
}

interface Labelled extends Described {
  /** Their values have to come out of a bounded set. */
  readonly labels?: readonly string[]
}

export interface Count {
  inc(by?: number): void
}

export interface Distribution {
  /** In the unit of the name. */
  observe(value: number): void
}

/** One child for each set of label values, given in the order of `labels`. */
export interface Family<T> {
  of(...values: readonly string[]): T
}

export type PageFormat = 'openmetrics' | 'text'
type FamilyType = 'counter' | 'gauge' | 'histogram'

/** A family as it was described, for a list of all that there is. */
export interface FamilyDescription extends Described {
  readonly type: FamilyType
  readonly labels: readonly string[]
}

interface Sample {
  readonly suffix: string
  readonly labels: readonly (readonly [name: string, value: string])[]
  readonly value: number
}

/**
 * Nobody but a fault of ours makes more children; those that are too many share one, whose label
 * values are `other`.
 */
const MAX_CHILDREN = 1000

/** All that one process counts. */
export class Registry {
  readonly #families: {
    readonly description: FamilyDescription
    readonly samples: () => Iterable<Sample>
  }[] = []

  /** Only goes up. */
  counter(options: Labelled): Family<Count> {
    const children = new Children(options.labels ?? [], () => new Counted())
    this.#add('counter', options, function* samples() {
      for (const [labels, { value }] of children.all()) yield { suffix: '', labels, value }
    })
    return children
  }

  /** How values are distributed over buckets, whose upper bounds are given in order. */
  histogram(options: Labelled & { readonly buckets: readonly number[] }): Family<Distribution> {
    const children = new Children(options.labels ?? [], () => new Distributed(options.buckets))
    this.#add('histogram', options, function* samples() {
      for (const [labels, child] of children.all()) yield* child.samples(labels)
    })
    return children
  }

  /** Goes up and down, or is known elsewhere: read when the page is asked for. */
  gauge(options: Labelled, read: () => Iterable<Reading>): void {
    this.#add('gauge', options, () => samplesOf(read()))
  }

  /** A counter that is kept elsewhere. */
  readCounter(options: Labelled, read: () => Iterable<Reading>): void {
    this.#add('counter', options, () => samplesOf(read()))
  }

  /** In the order in which they were added. */
  describe(): readonly FamilyDescription[] {
    return this.#families.map(({ description }) => description)
  }

  page(format: PageFormat): string {
    const isOpen = format === 'openmetrics'
    const lines = this.#families.flatMap(({ description, samples }) => {
      const { help, name, type } = description
      // OpenMetrics calls a counter by its name without the suffix.
      const family = isOpen && type === 'counter' ? name.slice(0, -TOTAL.length) : name
      return [
        `# HELP ${family} ${help}`,
        `# TYPE ${family} ${type}`,
        ...[...samples()].map((sample) => lineOf(name, sample)),
      ]
    })
    return `${[...lines, ...(isOpen ? ['# EOF'] : [])].join('\n')}\n`
  }

  #add(
    type: FamilyType,
    { name, help, labels = [] }: Labelled,
    samples: () => Iterable<Sample>,
  ): void {
    const wrong = wrongOf(type, { name, help, labels })
    if (wrong !== undefined) throw new TypeError(`metric ${name}: ${wrong}`)
    if (this.#families.some(({ description }) => description.name === name)) {
      throw new TypeError(`metric ${name} is there already`)
    }
    this.#families.push({ description: { type, name, help, labels }, samples })
  }
}

const TOTAL = '_total'

function wrongOf(type: FamilyType, { help, labels, name }: Required<Labelled>): string | undefined {
  if (!/^[a-z][a-z0-9_]*$/.test(name)) return 'wanted lower case and underscores'
  if (name.endsWith(TOTAL) !== (type === 'counter'))
    return `a counter, and it alone, ends in ${TOTAL}`
  if (/["\\\n]/.test(help) || help === '') return 'wanted one line of help without quotes'
  return labels.every((label) => /^[a-z][a-z0-9_]*$/.test(label) && label !== 'le')
    ? undefined
    : 'wanted labels in lower case'
}

function* samplesOf(readings: Iterable<Reading>): Generator<Sample> {
  for (const { labels = {}, value } of readings) {
    yield { suffix: '', labels: Object.entries(labels), value }
  }
}

class Children<T> implements Family<T> {
  readonly #names: readonly string[]
  readonly #make: () => T
  readonly #byKey = new Map<string, { readonly values: readonly string[]; readonly child: T }>()

  constructor(names: readonly string[], make: () => T) {
    this.#names = names
    this.#make = make
    // Without labels there is one, from the beginning: 0 is a value.
    if (names.length === 0) this.of()
  }

  of(...values: readonly string[]): T {
    const key = values.join('\0')
    const known = this.#byKey.get(key)
    if (known !== undefined) return known.child
    if (values.length !== this.#names.length) {
      throw new TypeError(`${values.length} label values: wanted ${this.#names.join(', ')}`)
    }
    if (this.#byKey.size >= MAX_CHILDREN && values.some((value) => value !== OTHER)) {
      return this.of(...values.map(() => OTHER))
    }
    const child = this.#make()
    this.#byKey.set(key, { values, child })
    return child
  }

  *all(): Generator<readonly [labels: [string, string][], child: T]> {
    for (const { values, child } of this.#byKey.values()) {
      yield [this.#names.map((name, at) => [name, values[at] ?? '']), child]
    }
  }
}

const OTHER = 'other'

class Counted implements Count {
  value = 0

  inc(by = 1): void {
    this.value += by
  }
}

class Distributed implements Distribution {
  readonly #bounds: readonly number[]
  /** Of values over the bound before and up to this one; the last is of all that are larger. */
  readonly #counts: number[]
  #sum = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0)
  }

  observe(value: number): void {
    let at = 0
    while (at < this.#bounds.length && value > (this.#bounds[at] ?? 0)) at += 1
    this.#counts[at] = (this.#counts[at] ?? 0) + 1
    this.#sum += value
  }

  *samples(labels: Sample['labels']): Generator<Sample> {
    let sum = 0
    for (const [at, count] of this.#counts.entries()) {
      sum += count
      const bound = this.#bounds[at] ?? Number.POSITIVE_INFINITY
      yield { suffix: '_bucket', labels: [...labels, ['le', boundText(bound)]], value: sum }
    }
    yield { suffix: '_count', labels, value: sum }
    yield { suffix: '_sum', labels, value: this.#sum }
  }
}

/** OpenMetrics: a bound is a float also where it is whole. */
function boundText(bound: number): string {
  if (bound === Number.POSITIVE_INFINITY) return '+Inf'
  return Number.isInteger(bound) ? `${bound}.0` : String(bound)
}

function lineOf(name: string, { labels, suffix, value }: Sample): string {
  const pairs = labels.map(([label, text]) => `${label}="${escaped(text)}"`)
  return `${name}${suffix}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${String(value)}`
}

const escaped = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
