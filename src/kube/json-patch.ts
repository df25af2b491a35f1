import { PodroleError } from '../lib/errors.ts'

/** RFC 6902. Paths are RFC 6901 pointers. */
export type JsonPatchOperation =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string }
  | { readonly op: 'move' | 'copy'; readonly from: string; readonly path: string }

export type JsonPatch = readonly JsonPatchOperation[]

/** kube-apiserver's own limit of operations in one patch. */
const MAX_OPERATIONS = 10_000
const MAX_DEPTH = 256
/** `copy` can double a document with every operation; this many values may be copied in all. */
const MAX_COPIED_VALUES = 100_000

type Container = Record<string, unknown> | unknown[]

/**
 * `kubernetes` takes what the library of kube-apiserver takes besides: a member that is not there is
 * replaced, tested and copied as null, an index may be negative (from the end) or start with zeros,
 * and a value may be left out for null.
 */
export type JsonPatchDialect = 'strict' | 'kubernetes'

/**
 * The document with the patch applied (RFC 6902). Pure: neither the document nor the patch is
 * changed, the result shares what was not touched. All of the patch applies or none.
 * @throws PodroleError `InvalidPatch` (status 422), or `PatchTestFailed` for a `test` that fails
 */
export function applyJsonPatch<T>(
  document: T,
  patch: JsonPatch,
  dialect: JsonPatchDialect = 'strict',
): T {
  const operations = readJsonPatch(patch, dialect)
  const draft = new Draft(document, dialect === 'kubernetes')
  for (const [at, operation] of operations.entries()) {
    try {
      draft.apply(operation)
    } catch (error) {
      if (!(error instanceof PodroleError)) throw error
      throw new PodroleError(
        error.code,
        `patch operation ${at} (${operation.op} ${quote(operation.path)}): ${error.message}`,
        { status: 422 },
      )
    }
  }
  return draft.root as T
}

/**
 * A JSON patch out of parsed JSON that nobody has checked; unknown members are ignored, as RFC
 * 6902 section 4 asks.
 * @throws PodroleError `InvalidPatch` (status 422)
 */
export function readJsonPatch(value: unknown, dialect: JsonPatchDialect = 'strict'): JsonPatch {
  if (!Array.isArray(value)) throw invalid('a JSON patch is an array of operations')
  if (value.length > MAX_OPERATIONS) {
    throw invalid(`the patch has ${value.length} operations: wanted at most ${MAX_OPERATIONS}`)
  }
  const isLenient = dialect === 'kubernetes'
  return value.map((operation: unknown, at) => readOperation(operation, at, isLenient))
}

/** A path of RFC 6901 out of its unescaped parts. */
export function jsonPointer(...parts: readonly (string | number)[]): string {
  return parts
    .map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('')
}

/** Whether two JSON values are equal as RFC 6902 section 4.6 says: members in any order. */
export function equalJson(left: unknown, right: unknown, depth = 0): boolean {
  if (depth > MAX_DEPTH) throw invalid(`the value is nested deeper than ${MAX_DEPTH}`)
  if (Array.isArray(left) || Array.isArray(right)) {
    if (!Array.isArray(left) || !Array.isArray(right) || left.length !== right.length) return false
    return left.every((item, at) => equalJson(item, right[at], depth + 1))
  }
  if (!isRecord(left) || !isRecord(right)) return left === right
  const keys = Object.keys(left)
  return (
    keys.length === Object.keys(right).length &&
    keys.every((key) => Object.hasOwn(right, key) && equalJson(left[key], right[key], depth + 1))
  )
}

function readOperation(value: unknown, at: number, isLenient: boolean): JsonPatchOperation {
  if (!isRecord(value)) throw invalid(`patch operation ${at} is not an object`)
  const { op, path, from } = value
  if (typeof path !== 'string') throw invalid(`patch operation ${at} has no path`)
  parsePointer(path)
  switch (op) {
    case 'add':
    case 'replace':
    case 'test':
      if (!Object.hasOwn(value, 'value') && !isLenient) {
        throw invalid(`patch operation ${at} has no value`)
      }
      return { op, path, value: value['value'] ?? null }
    case 'remove':
      return { op, path }
    case 'move':
    case 'copy':
      if (typeof from !== 'string') throw invalid(`patch operation ${at} has no from`)
      parsePointer(from)
      return { op, from, path }
    default:
      throw invalid(
        `patch operation ${at} has op ${quote(op)}: wanted add, remove, replace, move, copy or test`,
      )
  }
}

/** A document under change: what this patch already copied is written in place. */
class Draft {
  root: unknown
  readonly #owned = new Set<Container>()
  readonly #isLenient: boolean
  #copiedValues = 0

  constructor(root: unknown, isLenient: boolean) {
    this.root = root
    this.#isLenient = isLenient
  }

  apply(operation: JsonPatchOperation): void {
    const path = parsePointer(operation.path)
    switch (operation.op) {
      case 'add':
        this.#add(path, operation.value)
        return
      case 'replace':
        this.#replace(path, operation.value)
        return
      case 'remove':
        this.#remove(path)
        return
      case 'test':
        if (!equalJson(this.#readOrNull(path), operation.value)) {
          throw new PodroleError('PatchTestFailed', 'the value there is another one')
        }
        return
      case 'move':
        this.#move(parsePointer(operation.from), path)
        return
      case 'copy':
        this.#copy(parsePointer(operation.from), path)
        return
      default:
        operation satisfies never
    }
  }

  #read(path: readonly string[]): unknown {
    let value = this.root
    for (const key of path) value = childOf(value, this.#keyIn(value, key))
    return value
  }

  /** A member that its object does not have is null where that is taken. */
  #readOrNull(path: readonly string[]): unknown {
    return this.#isLenient && this.#lacks(path) ? null : this.#read(path)
  }

