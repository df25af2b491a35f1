import { isDeepStrictEqual } from 'node:util'
import { type FaultPath, formatPath, quoteValue } from '../faults.ts'
import { type CheckContext, type Fields, fieldsOf, textOf } from './check.ts'
import { policyTextOf } from './policies.ts'
import { ASSOCIATION_ROLE, booleansOf, SERVICE_ACCOUNT_ROLE } from './roles.ts'

/**
 * Several service accounts may share a role by its name where they ask for the same role; IAM does
 * not tell capitals from small letters in names.
 */
export function checkRoleNames(
  places: readonly { readonly path: FaultPath; readonly item: Fields }[],
  { complain }: CheckContext,
): void {
  const seen = new Map<
    string,
    { readonly name: string; readonly role: object; readonly path: string }
  >()
  for (const { item, path } of places) {
    const name = textOf(item['roleName'])
    if (name === undefined) continue
    const role = roleOf(item)
    const before = seen.get(name.toLowerCase())
    if (before === undefined) {
      seen.set(name.toLowerCase(), { name, role, path: formatPath(path) })
    } else if (before.name !== name || !isDeepStrictEqual(before.role, role)) {
      complain(
        [...path, 'roleName'],
        `${quoteValue(name)} is the role of ${before.path} already, which asks for other permissions, tags or conditions: wanted another name, or the same role`,
      )
    }
  }
}

/** What the fields ask of a role, in either block's words. */
function roleOf(item: Fields): object {
  const names = 'metadata' in item ? SERVICE_ACCOUNT_ROLE : ASSOCIATION_ROLE
  return {
    policy: policyTextOf(item[names.policy]),
    policyName: names.policyName === undefined ? undefined : item[names.policyName],
    policyArns: item[names.policyArns] ?? [],
    boundary: item[names.boundary],
    wellKnown: booleansOf(item['wellKnownPolicies']),
    tags: fieldsOf(item['tags']),
    trustConditions: fieldsOf(item['trustConditions']),
    disableSessionTags: item['disableSessionTags'] === true,
  }
}
