import type { Policies, PolicySource } from '../../../iam/evaluate.ts'
import { parsePolicy } from '../../../iam/policy.ts'
import type { PolicyDocument, PolicyKind } from '../../../iam/policy-document.ts'
import { currentText, type PrincipalIds } from '../iam/principals.ts'
import type { KeyRecord, RoleRecord, Tables } from '../records.ts'
import { defaultDocument, nameKey } from '../records.ts'

const MAX_PARSED = 4000
const parsed = new Map<string, PolicyDocument>()

/** A document that was parsed when it was written; the last ones used are kept. */
export function documentOf(text: string, kind: PolicyKind): PolicyDocument {
  const key = `${kind}:${text}`
  const known = parsed.get(key)
  if (known !== undefined) return known
  const document = parsePolicy(text, kind)
  if (parsed.size >= MAX_PARSED) parsed.clear()
  parsed.set(key, document)
  return document
}

/** A trust or bucket policy as it is now: its principals by the unique ids that were meant. */
export function sideSource(
  tables: Tables,
  side: { readonly name: string; readonly text: string; readonly principalIds: PrincipalIds },
  kind: 'trust' | 'resource',
): PolicySource {
  const text = currentText(tables, side.text, side.principalIds)
  return { name: side.name, document: documentOf(text, kind) }
}

/** The role behind a session, unless it was deleted (and maybe made again) since. */
export function roleOfKey(tables: Tables, key: KeyRecord): RoleRecord | undefined {
  const { session } = key
  if (session === undefined) return undefined
  const role = tables.roles.get(nameKey(key.accountId, session.roleName))
  return role?.roleId === session.roleId ? role : undefined
}

/** Everything that a key's owner brings into a decision; none for calls that are not signed. */
export function policiesOfKey(tables: Tables, key: KeyRecord | undefined): Policies {
  if (key === undefined) return { identity: [] }
  if (key.session === undefined) {
    const user = tables.users.get(nameKey(key.accountId, key.userName ?? ''))
    return { identity: inlineSources(user?.inlinePolicies ?? {}) }
  }
  const role = roleOfKey(tables, key)
  const { policies } = key.session
  return {
    ...(role === undefined ? { identity: [] } : policiesOfRole(tables, role)),
    ...(policies.length > 0 && {
      session: policies.map((text, index) => ({
        name: `session:${index + 1}`,
        document: documentOf(text, 'session'),
      })),
    }),
  }
}

/** A role's identity policies and its boundary. */
export function policiesOfRole(tables: Tables, role: RoleRecord): Policies {
  const attached = role.attachedPolicyArns.flatMap((arn) => managedSource(tables, arn))
  const [boundary] = role.boundaryArn === undefined ? [] : managedSource(tables, role.boundaryArn)
  return {
    identity: [...inlineSources(role.inlinePolicies), ...attached],
    ...(boundary !== undefined && { boundary }),
  }
}

const inlineSources = (policies: Readonly<Record<string, string>>): readonly PolicySource[] =>
  Object.entries(policies).map(([name, text]) => ({
    name: `inline:${name}`,
    document: documentOf(text, 'identity'),
  }))

function managedSource(tables: Tables, arn: string): readonly PolicySource[] {
  const policy = tables.policies.get(arn)
  if (policy === undefined) return []
  return [{ name: arn, document: documentOf(defaultDocument(policy), 'identity') }]
}
