import type { Call } from '../world.ts'
import { AwsFault } from './fault.ts'
import { isRecord } from './xml.ts'
import { textOfBytes } from './body.ts'

/** What an operation of the REST-JSON protocol reads. */
export interface JsonInput {
  readonly request: Request
  readonly url: URL
  /** The percent-decoded labels of the path, in the order of the route's. */
  readonly labels: readonly string[]
  readonly body: Uint8Array
}

/** Answers a value that becomes JSON, or a response as it is. */
export type JsonOperation = (call: Call, input: JsonInput) => Promise<unknown>

/** A row: method and path, whose `*` are labels. */
export interface JsonRoute {
  readonly operation: string
  readonly method: string
  /** `/clusters/*` */
  readonly path: string
  readonly run: JsonOperation
}

/** The route of a request, with its labels. */
export function findRoute(
  routes: readonly JsonRoute[],
  method: string,
  pathname: string,
): { readonly route: JsonRoute; readonly labels: readonly string[] } | undefined {
  const segments = pathname.split('/')
  for (const route of routes) {
    const pattern = route.path.split('/')
    if (route.method !== method || pattern.length !== segments.length) continue
    if (!pattern.every((part, index) => part === '*' || part === segments[index])) continue
    const labels = decodeLabels(segments.filter((_, index) => pattern[index] === '*'))
    if (labels !== undefined && labels.every((label) => label !== '')) return { route, labels }
  }
  return undefined
}

function decodeLabels(labels: readonly string[]): readonly string[] | undefined {
  try {
    return labels.map((label) => decodeURIComponent(label))
  } catch {
    return undefined
  }
}

/** The JSON object of a body; an empty one is an empty object. @throws AwsFault `code` */
export function readJsonObject(
  body: Uint8Array,
  code = 'InvalidParameterException',
): Readonly<Record<string, unknown>> {
  if (body.length === 0) return {}
  const text = textOfBytes(body)
  let value: unknown
  try {
    value = text === undefined ? undefined : JSON.parse(text)
  } catch {
    value = undefined
  }
  if (!isRecord(value)) throw new AwsFault(code, 'The request body is not a JSON object')
  return value
}

/** A member that is a string, where it is there. @throws AwsFault `InvalidParameterException` */
export function textMember(
  body: Readonly<Record<string, unknown>>,
  name: string,
): string | undefined {
  const value = Object.hasOwn(body, name) ? body[name] : undefined
  if (value === undefined || value === null || typeof value === 'string') return value ?? undefined
  throw new AwsFault('InvalidParameterException', `${name} is not a string`)
}
