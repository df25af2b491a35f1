/**
 * One step of a field's path, in the text that FieldsV1 has for it: `f:NAME` a field, `k:{JSON}`
 * the list element with these keys, `v:JSON` the element of a set, `i:N` the N-th element
 * (https://kubernetes.io/docs/reference/using-api/server-side-apply/, FieldsV1 in apimachinery).
 */
import { isRecord, type JsonRecord } from '../objects.ts'

/** A path element that cannot be read. */
export class PathElementFault extends Error {}

const KINDS = ['f', 'k', 'v', 'i'] as const

export const fieldElement = (name: string): string => `f:${name}`

export const valueElement = (value: unknown): string => `v:${encode(value)}`

/** `names` are in the alphabet's order. */
export function keyElement(names: readonly string[], values: readonly unknown[]): string {
  const pairs = names.map((name, at) => `${encode(name)}:${encode(values[at])}`)
  return `k:{${pairs.join(',')}}`
}

/** JSON with the signs of HTML escaped, as Go writes it. */
function encode(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/**
 * A path element in its one right form; undefined for a kind of a later version, which is left out.
 * @throws PathElementFault
 */
export function readElement(text: string): string | undefined {
  if (text[1] !== ':') throw new PathElementFault(`missing colon: ${text.slice(0, 100)}`)
  const rest = text.slice(2)
  switch (text[0]) {
    case 'f':
      return text
    case 'v':
      return valueElement(parse(rest))
    case 'k': {
      const keys = parse(rest)
      if (!isRecord(keys)) throw new PathElementFault(`no keys: ${rest.slice(0, 100)}`)
      const names = Object.keys(keys).toSorted()
      return keyElement(
        names,
        names.map((name) => keys[name]),
      )
    }
    case 'i': {
      if (!/^-?\d{1,15}$/.test(rest)) throw new PathElementFault(`no index: ${rest.slice(0, 100)}`)
      return `i:${Number(rest)}`
    }
    default:
      return undefined
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new PathElementFault(`no JSON: ${text.slice(0, 100)}`)
  }
}

/** The field's name, where the element is a field. */
export const fieldNameOf = (element: string): string | undefined =>
  element.startsWith('f:') ? element.slice(2) : undefined

/** The order of Kubernetes: fields, keys, values, indexes; each by its content. */
export function compareElements(left: string, right: string): number {
  const [kind, other] = [left[0] ?? '', right[0] ?? '']
  if (kind !== other) return rank(kind) - rank(other)
  if (kind === 'f') return left < right ? -1 : left > right ? 1 : 0
  const [one, two] = [JSON.parse(left.slice(2)), JSON.parse(right.slice(2))] as [unknown, unknown]
  if (!isRecord(one) || !isRecord(two)) return compareValues(one, two)
  const [names, otherNames] = [Object.keys(one), Object.keys(two)]
  for (const [at, name] of names.entries()) {
    const otherName = otherNames[at]
    if (otherName === undefined) return 1
    if (name !== otherName) return name < otherName ? -1 : 1
    const order = compareValues(one[name], two[name])
    if (order !== 0) return order
  }
  return names.length - otherNames.length
}

const rank = (kind: string): number => KINDS.findIndex((known) => known === kind)

const TYPES = ['number', 'string', 'boolean', 'object']

function compareValues(left: unknown, right: unknown): number {
  if (typeof left !== typeof right) return TYPES.indexOf(typeof left) - TYPES.indexOf(typeof right)
  if (typeof left === 'object') return 0
  const [one, two] = [left as string, right as string]
  return one < two ? -1 : one > two ? 1 : 0
}

/** A path as messages show it: `.spec.ports[port=80,protocol="TCP"].name`. */
export function printPath(path: readonly string[]): string {
  return path.map(printElement).join('')
}

export function printElement(element: string): string {
  const rest = element.slice(2)
  switch (element[0]) {
    case 'f':
      return `.${rest}`
    case 'k': {
      const keys = Object.entries(JSON.parse(rest) as JsonRecord)
      return `[${keys.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(',')}]`
    }
    case 'v':
      return `[=${JSON.stringify(JSON.parse(rest))}]`
    default:
      return `[${rest}]`
  }
}
