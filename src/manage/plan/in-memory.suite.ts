/** AWS and Kubernetes as one value, and what each action of a plan makes of it; for tests. */
import type { Tags } from '../../iam/tags.ts'
import type {
  AddonSettings,
  ObservedCluster,
  ObservedState,
  PlanAccessEntry,
  PlanAssociation,
  PlanRole,
} from './observed-state.ts'
import type { ClusterAction, KubernetesAction, PlanAction, PlanStep, RoleAction } from './plan.ts'
import { standardUsername } from './plan-access.ts'

export const PARTITION = 'aws'
export const ACCOUNT = '111122223333'
export const REGION = 'eu-central-1'

/** A cluster with nothing in it. */
export function emptyCluster(name: string): ObservedCluster {
  return {
    arn: `arn:aws:eks:${REGION}:${ACCOUNT}:cluster/${name}`,
    name,
    region: REGION,
    issuer: `https://oidc.eks.${REGION}.amazonaws.com/id/${name.toUpperCase()}`,
    isAutoMode: false,
    authenticationMode: 'API_AND_CONFIG_MAP',
    associations: [],
    accessEntries: [],
    addons: [],
    offers: OFFERS,
    serviceAccounts: [],
    namespaces: ['default', 'kube-system'],
    workloadIdentity: { status: 'disabled', isDeclared: false },
  }
}

const OFFERS = [
  {
    name: 'eks-pod-identity-agent',
    defaultVersion: 'v1.3.8-eksbuild.2',
    latestVersion: 'v1.3.9-eksbuild.3',
    namespace: 'kube-system',
    recommended: [],
  },
  {
    name: 'aws-ebs-csi-driver',
    defaultVersion: 'v1.50.1-eksbuild.1',
    latestVersion: 'v1.51.1-eksbuild.1',
    namespace: 'kube-system',
    recommended: [
      {
        serviceAccount: 'ebs-csi-controller-sa',
        policyArns: ['arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy'],
      },
    ],
  },
]

export const emptyState = (...clusters: string[]): ObservedState => ({
  partition: PARTITION,
  accountId: ACCOUNT,
  trustQuota: { value: 2048, isLive: true, text: '2048 (Service Quotas L-C07B4B0D)' },
  roles: [],
  providers: [],
  clusters: clusters.map(emptyCluster),
})

/** What the steps make of the state, in their order. */
export const applySteps = (state: ObservedState, steps: readonly PlanStep[]): ObservedState =>
  steps.reduce((now, { action }) => applyAction(now, action), state)

/** @throws Error where the action finds something else than it was planned for */
export function applyAction(state: ObservedState, action: PlanAction): ObservedState {
  if (!('cluster' in action)) return applyToIam(state, action)
  const clusters = state.clusters.map((cluster) =>
    cluster.arn === action.cluster ? applyToCluster(cluster, action) : cluster,
  )
  return { ...state, clusters }
}

function demand(isTrue: boolean, action: PlanAction): void {
  if (!isTrue) throw new Error(`what is is not what was planned for: ${JSON.stringify(action)}`)
}

const same = (one: unknown, other: unknown): boolean => Bun.deepEquals(one, other)

function applyToIam(state: ObservedState, action: RoleAction): ObservedState {
  switch (action.do) {
    case 'create-provider':
      demand(!state.providers.some(({ arn }) => arn === action.provider.arn), action)
      return { ...state, providers: [...state.providers, action.provider] }
    case 'delete-provider':
      return {
        ...state,
        providers: state.providers.filter(({ arn }) => arn !== action.provider.arn),
      }
    case 'add-client-id':
    case 'remove-client-id':
      return {
        ...state,
        providers: state.providers.map((one) => {
          if (one.arn !== action.arn) return one
          const others = one.clientIds.filter((id) => id !== action.clientId)
          const clientIds = action.do === 'add-client-id' ? [...others, action.clientId] : others
          return { ...one, clientIds }
        }),
      }
    case 'create-role': {
      demand(!state.roles.some(({ name }) => isSameName(name, action.role.name)), action)
      return { ...state, roles: [...state.roles, { ...action.role, policyArns: [], inline: {} }] }
    }
    case 'delete-role': {
      const role = state.roles.find(({ name }) => name === action.role.name)
      const isBare = role?.policyArns.length === 0 && Object.keys(role.inline).length === 0
      demand(isBare, action)
      return { ...state, roles: state.roles.filter((one) => one !== role) }
    }
    default: {
      demand(
        state.roles.some(({ name }) => name === action.role),
        action,
      )
      const roles = state.roles.map((role) =>
        role.name === action.role ? applyToRole(role, action) : role,
      )
      return { ...state, roles }
    }
  }
}

const isSameName = (one: string, other: string): boolean =>
  one.toLowerCase() === other.toLowerCase()

type OfRole = Extract<RoleAction, { readonly role: string }>

