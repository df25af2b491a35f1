/** Reads an account and its clusters once; what cannot be read is kept as such, never as absent. */
import { issuerHostPath, issuerHostPathOf } from '../../iam/arn.ts'
import type { OutsideFacts } from '../../issuer/outside/facts.ts'
import type { KubeClient } from '../../kube/client.ts'
import { mapLimited } from '../../lib/map-limited.ts'
import type { PlanRole } from '../../manage/plan/observed-state.ts'
import type {
  AgentAddonFact,
  AssociatedFact,
  ComputeFact,
  DoctorCluster,
  DoctorFacts,
  EksClusterFact,
  InstanceFact,
  SigningKeyFact,
} from './doctor-facts.ts'
import { gatherKube } from './doctor-kube.ts'
import { type Fact, known, readFact, unknown, valueOf } from './fact.ts'
import { neededPolicies, roleUsesOf } from './role-uses.ts'

export interface DoctorIam {
  roles(): Promise<readonly PlanRole[]>
  /** ARNs of the IAM OIDC providers. */
  providers(): Promise<readonly string[]>
  /** Of its default version; undefined where there is no such policy. */
  policyText(arn: string): Promise<string | undefined>
}

export interface DoctorEks {
  /** All of the region. */
  clusters(): Promise<readonly EksClusterFact[]>
  nodegroups(cluster: string): Promise<readonly ComputeFact[]>
  fargateProfiles(cluster: string): Promise<readonly ComputeFact[]>
  associations(cluster: string): Promise<readonly AssociatedFact[]>
  /** @param version of the cluster's Kubernetes */
  agentAddon(cluster: string, version: string): Promise<AgentAddonFact | undefined>
  instances(cluster: string): Promise<readonly InstanceFact[]>
}

/** A cluster that is asked about. */
export interface DoctorTarget {
  readonly name: string
  /** False for the kubeconfig's own, of which EKS cannot be asked by name. */
  readonly isNamed: boolean
  /** Opens its Kubernetes; @throws where there is no way to it */
  readonly kube: (eks: EksClusterFact | undefined) => Promise<KubeClient>
}

export interface DoctorPlaces {
  readonly accountId: string
  readonly partition: string
  readonly region: string
  readonly version: string
  readonly iam: DoctorIam
  readonly eks: DoctorEks
  readonly targets: readonly DoctorTarget[]
  /** Undefined where no broker is named. */
  readonly signingKeys?: () => Promise<readonly SigningKeyFact[]>
  /** Associations of a broker's cluster; undefined where no broker is named. */
  readonly brokerAssociations?: (cluster: string) => Promise<readonly AssociatedFact[]>
  readonly look: (issuer: string) => Promise<OutsideFacts>
  readonly nowMs: number
  /** How long one place may take to answer. */
  readonly timeoutMs: number
}

const CLUSTERS_AT_ONCE = 4
const LOOKS_AT_ONCE = 8
const POLICIES_AT_ONCE = 8
/** Issuers that are looked at for being gone; the rest is told as not looked at. */
const MAX_LOOKS = 100

export async function gatherDoctor(places: DoctorPlaces): Promise<DoctorFacts> {
  const { accountId, eks, iam, nowMs, partition, region, targets, timeoutMs, version } = places
  const read = <T>(ask: () => Promise<T>): Promise<Fact<T>> => readFact(ask, timeoutMs)
  const eksClusters = read(() => eks.clusters())
  const [roles, providers, signingKeys, found, clusters] = await Promise.all([
    read(() => iam.roles()),
    read(() => iam.providers()),
    places.signingKeys === undefined ? known(undefined) : read(places.signingKeys),
    eksClusters,
    mapLimited(targets, CLUSTERS_AT_ONCE, async (target) =>
      gatherCluster(target, places, await eksClusters),
    ),
  ])
  const gathered = { roles, providers, eksClusters: found, clusters }
  const [policyTexts, foreignIssuers] = await Promise.all([
    readPolicies(gathered, places),
    lookAtForeign(gathered, places),
  ])
  return {
    nowMs,
    accountId,
    partition,
    region,
    version,
    signingKeys,
    policyTexts,
    foreignIssuers,
    ...gathered,
  }
}

type Gathered = Pick<DoctorFacts, 'roles' | 'providers' | 'eksClusters' | 'clusters'>

