/** The objects of AWS behind the identity of clusters, for tools that know each by itself. */
import { mapLimited } from '../../lib/map-limited.ts'
import { parseArn } from '../../iam/arn.ts'
import type {
  ObservedCluster,
  ObservedState,
  PlanAccessEntry,
  PlanAddon,
  PlanAssociation,
  PlanProvider,
  PlanRole,
} from '../plan/observed-state.ts'
import { clusterOfTags } from '../plan/ownership.ts'
import { providerArnOf } from '../plan/role-uses.ts'
import { ROLE_ANNOTATION } from '../roles/annotate.ts'
import type { DetailsReader, PolicyDetails, RoleDetails } from '../observe/iam-details.ts'
import { byServiceAccount, type ImportScope, isInScope, isWhole, type LeftOut } from './imported.ts'
import type { ImportPlace } from './wishes.ts'

export interface FoundRole extends PlanRole, RoleDetails {
  /** `/` or `/…/` */
  readonly path: string
}

export interface FoundPolicy extends PolicyDetails {
  readonly arn: string
  readonly name: string
}

export interface FoundProvider extends PlanProvider {
  readonly url: string
  readonly thumbprints: readonly string[]
}

/** One cluster's own, each list in an order of its own. */
export interface FoundCluster {
  readonly name: string
  readonly region: string
  /** Without those that add-ons made, which are the add-ons' own. */
  readonly associations: readonly PlanAssociation[]
  readonly accessEntries: readonly PlanAccessEntry[]
  readonly addons: readonly PlanAddon[]
}

export interface FoundObjects {
  readonly clusters: readonly FoundCluster[]
  readonly providers: readonly FoundProvider[]
  /** Of the account's own, those that are attached to the roles. */
  readonly policies: readonly FoundPolicy[]
  readonly roles: readonly FoundRole[]
  readonly leftOut: readonly LeftOut[]
}

interface FoundInput {
  readonly clusters: readonly { readonly place: ImportPlace; readonly cluster: ObservedCluster }[]
  readonly observed: ObservedState
  readonly scope: ImportScope
}

/** As many as are read at once. */
const AT_ONCE = 8

/** All that is in scope, with what IAM tells of each role and provider alone. */
export async function findObjects(
  { clusters, observed, scope }: FoundInput,
  details: DetailsReader,
): Promise<FoundObjects> {
  const leftOut: LeftOut[] = []
  const arns = new Set(clusters.flatMap(({ cluster }) => roleArnsOf(cluster, scope)))
  if (isWhole(scope)) {
    const own = new Set(clusters.map(({ cluster }) => cluster.arn))
    const made = observed.roles.filter(({ tags }) => own.has(clusterOfTags(tags) ?? ''))
    for (const { arn } of made) arns.add(arn)
  }
  const roles = rolesOf([...arns].sort(), observed, leftOut)
  const providerArns = new Set(clusters.flatMap(({ cluster }) => providerArnsOf(cluster, scope)))
  const providers = observed.providers.filter(({ arn }) => providerArns.has(arn))
  const found = clusters.map(({ cluster, place }) => clusterOf(cluster, place, scope, leftOut))
  return {
    clusters: found,
    providers: await mapLimited(providers.toSorted(byArn), AT_ONCE, async (provider) => ({
      ...provider,
      url: `https://${provider.arn.slice(provider.arn.indexOf('/') + 1)}`,
      thumbprints: await details.thumbprints(provider.arn),
    })),
    policies: await policiesOf(roles, details, leftOut),
    roles: await mapLimited(roles, AT_ONCE, async (role) => ({
      ...role,
      ...(await details.role(role.name)),
      path: parseArn(role.arn).resource.slice('role'.length, -role.name.length),
    })),
    leftOut,
  }
}

