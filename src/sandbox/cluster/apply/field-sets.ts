/**
 * Sets of fields of an object, and what server-side apply does with them. A path is a list of path
 * elements (`path-elements.ts`). That a path is in a set says nothing of the paths above and below.
 */

/** A set of paths as a tree. */
export interface FieldSet {
  /** The path elements that are in the set by themselves. */
  readonly members: ReadonlySet<string>
  /** What is in the set below a path element; none of these is empty. */
  readonly children: ReadonlyMap<string, FieldSet>
}

export type FieldPath = readonly string[]

export const EMPTY_SET: FieldSet = { members: new Set(), children: new Map() }

export const isEmptySet = (set: FieldSet): boolean =>
  set.members.size === 0 && set.children.size === 0

/** A set that is being made. */
export class FieldSetBuilder implements FieldSet {
  readonly members = new Set<string>()
  readonly children = new Map<string, FieldSet>()

  /** Adds a path; that of the whole object is never in a set. */
  insert(path: FieldPath): void {
    const last = path.at(-1)
    if (last === undefined) return
    holderOf(this, path).members.add(last)
  }

  /** Adds a path with a whole set below it, where nothing is yet. */
  graft(path: FieldPath, below: FieldSet): void {
    const last = path.at(-1)
    if (last === undefined) return
    const holder = holderOf(this, path)
    holder.members.add(last)
    if (!isEmptySet(below)) holder.children.set(last, below)
  }
}

/** The set that holds the last element of a path. */
function holderOf(set: FieldSetBuilder, path: FieldPath): FieldSetBuilder {
  let holder = set
  for (let depth = 0; depth < path.length - 1; depth += 1) {
    const element = path[depth] ?? ''
    const known = holder.children.get(element)
    const child = known instanceof FieldSetBuilder ? known : new FieldSetBuilder()
    if (child !== known) holder.children.set(element, child)
    holder = child
  }
  return holder
}

export function fieldSetOfPaths(...paths: readonly FieldPath[]): FieldSet {
  const set = new FieldSetBuilder()
  for (const path of paths) set.insert(path)
  return set
}

/** Paths that are in one of two sets; the first itself where it has all of the second. */
export function union(left: FieldSet, right: FieldSet): FieldSet {
  if (isEmptySet(left)) return right
  let members: Set<string> | undefined
  for (const element of right.members) {
    if (!left.members.has(element)) (members ??= new Set(left.members)).add(element)
  }
  let children: Map<string, FieldSet> | undefined
  for (const [element, child] of right.children) {
    const own = left.children.get(element)
    const both = own === undefined ? child : union(own, child)
    if (both !== own) (children ??= new Map(left.children)).set(element, both)
  }
  if (members === undefined && children === undefined) return left
  return { members: members ?? left.members, children: children ?? left.children }
}

/** Paths that are in both sets. */
export function intersection(left: FieldSet, right: FieldSet): FieldSet {
  return narrowed(left, {
    keeps: (element) => right.members.has(element),
    below: (element, child) => {
      const other = right.children.get(element)
      return other === undefined ? EMPTY_SET : intersection(child, other)
    },
  })
}

/** Paths that are in the first set and not in the second. */
export function difference(left: FieldSet, right: FieldSet): FieldSet {
  if (isEmptySet(right)) return left
  return narrowed(left, {
    keeps: (element) => !right.members.has(element),
    below: (element, child) => {
      const other = right.children.get(element)
      return other === undefined ? child : difference(child, other)
    },
  })
}

/** Paths of the first set that are neither in the second nor below one that is. */
export function outside(left: FieldSet, right: FieldSet): FieldSet {
  if (isEmptySet(right)) return left
  return narrowed(left, {
    keeps: (element) => !right.members.has(element),
    below: (element, child) => {
      if (right.members.has(element)) return EMPTY_SET
      const other = right.children.get(element)
      return other === undefined ? child : outside(child, other)
    },
  })
}

interface Narrowing {
  readonly keeps: (element: string) => boolean
  readonly below: (element: string, child: FieldSet) => FieldSet
}

/** A part of a set; the set itself where nothing goes, so that what is known of it stays known. */
function narrowed(set: FieldSet, { keeps, below }: Narrowing): FieldSet {
  let members: Set<string> | undefined
  for (const element of set.members) {
    if (keeps(element)) continue
    members ??= new Set(set.members)
    members.delete(element)
  }
  let children: Map<string, FieldSet> | undefined
  for (const [element, child] of set.children) {
    const left = below(element, child)
    if (left === child) continue
    children ??= new Map(set.children)
    if (isEmptySet(left)) children.delete(element)
    else children.set(element, left)
  }
  if (members === undefined && children === undefined) return set
  return { members: members ?? set.members, children: children ?? set.children }
}
