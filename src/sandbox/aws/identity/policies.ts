import type { Policies, PolicySource } from '../../../iam/evaluate.ts'
import { parsePolicy } from '../../../iam/policy.ts'
import type { PolicyDocument, PolicyKind } from '../../../iam/policy-document.ts'
import { currentText, type PrincipalIds } from '../iam/principals.ts'
import type { GroupRecord, KeyRecord, RoleRecord, Tables, UserRecord } from '../records.ts'
import { defaultDocument, nameKey } from '../records.ts'
import { withFullAccess } from './organization.ts'

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
  const organization = organizationSources(tables, key.accountId)
  const limits = organization.length > 0 ? { organization } : {}
  if (key.session === undefined) {
    const user = tables.users.get(nameKey(key.accountId, key.userName ?? ''))
    return {
      ...(user === undefined ? { identity: [] } : policiesOfUser(tables, user)),
      ...limits,
      ...federationLimits(key),
    }
  }
  const role = roleOfKey(tables, key)
  const { policies } = key.session
  return {
    ...(role === undefined ? { identity: [] } : policiesOfRole(tables, role)),
    // Service-linked roles are the one exception from an organization's policies.
    ...(role?.path.startsWith('/aws-service-role/') !== true && limits),
    ...(policies.length > 0 && { session: sessionSources(policies) }),
  }
}

const sessionSources = (policies: readonly string[]): readonly PolicySource[] =>
  policies.map((text, index) => ({
    name: `session:${index + 1}`,
    document: documentOf(text, 'session'),
  }))

const NO_SESSION_POLICY: PolicySource = {
  name: 'session:none',
  document: { kind: 'session', version: '2012-10-17', statements: [] },
}

/** A federated user may what its session policies allow: where there is none, nothing. */
function federationLimits(key: KeyRecord): Pick<Policies, 'session'> {
  const federated = key.temporary?.federated
  if (federated === undefined) return {}
  const { policies } = federated
  return { session: policies.length > 0 ? sessionSources(policies) : [NO_SESSION_POLICY] }
}

/** The service control policies over an account, each of which must allow. */
export function organizationSources(tables: Tables, accountId: string): readonly PolicySource[] {
  return ['*', accountId].flatMap((owner) =>
    (tables.organization.get(owner)?.serviceControlPolicies ?? []).map(({ name, document }) => ({
      name: `scp:${name}`,
      document: withFullAccess(documentOf(document, 'identity')),
    })),
  )
}

/** A role's identity policies and its boundary. */
export function policiesOfRole(tables: Tables, role: RoleRecord): Policies {
  return policiesOfEntity(tables, role)
}

/** A user's identity policies, its groups' too, and its boundary. */
export function policiesOfUser(tables: Tables, user: UserRecord): Policies {
  const own = policiesOfEntity(tables, user)
  const groups = groupsOfUser(tables, user)
  const shared = groups.flatMap((group) => policiesOfEntity(tables, group).identity)
  return { ...own, identity: [...own.identity, ...shared] }
}

/** The groups that a user is in. */
export const groupsOfUser = (tables: Tables, user: UserRecord): readonly GroupRecord[] =>
  [...tables.groups.values()].filter(({ userIds }) => userIds.includes(user.userId))

function policiesOfEntity(
  tables: Tables,
  entity: Pick<RoleRecord, 'inlinePolicies' | 'attachedPolicyArns' | 'boundaryArn'>,
): Policies {
  const { boundaryArn } = entity
  const attached = entity.attachedPolicyArns.flatMap((arn) => managedSource(tables, arn))
  const [boundary] = boundaryArn === undefined ? [] : managedSource(tables, boundaryArn)
  return {
    identity: [...inlineSources(entity.inlinePolicies), ...attached],
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
