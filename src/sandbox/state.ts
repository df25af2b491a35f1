/** One write to the sandbox's state. */
export interface Change {
  readonly table: string
  readonly key: string
  /** Plain JSON data; undefined deletes. */
  readonly value: unknown
}

/** Records by their keys, with how often one came or went. */
class Rows<T> extends Map<string, T> {
  comings = 0

  override set(key: string, value: T): this {
    if (!this.has(key)) this.comings += 1
    return super.set(key, value)
  }

  override delete(key: string): boolean {
    this.comings += 1
    return super.delete(key)
  }
}

/** Hears of changes before they are made; those of one call are made together, or not at all. */
export type ChangeListener = (changes: readonly Change[]) => void

/** Named records, plain JSON data, in the order of their first write. */
export class Table<T> {
  readonly #rows: Rows<T>
  readonly #name: string
  readonly #changed: ChangeListener

  constructor(name: string, changed: ChangeListener, rows = new Rows<T>()) {
    this.#name = name
    this.#rows = rows
    this.#changed = changed
  }

  get size(): number {
    return this.#rows.size
  }

  /**
   * Another number when a record has come or gone, whatever else has changed; undefined where that
   * cannot be told.
   */
  get comings(): number | undefined {
    return this.#rows.comings
  }

  get(key: string): T | undefined {
    return this.#rows.get(key)
  }

  has(key: string): boolean {
    return this.#rows.has(key)
  }

  /**
   * Records are never changed in place: a change is another record under the same key. Listeners
   * come first: what a journal cannot keep is not written.
   */
  set(key: string, value: T): void {
    this.#changed([{ table: this.#name, key, value }])
    this.#rows.set(key, value)
  }

  delete(key: string): boolean {
    if (!this.#rows.has(key)) return false
    this.#changed([{ table: this.#name, key, value: undefined }])
    return this.#rows.delete(key)
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
  readonly #rows = new Map<string, Rows<unknown>>()
  readonly #tables = new Map<string, Table<unknown>>()
  readonly #listeners = new Set<ChangeListener>()

  /** The table of that name, made at its first use. */
  table<T>(name: string): Table<T> {
    const made =
      this.#tables.get(name) ??
      new Table<unknown>(name, (changes) => this.#tell(changes), this.#rowsOf(name))
    this.#tables.set(name, made)
    return made as Table<T>
  }

  /** How many records there are. */
  get size(): number {
    return this.#rows.values().reduce((sum, rows) => sum + rows.size, 0)
  }

  onChange(listener: ChangeListener): void {
    this.#listeners.add(listener)
  }

  /** Makes several changes at once: a journal keeps all of them or none. */
  write(changes: readonly Change[]): void {
    if (changes.length === 0) return
    this.#tell(changes)
    for (const change of changes) this.load(change)
  }

  /** Puts back a change that was made before; listeners do not hear of it. */
  load({ table, key, value }: Change): void {
    const rows = this.#rowsOf(table)
    if (value === undefined) rows.delete(key)
    else rows.set(key, value)
  }

  /** Every record there is, as the changes that make it. */
  *records(): Generator<Change> {
    for (const [table, rows] of this.#rows) {
      for (const [key, value] of rows) yield { table, key, value }
    }
  }

  /** Deletes every record of the tables that are chosen by their names. */
  clear(isChosen: (table: string) => boolean): void {
    const tables = [...this.#rows].filter(([name]) => isChosen(name))
    this.write(
      tables.flatMap(([table, rows]) =>
        [...rows.keys()].map((key) => ({ table, key, value: undefined })),
      ),
    )
  }

  #tell(changes: readonly Change[]): void {
    for (const listener of this.#listeners) listener(changes)
  }

  #rowsOf(name: string): Rows<unknown> {
    const known = this.#rows.get(name)
    if (known !== undefined) return known
    const made = new Rows<unknown>()
    this.#rows.set(name, made)
    return made
  }
}
