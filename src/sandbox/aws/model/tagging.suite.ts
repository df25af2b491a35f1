/** Untagging and listing of tags, the same for each kind that has them. */
import type { Members, Plain } from './operations.suite.ts'
import { keyAt, pageWords, requireRole, type Step } from './roles.suite.ts'
import { checkNumber, tagRows, withoutKeys } from './shapes.suite.ts'
import { DONE, Faults, type World } from './world.suite.ts'

export const tagKeysOf = (input: Members): readonly string[] =>
  (input['TagKeys'] ?? []) as readonly string[]

/** No more at once than a resource may have. */
export function checkTagKeys(world: World, faults: Faults, input: Members): readonly string[] {
  const keys = tagKeysOf(input)
  for (const key of keys) faults.shape(key.length < 1 || key.length > 128)
  faults.shape(keys.length > world.quotas.tagsPerResource)
  return keys
}

const untagRole: Step = (world, operation) => {
  const faults = new Faults()
  const role = requireRole(world, faults, operation)
  const keys = checkTagKeys(world, faults, operation.input)
  if (faults.refusal !== undefined || role === undefined) return faults.refusal ?? DONE
  role.tags = withoutKeys(role.tags, keys, true)
  return DONE
}

const listRoleTags: Step = (world, operation) => {
  const faults = new Faults()
  const role = requireRole(world, faults, operation)
  const limit = checkNumber(faults, operation.input, 'MaxItems', [1, 1000]) ?? 100
  if (faults.refusal !== undefined || role === undefined) return faults.refusal ?? DONE
  const there = new Map<string, Plain>(
    (tagRows(role.tags) as readonly Members[]).map((row) => [keyAt('Key')(row), row]),
  )
  const words = pageWords(operation.input, `tags ${role.id}`)
  return { page: { ...words, rows: 'Tags', there, limit, keyOf: keyAt('Key') } }
}

export const ROLE_TAG_STEPS: Readonly<Record<string, Step>> = {
  UntagRole: untagRole,
  ListRoleTags: listRoleTags,
}
