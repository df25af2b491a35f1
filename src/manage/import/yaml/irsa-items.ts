/** Who has which role by IRSA: by annotations, and by trust policies where nobody is annotated. */
import { issuerHostPathOf, oidcProviderArn, parseArn } from '../../../iam/arn.ts'
import {
  formatServiceAccountName,
  type ServiceAccountName,
} from '../../../iam/service-account-name.ts'
import { memberOf, readTrustText, textOf, textsOf } from '../../../iam/trust-statements.ts'
import type { ObservedCluster, PlanRole, PlanServiceAccount } from '../../plan/observed-state.ts'
import { blockOfTags, clusterOfTags } from '../../plan/ownership.ts'
import { ROLE_ANNOTATION } from '../../roles/annotate.ts'
import { roleNameFor } from '../../role-name.ts'

/** An item of `iam.serviceAccounts`. */
export interface IrsaItem {
  readonly serviceAccount: ServiceAccountName
  readonly roleArn: string
  /** Undefined where the role is made and nobody is annotated with it. */
  readonly found?: PlanServiceAccount
  readonly subjectPattern?: string
}

/**
 * The items of a cluster. `madeRole` gives the roles that files made: the names in their trust
 * policies that are no annotated service account's become its pattern, or an item with the role alone.
 */
export function irsaItems(
  cluster: ObservedCluster,
  roles: readonly PlanRole[],
  isMade: (role: PlanRole) => boolean,
): readonly IrsaItem[] {
  const items: IrsaItem[] = []
  const annotated = new Map<string, PlanServiceAccount[]>()
  for (const found of cluster.serviceAccounts) {
    const arn = found.annotations[ROLE_ANNOTATION]
    if (arn === undefined || isAddons(cluster, found, arn)) continue
    const those = annotated.get(arn)
    if (those === undefined) annotated.set(arn, [found])
    else those.push(found)
  }
  const taken = new Set([...annotated.values()].flat().map(keyOf))
  for (const role of roles) {
    if (!isMade(role)) continue
    items.push(...itemsOfMade(cluster, role, { found: annotated.get(role.arn) ?? [], taken }))
    annotated.delete(role.arn)
  }
  for (const [roleArn, those] of annotated) {
    items.push(...those.map((found) => ({ serviceAccount: found.serviceAccount, roleArn, found })))
  }
  return items
}

const keyOf = ({ serviceAccount }: { readonly serviceAccount: ServiceAccountName }): string =>
  formatServiceAccountName(serviceAccount)

/** EKS annotates an add-on's own service accounts with the add-on's role: that is the add-on's. */
const isAddons = (
  { addons, offers }: ObservedCluster,
  { serviceAccount }: PlanServiceAccount,
  roleArn: string,
): boolean =>
  addons.some(
    ({ name, settings }) =>
      settings.serviceAccountRoleArn === roleArn &&
      offers.some(
        (offer) =>
          offer.name === name &&
          offer.namespace === serviceAccount.namespace &&
          offer.recommended.some((one) => one.serviceAccount === serviceAccount.name),
      ),
  )

function itemsOfMade(
  cluster: ObservedCluster,
  role: PlanRole,
  of: { readonly found: readonly PlanServiceAccount[]; readonly taken: Set<string> },
): readonly IrsaItem[] {
  const left = [...subjectsOf(cluster, role)]
  const take = (fits: (subject: ServiceAccountName) => boolean): ServiceAccountName | undefined => {
    const at = left.findIndex(fits)
    return at === -1 ? undefined : left.splice(at, 1)[0]
  }
  const isNamed = ({ serviceAccount: { name, namespace } }: PlanServiceAccount) =>
    take((subject) => subject.namespace === namespace && subject.name === name) !== undefined
  const plain = of.found.filter(isNamed)
  const items = of.found.map((found): IrsaItem => {
    const { serviceAccount } = found
    const item = { serviceAccount, roleArn: role.arn, found }
    if (plain.includes(found)) return item
    const pattern = take(
      ({ name, namespace }) => namespace === serviceAccount.namespace && name.includes('*'),
    )
    return pattern === undefined ? item : { ...item, subjectPattern: pattern.name }
  })
  // An add-on's trust policy says no more than the add-on does.
  const isOwn = blockOfTags(role.tags) !== 'addons' && clusterOfTags(role.tags) === cluster.arn
  if (!isOwn) return items
  return [...items, ...left.map((subject) => roleOnly(cluster, role, subject, of.taken))]
}

/** A role for whom nobody is annotated; a pattern's item needs some name that nobody has. */
function roleOnly(
  cluster: ObservedCluster,
  role: PlanRole,
  { name, namespace }: ServiceAccountName,
  taken: Set<string>,
): IrsaItem {
  const isPattern = name.includes('*')
  const holder = cluster.associations.find(
    ({ serviceAccount: one }) => one.namespace === namespace && isNamedFor(role, cluster.arn, one),
  )
  const bare = name.replaceAll('*', '').replaceAll(/^[-.]+|[-.]+$/g, '') || 'all'
  const base = holder?.serviceAccount.name ?? bare
  const own = isPattern ? freeName(base, (one) => taken.has(`${namespace}/${one}`)) : name
  taken.add(`${namespace}/${own}`)
  const serviceAccount = { namespace, name: own }
  return { serviceAccount, roleArn: role.arn, ...(isPattern && { subjectPattern: name }) }
}

function freeName(base: string, isTaken: (name: string) => boolean): string {
  let name = base
  for (let at = 2; isTaken(name); at += 1) name = `${base}-${at}`
  return name
}

/** The subjects of the cluster's issuer that a trust policy lets in. */
function subjectsOf(cluster: ObservedCluster, role: PlanRole): readonly ServiceAccountName[] {
  const { accountId, partition } = parseArn(cluster.arn)
  if (cluster.issuer === undefined) return []
  const provider = oidcProviderArn({ partition, accountId, issuer: cluster.issuer })
  const key = `${issuerHostPathOf(provider) ?? ''}:sub`
  try {
    return readTrustText(role.trustPolicy).statements.flatMap((statement) => {
      const federated = textOf(memberOf(memberOf(statement, 'Principal'), 'Federated'))
      if (federated !== provider) return []
      const condition = memberOf(statement, 'Condition')
      return ['StringEquals', 'StringLike']
        .flatMap((operator) => textsOf(memberOf(memberOf(condition, operator), key)) ?? [])
        .flatMap((subject) => {
          const [, namespace, name] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(subject) ?? []
          return namespace === undefined || name === undefined ? [] : [{ namespace, name }]
        })
    })
  } catch {
    return []
  }
}

/** Whether podrole named it for that service account. */
export const isNamedFor = (
  role: PlanRole,
  clusterArn: string,
  serviceAccount: ServiceAccountName,
): boolean => role.name === roleNameFor({ clusterArn, ...serviceAccount })