async function readPolicies(
  { clusters, roles }: Gathered,
  { iam, partition, timeoutMs }: DoctorPlaces,
): Promise<DoctorFacts['policyTexts']> {
  const uses = roleUsesOf({ clusters }).roles
  const arns = neededPolicies(uses, { partition, roles: valueOf(roles) ?? [] })
  const texts = await mapLimited(arns, POLICIES_AT_ONCE, async (arn) => [
    arn,
    await readFact(() => iam.policyText(arn), timeoutMs),
  ])
  return Object.fromEntries(texts) as DoctorFacts['policyTexts']
}

/** Providers whose issuer no known cluster has: an issuer elsewhere, or one that is gone. */
async function lookAtForeign(
  { clusters, eksClusters, providers }: Gathered,
  { look, timeoutMs }: DoctorPlaces,
): Promise<DoctorFacts['foreignIssuers']> {
  const own = [
    ...(valueOf(eksClusters) ?? []).map(({ issuer }) => issuer),
    ...clusters.map(({ issuer }) => valueOf(issuer)),
  ].flatMap((issuer) => hostPathOf(issuer) ?? [])
  const foreign = (valueOf(providers) ?? [])
    .map((arn) => issuerHostPathOf(arn))
    .filter((issuer) => issuer !== undefined && !own.includes(issuer))
    .map((issuer) => `https://${issuer}`)
  const looks = await mapLimited(foreign, LOOKS_AT_ONCE, async (issuer) => [
    issuer,
    foreign.indexOf(issuer) < MAX_LOOKS
      ? await readFact(() => look(issuer), timeoutMs)
      : unknown(`only ${MAX_LOOKS} issuers are looked at`),
  ])
  return Object.fromEntries(looks) as DoctorFacts['foreignIssuers']
}

function hostPathOf(issuer: string | undefined): string | undefined {
  try {
    return issuer === undefined ? undefined : issuerHostPath(issuer)
  } catch {
    // An issuer with a port or a query has no provider.
    return undefined
  }
}

async function gatherCluster(
  target: DoctorTarget,
  places: DoctorPlaces,
  eksClusters: Fact<readonly EksClusterFact[]>,
): Promise<DoctorCluster> {
  const { name } = target
  const eks = eksOf(target, eksClusters)
  const [ofEks, kube] = await Promise.all([
    gatherEks(target, places, eks),
    gatherKube(() => target.kube(valueOf(eks)), places.timeoutMs),
  ])
  // EKS knows its issuer also where Kubernetes cannot be reached.
  const told = valueOf(eks)?.issuer
  const issuer = !kube.issuer.known && told !== undefined ? known(told) : kube.issuer
  const url = valueOf(issuer)
  const outside = !issuer.known
    ? issuer
    : url === undefined
      ? known(undefined)
      : await readFact(() => places.look(url), places.timeoutMs)
  return { name, eks, ...ofEks, ...kube, issuer, outside }
}

function eksOf(
  { isNamed, name }: DoctorTarget,
  clusters: Fact<readonly EksClusterFact[]>,
): Fact<EksClusterFact | undefined> {
  if (!isNamed) return unknown(NOT_NAMED)
  if (!clusters.known) return clusters
  return known(clusters.value.find((one) => one.name === name))
}

const NOT_NAMED = 'EKS and brokers know clusters by their names: name it with --cluster'

type OfEks = Pick<
  DoctorCluster,
  'nodegroups' | 'fargateProfiles' | 'associations' | 'agentAddon' | 'instances'
>

async function gatherEks(
  { isNamed, name }: DoctorTarget,
  { brokerAssociations, eks: port, region, timeoutMs }: DoctorPlaces,
  eks: Fact<EksClusterFact | undefined>,
): Promise<OfEks> {
  const read = <T>(ask: () => Promise<T>): Promise<Fact<T>> => readFact(ask, timeoutMs)
  const instances = isNamed ? await read(() => port.instances(name)) : unknown(NOT_NAMED)
  if (!eks.known) {
    const { why } = eks
    const none = unknown(why)
    return {
      nodegroups: none,
      fargateProfiles: none,
      associations: none,
      agentAddon: none,
      instances,
    }
  }
  const { value } = eks
  if (value === undefined) {
    return {
      nodegroups: known([]),
      fargateProfiles: known([]),
      associations:
        brokerAssociations === undefined
          ? unknown(`EKS in ${region} has no cluster ${name}, and no broker is named`)
          : await read(() => brokerAssociations(name)),
      agentAddon: known(undefined),
      instances,
    }
  }
  const [nodegroups, fargateProfiles, associations, agentAddon] = await Promise.all([
    read(() => port.nodegroups(name)),
    read(() => port.fargateProfiles(name)),
    read(() => port.associations(name)),
    read(() => port.agentAddon(name, value.version)),
  ])
  return { nodegroups, fargateProfiles, associations, agentAddon, instances }
}
