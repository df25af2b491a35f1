/** A path of the API, taken apart: `/apis/GROUP/VERSION/namespaces/NS/PLURAL/NAME/SUBRESOURCE`. */
export interface ResourcePath {
  readonly group: string
  readonly version: string
  readonly namespace?: string
  readonly plural: string
  readonly name?: string
  readonly subresource?: string
}

const NAMESPACE_SUBRESOURCES = new Set(['status', 'finalize'])

/**
 * The resource that a path names; undefined where it names none (`/version`, `/apis/apps`).
 * @throws URIError for a broken percent encoding
 */
export function parseResourcePath(pathname: string): ResourcePath | undefined {
  const segments = pathname.split('/').slice(1)
  if (segments.at(-1) === '') segments.pop()
  const parts = segments.map(decodeURIComponent)
  if (parts.some((part) => part === '' || part.includes('/'))) return undefined
  const isCore = parts[0] === 'api'
  if (!isCore && parts[0] !== 'apis') return undefined
  const [group = '', version = ''] = isCore ? ['', parts[1]] : [parts[1], parts[2]]
  const rest = parts.slice(isCore ? 2 : 3)
  if (rest.length === 0) return undefined
  return { group, version, ...splitResource(rest) }
}

function splitResource(rest: readonly string[]): Pick<ResourcePath, 'plural'> {
  const [first = '', second, third, ...more] = rest
  const isNamespaced =
    first === 'namespaces' &&
    third !== undefined &&
    !(NAMESPACE_SUBRESOURCES.has(third) && more.length === 0)
  return isNamespaced ? named([third, ...more], second) : named(rest, undefined)
}

function named(
  rest: readonly string[],
  namespace: string | undefined,
): Pick<ResourcePath, 'plural'> {
  const [plural = '', name, ...subresource] = rest
  return {
    plural,
    ...(namespace !== undefined && { namespace }),
    ...(name !== undefined && { name }),
    ...(subresource.length > 0 && { subresource: subresource.join('/') }),
  }
}
