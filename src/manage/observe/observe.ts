/** What is, read from IAM, EKS or a broker, and Kubernetes, as far as files speak of it. */
import { mapLimited } from '../../lib/map-limited.ts'
import { AGENT_ADDON } from '../desired/checks/addons.ts'
import type { DesiredAddon, DesiredCluster } from '../desired/desired-state.ts'
import type {
  ObservedCluster,
  ObservedState,
  PlanAddon,
  PlanProvider,
} from '../plan/observed-state.ts'
import { providerArnOf } from '../plan/role-uses.ts'
import { identityFault } from './kube-identity.ts'
import type { ClusterFacts, ClusterReader, ObservePlaces } from './ports.ts'
import { Unreadable } from './unreadable.ts'

/** Clusters read at once; each has calls of its own at once. */
const CLUSTERS_AT_ONCE = 4

export interface ObserveOptions {
  /** Also reads what EKS offers of the add-ons that are there and have a role by IRSA. */
  readonly foundAddons: boolean
}

/**
 * Reads all that a plan for these clusters looks at. What nobody speaks of is not read: access
 * entries without `accessConfig`, Kubernetes for `withOIDC` and access alone. A cluster that is
 * not there is left out, which `makePlan` tells, or is there as one that is gone (`places.gone`).
 * @throws PodroleError `NotReadable` with everything that the caller may not read: it is never
 * taken for absent. Any other fault of a service as it is.
 */
export async function observe(
  clusters: readonly DesiredCluster[],
  places: ObservePlaces,
  options: ObserveOptions = { foundAddons: false },
): Promise<ObservedState> {
  const { iam } = places
  const denied = new Unreadable()
  const [roles, trustQuota, found] = await Promise.all([
    denied.read(() => iam.roles(), []),
    iam.trustQuota(),
    mapLimited(clusters, CLUSTERS_AT_ONCE, (desired) =>
      observeCluster(desired, places, { denied, options }),
    ),
  ])
  const observed = found.filter((one) => one !== undefined)
  const arns = new Set(clusters.flatMap((desired, at) => providerArnsOf(desired, found[at])))
  const providers = await mapLimited([...arns], CLUSTERS_AT_ONCE, (arn) =>
    denied.read<PlanProvider | undefined>(() => iam.provider(arn), undefined),
  )
  denied.check()
  return {
    partition: iam.partition,
    accountId: iam.accountId,
    trustQuota,
    roles,
    providers: providers.filter((one) => one !== undefined),
    clusters: observed,
  }
}

function providerArnsOf(
  { issuer }: DesiredCluster,
  cluster: ObservedCluster | undefined,
): readonly string[] {
  if (cluster === undefined) return []
  const { fleetIssuer, workloadIdentity } = cluster
  return [issuer ?? cluster.issuer, workloadIdentity.issuer, fleetIssuer]
    .filter((one) => one !== undefined)
    .map((one) => providerArnOf(cluster.arn, one))
}

async function observeCluster(
  desired: DesiredCluster,
  places: ObservePlaces,
  { denied, options }: { readonly denied: Unreadable; readonly options: ObserveOptions },
): Promise<ObservedCluster | undefined> {
  const reader = await places.cluster(desired)
  const facts = await denied.read(() => reader.facts(), undefined)
  if (facts === undefined) return goneCluster(desired, places, denied)
  const { kubernetesVersion, ...known } = facts
  const associating = denied.read(() => reader.associations(), [])
  const reading = associating.then((all) => denied.read(() => reader.addons(all), []))
  const from = { reader, denied, kubernetesVersion }
  const [associations, addons, accessEntries, offers, kube] = await Promise.all([
    associating,
    reading,
    desired.access?.entries === undefined ? [] : denied.read(() => reader.accessEntries(), []),
    options.foundAddons
      ? reading.then((found) => readOffers(found.flatMap(irsaOf), from))
      : readOffers(desired.addons ?? [], from),
    readKube(desired, facts, { places, denied }),
  ])
  return { name: desired.name, ...known, associations, addons, accessEntries, offers, ...kube }
}

const OFF = { status: 'disabled', isDeclared: false } as const
const NOTHING = { serviceAccounts: [], namespaces: [], workloadIdentity: OFF }

async function goneCluster(
  desired: DesiredCluster,
  places: ObservePlaces,
  denied: Unreadable,
): Promise<ObservedCluster | undefined> {
  const known = await denied.read(async () => places.gone?.(desired), undefined)
  if (known === undefined) return undefined
  return {
    name: desired.name,
    ...known,
    isGone: true,
    isAutoMode: false,
    associations: [],
    accessEntries: [],
    addons: [],
    offers: [],
    ...NOTHING,
  }
}

/** An add-on as a file would say it that gives it its role. */
function irsaOf({ name, settings }: PlanAddon): readonly DesiredAddon[] {
  const { serviceAccountRoleArn: arn, version } = settings
  if (arn === undefined) return []
  const identity = { kind: 'irsa', role: { kind: 'given', arn } } as const
  return [{ path: 'addons', name, version, identity, tags: {} }]
}

async function readOffers(
  addons: readonly DesiredAddon[],
  from: {
    readonly reader: ClusterReader
    readonly denied: Unreadable
    readonly kubernetesVersion: string | undefined
  },
): Promise<ObservedCluster['offers']> {
  const { denied, kubernetesVersion, reader } = from
  if (kubernetesVersion === undefined) return []
  const asked = addons.filter(
    ({ identity, name }) => name === AGENT_ADDON || identity.kind !== 'unspoken',
  )
  const offers = await mapLimited(asked, CLUSTERS_AT_ONCE, (addon) =>
    denied.read(() => reader.offer(addon, kubernetesVersion), undefined),
  )
  return offers.filter((one) => one !== undefined)
}

/** Roles are let go only where no service account has them, so all blocks with roles need it. */
const needsKube = (desired: DesiredCluster): boolean =>
  [desired.serviceAccounts, desired.associations, desired.addons, desired.workloadIdentity].some(
    (one) => one !== undefined,
  )

type ObservedKube = Pick<
  ObservedCluster,
  'serviceAccounts' | 'namespaces' | 'workloadIdentity' | 'kubeFault'
>

async function readKube(
  desired: DesiredCluster,
  facts: ClusterFacts,
  { denied, places }: { readonly places: ObservePlaces; readonly denied: Unreadable },
): Promise<ObservedKube> {
  if (!needsKube(desired)) return NOTHING
  const kube = await places.kube(desired, facts)
  const kubeFault = identityFault(await kube.identity(), desired.name)
  // What is in another cluster says nothing of this one.
  if (kubeFault !== undefined) return { ...NOTHING, kubeFault }
  const [serviceAccounts, namespaces, workloadIdentity] = await Promise.all([
    denied.read(() => kube.serviceAccounts(), []),
    denied.read(() => kube.namespaces(), []),
    desired.workloadIdentity === undefined ? OFF : denied.read(() => kube.workloadIdentity(), OFF),
  ])
  return { serviceAccounts, namespaces, workloadIdentity }
}