function applyToRole(role: PlanRole, action: OfRole): PlanRole {
  switch (action.do) {
    case 'put-trust':
      demand(role.trustPolicy === action.before, action)
      return { ...role, trustPolicy: action.after }
    case 'attach-policy':
      demand(!role.policyArns.includes(action.policyArn), action)
      return { ...role, policyArns: [...role.policyArns, action.policyArn] }
    case 'detach-policy':
      demand(role.policyArns.includes(action.policyArn), action)
      return { ...role, policyArns: role.policyArns.filter((arn) => arn !== action.policyArn) }
    case 'put-inline-policy':
      demand(role.inline[action.name] === action.before, action)
      return { ...role, inline: { ...role.inline, [action.name]: action.after } }
    case 'delete-inline-policy':
      demand(role.inline[action.name] === action.before, action)
      return { ...role, inline: without(role.inline, [action.name]) }
    case 'put-boundary':
      demand(role.boundaryArn === action.before, action)
      return { ...role, boundaryArn: action.after }
    case 'delete-boundary': {
      const { boundaryArn, ...rest } = role
      demand(boundaryArn === action.before, action)
      return rest
    }
    case 'tag-role':
      return { ...role, tags: tagged(role.tags, action) }
    case 'untag-role':
      return { ...role, tags: without(role.tags, Object.keys(action.before)) }
    default:
      return action satisfies never
  }
}

function tagged(tags: Tags, action: Extract<PlanAction, { readonly do: `tag-${string}` }>): Tags {
  for (const key of Object.keys(action.after)) demand(tags[key] === action.before[key], action)
  return { ...tags, ...action.after }
}

const without = <T>(
  record: Readonly<Record<string, T>>,
  keys: readonly string[],
): Record<string, T> =>
  Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)))

const keyOf = ({
  serviceAccount: { name, namespace },
}: Pick<PlanAssociation, 'serviceAccount'>): string => `${namespace}/${name}`

function applyToCluster(
  cluster: ObservedCluster,
  action: ClusterAction | KubernetesAction,
): ObservedCluster {
  switch (action.do) {
    case 'create-association': {
      const key = keyOf(action.association)
      demand(!cluster.associations.some((one) => keyOf(one) === key), action)
      return { ...cluster, associations: [...cluster.associations, associationOf(cluster, action)] }
    }
    case 'delete-association': {
      const key = keyOf(action.association)
      const associations = cluster.associations.filter((one) => keyOf(one) !== key)
      demand(associations.length < cluster.associations.length, action)
      return { ...cluster, associations }
    }
    case 'update-association':
      return {
        ...cluster,
        associations: cluster.associations.map((one) => {
          if (keyOf(one) !== keyOf(action)) return one
          demand(same(one.settings, action.before), action)
          return { ...one, settings: action.after }
        }),
      }
    case 'tag-resource':
    case 'untag-resource':
      return retagged(cluster, action)
    case 'update-authentication-mode':
      demand(cluster.authenticationMode === action.before, action)
      return { ...cluster, authenticationMode: action.after }
    case 'enable-workload-identity':
      return { ...cluster, workloadIdentity: { status: 'enabled', isDeclared: true } }
    case 'disable-workload-identity':
      return { ...cluster, workloadIdentity: { status: 'disabled', isDeclared: false } }
    default:
      return applyToAddonsAndAccess(cluster, action)
  }
}

function associationOf(
  cluster: ObservedCluster,
  { association }: Extract<ClusterAction, { readonly do: 'create-association' }>,
): PlanAssociation {
  const associationId = `a-${Bun.hash(keyOf(association)).toString(36).padEnd(17, '0').slice(0, 17)}`
  const arn = `${cluster.arn.replace(':cluster/', ':podidentityassociation/')}/${associationId}`
  return { ...association, associationId, arn }
}

function retagged(
  cluster: ObservedCluster,
  action: Extract<ClusterAction, { readonly do: 'tag-resource' | 'untag-resource' }>,
): ObservedCluster {
  const change = <T extends { readonly arn: string; readonly tags: Tags }>(one: T): T => {
    if (one.arn !== action.arn) return one
    return action.do === 'tag-resource'
      ? { ...one, tags: tagged(one.tags, action) }
      : { ...one, tags: without(one.tags, Object.keys(action.before)) }
  }
  return {
    ...cluster,
    associations: cluster.associations.map(change),
    accessEntries: cluster.accessEntries.map(change),
    addons: cluster.addons.map(change),
  }
}

type Rest = Exclude<
  ClusterAction | KubernetesAction,
  {
    readonly do:
      | `${string}-association`
      | `${string}-resource`
      | `${string}-mode`
      | `${string}-workload-identity`
  }
>

