import {
  formatServiceAccountName,
  type ServiceAccountName,
} from '../../iam/service-account-name.ts'
import { isOwned } from '../../iam/tags.ts'
import { ROLE_ANNOTATION } from '../roles/annotate.ts'
import type { PlanContext } from './context.ts'
import type { Links } from './links.ts'
import type { PlanServiceAccount } from './observed-state.ts'
import { ANNOTATED_KEY, type Block, isDeclaredBy, isOfCommand, madeTags } from './ownership.ts'
import type { RolesPlan } from './plan-roles.ts'
import type { ClusterPair, RoleUse } from './role-uses.ts'

interface Wanted {
  readonly path: string
  readonly block: Block
  readonly serviceAccount: ServiceAccountName
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** With IRSA. */
  readonly roleArn?: string
  readonly after: readonly string[]
}

export interface ServiceAccountsInput {
  readonly pair: ClusterPair
  readonly roles: RolesPlan
  /** Of `iam.serviceAccounts`, in the file's order. */
  readonly uses: readonly RoleUse[]
  readonly links: Links
}

/** The Kubernetes objects of one cluster. */
export function planServiceAccounts(context: PlanContext, input: ServiceAccountsInput): void {
  const { pair } = input
  const wanted = wantedOf(input)
  const namespaces = new Map<string, readonly string[]>(
    pair.observed.namespaces.map((name) => [name, []]),
  )
  const found = new Map(pair.observed.serviceAccounts.map((one) => [keyOf(one), one]))
  for (const [key, one] of wanted.byKey) {
    const there = found.get(key)
    found.delete(key)
    if (there === undefined) planNew(context, one, { pair, namespaces })
    else planOld(context, one, { there, input })
  }
  const spoken = spokenOf(pair)
  for (const one of found.values()) {
    if (wanted.refused.has(keyOf(one))) keepRole(one, input.links)
    else planLeftOver(context, one, { ...input, isStillUsed: spoken.has(keyOf(one)) })
  }
}

/** Whom the file speaks of in either list, with an object of their own or without. */
const spokenOf = ({ desired }: ClusterPair): ReadonlySet<string> =>
  new Set([...(desired.associations ?? []), ...(desired.serviceAccounts ?? [])].map(keyOf))

const keyOf = ({ serviceAccount }: { readonly serviceAccount: ServiceAccountName }): string =>
  formatServiceAccountName(serviceAccount)

function wantedOf({ pair, roles, uses }: ServiceAccountsInput): {
  readonly byKey: ReadonlyMap<string, Wanted>
  /** Their roles are refused: they stay as they are. */
  readonly refused: ReadonlySet<string>
} {
  const { associations = [], serviceAccounts = [], source } = pair.desired
  const byKey = new Map<string, Wanted>()
  const refused = new Set<string>()
  for (const [at, one] of serviceAccounts.entries()) {
    if (one.roleOnly) continue
    const use = uses[at]
    const role = use === undefined ? undefined : roles.of(use)
    if (role === undefined) {
      refused.add(keyOf(one))
      continue
    }
    const { annotations, labels, path, serviceAccount } = one
    byKey.set(keyOf(one), {
      path: `${source}: ${path}`,
      block: 'iam.serviceAccounts',
      serviceAccount,
      labels,
      annotations,
      roleArn: role.arn,
      after: role.after,
    })
  }
  for (const { createServiceAccount, path, serviceAccount } of associations) {
    const key = formatServiceAccountName(serviceAccount)
    if (!createServiceAccount || byKey.has(key) || refused.has(key)) continue
    byKey.set(key, {
      path: `${source}: ${path}`,
      block: 'iam.podIdentityAssociations',
      serviceAccount,
      labels: {},
      annotations: {},
      after: [],
    })
  }
  return { byKey, refused }
}

function planNew(
  { draft }: PlanContext,
  wanted: Wanted,
  {
    namespaces,
    pair,
  }: { readonly pair: ClusterPair; readonly namespaces: Map<string, readonly string[]> },
): void {
  const cluster = pair.observed.arn
  const { annotations, block, labels, roleArn, serviceAccount } = wanted
  const { namespace } = serviceAccount
  let first = namespaces.get(namespace)
  if (first === undefined) {
    first = [draft.step({ do: 'create-namespace', cluster, namespace })]
    namespaces.set(namespace, first)
  }
  const all = { ...annotations, ...(roleArn !== undefined && { [ROLE_ANNOTATION]: roleArn }) }
  const object = { serviceAccount, labels, annotations: madeTags(all, block) }
  const after = [...first, ...wanted.after]
  draft.step({ do: 'create-service-account', cluster, object }, { after })
}

interface OldInput {
  readonly there: PlanServiceAccount
  readonly input: ServiceAccountsInput
}

