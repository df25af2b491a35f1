/** Roles as the model knows them: written from IAM's documentation and service model. */
import {
  type Members,
  type Operation,
  type Outcome,
  type Plain,
  type PolicyText,
  textOf,
} from './operations.suite.ts'
import {
  checkArn,
  checkDescription,
  checkDocument,
  checkName,
  checkNumber,
  checkPath,
  checkPathPrefix,
  checkTags,
  tagsMember,
} from './shapes.suite.ts'
import {
  accountOf,
  DONE,
  Faults,
  type Role,
  refused,
  roleByArn,
  type World,
} from './world.suite.ts'

/** The managed policies of AWS that calls name, and the actions that they allow. */
export const AWS_POLICIES: Readonly<Record<string, readonly string[]>> = {
  'arn:aws:iam::aws:policy/AdministratorAccess': ['*'],
  'arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess': ['s3:Get*', 's3:List*'],
  'arn:aws:iam::aws:policy/IAMReadOnlyAccess': ['iam:Get*', 'iam:List*'],
}
/** Only roles linked to a service have it. */
export const SERVICE_POLICY = 'arn:aws:iam::aws:policy/aws-service-role/AmazonEKSServiceRolePolicy'

const SECONDS = [3600, 43_200] as const

export type Step = (world: World, operation: Operation, newId: string) => Outcome

/** The role that RoleName names; its absence is a fault. */
export function requireRole(world: World, faults: Faults, operation: Operation): Role | undefined {
  const name = checkName(faults, operation.input, 'RoleName', 64)
  const role = accountOf(world, operation.accountId).roles.get(name.toLowerCase())
  faults.add(role === undefined, 'NoSuchEntity')
  return role
}

/** A step for a role that is there, once nothing else is wrong. */
const forRole =
  (
    act: (at: {
      readonly world: World
      readonly role: Role
      readonly input: Members
      readonly faults: Faults
    }) => (() => Outcome) | void,
  ): Step =>
  (world, operation) => {
    const faults = new Faults()
    const role = requireRole(world, faults, operation)
    // What else is wrong is collected all the same: a refusal may name it.
    const finish = act({ world, role: role ?? NOBODY, input: operation.input, faults })
    return faults.refusal ?? finish?.() ?? DONE
  }

const NOBODY: Role = {
  accountId: '',
  name: '',
  path: '/',
  arn: '',
  id: '',
  description: undefined,
  maxSeconds: 3600,
  trust: { text: '', isMalformed: true, statements: [] },
  trusted: new Map(),
  boundary: undefined,
  inline: new Map(),
  attached: new Set(),
  tags: new Map(),
  createdSeconds: 0,
}

/** The roles that a trust policy names, by unique id; what IAM does not take is a fault. */
function checkTrust(world: World, faults: Faults, trust: PolicyText): ReadonlyMap<string, string> {
  faults.add(trust.text.length > world.quotas.trustPolicyCharacters, 'LimitExceeded')
  faults.add(trust.isMalformed, 'MalformedPolicyDocument')
  const ids = new Map<string, string>()
  for (const { principal } of trust.statements) {
    for (const arn of principal?.kind === 'AWS' ? principal.values : []) {
      if (!arn.includes(':role/')) continue
      const role = roleByArn(world, arn)
      faults.add(role === undefined, 'MalformedPolicyDocument')
      if (role !== undefined) ids.set(arn, role.id)
    }
  }
  return ids
}

/** The trust policy as it is shown: an id in the place of each role that is not there any more. */
function shownTrust(world: World, role: Role): Plain {
  const document = JSON.parse(role.trust.text) as {
    Statement: { Principal?: { AWS?: string | string[] } }[]
  }
  const shown = (arn: string): string => {
    const id = role.trusted.get(arn)
    return id === undefined || roleByArn(world, arn)?.id === id ? arn : id
  }
  for (const { Principal } of document.Statement) {
    if (Principal?.AWS === undefined) continue
    const { AWS } = Principal
    Principal.AWS = Array.isArray(AWS) ? AWS.map(shown) : shown(AWS)
  }
  return document
}

/** A role as lists show it. */
export const roleRow = (world: World, role: Role): Members => ({
  Path: role.path,
  RoleName: role.name,
  RoleId: role.id,
  Arn: role.arn,
  CreateDate: role.createdSeconds,
  AssumeRolePolicyDocument: shownTrust(world, role),
  ...(role.description !== undefined && { Description: role.description }),
  MaxSessionDuration: String(role.maxSeconds),
})

