import { PodroleError } from '../lib/errors.ts'

const MAX_DEPTH = 256

/**
 * The target with a merge patch applied (RFC 7386): objects are merged, null removes, anything
 * else replaces. Pure; the result shares what was not touched.
 * @throws PodroleError `InvalidPatch` (status 422) where the patch is nested too deeply
 */
export function applyMergePatch<T>(target: T, patch: unknown): T {
  return merge(target, patch, 0) as T
}

function merge(target: unknown, patch: unknown, depth: number): unknown {
  if (!isRecord(patch)) return patch
  if (depth > MAX_DEPTH) {
    throw new PodroleError('InvalidPatch', `the merge patch is nested deeper than ${MAX_DEPTH}`, {
      status: 422,
    })
  }
  const members = new Map<string, unknown>(isRecord(target) ? Object.entries(target) : [])
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) members.delete(key)
    else members.set(key, merge(members.get(key), value, depth + 1))
  }
  // `fromEntries` defines members, so a key `__proto__` is a member like any other.
  return Object.fromEntries(members)
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
