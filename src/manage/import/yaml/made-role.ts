/** Roles that podrole made → the fields that make them, so that a file goes on as their maker. */
import type { ServiceAccountName } from '../../../iam/service-account-name.ts'
import type { Tags } from '../../../iam/tags.ts'
import { isOfOurs } from '../../desired/checks/policies.ts'
import type { RoleFieldNames } from '../../desired/checks/roles.ts'
import { WELL_KNOWN_POLICIES, wellKnownPermissions } from '../../desired/well-known-policies.ts'
import { isSamePolicy } from '../../plan/canonical-json.ts'
import type { PlanRole } from '../../plan/observed-state.ts'
import { blockOfTags, changeableTags, clusterOfTags, isAdopted } from '../../plan/ownership.ts'
import { isOwned } from '../../../iam/tags.ts'
import { roleNameFor } from '../../role-name.ts'
import { POLICY_NAME } from '../../roles/role-port.ts'

export type Fields = Readonly<Record<string, unknown>>

/** Whether a file made it, for one of those clusters: only such a one is written with all it has. */
export const isMadeByFile = ({ tags }: PlanRole, clusterArns: ReadonlySet<string>): boolean =>
  isOwned(tags) &&
  !isAdopted(tags) &&
  blockOfTags(tags) !== undefined &&
  clusterArns.has(clusterOfTags(tags) ?? '')

/** Where a role is written. */
export interface RolePlace {
  readonly words: RoleFieldNames
  readonly clusterArn: string
  readonly partition: string
  /** The one whose item it is. */
  readonly holder: ServiceAccountName
  /** Others are to have it too, so that it is named by hand. */
  readonly isShared: boolean
  /** An add-on's items have neither tags nor well-known policies of their own. */
  readonly ofAddon?: Tags
}

/** The fields, or why there are none that say the same. */
export function madeFields(
  role: PlanRole,
  place: RolePlace,
): { readonly fields: Fields; readonly why?: never } | { readonly why: string } {
  const { clusterArn, holder, isShared, ofAddon, words } = place
  const known = ofAddon === undefined ? knownPolicies(role, place.partition) : {}
  const others = Object.entries(role.inline).filter(
    ([name]) => !Object.keys(known).some((one) => name === `podrole-${one}`),
  )
  const [first, second] = others
  const [policyName, text] = first ?? ['', '']
  if (second !== undefined) return { why: 'a file gives a role one inline policy, it has several' }
  if (policyName !== '' && words.policyName === undefined && policyName !== POLICY_NAME) {
    return { why: `a file calls its inline policy ${POLICY_NAME}, it has ${policyName}` }
  }
  const tags = changeableTags(role.tags)
  if (ofAddon !== undefined && Object.keys(tags).length > 0) {
    return { why: "a file gives no tags to the role of an add-on's association" }
  }
  const isNamedByUs = role.name === roleNameFor({ clusterArn, ...holder })
  const conditions = ownConditions(role.trustPolicy)
  return {
    fields: {
      ...((isShared || !isNamedByUs) && { roleName: role.name }),
      ...(role.policyArns.length > 0 && { [words.policyArns]: role.policyArns.toSorted() }),
      ...(Object.keys(known).length > 0 && { wellKnownPolicies: known }),
      ...(policyName !== '' && { [words.policy]: documentOf(text) }),
      ...(policyName !== '' &&
        policyName !== POLICY_NAME &&
        words.policyName !== undefined && { [words.policyName]: policyName }),
      ...(role.boundaryArn !== undefined && { [words.boundary]: role.boundaryArn }),
      ...(Object.keys(tags).length > 0 && { tags }),
      ...(Object.keys(conditions).length > 0 && { trustConditions: conditions }),
    },
  }
}

/** The well-known policies whose documents it has; those that AWS manages are named by ARN. */
function knownPolicies({ inline }: PlanRole, partition: string): Readonly<Record<string, boolean>> {
  const found = Object.keys(WELL_KNOWN_POLICIES).filter((name) => {
    const document = wellKnownPermissions({ [name]: true }, partition).inline[`podrole-${name}`]
    return document !== undefined && isSamePolicy(inline[`podrole-${name}`], document)
  })
  return Object.fromEntries(found.map((name) => [name, true]))
}

/** A policy as the document itself, which people read and change; what is no JSON as its text. */
export function documentOf(text: string): unknown {
  try {
    const document: unknown = JSON.parse(text)
    return isSamePolicy(JSON.stringify(document), text) ? document : text
  } catch {
    return text
  }
}

interface TrustStatement {
  readonly Sid?: unknown
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

/** What a user has conditioned beside podrole, in the first statement of podrole's own. */
function ownConditions(trustPolicy: string): Fields {
  const document = documentOf(trustPolicy) as { readonly Statement?: unknown } | string
  const list: unknown = typeof document === 'object' ? document.Statement : undefined
  const statements = (Array.isArray(list) ? list : [list]) as readonly TrustStatement[]
  const own = statements.find((one) => String(one?.Sid).startsWith('Podrole'))
  const isUntagged = String(own?.Sid).startsWith('PodrolePodIdentityUntagged')
  const kept = Object.entries(own?.Condition ?? {}).map(
    ([operator, keys]) =>
      [
        operator,
        Object.fromEntries(
          Object.entries(keys).filter(
            ([key]) =>
              !isOfOurs(operator, key) &&
              !(isUntagged && key.toLowerCase() === 'aws:sourceaccount'),
          ),
        ),
      ] as const,
  )
  return Object.fromEntries(kept.filter(([, keys]) => Object.keys(keys).length > 0))
}
