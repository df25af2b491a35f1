/** What a write makes of the managers of an object: who wins, who loses, what goes. Pure. */
import { type JsonRecord, sameJson } from '../objects.ts'
import { any, type Schema } from '../schema.ts'
import { compareValues, fieldSetOf } from './comparing.ts'
import { createdFields } from './created-fields.ts'
import {
  difference,
  EMPTY_SET,
  type FieldSet,
  fieldSetOfPaths,
  intersection,
  isEmptySet,
  outside,
  union,
} from './field-sets.ts'
import {
  capUpdaters,
  identityOf,
  type Manager,
  type Managers,
  withFields,
  writeOnly,
  type Writer,
} from './managers.ts'
import { mergeValues, reconcileFields, removeFields, withNamedFields } from './merging.ts'
import { fieldElement } from './path-elements.ts'

/** How the objects of a kind are read. */
export interface TrackedKind {
  /** The schema of a version, or undefined where the kind has no such version (any more). */
  schemaOf(apiVersion: string): Schema | undefined
  /** Fields that this kind of write leaves as they are, whatever it says. */
  readonly ignored: FieldSet
}

/** Leaves that nobody owns, since the server alone sets them or they name the object. */
const UNOWNED_LEAVES = fieldSetOfPaths(
  ...['apiVersion', 'kind'].map((name) => [fieldElement(name)]),
  ...[
    'name',
    'namespace',
    'creationTimestamp',
    'selfLink',
    'uid',
    'clusterName',
    'generation',
    'managedFields',
    'resourceVersion',
  ].map((name) => [fieldElement('metadata'), fieldElement(name)]),
)
const UNOWNED = union(UNOWNED_LEAVES, fieldSetOfPaths([fieldElement('metadata')]))

/** The manager of fields that were set before an object had managers. */
const BEFORE_FIRST_APPLY = 'before-first-apply'

/** The fields that a write changes, and those that it takes away. */
interface Touched {
  readonly changed: FieldSet
  readonly removed: FieldSet
}

/** What a write does to the fields of an object, in any version of its kind. */
class Change {
  readonly #kind: TrackedKind
  readonly #before: unknown
  readonly #after: unknown
  readonly #byVersion = new Map<string, Touched | undefined>()

  constructor(kind: TrackedKind, before: unknown, after: unknown) {
    this.#kind = kind
    this.#before = before
    this.#after = after
  }

