/** The trust policies of roles that podrole made: its own statements, and whatever else is there. */
import { issuerHostPathOf, parseArn } from '../../iam/arn.ts'
import type { JsonNode } from '../../iam/json-document.ts'
import { jsonNodeOf } from '../../iam/json-text.ts'
import {
  type GrantedStatement,
  grantedStatements,
  POD_IDENTITY_SERVICE,
  statementOf,
  type TrustGrant,
} from '../../iam/trust-grant.ts'
import {
  findOwnStatements,
  formatTrustText,
  isWild,
  memberOf,
  newSid,
  readTrustText,
  statementName,
  textOf,
  textsOf,
  type TrustText,
  withListValues,
} from '../../iam/trust-statements.ts'
import type { TrustConditions } from '../desired/desired-state.ts'
import { canonicalJson } from './canonical-json.ts'
import type { RoleUse } from './role-uses.ts'

/** What files speak of: podrole's own statements for anything else stay. */
export interface SpokenOf {
  /** EKS clusters whose associations are listed, by ARN. */
  readonly clusterArns: ReadonlySet<string>
  /** Providers of the issuers of clusters whose service accounts are listed, by ARN. */
  readonly providerArns: ReadonlySet<string>
  /** Names of clusters whose associations are listed, by the ARN of their fleet's provider. */
  readonly fleets: ReadonlyMap<string, ReadonlySet<string>>
  /** All clusters of files, whatever those list of them, by ARN. */
  readonly described: ReadonlySet<string>
  /** Roles of associations without session tags that no file lists, by ARN. */
  readonly heldUntagged: ReadonlySet<string>
}

/**
 * Whether the statement for a whole account goes with those of files who leave a role. It names no
 * cluster: the one is asked that the role was made for. Who has the role still may come in by it.
 */
export const leavesAccountWide = (
  { described }: Pick<SpokenOf, 'described'>,
  role: { readonly madeFor: string | undefined; readonly isHeld: boolean },
): boolean => !role.isHeld && described.has(role.madeFor ?? '')

interface TrustChange {
  /** With all that are to be let in, and those still who are to leave. */
  readonly admitting: string
  readonly after: string
  /** Names of statements that podrole did not write. */
  readonly foreign: readonly string[]
  /** Whether it has a statement at all. */
  readonly isEmpty: boolean
}

const SID = /^Podrole(?:Irsa|Fleet|PodIdentity|PodIdentityUntagged)(?:[0-9a-f]{8})?$/
const UNTAGGED = 'PodrolePodIdentityUntagged'
const CLUSTER_ARN_KEY = 'aws:RequestTag/eks-cluster-arn'
const NAMESPACE_KEY = 'aws:RequestTag/kubernetes-namespace'

/** The text of the trust policy of a new role. */
export function newTrust(uses: readonly RoleUse[], conditions: TrustConditions): string {
  const Statement = mergedGrants(uses).map((granted) =>
    withConditions(statementOf(granted, newSid([], granted)), conditions),
  )
  return JSON.stringify({ Version: '2012-10-17', Statement })
}

/**
 * A trust policy with podrole's own statements as they are to be: those of the uses, and those of
 * clusters that nobody speaks of. Statements of others keep their places and their text.
 * @throws PodroleError `InvalidJson`, `InvalidTrustPolicy`
 */
export function ownTrustAfter(
  before: string,
  wanted: {
    readonly uses: readonly RoleUse[]
    readonly conditions: TrustConditions
    /** The text of a new role's trust policy for them. */
    readonly asNew?: string
    readonly roleArn: string
    /** The ARN of the cluster that the role was made for. */
    readonly madeFor?: string | undefined
  },
  spoken: SpokenOf,
): TrustChange {
  const { conditions, madeFor, roleArn, uses } = wanted
  if (before === wanted.asNew) {
    return { admitting: before, after: before, foreign: [], isEmpty: false }
  }
  const policy = readTrustText(before)
  const granted = mergedGrants(uses)
  const kept = keptInFleets(policy.statements, spoken)
  const own = statementsFor(granted, { conditions, kept })
  const leaving = statementsFor(granted, {
    conditions,
    kept: leavingOf(policy.statements, granted),
  })
  const isHeld = spoken.heldUntagged.has(roleArn)
  const isAccountGone = leavesAccountWide(spoken, { madeFor, isHeld })
  const final = replaceOwn(policy.statements, own, (statement, sid) => {
    const others = kept.get(sid)
    if (others !== undefined) return withoutSpoken(statement, others)
    return isSpokenOf(statement, spoken, isAccountGone) ? undefined : statement
  })
  const admitting = replaceOwn(policy.statements, leaving, (statement) => statement)
  const format = (statements: TrustText['statements']): string =>
    isSameList(statements, policy.statements) ? before : formatTrustText({ ...policy, statements })
  const foreign = final.flatMap((statement, at) =>
    isOurs(statement) ? [] : [statementName(statement, at)],
  )
  return {
    admitting: format(admitting),
    after: format(final),
    foreign,
    isEmpty: final.length === 0,
  }
}