/** AWS's own managed policies, of the account `aws`, are nobody's to import. */
async function policiesOf(
  roles: readonly PlanRole[],
  details: DetailsReader,
  leftOut: LeftOut[],
): Promise<readonly FoundPolicy[]> {
  const attached = new Set(roles.flatMap(({ policyArns }) => policyArns))
  const own = [...attached].filter((arn) => parseArn(arn).accountId !== 'aws').sort()
  const found = await mapLimited(own, AT_ONCE, async (arn) => ({
    arn,
    read: await details.policy(arn),
  }))
  return found.flatMap(({ arn, read }) => {
    if (read !== undefined) return [{ ...read, arn, name: arn.slice(arn.lastIndexOf('/') + 1) }]
    leftOut.push({ what: `policy ${arn}`, why: 'it may not be read, and stays named by its ARN' })
    return []
  })
}

const byArn = (one: { readonly arn: string }, other: { readonly arn: string }): number =>
  one.arn < other.arn ? -1 : 1

const annotatedOf = ({ serviceAccounts }: ObservedCluster, scope: ImportScope): readonly string[] =>
  serviceAccounts
    .filter(({ serviceAccount }) => isInScope(scope, serviceAccount))
    .flatMap(({ annotations }) => annotations[ROLE_ANNOTATION] ?? [])

function roleArnsOf(cluster: ObservedCluster, scope: ImportScope): readonly string[] {
  const associated = cluster.associations
    .filter(({ serviceAccount }) => isInScope(scope, serviceAccount))
    .flatMap(({ settings }) => [settings.roleArn, settings.targetRoleArn ?? []].flat())
  const ofAddons = isWhole(scope)
    ? cluster.addons.flatMap(({ settings }) => [
        ...settings.associations.map(({ roleArn }) => roleArn),
        ...[settings.serviceAccountRoleArn ?? []].flat(),
      ])
    : []
  return [...associated, ...annotatedOf(cluster, scope), ...ofAddons]
}

function providerArnsOf(cluster: ObservedCluster, scope: ImportScope): readonly string[] {
  const isUsed = isWhole(scope) || annotatedOf(cluster, scope).length > 0
  const issuers = [...(isUsed ? [cluster.issuer] : []), cluster.fleetIssuer]
  return issuers.flatMap((issuer) =>
    issuer === undefined ? [] : providerArnOf(cluster.arn, issuer),
  )
}

function rolesOf(
  arns: readonly string[],
  observed: ObservedState,
  leftOut: LeftOut[],
): readonly PlanRole[] {
  const byArn = new Map(observed.roles.map((role) => [role.arn, role]))
  return arns.flatMap((arn) => {
    const role = byArn.get(arn)
    const isOther = !arn.includes(`:iam::${observed.accountId}:role/`)
    if (role === undefined || arn.includes(':role/aws-service-role/')) {
      const why = isOther
        ? `it is not of account ${observed.accountId}`
        : role === undefined
          ? 'there is no such role'
          : 'AWS itself makes and changes it'
      leftOut.push({ what: `role ${arn}`, why })
      return []
    }
    return [role]
  })
}

function clusterOf(
  cluster: ObservedCluster,
  place: ImportPlace,
  scope: ImportScope,
  leftOut: LeftOut[],
): FoundCluster {
  const { name, region } = cluster
  const annotated = annotatedOf(cluster, scope).length
  if (annotated > 0) {
    const what = `annotation ${ROLE_ANNOTATION} of ${annotated} service account(s) of ${name}`
    leftOut.push({ what, why: 'it is of Kubernetes, and stays as it is' })
  }
  const associations = cluster.associations
    .filter((one) => one.ownerArn === undefined && isInScope(scope, one.serviceAccount))
    .toSorted(byServiceAccount)
  const isEks = place.broker === undefined && place.issuer === undefined
  if (!isEks && associations.length > 0) {
    const what = `${associations.length} association(s) of ${name}`
    leftOut.push({ what, why: 'they are of a broker, which the AWS API does not have' })
  }
  const isAll = isEks && isWhole(scope)
  return {
    name,
    region,
    associations: isEks ? associations : [],
    accessEntries: isAll
      ? cluster.accessEntries.toSorted((a, b) => (a.principalArn < b.principalArn ? -1 : 1))
      : [],
    addons: isAll ? cluster.addons.toSorted((a, b) => (a.name < b.name ? -1 : 1)) : [],
  }
}
