import { isDeepStrictEqual } from 'node:util'
import { parseArn } from '../../iam/arn.ts'
import { isOwned, type Tags } from '../../iam/tags.ts'
import type {
  AccessPolicy,
  AuthenticationMode,
  DesiredAccessEntry,
} from '../desired/desired-state.ts'
import type { PlanContext } from './context.ts'
import type { PlanAccessEntry } from './observed-state.ts'
import { isDeclaredBy, isOfCommand, isSameTags, madeTags, tagsOver } from './ownership.ts'
import type { AccessNames, NewAccessEntry } from './plan.ts'
import type { ClusterPair } from './role-uses.ts'
import { planTags } from './tag-steps.ts'

const BLOCK = 'accessConfig.accessEntries'

/** `accessConfig` of one cluster. */
export function planAccess(context: PlanContext, pair: ClusterPair): void {
  const { access, source } = pair.desired
  if (access === undefined) return
  const modes = planMode(context, pair)
  if (access.entries === undefined) return
  const cluster = pair.observed
  const path = `${source}: accessConfig.accessEntries`
  const mode = modes.after ?? cluster.authenticationMode
  if (access.entries.length > 0 && mode === 'CONFIG_MAP') {
    const text = `cluster ${cluster.name} has authentication mode CONFIG_MAP: it reads no access entries`
    const hint = 'Set accessConfig.authenticationMode to API_AND_CONFIG_MAP.'
    context.draft.refuse({ code: 'AccessEntriesOff', path, text, hint })
    return
  }
  const found = new Map(cluster.accessEntries.map((one) => [one.principalArn, one]))
  for (const entry of access.entries) {
    const there = found.get(entry.principalArn)
    found.delete(entry.principalArn)
    if (there === undefined) planNew(context, cluster.arn, { entry, after: modes.steps })
    else planOld(context, pair, { entry, there })
  }
  for (const there of found.values()) {
    if (isDeclaredBy(there.tags, BLOCK)) planEntryGone(context, cluster.arn, there)
  }
}

/** The only way that EKS goes. */
const MODES: readonly AuthenticationMode[] = ['CONFIG_MAP', 'API_AND_CONFIG_MAP', 'API']

function planMode(
  { draft }: PlanContext,
  { desired, observed: cluster }: ClusterPair,
): { readonly after?: AuthenticationMode; readonly steps: readonly string[] } {
  const wanted = desired.access?.authenticationMode
  const is = cluster.authenticationMode
  if (wanted === undefined || is === undefined || wanted === is) return { steps: [] }
  const [from, to] = [MODES.indexOf(is), MODES.indexOf(wanted)]
  if (to < from) {
    draft.refuse({
      code: 'ModeNotReversible',
      path: `${desired.source}: accessConfig.authenticationMode`,
      text: `the authentication mode of cluster ${cluster.name} is ${is}: EKS does not go back to ${wanted}`,
      hint: `Ask for ${is}.`,
    })
    return { steps: [] }
  }
  const steps: string[] = []
  for (const [at, before] of MODES.slice(from, to).entries()) {
    const after = MODES[from + at + 1] ?? wanted
    const isLast = after === 'API'
    const text = isLast
      ? 'the aws-auth ConfigMap is read no more; there is no way back'
      : 'there is no way back'
    const risk = { level: isLast ? 'loss' : 'change', text } as const
    const change = {
      do: 'update-authentication-mode',
      cluster: cluster.arn,
      before,
      after,
    } as const
    steps.push(draft.step(change, { after: steps.slice(-1), risk }))
  }
  return { after: wanted, steps }
}

function planNew(
  { draft }: PlanContext,
  cluster: string,
  wanted: {
    readonly entry: DesiredAccessEntry
    readonly after: readonly string[]
    /** Of the one in whose place it comes. */
    readonly found?: Tags
  },
): void {
  const { after, entry, found } = wanted
  const { groups, policies, principalArn, tags, type, username } = entry
  const made: NewAccessEntry = {
    principalArn,
    type,
    tags: found === undefined ? madeTags(tags, BLOCK) : tagsOver(tags, { block: BLOCK, found }),
    ...(groups !== undefined && { groups }),
    ...(username !== undefined && { username }),
  }
  const id = draft.step({ do: 'create-access-entry', cluster, entry: made }, { after })
  for (const policy of policies) {
    draft.step(
      { do: 'associate-access-policy', cluster, principalArn, after: policy },
      { after: [id] },
    )
  }
}