  /** Undefined where the kind has no such version. */
  in(apiVersion: string): Touched | undefined {
    if (this.#byVersion.has(apiVersion)) return this.#byVersion.get(apiVersion)
    const schema = this.#kind.schemaOf(apiVersion)
    const made = schema && this.#compare(schema)
    this.#byVersion.set(apiVersion, made)
    return made
  }

  #compare(schema: Schema): Touched {
    const { removed, modified, added } = compareValues(schema, this.#before, this.#after)
    const { ignored } = this.#kind
    return {
      changed: outside(union(modified, added), ignored),
      removed: outside(removed, ignored),
    }
  }
}

/**
 * The managedFields of a new object that one writer has made; undefined where there is nothing to
 * own.
 * @throws ElementFault
 */
export function managedByCreator(
  kind: TrackedKind,
  object: JsonRecord,
  writer: Writer,
): JsonRecord[] | undefined {
  const schema = kind.schemaOf(writer.apiVersion) ?? any
  const fields = createdFields(schema, object, union(UNOWNED_LEAVES, kind.ignored))
  return fields && writeOnly(writer, fields)
}

/**
 * The managers after an update: the writer owns what it changed, nobody what is gone. Those of an
 * object without managers are not tracked, unless it is new (`before` is undefined).
 * @throws ElementFault
 */
export function managersAfterUpdate(
  kind: TrackedKind,
  managers: Managers,
  { before, after }: { readonly before: object | undefined; readonly after: object },
  writer: Writer,
): Managers {
  if (managers.size === 0 && before !== undefined) return managers
  return capUpdaters(takeChanges(kind, managers, new Change(kind, before ?? {}, after), writer))
}

function takeChanges(
  kind: TrackedKind,
  managers: Managers,
  change: Change,
  writer: Writer,
): Managers {
  const own = change.in(writer.apiVersion)
  if (own === undefined) return managers
  const identity = identityOf(writer)
  const left = withoutLost(reconciled(kind, managers), change, identity)
  const kept = difference(left.get(identity)?.fields ?? EMPTY_SET, own.removed)
  const taken = difference(own.changed, UNOWNED)
  if (isEmptySet(taken)) return withFields(left, identity, kept)
  return new Map(left).set(identity, managerOf(writer, union(kept, taken), writer.time))
}

function managerOf(writer: Writer, fields: FieldSet, time: string | undefined): Manager {
  const { manager, operation, apiVersion, subresource } = writer
  return {
    manager,
    operation,
    apiVersion,
    fields,
    ...(time !== undefined && { time }),
    ...(subresource !== undefined && { subresource }),
  }
}

/** The managers but one without what a change took; entries of versions that are gone go. */
function withoutLost(managers: Managers, change: Change, except: string): Managers {
  let left = managers
  for (const [identity, { apiVersion, fields }] of managers) {
    if (identity === except) continue
    const touched = change.in(apiVersion)
    const kept =
      touched === undefined
        ? EMPTY_SET
        : difference(difference(fields, touched.changed), touched.removed)
    left = withFields(left, identity, kept)
  }
  return left
}

function reconciled(kind: TrackedKind, managers: Managers): Managers {
  let result = managers
  for (const [identity, { apiVersion, fields }] of managers) {
    const schema = kind.schemaOf(apiVersion)
    if (schema !== undefined) {
      result = withFields(result, identity, reconcileFields(schema, fields))
    }
  }
  return result
}

/** A field that the configuration would change and another manager owns. */
export interface Conflict {
  readonly manager: Manager
  readonly fields: FieldSet
}

export interface Application {
  /** The object with the configuration in it. */
  readonly object: unknown
  readonly managers: Managers
  /** By manager, in the order of their identities; none where the application is forced. */
  readonly conflicts: readonly Conflict[]
}

export interface ApplyRequest {
  /** The object without its managedFields; undefined where there is none. */
  readonly live: object | undefined
  readonly config: object
  readonly force: boolean
}

/**
 * Applies a configuration: merges it into the object, takes out what the same manager applied
 * before and nobody owns now, and finds from whom it would take a field.
 * @throws ElementFault
 */
export function applyConfiguration(
  kind: TrackedKind,
  managers: Managers,
  { live, config, force }: ApplyRequest,
  writer: Writer,
): Application {
  const before = live ?? {}
  const schema = kind.schemaOf(writer.apiVersion) ?? any
  const known = reconciled(kind, managersBefore(kind, managers, live, writer))
  const identity = identityOf(writer)
  const last = known.get(identity)
  const fields = outside(fieldSetOf(schema, config), kind.ignored)
  const own = managerOf(writer, fields, last?.time)
  const applying = new Map(known).set(identity, own)
  const object = pruned(kind, mergeValues(schema, before, config), applying, last)
  const change = new Change(kind, before, object)
  const conflicts = force ? [] : conflictsOf(applying, change, identity)
  if (conflicts.length > 0) return { object, managers, conflicts }
  // A writer that changes nothing has no time of its own.
  const isChanged = live === undefined || !sameJson(live, object)
  const settled = new Map(withoutLost(applying, change, identity))
  settled.set(identity, isChanged ? managerOf(writer, fields, writer.time) : own)
  const left = difference(fields, UNOWNED)
  return { object, managers: withFields(settled, identity, left), conflicts: [] }
}

/** Fields that were set while nobody was tracked have an owner too, by name at least. */
function managersBefore(
  kind: TrackedKind,
  managers: Managers,
  live: object | undefined,
  writer: Writer,
): Managers {
  if (managers.size > 0 || live === undefined) return managers
  const owner = { ...writer, manager: BEFORE_FIRST_APPLY, operation: 'Update' } as const
  return takeChanges(kind, managers, new Change(kind, {}, live), owner)
}

function conflictsOf(managers: Managers, change: Change, own: string): Conflict[] {
  return [...managers]
    .filter(([identity]) => identity !== own)
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .flatMap(([, manager]) => {
      const touched = change.in(manager.apiVersion)
      const fields = intersection(manager.fields, touched?.changed ?? EMPTY_SET)
      return isEmptySet(fields) ? [] : [{ manager, fields }]
    })
}

/**
 * A merged object without what the manager applied last and nobody, itself among them, owns any
 * more. What others or nobody had set below it stays.
 */
function pruned(
  kind: TrackedKind,
  merged: unknown,
  managers: Managers,
  last: Manager | undefined,
): unknown {
  if (last === undefined || isEmptySet(last.fields)) return merged
  const schema = kind.schemaOf(last.apiVersion)
  if (schema === undefined) return merged
  const named = (set: FieldSet): FieldSet => withNamedFields(schema, set)
  const lastNamed = named(last.fields)
  const whole = named(fieldSetOf(schema, merged))
  let left = removeFields(schema, merged, lastNamed)
  for (const owned of ownedByVersion(managers, last.apiVersion)) {
    const kept = union(named(fieldSetOf(schema, left)), named(owned))
    left = removeFields(schema, merged, difference(whole, kept))
  }
  const gone = difference(whole, named(fieldSetOf(schema, left)))
  return removeFields(schema, merged, intersection(gone, lastNamed))
}

/** What is owned in each version, the one that comes first before the others. */
function ownedByVersion(managers: Managers, first: string): FieldSet[] {
  const owned = new Map([[first, EMPTY_SET]])
  for (const { apiVersion, fields } of managers.values()) {
    owned.set(apiVersion, union(owned.get(apiVersion) ?? EMPTY_SET, fields))
  }
  return [...owned.values()]
}
