/** What a delete takes of service accounts, and of the role on those that others made. */
import { compileText, matchesPattern } from '../../iam/pattern.ts'
import { formatServiceAccountName } from '../../iam/service-account-name.ts'
import { roleNameFor } from '../role-name.ts'
import { ROLE_ANNOTATION } from '../roles/annotate.ts'
import type { PlanContext } from './context.ts'
import { type DeleteInput, isLeft } from './delete-in-cluster.ts'
import type { PlanServiceAccount } from './observed-state.ts'
import { ANNOTATED_KEY, type Block, isDeclaredBy } from './ownership.ts'
import type { ClusterPair, RoleUse } from './role-uses.ts'

export interface DeletedServiceAccounts {
  /** Whether the use's role stays on a service account. */
  kept(use: RoleUse): boolean
  /** Whether its service account stays as it is, whatever role it has. */
  untouched(use: RoleUse): boolean
}

/** `iam.serviceAccounts`, and those of associations. */
export function deleteServiceAccounts(
  context: PlanContext,
  { links, pair }: DeleteInput,
): DeletedServiceAccounts {
  const named = namedIn(pair)
  const kept: PlanServiceAccount[] = []
  for (const there of pair.observed.serviceAccounts) {
    const arn = there.annotations[ROLE_ANNOTATION]
    const blocks = named.get(formatServiceAccountName(there.serviceAccount))
    const id = blocks === undefined ? undefined : deleteOne(context, pair, { there, blocks })
    if (arn === undefined) continue
    if (id === undefined) {
      links.keep(arn)
      kept.push(there)
    } else links.cut(arn, id)
  }
  const byNamespace = Map.groupBy(kept, ({ serviceAccount }) => serviceAccount.namespace)
  const keys = new Set(kept.map(({ serviceAccount }) => formatServiceAccountName(serviceAccount)))
  return {
    kept: (use) =>
      (byNamespace.get(use.subject.namespace) ?? []).some((one) => hasRoleOf(one, use)),
    untouched: ({ serviceAccount }) => keys.has(formatServiceAccountName(serviceAccount)),
  }
}

function namedIn({ desired }: ClusterPair): ReadonlyMap<string, readonly Block[]> {
  const named = new Map<string, readonly Block[]>()
  for (const { roleOnly, serviceAccount } of desired.serviceAccounts ?? []) {
    if (!roleOnly) named.set(formatServiceAccountName(serviceAccount), ['iam.serviceAccounts'])
  }
  for (const { createServiceAccount, serviceAccount } of desired.associations ?? []) {
    const key = formatServiceAccountName(serviceAccount)
    if (createServiceAccount) {
      named.set(key, [...(named.get(key) ?? []), 'iam.podIdentityAssociations'])
    }
  }
  return named
}

/** The step after which it has its role no more; undefined where it keeps it. */
function deleteOne(
  { draft }: PlanContext,
  { observed: { arn: cluster } }: ClusterPair,
  { blocks, there }: { readonly there: PlanServiceAccount; readonly blocks: readonly Block[] },
): string | undefined {
  const { annotations, serviceAccount } = there
  const key = formatServiceAccountName(serviceAccount)
  if (blocks.some((block) => isDeclaredBy(annotations, block))) {
    const risk = { level: 'loss', text: `new pods of ${key} do not start` } as const
    return draft.step({ do: 'delete-service-account', cluster, object: there }, { risk })
  }
  const [block = 'iam.serviceAccounts'] = blocks
  isLeft(draft, `service account ${key}`, { tags: annotations, block })
  const arn = annotations[ROLE_ANNOTATION]
  const mark = annotations[ANNOTATED_KEY]
  if (arn === undefined || mark === undefined || !blocks.includes('iam.serviceAccounts')) {
    return undefined
  }
  const risk = { level: 'loss', text: `new pods of ${key} do not get ${arn}` } as const
  return draft.step(
    {
      do: 'patch-service-account',
      cluster,
      serviceAccount,
      before: { labels: {}, annotations: { [ROLE_ANNOTATION]: arn, [ANNOTATED_KEY]: mark } },
      after: { labels: {}, annotations: { [ROLE_ANNOTATION]: null, [ANNOTATED_KEY]: null } },
    },
    { risk },
  )
}

/** Whether the use lets the service account in to the role that its annotation names: then it stays. */
function hasRoleOf(
  { annotations, serviceAccount: { name } }: PlanServiceAccount,
  { cluster, role, serviceAccount, subject }: RoleUse,
): boolean {
  if (!matchesPattern(compileText(subject.name), name)) return false
  const arn = annotations[ROLE_ANNOTATION] ?? ''
  if (role.kind === 'given') return arn === role.arn
  const made = role.name ?? roleNameFor({ clusterArn: cluster.arn, ...serviceAccount })
  const found = arn.split('/').at(-1) ?? ''
  return found === made || found.startsWith(`${made}-`)
}
