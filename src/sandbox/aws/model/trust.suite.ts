/** Who may become a role, as the model says: a small evaluator of the policies that are made here. */
import type { Condition, PolicyText, Statement } from './operations.suite.ts'
import { AWS_POLICIES } from './roles.suite.ts'
import type { Role } from './world.suite.ts'

/** Keys in lower case. */
export type Context = ReadonlyMap<string, string>

/** Who asks. */
export type Asking =
  | { readonly kind: 'Federated'; readonly provider: string }
  | { readonly kind: 'Service'; readonly service: string }
  /** A session of that role. */
  | { readonly kind: 'AWS'; readonly base: Role }

const matches = (pattern: string, text: string): boolean =>
  new RegExp(
    `^${pattern
      .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
    's',
  ).test(text)

const matchesAction = (statement: Statement, action: string): boolean =>
  statement.actions.some((pattern) => matches(pattern.toLowerCase(), action.toLowerCase()))

/** A key that is not there fulfils none of these operators. */
function holds({ operator, key, values }: Condition, context: Context): boolean {
  const found = context.get(key.toLowerCase())
  if (found === undefined) return false
  return values.some((value) =>
    operator === 'StringLike' ? matches(value, found) : value === found,
  )
}

/** Whether a statement means who asks, and whether by the role's own ARN or its account's. */
function meant(role: Role, { principal }: Statement, asking: Asking): 'role' | 'other' | undefined {
  if (principal?.kind !== asking.kind) return undefined
  if (asking.kind === 'Federated') {
    return principal.values.includes(asking.provider) ? 'other' : undefined
  }
  if (asking.kind === 'Service') {
    return principal.values.includes(asking.service) ? 'other' : undefined
  }
  // Kept by unique id: a role that was made again is somebody else.
  const isNamed = principal.values.some((arn) => role.trusted.get(arn) === asking.base.id)
  if (isNamed) return 'role'
  const account = asking.base.accountId
  const names = [account, `arn:aws:iam::${account}:root`]
  return principal.values.some((value) => names.includes(value)) ? 'other' : undefined
}

/** Whether the base role's own policies allow it, and whether one forbids it. */
function ownPolicies(base: Role, action: string): { allows: boolean; denies: boolean } {
  const texts: readonly PolicyText[] = [...base.inline.values()]
  const statements = texts
    .flatMap(({ statements }) => statements)
    .filter((statement) => matchesAction(statement, action))
  const managed = [...base.attached].flatMap((arn) => AWS_POLICIES[arn] ?? [])
  return {
    allows:
      statements.some(({ effect }) => effect === 'Allow') ||
      managed.some((pattern) => matches(pattern, action)),
    denies: statements.some(({ effect }) => effect === 'Deny'),
  }
}

const isInBoundary = ({ boundary }: Role, action: string): boolean =>
  boundary === undefined ||
  (AWS_POLICIES[boundary] ?? []).some((pattern) => matches(pattern, action))

/**
 * Whether all of the actions are allowed. A trust policy must allow explicitly; a role's session
 * that it names in the same account needs no policy of its own, in another one or by the name of
 * its account it does.
 */
export function mayBecome(
  role: Role,
  asking: Asking,
  { actions, context }: { readonly actions: readonly string[]; readonly context: Context },
): boolean {
  return actions.every((action) => {
    const statements = role.trust.statements.filter(
      (statement) =>
        matchesAction(statement, action) &&
        meant(role, statement, asking) !== undefined &&
        statement.conditions.every((condition) => holds(condition, context)),
    )
    if (statements.some(({ effect }) => effect === 'Deny')) return false
    if (statements.length === 0) return false
    if (asking.kind !== 'AWS') return true
    const { base } = asking
    const own = ownPolicies(base, action)
    if (own.denies || !isInBoundary(base, action)) return false
    const isDirect = statements.some((statement) => meant(role, statement, asking) === 'role')
    return own.allows || (isDirect && base.accountId === role.accountId)
  })
}
