/** FieldsV1: a set of fields as JSON, in `metadata.managedFields`. */
import { isRecord, setOwn, type JsonRecord } from '../objects.ts'
import { isEmptySet, type FieldPath, type FieldSet } from './field-sets.ts'
import { compareElements, PathElementFault, readElement } from './path-elements.ts'

/** The path above an element is itself in the set. */
const SELF = '.'

/** A set as FieldsV1, in the order that Kubernetes writes. */
export function encodeFields(set: FieldSet): JsonRecord {
  return encode(set, false)
}

function encode({ members, children }: FieldSet, isMember: boolean): JsonRecord {
  const encoded: JsonRecord = {}
  if (isMember) encoded[SELF] = {}
  for (const element of sortedElements({ members, children })) {
    const child = children.get(element)
    const value = child === undefined ? {} : encode(child, members.has(element))
    setOwn(encoded, element, value)
  }
  return encoded
}

function sortedElements({ members, children }: FieldSet): string[] {
  const elements =
    children.size === 0 ? [...members] : [...new Set([...members, ...children.keys()])]
  return elements.length > 1 ? elements.toSorted(compareElements) : elements
}

/** Every path of a set in the order of Kubernetes' messages: what ends here before what goes on. */
export function pathsOf({ members, children }: FieldSet): FieldPath[] {
  const here = [...members].toSorted(compareElements).map((element) => [element])
  const below = [...children].toSorted(([left], [right]) => compareElements(left, right))
  return [
    ...here,
    ...below.flatMap(([element, child]) => pathsOf(child).map((path) => [element, ...path])),
  ]
}

/**
 * FieldsV1 as a set. Untrusted: what cannot be read is a fault, kinds of path elements that are
 * not known are left out.
 * @throws PathElementFault
 */
export function decodeFields(value: unknown): FieldSet {
  return decode(value).set
}

function decode(value: unknown): { set: FieldSet; isMember: boolean } {
  if (!isRecord(value)) throw new PathElementFault('a set of fields must be an object')
  const members = new Set<string>()
  const children = new Map<string, FieldSet>()
  let isMember = false
  for (const [key, inner] of Object.entries(value)) {
    if (key === SELF) {
      isMember = true
      continue
    }
    const element = readElement(key)
    if (element === undefined) continue
    const child = decode(inner)
    if (child.isMember) members.add(element)
    if (!isEmptySet(child.set)) children.set(element, child.set)
  }
  const set = { members, children }
  return { set, isMember: isMember || isEmptySet(set) }
}