const fullRole = (world: World, role: Role): Members => ({
  ...roleRow(world, role),
  ...(role.boundary !== undefined && {
    PermissionsBoundary: {
      PermissionsBoundaryType: 'Policy',
      PermissionsBoundaryArn: role.boundary,
    },
  }),
  ...tagsMember(role.tags),
})

const createRole: Step = (world, { accountId, input }, newId) => {
  const faults = new Faults()
  const name = checkName(faults, input, 'RoleName', 64)
  const path = checkPath(faults, input)
  const trust = checkDocument(faults, input, 'AssumeRolePolicyDocument')
  const description = checkDescription(faults, input)
  const maxSeconds = checkNumber(faults, input, 'MaxSessionDuration', SECONDS)
  const boundary = readBoundary(faults, input, input['PermissionsBoundary'] !== undefined)
  const tags = checkTags(world, faults, input, { known: new Map(), foldsCase: true })
  const trusted = checkTrust(world, faults, trust)
  const { roles } = accountOf(world, accountId)
  faults.add(roles.has(name.toLowerCase()), 'EntityAlreadyExists')
  const given = world.givenRoles.get(accountId)?.size ?? 0
  faults.add(roles.size + given >= world.quotas.roles, 'LimitExceeded')
  if (faults.refusal !== undefined) return faults.refusal
  const role: Role = {
    accountId,
    name,
    path,
    arn: `arn:aws:iam::${accountId}:role${path}${name}`,
    id: newId,
    description,
    maxSeconds: maxSeconds ?? 3600,
    trust,
    trusted,
    boundary,
    inline: new Map(),
    attached: new Set(),
    tags,
    createdSeconds: Math.floor(world.nowMs / 1000),
  }
  roles.set(name.toLowerCase(), role)
  return { members: { Role: fullRole(world, role) } }
}

function readBoundary(faults: Faults, input: Members, isWanted: boolean): string | undefined {
  if (!isWanted) return undefined
  const arn = checkArn(faults, input, 'PermissionsBoundary')
  faults.add(AWS_POLICIES[arn] === undefined && arn !== SERVICE_POLICY, 'NoSuchEntity')
  return arn
}

const deleteRole: Step = (world, operation) => {
  const faults = new Faults()
  const role = requireRole(world, faults, operation)
  const { roles, profiles } = accountOf(world, operation.accountId)
  const key = role?.name.toLowerCase() ?? ''
  const isCarried = [...profiles.values()].some((profile) => profile.role === key)
  const isBound = (role?.attached.size ?? 0) + (role?.inline.size ?? 0) > 0
  faults.add(role !== undefined && (isBound || isCarried), 'DeleteConflict')
  if (faults.refusal !== undefined) return faults.refusal
  roles.delete(key)
  return DONE
}

const listRoles: Step = (world, { accountId, input }) => {
  const faults = new Faults()
  const prefix = checkPathPrefix(faults, input)
  const limit = checkNumber(faults, input, 'MaxItems', [1, 1000]) ?? 100
  if (faults.refusal !== undefined) return faults.refusal
  const there = new Map<string, Plain>()
  for (const [name, row] of world.givenRoles.get(accountId) ?? []) {
    if (row.Path.startsWith(prefix)) there.set(name, row)
  }
  for (const role of accountOf(world, accountId).roles.values()) {
    if (role.path.startsWith(prefix)) there.set(role.name, roleRow(world, role))
  }
  const walk = `roles ${accountId} ${prefix}`
  return {
    page: { ...pageWords(input, walk), rows: 'Roles', there, limit, keyOf: keyAt('RoleName') },
  }
}

export const keyAt =
  (name: string) =>
  (row: Plain): string =>
    textOf(row as Members, name)

export const pageWords = (
  input: Members,
  walk: string,
): { readonly walk: string; readonly isFirst: boolean; readonly token: string } => ({
  walk,
  isFirst: input['Marker'] === undefined,
  token: 'Marker',
})

const attachedList: Step = (world, operation) => {
  const faults = new Faults()
  const role = requireRole(world, faults, operation)
  const limit = checkNumber(faults, operation.input, 'MaxItems', [1, 1000]) ?? 100
  if (faults.refusal !== undefined || role === undefined) return faults.refusal ?? DONE
  const there = new Map<string, Plain>(
    [...role.attached].map((PolicyArn) => [
      PolicyArn,
      { PolicyName: PolicyArn.slice(PolicyArn.lastIndexOf('/') + 1), PolicyArn },
    ]),
  )
  const words = pageWords(operation.input, `attached ${role.id}`)
  return { page: { ...words, rows: 'AttachedPolicies', there, limit, keyOf: keyAt('PolicyArn') } }
}