  #lacks(path: readonly string[]): boolean {
    const key = path.at(-1)
    if (key === undefined) return false
    const parent = this.#read(path.slice(0, -1))
    return isRecord(parent) && !Object.hasOwn(parent, key)
  }

  #replace(path: readonly string[], value: unknown): void {
    const isMissing = this.#isLenient && this.#lacks(path)
    if (!isMissing) this.#read(path)
    if (!isMissing && path.length > 0) this.#remove(path)
    this.#add(path, value)
  }

  /** An index as RFC 6901 writes it. */
  #keyIn(container: unknown, key: string): string {
    if (!this.#isLenient || !Array.isArray(container) || !/^-?\d{1,9}$/.test(key)) return key
    const index = Number(key)
    return String(index < 0 ? container.length + index : index)
  }

  #add(path: readonly string[], value: unknown): void {
    const key = path.at(-1)
    if (key === undefined) {
      this.root = value
      return
    }
    const parent = this.#own(path.slice(0, -1))
    if (Array.isArray(parent)) {
      // An index from the end is one of the list as it will be.
      const grown = { length: parent.length + 1 }
      const at = key.startsWith('-')
        ? this.#keyIn(Array.from(grown), key)
        : this.#keyIn(parent, key)
      parent.splice(key === '-' ? parent.length : indexOf(at, parent.length), 0, value)
    } else {
      setMember(parent, key, value)
    }
  }

  #remove(path: readonly string[]): void {
    const key = path.at(-1)
    if (key === undefined) throw invalid('the whole document cannot be removed')
    this.#read(path)
    const parent = this.#own(path.slice(0, -1))
    if (Array.isArray(parent)) parent.splice(Number(this.#keyIn(parent, key)), 1)
    else delete parent[key]
  }

  #move(from: readonly string[], path: readonly string[]): void {
    if (from.length < path.length && from.every((key, at) => key === path[at])) {
      throw invalid('a value cannot be moved into itself')
    }
    const value = this.#read(from)
    if (from.length === 0 && path.length === 0) return
    this.#remove(from)
    this.#add(path, value)
  }

  #copy(from: readonly string[], path: readonly string[]): void {
    const value = this.#readOrNull(from)
    this.#copiedValues += countValues(value, MAX_COPIED_VALUES - this.#copiedValues)
    // The value now has two places: neither may be written through the other.
    this.#owned.clear()
    this.#add(path, value)
  }

  /** The container at the path, copied (and each one above it) unless this patch made it. */
  #own(path: readonly string[]): Container {
    let container = this.#ownChild(this.root, (copy) => {
      this.root = copy
    })
    for (const key of path) {
      const parent = container
      const own = this.#keyIn(parent, key)
      container = this.#ownChild(childOf(parent, own), (copy) => {
        if (Array.isArray(parent)) parent[Number(own)] = copy
        else setMember(parent, own, copy)
      })
    }
    return container
  }

  #ownChild(value: unknown, replace: (copy: Container) => void): Container {
    if (!Array.isArray(value) && !isRecord(value)) {
      throw invalid('the parent is neither an object nor an array')
    }
    if (this.#owned.has(value)) return value
    const copy: Container = Array.isArray(value) ? [...(value as unknown[])] : { ...value }
    this.#owned.add(copy)
    replace(copy)
    return copy
  }
}

function childOf(value: unknown, key: string): unknown {
  if (Array.isArray(value)) return (value as unknown[])[indexOf(key, value.length - 1)]
  if (isRecord(value) && Object.hasOwn(value, key)) return value[key]
  throw invalid(`there is no ${quote(key)}`)
}

function indexOf(key: string, most: number): number {
  if (!/^(?:0|[1-9]\d{0,8})$/.test(key)) throw invalid(`${quote(key)} is not an array index`)
  const index = Number(key)
  if (index > most) throw invalid(`index ${key} is past the end of the array`)
  return index
}

function setMember(target: Record<string, unknown>, key: string, value: unknown): void {
  // An assignment to `__proto__` would change the prototype instead.
  Object.defineProperty(target, key, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  })
}

function parsePointer(pointer: string): string[] {
  if (pointer === '') return []
  if (!pointer.startsWith('/') || /~(?![01])/.test(pointer)) {
    throw invalid(`path ${quote(pointer)} is not a JSON pointer (RFC 6901)`)
  }
  const parts = pointer.slice(1).split('/')
  if (parts.length > MAX_DEPTH) throw invalid(`the path is longer than ${MAX_DEPTH} parts`)
  return parts.map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function countValues(value: unknown, most: number): number {
  const rest = [value]
  let count = 0
  while (rest.length > 0) {
    const next = rest.pop()
    count += 1
    if (count > most) throw invalid(`the patch copies more than ${MAX_COPIED_VALUES} values`)
    if (Array.isArray(next)) for (const item of next) rest.push(item)
    else if (isRecord(next)) for (const key of Object.keys(next)) rest.push(next[key])
  }
  return count
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const quote = (value: unknown): string => (JSON.stringify(value) ?? 'undefined').slice(0, 200)

const invalid = (message: string): PodroleError =>
  new PodroleError('InvalidPatch', message, { status: 422 })