function planOld(
  context: PlanContext,
  pair: ClusterPair,
  { entry, there }: { readonly entry: DesiredAccessEntry; readonly there: PlanAccessEntry },
): void {
  const { draft, options } = context
  const cluster = pair.observed.arn
  const names = namesOf(entry, there)
  const isSame =
    entry.type === there.type && isSameNames(names, there) && isSamePolicies(entry, there)
  const isOwn = isOwned(there.tags)
  const isLeft = !isOwn || (isOfCommand(there.tags) && isSameTags(there.tags, entry.tags))
  if (isLeft && isSame && !options.adopt) return
  if (!isOwn && !options.adopt) {
    draft.refuse({
      code: 'NotOwned',
      path: `${pair.desired.source}: ${entry.path}`,
      text: `the access entry of ${there.principalArn} is there, other than the file says, and podrole did not make it`,
      hint: '--adopt changes it; it is never deleted then.',
    })
    return
  }
  if (entry.type !== there.type) {
    const gone = planEntryGone(context, cluster, there)
    // EKS changes no type; the new one is somebody else's still.
    planNew(context, cluster, { entry, after: [gone], found: there.tags })
    return
  }
  const { principalArn } = there
  if (!isSameNames(names, there)) {
    const before = { groups: there.groups, username: there.username }
    const risk = {
      level: 'change',
      text: `${principalArn} is another Kubernetes user or in other groups`,
    } as const
    draft.step({ do: 'update-access-entry', cluster, principalArn, before, after: names }, { risk })
  }
  planPolicies(context, cluster, { entry, there })
  const at = { cluster, arn: there.arn, what: `access entry ${principalArn}` }
  planTags(draft, at, { found: there.tags, tags: entry.tags, block: BLOCK })
}

/** What EKS sets where a file says nothing; entries of nodes have names of their own. */
function namesOf(entry: DesiredAccessEntry, there: PlanAccessEntry): AccessNames {
  const isStandard = entry.type === 'STANDARD'
  return {
    groups: entry.groups ?? (isStandard ? [] : there.groups),
    username:
      entry.username ?? (isStandard ? standardUsername(entry.principalArn) : there.username),
  }
}

/** https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html */
export function standardUsername(principalArn: string): string {
  const { accountId, partition, resource } = parseArn(principalArn)
  if (!resource.startsWith('role/')) return principalArn
  const name = resource.split('/').at(-1) ?? ''
  return `arn:${partition}:sts::${accountId}:assumed-role/${name}/{{SessionName}}`
}

const isSameNames = (one: AccessNames, other: AccessNames): boolean =>
  one.username === other.username && isSameSet(one.groups, other.groups)

const isSameSet = (one: readonly string[], other: readonly string[]): boolean =>
  isDeepStrictEqual([...new Set(one)].sort(), [...new Set(other)].sort())

const isSameScope = (one: AccessPolicy, other: AccessPolicy): boolean =>
  (one.namespaces === undefined) === (other.namespaces === undefined) &&
  isSameSet(one.namespaces ?? [], other.namespaces ?? [])

const isSamePolicies = (
  { policies }: Pick<DesiredAccessEntry, 'policies'>,
  there: PlanAccessEntry,
): boolean =>
  policies.length === there.policies.length &&
  policies.every((policy) =>
    there.policies.some((one) => one.policyArn === policy.policyArn && isSameScope(one, policy)),
  )

function planPolicies(
  { draft }: PlanContext,
  cluster: string,
  { entry, there }: { readonly entry: DesiredAccessEntry; readonly there: PlanAccessEntry },
): void {
  const { principalArn } = there
  const done: string[] = []
  for (const after of entry.policies) {
    const before = there.policies.find(({ policyArn }) => policyArn === after.policyArn)
    if (before !== undefined && isSameScope(before, after)) continue
    const change = { do: 'associate-access-policy', cluster, principalArn, after } as const
    done.push(draft.step({ ...change, ...(before !== undefined && { before }) }))
  }
  for (const before of there.policies) {
    if (entry.policies.some(({ policyArn }) => policyArn === before.policyArn)) continue
    const risk = { level: 'loss', text: `${principalArn} loses ${before.policyArn}` } as const
    const change = { do: 'disassociate-access-policy', cluster, principalArn, before } as const
    draft.step(change, { after: done, risk })
  }
}

/** An entry goes: its policies first, each by a step that can be undone. */
export function planEntryGone(
  { draft }: PlanContext,
  cluster: string,
  there: PlanAccessEntry,
): string {
  const { groups, policies, principalArn, tags, type, username } = there
  const risk = { level: 'loss', text: `${principalArn} loses access to the cluster` } as const
  const after = policies.map((before) =>
    draft.step({ do: 'disassociate-access-policy', cluster, principalArn, before }, { risk }),
  )
  const entry = { principalArn, type, tags, groups, username }
  return draft.step({ do: 'delete-access-entry', cluster, entry }, { after, risk })
}
