/**
 * IAM keeps the principals of a policy by unique id: a role that is deleted and made again under
 * its old name is somebody else, whom the policy does not mean.
 * Source: IAM User Guide, "AWS JSON policy elements: Principal".
 */
import type { PolicyDocument } from '../../../iam/policy-document.ts'
import type { Tables } from '../records.ts'
import { nameKey } from '../records.ts'

/** ARN → unique id. */
export type PrincipalIds = Readonly<Record<string, string>>

const PRINCIPAL = /^arn:[a-z0-9-]+:iam::(\d{12}):(role|user)\/(?:[^:]*\/)?([\w+=,.@-]+)$/

/** The unique id behind the ARN of a role or user, as they are now. */
export function uniqueIdOf(tables: Tables, arn: string): string | undefined {
  const [, accountId = '', kind, name = ''] = PRINCIPAL.exec(arn) ?? []
  if (kind === undefined) return undefined
  if (kind === 'role') {
    const role = tables.roles.get(nameKey(accountId, name))
    return role?.arn === arn ? role.roleId : undefined
  }
  const user = tables.users.get(nameKey(accountId, name))
  return user?.arn === arn ? user.userId : undefined
}

/**
 * The unique ids of the roles and users that a policy names, or the first principal that does not
 * exist: a policy that names it is refused.
 */
export function readPrincipals(
  tables: Tables,
  document: PolicyDocument,
): { readonly ids: PrincipalIds } | { readonly unknown: string } {
  const ids: Record<string, string> = {}
  for (const statement of document.statements) {
    for (const { type, value } of statement.principals ?? statement.notPrincipals ?? []) {
      if (type !== 'AWS' || !PRINCIPAL.test(value)) continue
      const id = uniqueIdOf(tables, value)
      if (id === undefined) return { unknown: value }
      ids[value] = id
    }
  }
  return { ids }
}

/**
 * The text as it is kept where every principal is still the one that was meant; else with the
 * unique id (`AROA…`) in the place of each that is gone.
 */
export function currentText(tables: Tables, text: string, ids: PrincipalIds): string {
  const named = Object.entries(ids)
  if (named.length === 0) return text
  const gone = new Map(named.filter(([arn, id]) => uniqueIdOf(tables, arn) !== id))
  if (gone.size === 0) return text
  const document = JSON.parse(text) as { Statement?: unknown }
  const statements = Array.isArray(document.Statement) ? document.Statement : [document.Statement]
  for (const statement of statements as Record<string, unknown>[]) {
    for (const element of ['Principal', 'NotPrincipal']) {
      const principal = statement[element]
      if (typeof principal !== 'object' || principal === null || !('AWS' in principal)) continue
      const { AWS } = principal
      const replace = (arn: unknown): unknown => gone.get(String(arn)) ?? arn
      principal.AWS = Array.isArray(AWS) ? AWS.map(replace) : replace(AWS)
    }
  }
  return JSON.stringify(document)
}
