/** One cluster as it is → the document that says so, as far as the choices let it. */
import {
  formatServiceAccountName,
  type ServiceAccountName,
} from '../../../iam/service-account-name.ts'
import { parseArn } from '../../../iam/arn.ts'
import { STS_AUDIENCE } from '../../../iam/trust-document.ts'
import { ADDON_ROLE, AGENT_ADDON } from '../../desired/checks/addons.ts'
import {
  ASSOCIATION_ROLE,
  type RoleFieldNames,
  SERVICE_ACCOUNT_ROLE,
} from '../../desired/checks/roles.ts'
import { WORKLOAD_IDENTITY } from '../../desired/checks/cluster.ts'
import type {
  ObservedCluster,
  ObservedState,
  PlanAccessEntry,
  PlanAddon,
  PlanAssociation,
  PlanRole,
  PlanServiceAccount,
} from '../../plan/observed-state.ts'
import { changeableTags, isDeclaredBy, isSameTags } from '../../plan/ownership.ts'
import { standardUsername } from '../../plan/plan-access.ts'
import { podIdentityWay, providerArnOf, type RoleWay } from '../../plan/role-uses.ts'
import { spellAccessPolicies } from '../access-policies.ts'
import { byServiceAccount, type ImportScope, isInScope, isWhole } from '../imported.ts'
import type { ImportPlace } from '../wishes.ts'
import { type Choices, type Entry, LIST_PATHS, type ListName } from './choices.ts'
import { givenFault } from './given-fault.ts'
import { type IrsaItem, irsaItems, isNamedFor } from './irsa-items.ts'
import { type Fields, isMadeByFile, madeFields } from './made-role.ts'

export interface DocumentInput {
  readonly place: ImportPlace
  readonly cluster: ObservedCluster
  readonly observed: ObservedState
  readonly scope: ImportScope
  /** Of all that are imported. */
  readonly clusterArns: ReadonlySet<string>
}

export interface ClusterDocument {
  readonly value: Fields
  /** By their paths. */
  readonly entries: ReadonlyMap<string, Entry>
}

interface AskedRole {
  readonly arn: string
  readonly holder: ServiceAccountName
  readonly words: RoleFieldNames
  readonly by: RoleWay
  readonly ofAddon?: PlanAddon
}

interface RoleFields {
  readonly fields: Fields
  /** Its ARN, where it is written with all it has. */
  readonly made: readonly string[]
  readonly why?: string
}

/** Builds one document; what it cannot say it adds to the choices. */
export class DocumentBuilder {
  readonly #input: DocumentInput
  readonly #choices: Choices
  readonly #entries = new Map<string, Entry>()
  readonly #roles: ReadonlyMap<string, PlanRole>
  readonly #irsa: readonly IrsaItem[]
  readonly #serviceAccounts: ReadonlyMap<string, PlanServiceAccount>
  /** How many are to have a role. */
  readonly #holders = new Map<string, Set<string>>()