/**
 * Whether podrole wrote the statement, for whatever cluster: its Sid is the one of what it says. A
 * Sid alone could be anybody's.
 */
function isOurs(statement: JsonNode): boolean {
  const sid = sidOf(statement)
  const scope = SID.test(sid) ? scopeOf(statement, sid) : undefined
  const [sidPrefix = ''] = /^[A-Za-z]+?(?=[0-9a-f]{8}$|$)/.exec(sid) ?? []
  return scope !== undefined && (sid === sidPrefix || sid === newSid([], { sidPrefix, scope }))
}

/** What a statement of podrole's form is about: issuer, cluster and namespace, or account. */
function scopeOf(statement: JsonNode, sid: string): string | undefined {
  const principal = memberOf(statement, 'Principal')
  const condition = memberOf(statement, 'Condition')
  const equals = memberOf(condition, 'StringEquals')
  if (sid.startsWith('PodroleIrsa') || sid.startsWith('PodroleFleet')) {
    const issuer = issuerHostPathOf(textOf(memberOf(principal, 'Federated')) ?? '')
    return issuer === undefined ? undefined : `https://${issuer}`
  }
  if (textOf(memberOf(principal, 'Service')) !== POD_IDENTITY_SERVICE) return undefined
  if (sid.startsWith(UNTAGGED)) return textOf(memberOf(equals, 'aws:SourceAccount'))
  const namespace =
    memberOf(equals, NAMESPACE_KEY) ?? memberOf(memberOf(condition, 'StringLike'), NAMESPACE_KEY)
  const parts = [textOf(memberOf(equals, CLUSTER_ARN_KEY)), textOf(namespace)]
  return parts.includes(undefined) ? undefined : parts.join(' ')
}

const sidOf = (statement: JsonNode): string => textOf(memberOf(statement, 'Sid')) ?? ''

const isSameList = (one: readonly unknown[], other: readonly unknown[]): boolean =>
  one.length === other.length && one.every((item, at) => item === other[at])

/** The statements with podrole's own as they are to be, in their places or behind all others. */
function replaceOwn(
  statements: TrustText['statements'],
  own: ReadonlyMap<string, JsonObject>,
  keep: (statement: JsonObject, sid: string) => JsonObject | undefined,
): TrustText['statements'] {
  const unseen = new Map(own)
  const kept = statements.flatMap((statement) => {
    const sid = sidOf(statement)
    const wanted = unseen.get(sid)
    if (wanted === undefined) {
      const there = keep(statement, sid)
      return there === undefined ? [] : [there]
    }
    unseen.delete(sid)
    return [canonicalJson(wanted) === canonicalJson(statement) ? statement : wanted]
  })
  return [...kept, ...unseen.values()]
}

/** Who is let in by podrole's own statements; by Sid. */
function leavingOf(
  statements: TrustText['statements'],
  granted: readonly GrantedStatement[],
): ReadonlyMap<string, ListValues> {
  return new Map(
    granted.map((one) => {
      const values = findOwnStatements(statements, one).flatMap((own) => own.values)
      return [newSid([], one), { listKey: one.listKey, values: values.toSorted() }]
    }),
  )
}

function statementsFor(
  granted: readonly GrantedStatement[],
  more: {
    readonly conditions: TrustConditions
    readonly kept: ReadonlyMap<string, ListValues>
  },
): ReadonlyMap<string, JsonObject> {
  const statements = new Map<string, JsonObject>()
  for (const one of granted) {
    const sid = newSid([], one)
    const others = more.kept.get(sid)?.values.map((value) => ({ value, label: value, context: {} }))
    const all = { ...one, entries: [...one.entries, ...(others ?? [])] }
    const node = jsonNodeOf(withConditions(statementOf(all, sid), more.conditions))
    if (node.kind === 'object') statements.set(sid, node)
  }
  return statements
}

/** Values of a statement's list beside those that are asked for. */
interface ListValues {
  readonly listKey: string
  readonly values: readonly string[]
}

/** Of clusters of a fleet that nobody speaks of, by Sid: one statement is for all clusters. */
function keptInFleets(
  statements: readonly JsonNode[],
  { fleets }: SpokenOf,
): ReadonlyMap<string, ListValues> {
  const kept = new Map<string, ListValues>()
  for (const statement of statements) {
    const sid = textOf(memberOf(statement, 'Sid')) ?? ''
    const provider = textOf(memberOf(memberOf(statement, 'Principal'), 'Federated')) ?? ''
    const clusters = fleets.get(provider)
    if (clusters === undefined || !SID.test(sid) || !sid.startsWith('PodroleFleet')) continue
    const listKey = `${issuerHostPathOf(provider) ?? ''}:sub`
    const condition = memberOf(statement, 'Condition')
    const values = ['StringEquals', 'StringLike']
      .flatMap((operator) => textsOf(memberOf(memberOf(condition, operator), listKey)) ?? [])
      .filter((value) => !clusters.has(/^cluster:([^:]+):/.exec(value)?.[1] ?? ''))
    if (values.length > 0) kept.set(sid, { listKey, values })
  }
  return kept
}