function applyToAddonsAndAccess(cluster: ObservedCluster, action: Rest): ObservedCluster {
  switch (action.do) {
    case 'create-addon': {
      const { name, settings, tags } = action.addon
      demand(!cluster.addons.some((one) => one.name === name), action)
      const arn = `${cluster.arn.replace(':cluster/', ':addon/')}/${name}/1`
      const addons = [...cluster.addons, { name, arn, settings, tags }]
      return withAddonAssociations({ ...cluster, addons }, arn, settings)
    }
    case 'update-addon': {
      const addon = cluster.addons.find((one) => one.name === action.name)
      demand(same(addon?.settings, action.before), action)
      const addons = cluster.addons.map((one) =>
        one === addon ? { ...one, settings: action.after } : one,
      )
      return withAddonAssociations({ ...cluster, addons }, addon?.arn ?? '', action.after)
    }
    case 'delete-addon': {
      const addon = cluster.addons.find((one) => one.name === action.addon.name)
      const addons = cluster.addons.filter((one) => one !== addon)
      const none = { version: '', associations: [] }
      return withAddonAssociations({ ...cluster, addons }, addon?.arn ?? '', none)
    }
    case 'create-access-entry': {
      const { groups = [], principalArn, tags, type, username } = action.entry
      demand(cluster.authenticationMode !== 'CONFIG_MAP', action)
      demand(!cluster.accessEntries.some((one) => one.principalArn === principalArn), action)
      const arn = `${cluster.arn.replace(':cluster/', ':access-entry/')}/${principalArn}`
      const named = { groups, username: username ?? standardUsername(principalArn) }
      const entry = { principalArn, arn, type, ...named, policies: [], tags }
      return { ...cluster, accessEntries: [...cluster.accessEntries, entry] }
    }
    case 'delete-access-entry': {
      const { principalArn } = action.entry
      const accessEntries = cluster.accessEntries.filter((one) => one.principalArn !== principalArn)
      return { ...cluster, accessEntries }
    }
    case 'update-access-entry':
    case 'associate-access-policy':
    case 'disassociate-access-policy': {
      const accessEntries = cluster.accessEntries.map((one) =>
        one.principalArn === action.principalArn ? applyToEntry(one, action) : one,
      )
      return { ...cluster, accessEntries }
    }
    default:
      return applyToKubernetes(cluster, action)
  }
}

/** EKS makes the associations of an add-on itself. */
function withAddonAssociations(
  cluster: ObservedCluster,
  ownerArn: string,
  { associations }: AddonSettings,
): ObservedCluster {
  const others = cluster.associations.filter((one) => one.ownerArn !== ownerArn)
  const made = associations.map(({ roleArn, serviceAccount }) => ({
    ...associationOf(cluster, {
      do: 'create-association',
      cluster: cluster.arn,
      association: {
        serviceAccount: { namespace: 'kube-system', name: serviceAccount },
        settings: { roleArn, disableSessionTags: false },
        tags: {},
      },
    }),
    ownerArn,
  }))
  return { ...cluster, associations: [...others, ...made] }
}

type OfEntry = Extract<ClusterAction, { readonly principalArn: string }>

function applyToEntry(entry: PlanAccessEntry, action: OfEntry): PlanAccessEntry {
  if (action.do === 'update-access-entry') return { ...entry, ...action.after }
  const arn =
    action.do === 'associate-access-policy' ? action.after.policyArn : action.before.policyArn
  const others = entry.policies.filter(({ policyArn }) => policyArn !== arn)
  const added = action.do === 'associate-access-policy' ? [action.after] : []
  return { ...entry, policies: [...others, ...added] }
}

function applyToKubernetes(cluster: ObservedCluster, action: KubernetesAction): ObservedCluster {
  switch (action.do) {
    case 'create-namespace':
      demand(!cluster.namespaces.includes(action.namespace), action)
      return { ...cluster, namespaces: [...cluster.namespaces, action.namespace] }
    case 'delete-namespace':
      return {
        ...cluster,
        namespaces: cluster.namespaces.filter((one) => one !== action.namespace),
      }
    case 'create-service-account': {
      const key = keyOf(action.object)
      demand(cluster.namespaces.includes(action.object.serviceAccount.namespace), action)
      demand(!cluster.serviceAccounts.some((one) => keyOf(one) === key), action)
      return { ...cluster, serviceAccounts: [...cluster.serviceAccounts, action.object] }
    }
    case 'delete-service-account': {
      const key = keyOf(action.object)
      const serviceAccounts = cluster.serviceAccounts.filter((one) => keyOf(one) !== key)
      return { ...cluster, serviceAccounts }
    }
    case 'patch-service-account': {
      const serviceAccounts = cluster.serviceAccounts.map((one) => {
        if (keyOf(one) !== keyOf(action)) return one
        const { after, before } = action
        for (const kind of ['labels', 'annotations'] as const) {
          for (const [key, value] of Object.entries(before[kind])) {
            demand((one[kind][key] ?? null) === value, action)
          }
        }
        return {
          ...one,
          labels: merged(one.labels, after.labels),
          annotations: merged(one.annotations, after.annotations),
        }
      })
      return { ...cluster, serviceAccounts }
    }
    default:
      return action satisfies never
  }
}

const merged = (
  is: Readonly<Record<string, string>>,
  patch: Readonly<Record<string, string | null>>,
): Record<string, string> =>
  Object.fromEntries(
    Object.entries({ ...is, ...patch }).filter(
      (entry): entry is [string, string] => entry[1] !== null,
    ),
  )