const inlineList: Step = (world, operation) => {
  const faults = new Faults()
  const role = requireRole(world, faults, operation)
  const limit = checkNumber(faults, operation.input, 'MaxItems', [1, 1000]) ?? 100
  if (faults.refusal !== undefined || role === undefined) return faults.refusal ?? DONE
  const there = new Map<string, Plain>([...role.inline.keys()].map((name) => [name, name]))
  const words = pageWords(operation.input, `inline ${role.id}`)
  return { page: { ...words, rows: 'PolicyNames', there, limit, keyOf: String } }
}

/** White space does not count. */
const sizeOf = (texts: Iterable<PolicyText>): number =>
  [...texts].reduce((sum, { text }) => sum + text.replaceAll(/\s/g, '').length, 0)

export const ROLE_STEPS: Readonly<Record<string, Step>> = {
  CreateRole: createRole,
  DeleteRole: deleteRole,
  ListRoles: listRoles,
  ListAttachedRolePolicies: attachedList,
  ListRolePolicies: inlineList,
  GetRole: forRole(({ world, role }) => () => ({ members: { Role: fullRole(world, role) } })),
  UpdateRole: forRole(({ role, input, faults }) => {
    const description = checkDescription(faults, input)
    const seconds = checkNumber(faults, input, 'MaxSessionDuration', SECONDS)
    return () => {
      role.description = description ?? role.description
      role.maxSeconds = seconds ?? role.maxSeconds
      return DONE
    }
  }),
  UpdateAssumeRolePolicy: forRole(({ world, role, input, faults }) => {
    const trust = checkDocument(faults, input, 'PolicyDocument')
    const trusted = checkTrust(world, faults, trust)
    return () => {
      Object.assign(role, { trust, trusted })
      return DONE
    }
  }),
  PutRolePermissionsBoundary: forRole(({ role, input, faults }) => {
    const boundary = readBoundary(faults, input, true)
    return () => {
      role.boundary = boundary
      return DONE
    }
  }),
  DeleteRolePermissionsBoundary: forRole(({ role }) => () => {
    if (role.boundary === undefined) return refused('NoSuchEntity')
    role.boundary = undefined
    return DONE
  }),
  TagRole: forRole(({ world, role, input, faults }) => {
    const tags = checkTags(world, faults, input, { known: role.tags, foldsCase: true })
    return () => {
      role.tags = tags
      return DONE
    }
  }),
  AttachRolePolicy: forRole(({ world, role, input, faults }) => {
    const arn = checkArn(faults, input, 'PolicyArn')
    const isKnown = AWS_POLICIES[arn] !== undefined
    faults.add(arn === SERVICE_POLICY, 'PolicyNotAttachable')
    faults.add(!isKnown && arn !== SERVICE_POLICY, 'NoSuchEntity')
    const isNew = !role.attached.has(arn)
    faults.add(isNew && role.attached.size >= world.quotas.policiesPerRole, 'LimitExceeded')
    return () => {
      role.attached.add(arn)
      return DONE
    }
  }),
  DetachRolePolicy: forRole(({ role, input, faults }) => {
    const arn = checkArn(faults, input, 'PolicyArn')
    faults.add(!role.attached.has(arn), 'NoSuchEntity')
    return () => {
      role.attached.delete(arn)
      return DONE
    }
  }),
  PutRolePolicy: forRole(({ world, role, input, faults }) => {
    const name = checkName(faults, input, 'PolicyName', 128)
    const policy = checkDocument(faults, input, 'PolicyDocument')
    faults.add(policy.isMalformed, 'MalformedPolicyDocument')
    const inline = new Map(role.inline).set(name, policy)
    faults.add(sizeOf(inline.values()) > world.quotas.rolePolicyCharacters, 'LimitExceeded')
    return () => {
      role.inline.set(name, policy)
      return DONE
    }
  }),
  GetRolePolicy: forRole(({ role, input, faults }) => {
    const name = checkName(faults, input, 'PolicyName', 128)
    const policy = role.inline.get(name)
    faults.add(policy === undefined, 'NoSuchEntity')
    return () => ({
      members: {
        RoleName: role.name,
        PolicyName: name,
        PolicyDocument: JSON.parse(policy?.text ?? '') as Plain,
      },
    })
  }),
  DeleteRolePolicy: forRole(({ role, input, faults }) => {
    const name = checkName(faults, input, 'PolicyName', 128)
    faults.add(!role.inline.has(name), 'NoSuchEntity')
    return () => {
      role.inline.delete(name)
      return DONE
    }
  }),
}
