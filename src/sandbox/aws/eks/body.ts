/** Reads the members of EKS's JSON bodies and query strings by their shapes. */
import { AwsFault } from '../wire/fault.ts'
import type { JsonInput } from '../wire/json.ts'
import { pageOf } from '../wire/pages.ts'
import { isRecord } from '../wire/xml.ts'

export type JsonObject = Readonly<Record<string, unknown>>

const MAX_LIST = 1000

export const invalidParameter = (
  message: string,
  members: Readonly<Record<string, string>> = {},
): AwsFault => new AwsFault('InvalidParameterException', message, { members })

export const invalidRequest = (
  message: string,
  members: Readonly<Record<string, string>> = {},
): AwsFault => new AwsFault('InvalidRequestException', message, { members })

export const inUse = (message: string, members: Readonly<Record<string, string>> = {}): AwsFault =>
  new AwsFault('ResourceInUseException', message, { status: 409, members })

export const notFound = (
  message: string,
  members: Readonly<Record<string, string>> = {},
): AwsFault => new AwsFault('ResourceNotFoundException', message, { status: 404, members })

export const limitExceeded = (
  message: string,
  members: Readonly<Record<string, string>> = {},
): AwsFault => new AwsFault('ResourceLimitExceededException', message, { members })

function memberOf(body: JsonObject, name: string): unknown {
  return Object.hasOwn(body, name) ? (body[name] ?? undefined) : undefined
}

/** A member that is a list of strings, where it is there. */
export function textsMember(body: JsonObject, name: string): readonly string[] | undefined {
  const value = memberOf(body, name)
  if (value === undefined) return undefined
  if (!Array.isArray(value) || value.length > MAX_LIST) {
    throw invalidParameter(`${name} is not a list of strings`)
  }
  return value.map((item: unknown) => {
    if (typeof item === 'string') return item
    throw invalidParameter(`${name} is not a list of strings`)
  })
}

/** A member that is a structure, where it is there. */
export function objectMember(body: JsonObject, name: string): JsonObject | undefined {
  const value = memberOf(body, name)
  if (value === undefined || isRecord(value)) return value
  throw invalidParameter(`${name} is not a structure`)
}

/** A member that is a list of structures, where it is there. */
export function objectsMember(body: JsonObject, name: string): readonly JsonObject[] | undefined {
  const value = memberOf(body, name)
  if (value === undefined) return undefined
  if (!Array.isArray(value) || value.length > MAX_LIST) {
    throw invalidParameter(`${name} is not a list of structures`)
  }
  return value.map((item: unknown) => {
    if (isRecord(item)) return item
    throw invalidParameter(`${name} is not a list of structures`)
  })
}

/** A member that is true or false, where it is there. */
export function booleanMember(body: JsonObject, name: string): boolean | undefined {
  const value = memberOf(body, name)
  if (value === undefined || typeof value === 'boolean') return value
  throw invalidParameter(`${name} is not a boolean`)
}

/** A member that is a map of strings, where it is there. */
export function textMapMember(
  body: JsonObject,
  name: string,
): Readonly<Record<string, string>> | undefined {
  const value = objectMember(body, name)
  if (value === undefined) return undefined
  for (const text of Object.values(value)) {
    if (typeof text !== 'string') throw invalidParameter(`${name} is not a map of strings`)
  }
  return value as Readonly<Record<string, string>>
}

/** One page of a list, by `maxResults` (1 to 100) and `nextToken` of the query string. */
export function pageOfList<T>(
  input: JsonInput,
  all: Iterable<T>,
  keyOf: (item: T) => string,
): { readonly items: readonly T[]; readonly more: { readonly nextToken?: string } } {
  const { searchParams } = input.url
  const text = searchParams.get('maxResults') ?? '100'
  const limit = /^\d{1,3}$/.test(text) ? Number(text) : 0
  if (limit < 1 || limit > 100) throw invalidParameter('maxResults is out of range: 1 to 100')
  const token = searchParams.get('nextToken') ?? undefined
  const page = pageOf(all, keyOf, { limit, token, fault: 'InvalidParameterException' })
  return { items: page.items, more: page.next === undefined ? {} : { nextToken: page.next } }
}
