/** Reads what advices are made of: clusters one by one, then IAM for all; what cannot be read is told. */
import { tryParseArn, oidcProviderArn } from '../../iam/arn.ts'
import { parsePolicy } from '../../iam/policy.ts'
import type { ServiceAccountName } from '../../iam/service-account-name.ts'
import { AGENT_ADDON } from '../../manage/desired/checks/addons.ts'
import type {
  ClusterFacts,
  ClusterReader,
  IamReader,
  KubeReader,
} from '../../manage/observe/ports.ts'
import type { PlanAssociation, PlanRole } from '../../manage/plan/observed-state.ts'
import { ROLE_ANNOTATION } from '../../manage/roles/annotate.ts'
import { clusterKindOf } from './cluster-kind.ts'
import type { AdviceFacts, ClusterProfile, Compute, Need, RoleProfile, Way } from './facts.ts'
import type { KubeSigns } from './kube-signs.ts'
import type { KnownSdk } from '../facts/sdk.ts'
import { tryEach, type Unread } from '../facts/tried.ts'

/** One cluster, by its Kubernetes and by who knows it. */
export interface AdviceCluster {
  readonly name: string
  readonly kube: Pick<KubeReader, 'serviceAccounts'> & { signs(): Promise<KubeSigns> }
  /** Undefined where neither EKS nor a broker knows it. */
  readonly known?: {
    readonly by: 'eks' | 'broker'
    readonly facts: ClusterFacts
    readonly reader: Pick<ClusterReader, 'associations' | 'addons'>
  }
}

export interface AdvicePlaces {
  readonly clusters: readonly AdviceCluster[]
  /** Undefined where AWS is not reached. */
  readonly iam?: Pick<
    IamReader,
    'partition' | 'accountId' | 'roles' | 'provider' | 'trustQuota'
  > & {
    providers(): Promise<{ readonly used: number; readonly limit: number }>
  }
}

export interface AdviceQuestion {
  /** None: all service accounts that have a role by some way. */
  readonly only?: ServiceAccountName
  readonly needs: readonly Need[]
  readonly sdk?: KnownSdk
}

export interface GatheredAdvice {
  readonly facts: readonly AdviceFacts[]
  readonly unread: readonly Unread[]
}

interface Workload {
  readonly serviceAccount: ServiceAccountName
  readonly current: readonly Way[]
  readonly roleArn?: string
  readonly targetRoleArn?: string
}

interface SeenCluster {
  readonly profile: ClusterProfile
  readonly arn?: string
  readonly signs: KubeSigns
  readonly workloads: readonly Workload[]
}

interface Account {
  readonly accountId: string
  readonly roles: ReadonlyMap<string, PlanRole>
  readonly quota: number
  readonly providers: { readonly used: number; readonly limit: number }
}

export async function gatherAdvice(
  { clusters, iam }: AdvicePlaces,
  question: AdviceQuestion,
): Promise<GatheredAdvice> {
  const { tried, unread } = tryEach()
  const account = iam && (await tried('IAM', () => readAccount(iam)))
  const seen: SeenCluster[] = []
  for (const cluster of clusters) {
    const one = await tried(`cluster ${cluster.name}`, () =>
      seeCluster(cluster, iam, question.only),
    )
    if (one !== undefined) seen.push(one)
  }
  const facts = seen.flatMap((cluster) =>
    cluster.workloads.map((workload) => factsOf({ cluster, workload, seen, question, account })),
  )
  return { facts, unread }
}

async function readAccount(iam: NonNullable<AdvicePlaces['iam']>): Promise<Account> {
  const [roles, quota, providers] = await Promise.all([
    iam.roles(),
    iam.trustQuota(),
    iam.providers(),
  ])
  const { accountId } = iam
  const byArn = new Map(roles.map((role) => [role.arn, role]))
  return { accountId, roles: byArn, quota: quota.value, providers }
}

async function seeCluster(
  { kube, known, name }: AdviceCluster,
  iam: AdvicePlaces['iam'],
  only: ServiceAccountName | undefined,
): Promise<SeenCluster> {
  const [signs, serviceAccounts, associations] = await Promise.all([
    kube.signs(),
    kube.serviceAccounts(),
    known?.reader.associations() ?? [],
  ])
  const addons = known?.by === 'eks' ? await known.reader.addons(associations) : undefined
  const issuer = known?.facts.issuer
  const hasProvider =
    iam === undefined || issuer === undefined
      ? undefined
      : (await iam.provider(oidcProviderArn({ ...iam, issuer }))) !== undefined
  const annotated = new Map(
    serviceAccounts.map((one) => [keyOf(one.serviceAccount), one.annotations[ROLE_ANNOTATION]]),
  )
  const names = only === undefined ? namesOf(serviceAccounts, associations) : [only]
  const agent = addons?.find((addon) => addon.name === AGENT_ADDON)
  const hasAgent =
    known?.facts.isAutoMode === true || (addons === undefined ? undefined : agent !== undefined)
  const { version, ...kind } = kindOf(signs, known)
  return {
    profile: {
      name,
      ...kind,
      hasBroker: known?.by === 'broker',
      ...(version !== undefined && { version }),
      ...(hasAgent !== undefined && { hasAgent }),
      ...(agent?.status !== undefined && { agentStatus: agent.status }),
      ...(hasProvider !== undefined && { hasProvider }),
    },
    signs,
    workloads: names.map((serviceAccount) =>
      workloadOf(serviceAccount, annotated, { associations, known }),
    ),
    ...(known !== undefined && { arn: known.facts.arn }),
  }
}

