/** One write to the sandbox's state: the unit that a journal keeps. */
export interface Change {
  readonly table: string
  readonly key: string
  /** Plain JSON data; undefined deletes. */
  readonly value: unknown
}

/** Named records, plain JSON data, in the order of their first write. */
export class Table<T> {
  readonly #rows = new Map<string, T>()
  readonly #name: string
  readonly #changed: (change: Change) => void

  constructor(name: string, changed: (change: Change) => void) {
    this.#name = name
    this.#changed = changed
  }

  get size(): number {
    return this.#rows.size
  }

  get(key: string): T | undefined {
    return this.#rows.get(key)
  }

  has(key: string): boolean {
    return this.#rows.has(key)
  }

  /** Records are never changed in place: a change is another record under the same key. */
  set(key: string, value: T): void {
    this.#rows.set(key, value)
    this.#changed({ table: this.#name, key, value })
  }

  delete(key: string): boolean {
    const was = this.#rows.delete(key)
    if (was) this.#changed({ table: this.#name, key, value: undefined })
    return was
  }

  values(): IterableIterator<T> {
    return this.#rows.values()
  }

  entries(): IterableIterator<[string, T]> {
    return this.#rows.entries()
  }
}

/** All of a sandbox's tables; whoever keeps them on disk listens to their changes. */
export class State {
  readonly #tables = new Map<string, Table<never>>()
  readonly #listeners = new Set<(change: Change) => void>()

  /** The table of that name, made at its first use. */
  table<T>(name: string): Table<T> {
    const known = this.#tables.get(name)
    if (known !== undefined) return known
    const made = new Table<T>(name, (change) => {
      for (const listener of this.#listeners) listener(change)
    })
    this.#tables.set(name, made as unknown as Table<never>)
    return made
  }

  onChange(listener: (change: Change) => void): void {
    this.#listeners.add(listener)
  }
}