function withoutSpoken(statement: JsonObject, { listKey, values }: ListValues): JsonObject {
  const operator = values.some(isWild) ? 'StringLike' : 'StringEquals'
  const after = withListValues(statement, { listKey }, { operator, values })
  return canonicalJson(after) === canonicalJson(statement) ? statement : after
}

type JsonObject = Extract<JsonNode, { readonly kind: 'object' }>

/** One statement for each issuer, and for each namespace of an EKS cluster. */
export function mergedGrants(uses: readonly RoleUse[]): readonly GrantedStatement[] {
  const merged = new Map<string, GrantedStatement>()
  for (const granted of grantsOf(uses)) {
    const key = `${granted.sidPrefix} ${granted.scope}`
    const before = merged.get(key)
    const entries = before === undefined ? granted.entries : [...before.entries, ...granted.entries]
    merged.set(key, before === undefined ? granted : { ...before, entries })
  }
  return [...merged.values()].map((granted) => ({
    ...granted,
    entries: granted.entries.toSorted((one, other) => (one.value < other.value ? -1 : 1)),
  }))
}

/** The uses by way and cluster, so that each of those is read once. */
function grantsOf(uses: readonly RoleUse[]): readonly GrantedStatement[] {
  const groups = new Map<string, [RoleUse, ...RoleUse[]]>()
  for (const use of uses) {
    const { by, cluster } = use
    const key = `${cluster.arn} ${by.way} ${by.way === 'pod-identity' && by.isUntagged ? 'untagged' : ''}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [use])
    else group.push(use)
  }
  return [...groups.values()].flatMap((group) => grantedTo(group))
}

function grantedTo(uses: readonly [RoleUse, ...RoleUse[]]): readonly GrantedStatement[] {
  const [{ by, cluster }] = uses
  if (by.way === 'pod-identity' && by.isUntagged) return [untagged(parseArn(cluster.arn).accountId)]
  return grantedStatements(grantOf(uses))
}

/** What uses of one way and cluster ask of a trust policy. */
export function grantOf(uses: readonly [RoleUse, ...RoleUse[]]): TrustGrant {
  const [{ by, cluster }] = uses
  const { accountId, partition } = parseArn(cluster.arn)
  const serviceAccounts = uses.map(({ subject }) => subject)
  if (by.way === 'irsa') return { ...by, partition, accountId, serviceAccounts }
  if (by.way === 'fleet') {
    return { ...by, partition, accountId, serviceAccounts, clusters: [cluster.name] }
  }
  return {
    way: 'pod-identity',
    clusterArn: cluster.arn,
    accountId,
    serviceAccounts,
    ...(by.isUntagged && { disableSessionTags: true }),
  }
}

/** All that is left to narrow on where EKS sends no session tags. */
const untagged = (accountId: string): GrantedStatement => ({
  sidPrefix: UNTAGGED,
  scope: accountId,
  principal: { Service: POD_IDENTITY_SERVICE },
  actions: ['sts:AssumeRole', 'sts:TagSession'],
  fixed: {},
  listKey: 'aws:SourceAccount',
  entries: [
    {
      value: accountId,
      label: `account ${accountId}`,
      context: { 'aws:SourceAccount': accountId },
    },
  ],
  caller: { kind: 'service', service: POD_IDENTITY_SERVICE },
  accountId,
})

type Conditioned = { readonly Condition: TrustConditions }

/** The conditions of a user's own beside those that are there; validation keeps their keys apart. */
function withConditions<T extends Conditioned>(statement: T, more: TrustConditions): T {
  if (Object.keys(more).length === 0) return statement
  const Condition = { ...statement.Condition }
  for (const [operator, keys] of Object.entries(more)) {
    const found = Object.keys(Condition).find(
      (name) => name.toLowerCase() === operator.toLowerCase(),
    )
    Condition[found ?? operator] = { ...Condition[found ?? operator], ...keys }
  }
  return { ...statement, Condition }
}

/** Whether podrole wrote the statement for a cluster that a file speaks of. */
function isSpokenOf(statement: JsonNode, spoken: SpokenOf, isAccountGone: boolean): boolean {
  const sid = textOf(memberOf(statement, 'Sid')) ?? ''
  if (!SID.test(sid)) return false
  const principal = memberOf(statement, 'Principal')
  const provider = textOf(memberOf(principal, 'Federated')) ?? ''
  if (sid.startsWith('PodroleIrsa')) return spoken.providerArns.has(provider)
  // One that says more than of clusters that are spoken of is kept before.
  if (sid.startsWith('PodroleFleet')) return spoken.fleets.has(provider)
  if (sid.startsWith(UNTAGGED)) return isAccountGone
  const equals = memberOf(memberOf(statement, 'Condition'), 'StringEquals')
  return spoken.clusterArns.has(textOf(memberOf(equals, CLUSTER_ARN_KEY)) ?? '')
}