const keyOf = ({ name, namespace }: ServiceAccountName): string => `${namespace}/${name}`

function namesOf(
  serviceAccounts: Awaited<ReturnType<KubeReader['serviceAccounts']>>,
  associations: readonly PlanAssociation[],
): readonly ServiceAccountName[] {
  const annotated = serviceAccounts
    .filter(({ annotations }) => annotations[ROLE_ANNOTATION] !== undefined)
    .map(({ serviceAccount }) => serviceAccount)
  const all = [...annotated, ...associations.map(({ serviceAccount }) => serviceAccount)]
  return [...new Map(all.map((one) => [keyOf(one), one])).values()]
}

/** EKS itself knows best that a cluster is its own. */
function kindOf(
  signs: KubeSigns,
  known: AdviceCluster['known'],
): Pick<ClusterProfile, 'kind' | 'evidence' | 'version'> {
  const seen = clusterKindOf(signs)
  if (known?.by !== 'eks') {
    const [, version] = /^v(\d+\.\d+)/.exec(signs.nodes[0]?.kubelet ?? '') ?? []
    return { ...seen, ...(version !== undefined && { version }) }
  }
  const { arn, isAutoMode, kubernetesVersion } = known.facts
  return {
    kind: isAutoMode ? 'eks-auto' : 'eks',
    evidence: `EKS has ${arn}${isAutoMode ? ' in Auto Mode' : ''}`,
    ...(kubernetesVersion !== undefined && { version: kubernetesVersion }),
  }
}

function workloadOf(
  serviceAccount: ServiceAccountName,
  annotated: ReadonlyMap<string, string | undefined>,
  {
    associations,
    known,
  }: { readonly associations: readonly PlanAssociation[]; readonly known: AdviceCluster['known'] },
): Workload {
  const key = keyOf(serviceAccount)
  const association = associations.find((one) => keyOf(one.serviceAccount) === key)
  const annotation = annotated.get(key)
  const byAssociation: Way = known?.by === 'broker' ? 'broker' : 'pod-identity'
  const roleArn = association?.settings.roleArn ?? annotation
  const targetRoleArn = association?.settings.targetRoleArn
  return {
    serviceAccount,
    current: [
      ...(association === undefined ? [] : [byAssociation]),
      ...(annotation === undefined ? [] : (['irsa'] as const)),
    ],
    ...(roleArn !== undefined && { roleArn }),
    ...(targetRoleArn !== undefined && { targetRoleArn }),
  }
}

function factsOf(at: {
  readonly cluster: SeenCluster
  readonly workload: Workload
  readonly seen: readonly SeenCluster[]
  readonly question: AdviceQuestion
  readonly account: Account | undefined
}): AdviceFacts {
  const { account, cluster, question, seen, workload } = at
  const { needs, sdk } = question
  const compute = cluster.signs.pods
    .filter(
      ({ namespace, serviceAccount }) =>
        keyOf({ namespace, name: serviceAccount }) === keyOf(workload.serviceAccount),
    )
    .map((pod): Compute => pod.compute)
  const role = roleOf(workload, cluster, { seen, account })
  return {
    serviceAccount: workload.serviceAccount,
    cluster: cluster.profile,
    compute: [...new Set(compute)],
    needs,
    current: workload.current,
    ...(sdk !== undefined && { sdk }),
    ...(role !== undefined && { role }),
    ...(account !== undefined && { providers: account.providers }),
  }
}

function roleOf(
  { roleArn, targetRoleArn }: Workload,
  cluster: SeenCluster,
  {
    account,
    seen,
  }: { readonly seen: readonly SeenCluster[]; readonly account: Account | undefined },
): RoleProfile | undefined {
  if (roleArn === undefined) return undefined
  const home = tryParseArn(cluster.arn ?? '')?.accountId ?? account?.accountId
  const isElsewhere = [roleArn, targetRoleArn].some(
    (arn) => arn !== undefined && home !== undefined && tryParseArn(arn)?.accountId !== home,
  )
  const users = seen.filter(({ workloads }) => workloads.some((one) => one.roleArn === roleArn))
  const trustPolicy = account?.roles.get(roleArn)?.trustPolicy ?? ''
  return {
    arn: isElsewhere ? (targetRoleArn ?? roleArn) : roleArn,
    isElsewhere,
    clusters: Math.max(users.length, clustersIn(trustPolicy)),
    trust: { characters: trustPolicy.length, quota: account?.quota ?? Infinity },
  }
}

/** How many issuers and EKS clusters a trust policy names. */
function clustersIn(trustPolicy: string): number {
  try {
    const { statements } = parsePolicy(trustPolicy, 'trust')
    const issuers = statements.flatMap(({ principals = [] }) =>
      principals.filter(({ type }) => type === 'Federated').map(({ value }) => value),
    )
    const clusters = statements
      .flatMap(({ conditions }) => conditions)
      .filter(({ key }) => /\/eks-cluster-(?:arn|name)$/i.test(key))
      .flatMap(({ values }) => values)
    return new Set([...issuers, ...clusters]).size
  } catch {
    return 0
  }
}
