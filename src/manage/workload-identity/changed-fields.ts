import type { KubeObject } from '../../kube/objects.ts'

/** What the API server writes by itself. */
const SERVERS_OWN = new Set([
  'metadata.managedFields',
  'metadata.resourceVersion',
  'metadata.generation',
  'metadata.uid',
  'metadata.creationTimestamp',
  'status',
])
const MAX_VALUE = 120

/** The fields in which an object differs, a line each: `spec.replicas: 2 → 1`. */
export function changedFields(
  before: KubeObject,
  after: KubeObject,
  { isSecret }: { readonly isSecret: boolean },
): readonly string[] {
  const lines: string[] = []
  const show = (value: unknown, path: string): string => {
    if (value === undefined) return 'nothing'
    if (isSecret || path.endsWith('.caBundle')) return 'something'
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    return text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE)}…` : text
  }
  const walk = (one: unknown, other: unknown, path: string): void => {
    if (SERVERS_OWN.has(path) || Bun.deepEquals(one, other)) return
    if (isFolder(one) && isFolder(other)) {
      const keys = new Set([...Object.keys(one), ...Object.keys(other)])
      for (const key of keys) walk(one[key], other[key], joined(path, key, Array.isArray(other)))
      return
    }
    const [from, to] = [show(one, path), show(other, path)]
    lines.push(`${path}: ${from} → ${to}${from === to ? ' else' : ''}`)
  }
  walk(before, after, '')
  return lines
}

const isFolder = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

const joined = (path: string, key: string, isList: boolean): string =>
  isList ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`