  constructor(input: DocumentInput, choices: Choices) {
    this.#input = input
    this.#choices = choices
    const { cluster, observed, scope } = input
    this.#roles = new Map(observed.roles.map((role) => [role.arn, role]))
    const isMade = (role: PlanRole): boolean => this.#isMade(role.arn)
    this.#irsa = irsaItems(cluster, observed.roles, isMade).filter(({ serviceAccount }) =>
      isInScope(scope, serviceAccount),
    )
    this.#serviceAccounts = new Map(
      cluster.serviceAccounts.map((one) => [formatServiceAccountName(one.serviceAccount), one]),
    )
    for (const { roleArn, serviceAccount } of this.#irsa) this.#hold(roleArn, serviceAccount)
    for (const { serviceAccount, settings } of cluster.associations) {
      this.#hold(settings.roleArn, serviceAccount)
    }
  }

  build(): ClusterDocument {
    const { cluster, place, scope } = this.#input
    const { accountId } = parseArn(cluster.arn)
    const isEks = place.broker === undefined && place.issuer === undefined
    const metadata = { name: cluster.name, region: cluster.region, accountID: accountId }
    const iam = this.#iam()
    const access = isEks && isWhole(scope) ? this.#access() : {}
    const addons = isWhole(scope) ? (isEks ? this.#addons() : this.#workloadIdentity()) : []
    const value = {
      apiVersion: isEks ? 'eksctl.io/v1alpha5' : 'podrole.dev/v1alpha1',
      kind: isEks ? 'ClusterConfig' : 'Cluster',
      metadata,
      ...(place.issuer !== undefined && { issuer: { url: place.issuer } }),
      ...(place.broker !== undefined && { broker: { url: place.broker } }),
      ...(Object.keys(iam).length > 0 && { iam }),
      ...(Object.keys(access).length > 0 && { accessConfig: access }),
      ...(addons.length > 0 && { addons }),
    }
    return { value, entries: this.#entries }
  }

  #isMade(arn: string): boolean {
    const role = this.#roles.get(arn)
    if (role === undefined || this.#choices.named.has(arn)) return false
    return isMadeByFile(role, this.#input.clusterArns)
  }

  #hold(roleArn: string, serviceAccount: ServiceAccountName): void {
    const key = formatServiceAccountName(serviceAccount)
    this.#holders.set(roleArn, (this.#holders.get(roleArn) ?? new Set()).add(key))
  }

  /** The items of a list that are not left out, each with its place in it. */
  #list<T>(
    list: ListName,
    items: readonly T[],
    write: (item: T) => { readonly entry: Entry; readonly fields: Fields } | undefined,
  ): readonly Fields[] {
    if (!this.#choices.hasList(this.#input.cluster.arn, list)) return []
    const written: Fields[] = []
    for (const item of items) {
      const one = write(item)
      if (one === undefined) continue
      this.#entries.set(`${LIST_PATHS[list]}[${written.length}]`, one.entry)
      written.push(one.fields)
    }
    return written
  }

  #entry(list: ListName, name: string, made: readonly string[]): Entry | undefined {
    const key = `${this.#input.cluster.arn} ${list} ${name}`
    if (this.#choices.without.has(key)) return undefined
    return { key, list, what: `${LIST_PATHS[list]} ${name}`, made }
  }

  #iam(): Fields {
    const { cluster, observed, scope } = this.#input
    const arn = cluster.issuer === undefined ? '' : providerArnOf(cluster.arn, cluster.issuer)
    const provider = observed.providers.find((one) => one.arn === arn)
    const hasProvider = provider?.clientIds.includes(STS_AUDIENCE) === true
    if (!hasProvider) this.#leaveIrsa()
    const serviceAccounts = hasProvider
      ? this.#list('serviceAccounts', this.#irsa.toSorted(byServiceAccount), (item) =>
          this.#serviceAccount(item),
        )
      : []
    const own = cluster.associations.filter(
      ({ ownerArn, serviceAccount }) => ownerArn === undefined && isInScope(scope, serviceAccount),
    )
    const associations = this.#list('associations', own.toSorted(byServiceAccount), (one) =>
      this.#association(one),
    )
    return {
      ...(hasProvider && (isWhole(scope) || serviceAccounts.length > 0) && { withOIDC: true }),
      ...(serviceAccounts.length > 0 && { serviceAccounts }),
      ...(associations.length > 0 && { podIdentityAssociations: associations }),
    }
  }

  #leaveIrsa(): void {
    const { cluster } = this.#input
    const why = `the account has no IAM OIDC provider with client id ${STS_AUDIENCE} for the cluster's issuer ${cluster.issuer ?? ''}`
    for (const { serviceAccount } of this.#irsa) {
      const entry = this.#entry('serviceAccounts', formatServiceAccountName(serviceAccount), [])
      if (entry !== undefined) this.#choices.without.set(entry.key, { what: entry.what, why })
    }
  }

  /** A role by its ARN, or with all it has where a file made it; or why a plan would refuse it. */
  #role(asked: AskedRole): RoleFields {
    const { arn, holder, ofAddon, words } = asked
    const role = this.#roles.get(arn)
    if (role !== undefined && this.#isMade(arn)) {
      const { clusterArn, isShared } = this.#sharing(role, holder)
      const made = madeFields(role, {
        words,
        clusterArn,
        partition: this.#input.observed.partition,
        holder,
        isShared,
        ...(ofAddon !== undefined && { ofAddon: ofAddon.tags }),
      })
      if (made.why === undefined) return { fields: made.fields, made: [arn] }
      this.#choices.name(arn, made.why)
    }
    const why = this.#givenFault(role, asked)
    return { fields: { [words.given]: arn }, made: [], ...(why !== undefined && { why }) }
  }

  #givenFault(role: PlanRole | undefined, { arn, by, holder }: AskedRole): string | undefined {
    const { cluster, observed } = this.#input
    const known = this.#choices.givenFaults
    const key = JSON.stringify([cluster.arn, arn, holder, by])
    if (known.has(key)) return known.get(key)
    const why = givenFault(arn, role, { cluster, accountId: observed.accountId, holder, by })
    known.set(key, why)
    return why
  }

  /** Leaves an item out whose role a plan would refuse. */
  #refused({ key, what }: Entry, { why }: RoleFields): boolean {
    if (why !== undefined) this.#choices.without.set(key, { what, why })
    return why !== undefined
  }

  #sharing(
    role: PlanRole,
    holder: ServiceAccountName,
  ): { readonly clusterArn: string; readonly isShared: boolean } {
    const { arn: clusterArn } = this.#input.cluster
    const isOne = (this.#holders.get(role.arn)?.size ?? 0) <= 1
    return { clusterArn, isShared: !isOne || !isNamedFor(role, clusterArn, holder) }
  }

  #serviceAccount(item: IrsaItem): { readonly entry: Entry; readonly fields: Fields } | undefined {
    const { found, roleArn, serviceAccount, subjectPattern } = item
    const by = { way: 'irsa', issuer: this.#input.cluster.issuer ?? '' } as const
    const holder = serviceAccount
    const role = this.#role({ arn: roleArn, holder, words: SERVICE_ACCOUNT_ROLE, by })
    const name = formatServiceAccountName(serviceAccount)
    const entry = this.#entry('serviceAccounts', name, role.made)
    if (entry === undefined || this.#refused(entry, role)) return undefined
    const isOurs = found !== undefined && isDeclaredBy(found.annotations, 'iam.serviceAccounts')
    const labels = isOurs ? found.labels : {}
    const annotations = annotationsOf(found?.annotations ?? {}, isOurs)
    const metadata = {
      name: serviceAccount.name,
      namespace: serviceAccount.namespace,
      ...(Object.keys(labels).length > 0 && { labels }),
      ...(Object.keys(annotations).length > 0 && { annotations }),
    }
    const isPattern = subjectPattern !== undefined && role.made.length > 0
    return {
      entry,
      fields: {
        metadata,
        ...role.fields,
        ...(isPattern && { subjectPattern }),
        ...(found === undefined && { roleOnly: true }),
      },
    }
  }

  #association(
    one: PlanAssociation,
  ): { readonly entry: Entry; readonly fields: Fields } | undefined {
    const { serviceAccount, settings } = one
    const tags = changeableTags(one.tags)
    const isSame = isSameTags(this.#roles.get(settings.roleArn)?.tags ?? {}, tags)
    if (!isSame && this.#isMade(settings.roleArn)) {
      this.#choices.name(settings.roleArn, 'a file gives an association and its role the same tags')
    }
    const role = this.#role({
      arn: settings.roleArn,
      holder: serviceAccount,
      words: ASSOCIATION_ROLE,
      by: podIdentityWay(this.#input.cluster, settings.disableSessionTags),
    })
    const entry = this.#entry('associations', formatServiceAccountName(serviceAccount), role.made)
    if (entry === undefined || this.#refused(entry, role)) return undefined
    const { disableSessionTags, policy, targetRoleArn } = settings
    return {
      entry,
      fields: {
        namespace: serviceAccount.namespace,
        serviceAccountName: serviceAccount.name,
        ...(this.#makesServiceAccount(entry, serviceAccount) && { createServiceAccount: true }),
        ...role.fields,
        ...(targetRoleArn !== undefined && { targetRoleARN: targetRoleArn }),
        ...(disableSessionTags && { disableSessionTags }),
        ...(policy !== undefined && { policy }),
        ...(Object.keys(tags).length > 0 && { tags }),
      },
    }
  }

  #makesServiceAccount({ key }: Entry, { name, namespace }: ServiceAccountName): boolean {
    const found = this.#serviceAccounts.get(`${namespace}/${name}`)
    if (found === undefined || this.#choices.unmade.has(key)) return false
    return isDeclaredBy(found.annotations, 'iam.podIdentityAssociations')
  }

  #access(): Fields {
    const { authenticationMode, accessEntries } = this.#input.cluster
    const entries = this.#list(
      'accessEntries',
      accessEntries.toSorted((one, other) => (one.principalArn < other.principalArn ? -1 : 1)),
      (one) => {
        const entry = this.#entry('accessEntries', one.principalArn, [])
        return entry === undefined ? undefined : { entry, fields: accessFields(one) }
      },
    )
    return {
      ...(authenticationMode !== undefined && { authenticationMode }),
      ...(entries.length > 0 && { accessEntries: entries }),
    }
  }

  #addons(): readonly Fields[] {
    const { addons } = this.#input.cluster
    const sorted = addons.toSorted((one, other) => (one.name < other.name ? -1 : 1))
    return this.#list('addons', sorted, (addon) => {
      const identity = this.#choices.quiet.has(this.#addonKey(addon))
        ? { fields: {}, made: [] }
        : this.#identity(addon)
      const entry = this.#entry('addons', addon.name, identity.made)
      if (entry === undefined) return undefined
      const tags = changeableTags(addon.tags)
      const isSpoken = Object.keys(identity.fields).length > 0 || addon.name === AGENT_ADDON
      return {
        entry,
        fields: {
          name: addon.name,
          // Without identity it is left alone, whatever is raised since.
          ...(isSpoken && { version: addon.settings.version }),
          ...identity.fields,
          ...(Object.keys(tags).length > 0 && { tags }),
        },
      }
    })
  }

  #addonKey = ({ name }: PlanAddon): string => `${this.#input.cluster.arn} addons ${name}`

  #identity(addon: PlanAddon): { readonly fields: Fields; readonly made: readonly string[] } {
    const { associations, serviceAccountRoleArn } = addon.settings
    const what = `identity of ${LIST_PATHS.addons} ${addon.name}`
    if (serviceAccountRoleArn !== undefined && associations.length > 0) {
      const why = 'it has a role by IRSA and associations; a file says one of both'
      this.#choices.quiet.set(this.#addonKey(addon), { what, why })
      return { fields: {}, made: [] }
    }
    if (serviceAccountRoleArn !== undefined) return this.#irsaOfAddon(addon, serviceAccountRoleArn)
    const own = this.#input.cluster.associations.filter(({ ownerArn }) => ownerArn === addon.arn)
    const namespaces = new Map(
      own.map(({ serviceAccount: { name, namespace } }) => [name, namespace]),
    )
    const made: string[] = []
    const items = associations.map(({ roleArn, serviceAccount: name }) => {
      const namespace = namespaces.get(name) ?? this.#namespaceOf(addon)
      const role = this.#role({
        arn: roleArn,
        holder: { namespace, name },
        words: ASSOCIATION_ROLE,
        by: podIdentityWay(this.#input.cluster, false),
        ofAddon: addon,
      })
      made.push(...role.made)
      if (role.why !== undefined) {
        this.#choices.quiet.set(this.#addonKey(addon), { what, why: role.why })
      }
      return { namespace, serviceAccountName: name, ...role.fields }
    })
    const isDeclared = isDeclaredBy(addon.tags, 'addons') && addon.name !== AGENT_ADDON
    if (items.length === 0 && !isDeclared) return { fields: {}, made }
    return { fields: { podIdentityAssociations: items }, made }
  }

  #namespaceOf = ({ name }: PlanAddon): string =>
    this.#input.cluster.offers.find((offer) => offer.name === name)?.namespace ?? 'kube-system'

  /** The role has the add-on's tags, and the name that podrole gives it. */
  #irsaOfAddon(
    addon: PlanAddon,
    arn: string,
  ): { readonly fields: Fields; readonly made: readonly string[] } {
    const { cluster } = this.#input
    const [first] = cluster.offers.find(({ name }) => name === addon.name)?.recommended ?? []
    const holder = { namespace: this.#namespaceOf(addon), name: first?.serviceAccount ?? '' }
    const role = this.#roles.get(arn)
    if (role === undefined || !this.#isMade(arn))
      return { fields: { [ADDON_ROLE.given]: arn }, made: [] }
    const by = { way: 'irsa', issuer: cluster.issuer ?? '' } as const
    const { fields, made } = this.#role({ arn, holder, words: ADDON_ROLE, by })
    if (made.length === 0) return { fields, made }
    const { tags: _tags, roleName, ...others } = fields
    const isSame = isSameTags(role.tags, changeableTags(addon.tags))
    if (roleName === undefined && others['trustConditions'] === undefined && isSame) {
      return { fields: others, made }
    }
    this.#choices.name(arn, "a file gives an add-on's role no name, tags or conditions of its own")
    return { fields: { [ADDON_ROLE.given]: arn }, made: [] }
  }

  #workloadIdentity(): readonly Fields[] {
    const { isDeclared, status } = this.#input.cluster.workloadIdentity
    return status === 'enabled' && isDeclared ? [{ name: WORKLOAD_IDENTITY }] : []
  }
}

/** What podrole and Kubernetes' own tools write is theirs to write. */
const OF_TOOLS = /^(?:podrole\.dev|kubectl\.kubernetes\.io)\/|^eks\.amazonaws\.com\/role-arn$/

/** All of a service account that a file made; of others those alone that say how IRSA goes. */
const annotationsOf = (
  annotations: Readonly<Record<string, string>>,
  isOurs: boolean,
): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(annotations).filter(
      ([key]) => !OF_TOOLS.test(key) && (isOurs || key.startsWith('eks.amazonaws.com/')),
    ),
  )

function accessFields(one: PlanAccessEntry): Fields {
  const { groups, policies, principalArn, tags, type, username } = one
  const isStandard = type === 'STANDARD'
  const ownTags = changeableTags(tags)
  const hasName = isStandard && username !== standardUsername(principalArn)
  return {
    principalARN: principalArn,
    ...(!isStandard && { type }),
    ...(isStandard && groups.length > 0 && { kubernetesGroups: groups.toSorted() }),
    ...(hasName && { kubernetesUsername: username }),
    ...(policies.length > 0 && { accessPolicies: spellAccessPolicies(policies) }),
    ...(Object.keys(ownTags).length > 0 && { tags: ownTags }),
  }
}
