import type { Clock } from '../../../lib/clock.ts'
import { type Change, State, Table } from '../../state.ts'
import { openTables, type Tables } from '../records.ts'
import type { NamedOperation } from './operation.ts'
import { EVENTUAL_SERVICES } from './rules.ts'

/** A record as it was before a write; undefined where there was none. */
interface Before {
  readonly writtenAtMs: number
  readonly value: unknown
}

/** Table → key → what the record was, oldest first. */
type History = Map<string, Map<string, Before[]>>

/** Records kept of the past, over all tables: past it the oldest tables' are forgotten. */
const MAX_KEPT = 100_000

interface Past {
  readonly history: History
  /** A table's service: the first word of its name. */
  readonly lagMs: (table: string) => number
  readonly clock: Clock
}

/** The tables as the sandbox's AWS sees them while its writes are seen late. */
export interface EventualTables {
  /** What decisions, and every service that reads another's records, see. */
  readonly seen: Tables
  /** What an operation works on: its own service's records as they are where it writes. */
  tablesFor(operation: NamedOperation): Tables
  /** What was written until now is seen at once. */
  forget(): void
}

/**
 * IAM and EKS tell of a write only after a while, to their own reads and to every decision alike.
 * An operation that writes works on the records themselves, so that no write is lost.
 * Source: IAM User Guide, "Changes that I make are not always immediately visible".
 * @param lagOf how late a service's writes are seen, in milliseconds; it may change at any time
 */
export function createEventualTables(
  state: State,
  clock: Clock,
  lagOf: (service: string) => number,
): EventualTables {
  const history: History = new Map()
  const lagMs = (table: string): number => lagOf(serviceOf(table))
  let kept = 0
  const note = ({ table, key }: Change): void => {
    if (!isLagging(table)) return
    const lag = lagMs(table)
    if (lag === 0) {
      kept -= history.get(table)?.get(key)?.length ?? 0
      history.get(table)?.delete(key)
      return
    }
    if (kept >= MAX_KEPT) {
      history.clear()
      kept = 0
    }
    const records = history.get(table) ?? new Map<string, Before[]>()
    history.set(table, records)
    const past = records.get(key) ?? []
    const nowMs = clock.now()
    const fresh = past.filter(({ writtenAtMs }) => writtenAtMs + lag > nowMs)
    fresh.push({ writtenAtMs: nowMs, value: state.table(table).get(key) })
    kept += fresh.length - past.length
    records.set(key, fresh)
  }
  state.onChange((changes) => changes.forEach(note))
  const past: Past = { history, lagMs, clock }
  const seen = openTables(new SeenState(state, past, undefined))
  const own = new Map(
    EVENTUAL_SERVICES.map((service) => [service, openTables(new SeenState(state, past, service))]),
  )
  return {
    seen,
    forget: () => {
      history.clear()
      kept = 0
    },
    tablesFor: ({ service, operation }) => (isRead(operation) ? seen : (own.get(service) ?? seen)),
  }
}

const serviceOf = (table: string): string => table.slice(0, Math.max(0, table.indexOf('.')))

const isLagging = (table: string): boolean => EVENTUAL_SERVICES.includes(serviceOf(table))

const isRead = (operation: string): boolean => /^(?:Get|List|Describe|Simulate)/.test(operation)

/** The state with lagging tables in the place of IAM's and EKS's, but for one service's own. */
class SeenState extends State {
  readonly #state: State
  readonly #past: Past
  readonly #own: string | undefined

  constructor(state: State, past: Past, own: string | undefined) {
    super()
    this.#state = state
    this.#past = past
    this.#own = own
  }

  override table<T>(name: string): Table<T> {
    const table = this.#state.table<T>(name)
    if (!isLagging(name) || serviceOf(name) === this.#own) return table
    return new LaggingTable(name, table, this.#past)
  }
}

/** A table whose reads give each record as it was a while ago. */
class LaggingTable<T> extends Table<T> {
  readonly #table: Table<T>
  readonly #name: string
  readonly #past: Past

  constructor(name: string, table: Table<T>, past: Past) {
    super(name, () => undefined)
    this.#table = table
    this.#name = name
    this.#past = past
  }

  override get size(): number {
    return this.#changed() === undefined ? this.#table.size : [...this.entries()].length
  }

  override get comings(): number | undefined {
    return this.#changed() === undefined ? this.#table.comings : undefined
  }

  override get(key: string): T | undefined {
    const before = this.#before(key)
    return before === undefined ? this.#table.get(key) : (before.value as T | undefined)
  }

  override has(key: string): boolean {
    return this.get(key) !== undefined
  }

  /** A write by who saw an old record changes only the members that it meant to change. */
  override set(key: string, value: T): void {
    const before = this.#before(key)
    const current = this.#table.get(key)
    if (before === undefined || before.value === undefined) return this.#table.set(key, value)
    if (current === undefined) return
    this.#table.set(key, withChanges(current, before.value, value))
  }

  /** Who saw a record that is gone since does not delete the new one in its place. */
  override delete(key: string): boolean {
    const before = this.#before(key)
    const past = this.#past.history.get(this.#name)?.get(key) ?? []
    const isAnother =
      before !== undefined &&
      past.slice(past.indexOf(before)).some((one) => one.value === undefined)
    return isAnother ? false : this.#table.delete(key)
  }

  override values(): IterableIterator<T> {
    return this.#changed() === undefined ? this.#table.values() : this.#seenValues()
  }

  override entries(): IterableIterator<[string, T]> {
    return this.#changed() === undefined ? this.#table.entries() : this.#seenEntries()
  }

  *#seenValues(): Generator<T> {
    for (const [, value] of this.#seenEntries()) yield value
  }

  *#seenEntries(): Generator<[string, T]> {
    for (const [key] of this.#table.entries()) {
      const value = this.get(key)
      if (value !== undefined) yield [key, value]
    }
    for (const key of this.#changed()?.keys() ?? []) {
      if (this.#table.has(key)) continue
      const value = this.get(key)
      if (value !== undefined) yield [key, value]
    }
  }

  /** The keys with a past that may still be seen. */
  #changed(): Map<string, Before[]> | undefined {
    if (this.#past.lagMs(this.#name) === 0) return undefined
    const changed = this.#past.history.get(this.#name)
    return changed === undefined || changed.size === 0 ? undefined : changed
  }

  /** The record in the place of the one that is there now: before the first write still unseen. */
  #before(key: string): Before | undefined {
    const changed = this.#changed()?.get(key)
    if (changed === undefined) return undefined
    const seenUntilMs = this.#past.clock.now() - this.#past.lagMs(this.#name)
    return changed.find(({ writtenAtMs }) => writtenAtMs > seenUntilMs)
  }
}

/** `current` with the members in which `after` differs from `before`. */
function withChanges<T>(current: T, before: unknown, after: T): T {
  if (!isObject(current) || !isObject(before) || !isObject(after)) return after
  const members = after as Readonly<Record<string, unknown>>
  const changed = Object.entries(members).filter(([name, value]) => before[name] !== value)
  return { ...current, ...Object.fromEntries(changed) }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