/** Sets the keys that the file names, and no others: the rest is others' own. */
function planOld(context: PlanContext, wanted: Wanted, { input, there }: OldInput): void {
  const { draft, options } = context
  const { pair } = input
  const isOurs = isOwned(there.annotations)
  const wrote = isOurs || there.annotations[ANNOTATED_KEY] !== undefined
  const labels = changesOf(there.labels, wanted.labels)
  const declared = changesOf(there.annotations, wanted.annotations)
  const taken = [...labels, ...declared].filter(([, before]) => before !== null)
  const label = keyOf(there)
  const refuse = (what: string): void => {
    keepRole(there, input.links)
    draft.refuse({
      code: 'OtherRole',
      path: wanted.path,
      text: `service account ${label}, which podrole did not make, has another ${what}`,
      hint: '--adopt writes over it; running pods keep what they have until they restart.',
    })
  }
  const role = roleChange(there, wanted, { wrote, isSpoken: isSpoken(pair) })
  if (!isOurs && !options.adopt && taken.length > 0) {
    const [key = '', before = ''] = taken[0] ?? []
    refuse(`${key}: ${JSON.stringify(before)}`)
    return
  }
  if (role !== undefined && role.before !== undefined && !wrote && !options.adopt) {
    refuse(`role, ${JSON.stringify(role.before)}`)
    return
  }
  const annotations: Change[] = [...declared]
  if (role !== undefined) {
    annotations.push([ROLE_ANNOTATION, role.before ?? null, role.after ?? null])
    const mark = there.annotations[ANNOTATED_KEY] ?? null
    const isMarked = role.after !== undefined && !isOurs
    if (isMarked !== (mark !== null)) {
      annotations.push([ANNOTATED_KEY, mark, isMarked ? 'podrole' : null])
    }
  }
  const isLeft =
    isOfCommand(there.annotations) && annotations.length + labels.length === 0 && !options.adopt
  if (isOurs && !isLeft && !isDeclaredBy(there.annotations, wanted.block)) {
    annotations.push(...changesOf(there.annotations, madeTags({}, wanted.block)))
  }
  patch(context, { there, labels, annotations, after: wanted.after, role }, input)
}

/** Key, value as it is, value as it will be. */
type Change = readonly [string, string | null, string | null]

const changesOf = (
  is: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): readonly Change[] =>
  Object.entries(wanted)
    .filter(([key, value]) => is[key] !== value)
    .map(([key, value]) => [key, is[key] ?? null, value])

interface RoleChange {
  readonly before: string | undefined
  readonly after: string | undefined
}

/** How the role's annotation is to change; one that is not asked for goes where podrole wrote it. */
function roleChange(
  there: PlanServiceAccount,
  { roleArn }: Pick<Wanted, 'roleArn'>,
  { isSpoken, wrote }: { readonly wrote: boolean; readonly isSpoken: boolean },
): RoleChange | undefined {
  const before = there.annotations[ROLE_ANNOTATION]
  if (before === roleArn) return undefined
  if (roleArn === undefined && !(wrote && isSpoken)) return undefined
  return { before, after: roleArn }
}

const isSpoken = ({ desired }: ClusterPair): boolean => desired.serviceAccounts !== undefined

function patch(
  { draft }: PlanContext,
  change: {
    readonly there: PlanServiceAccount
    readonly labels: readonly Change[]
    readonly annotations: readonly Change[]
    readonly after: readonly string[]
    readonly role: RoleChange | undefined
  },
  { links, pair }: ServiceAccountsInput,
): void {
  const { after, annotations, labels, role, there } = change
  const arn = there.annotations[ROLE_ANNOTATION]
  if (arn !== undefined && role === undefined) links.keep(arn)
  if (role?.after !== undefined) links.keep(role.after)
  if (labels.length + annotations.length === 0) return
  const values = (changes: readonly Change[], at: 1 | 2): Readonly<Record<string, string | null>> =>
    Object.fromEntries(changes.map((one) => [one[0], one[at]]))
  const lost = role?.after === undefined ? role?.before : undefined
  const id = draft.step(
    {
      do: 'patch-service-account',
      cluster: pair.observed.arn,
      serviceAccount: there.serviceAccount,
      before: { labels: values(labels, 1), annotations: values(annotations, 1) },
      after: { labels: values(labels, 2), annotations: values(annotations, 2) },
    },
    {
      after,
      ...(lost !== undefined && {
        risk: { level: 'loss', text: `new pods of ${keyOf(there)} do not get ${lost}` },
      }),
    },
  )
  if (role?.before !== undefined) links.cut(role.before, id)
}

function planLeftOver(
  context: PlanContext,
  there: PlanServiceAccount,
  input: ServiceAccountsInput & { readonly isStillUsed: boolean },
): void {
  const { isStillUsed, links, pair } = input
  const { associations, serviceAccounts } = pair.desired
  const key = keyOf(there)
  const isDeclared =
    (serviceAccounts !== undefined && isDeclaredBy(there.annotations, 'iam.serviceAccounts')) ||
    (associations !== undefined && isDeclaredBy(there.annotations, 'iam.podIdentityAssociations'))
  const arn = there.annotations[ROLE_ANNOTATION]
  if (isDeclared && !isStillUsed) {
    const risk = { level: 'loss', text: `new pods of ${key} do not start` } as const
    const cluster = pair.observed.arn
    const id = context.draft.step(
      { do: 'delete-service-account', cluster, object: there },
      { risk },
    )
    if (arn !== undefined) links.cut(arn, id)
    return
  }
  const wrote = isOwned(there.annotations) || there.annotations[ANNOTATED_KEY] !== undefined
  const isListed = isDeclaredBy(there.annotations, 'iam.serviceAccounts')
  const isOurs = wrote && (isListed || there.annotations[ANNOTATED_KEY] !== undefined)
  const role = isOurs ? roleChange(there, {}, { wrote, isSpoken: isSpoken(pair) }) : undefined
  const mark = there.annotations[ANNOTATED_KEY]
  const annotations: Change[] =
    role === undefined
      ? []
      : [
          [ROLE_ANNOTATION, role.before ?? null, null],
          ...(mark === undefined ? [] : [[ANNOTATED_KEY, mark, null] as const]),
        ]
  patch(context, { there, labels: [], annotations, after: [], role }, input)
}

function keepRole(there: PlanServiceAccount, links: Links): void {
  const arn = there.annotations[ROLE_ANNOTATION]
  if (arn !== undefined) links.keep(arn)
}
