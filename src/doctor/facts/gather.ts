/** Reads everything that decides over one workload, as much at once as can be. It writes nothing. */
import { oidcProviderArn } from '../../iam/arn.ts'
import type { ServiceAccountName } from '../../iam/service-account-name.ts'
import {
  MUTATING_WEBHOOK_CONFIGURATIONS,
  NETWORK_POLICIES,
  PODS,
  SERVICE_ACCOUNTS,
} from '../../kube/client.ts'
import type { KubeObject, Pod, ServiceAccount } from '../../kube/objects.ts'
import { PodroleError } from '../../lib/errors.ts'
import { type Jwks, parseJwks } from '../../token/jwks.ts'
import { hostPathOf, wayOf } from './way.ts'
import { type Fact, known, orAbsent, readFact, unknown, valueOf } from './fact.ts'
import { enforcerAmong, type LabelSelector, type NetworkPolicyFact } from './network-facts.ts'
import type { AccountPlace, ExplainPlaces } from './ports.ts'
import type { KnownSdk } from './sdk.ts'
import type {
  AgentFact,
  ClusterFact,
  ErrorFact,
  QuestionFact,
  RoleFact,
  TokenFact,
  WebhookFact,
  WorkloadFacts,
} from './workload-facts.ts'

/** What is asked about. */
export interface Subject {
  readonly serviceAccount: ServiceAccountName
  /** Its name, in the service account's namespace. */
  readonly pod?: string
  readonly container?: string
  readonly question?: { readonly action: string; readonly resource: string }
  readonly token?: TokenFact
  readonly error?: ErrorFact
  readonly sdk?: KnownSdk
}

export async function gatherFacts(subject: Subject, places: ExplainPlaces): Promise<WorkloadFacts> {
  const seen = await gatherCluster(subject, places)
  const way = wayOf(seen)
  const issuer = way.token?.issuer
  const targetRoleArn = valueOf(seen.association)?.targetRoleArn
  const home = placeOf(places, way.roleArn) ?? places
  const [outside, role, provider, providerArns, targetRole, onNode, question] = await Promise.all([
    issuer === undefined || hostPathOf(issuer) === undefined || !way.asksSts
      ? known(undefined)
      : read(places, () => places.look(issuer)),
    readRole(places, way.roleArn),
    readProvider(places, home, issuer),
    read(places, () => home.iam.providerArns()),
    readRole(places, targetRoleArn),
    readNode(places, way.pod?.spec.nodeName),
    readQuestion(places, subject, targetRoleArn ?? way.roleArn),
  ])
  const agent = agentOn(seen, way.pod?.spec.nodeName, onNode)
  const policyEnforcer = onNode.known ? known(enforcerAmong(onNode.value)) : onNode
  const found = { outside, role, provider, providerArns, targetRole, agent, policyEnforcer }
  return {
    ...seen,
    ...found,
    account: home.account,
    accounts: placesIn(places).map(({ account }) => account),
    ...(question && { question }),
  }
}

const placesIn = (places: ExplainPlaces): readonly AccountPlace[] => [
  places,
  ...(places.others ?? []),
]

/** That an ARN is in; the first one for what names no account. Undefined: no credentials of it. */
function placeOf(places: ExplainPlaces, arn: string | undefined): AccountPlace | undefined {
  const [, accountId] = /^arn:[^:]*:iam::(\d{12}):/.exec(arn ?? '') ?? []
  const all = placesIn(places)
  return accountId === undefined
    ? places
    : all.find(({ account }) => account.accountId === accountId)
}

const read = <T>({ timeoutMs }: ExplainPlaces, ask: () => Promise<T>): Promise<Fact<T>> =>
  readFact(ask, timeoutMs)

/** Kubernetes' part, and what the cluster's tokens say. */
async function gatherCluster(subject: Subject, places: ExplainPlaces): Promise<WorkloadFacts> {
  const { kube } = places
  const { container, error, sdk, serviceAccount, token } = subject
  const ask = { namespace: serviceAccount.namespace, name: serviceAccount.name }
  const [found, pod, webhooks, cluster, association, networkPolicies] = await Promise.all([
    read(places, () => orAbsent(() => kube.get<ServiceAccount>(SERVICE_ACCOUNTS, ask))),
    read(places, () => findPod(subject, places)),
    read(places, () => findWebhooks(places)),
    gatherClusterFact(places),
    read(places, () => places.cluster.association(serviceAccount)),
    read(places, () => findNetworkPolicies(places, serviceAccount.namespace)),
  ])
  return {
    nowMs: places.nowMs,
    subject: serviceAccount,
    account: places.account,
    cluster,
    serviceAccount: found,
    pod,
    ...(container !== undefined && { container }),
    webhooks,
    ...(token !== undefined && { token }),
    ...(error !== undefined && { error }),
    ...(sdk !== undefined && { sdk }),
    outside: known(undefined),
    role: known(undefined),
    provider: known(undefined),
    providerArns: known([]),
    association,
    targetRole: known(undefined),
    agent: known(undefined),
    networkPolicies,
    policyEnforcer: known(undefined),
  }
}

async function gatherClusterFact(places: ExplainPlaces): Promise<ClusterFact> {
  const { cluster, kube } = places
  const [told, document, keys] = await Promise.all([
    read(places, () => cluster.facts()),
    read(places, async () => (await kube.raw('GET', '/.well-known/openid-configuration')).text()),
    read(places, async () => parseJwks(await (await kube.raw('GET', '/openid/v1/jwks')).text())),
  ])
  const { arn, fleetIssuer } = valueOf(told) ?? {}
  return {
    kind: cluster.kind,
    ...(cluster.name !== undefined && { name: cluster.name }),
    ...(arn !== undefined && { arn }),
    issuer: issuerOf(document, told),
    keys: keys satisfies Fact<Jwks | undefined>,
    isAutoMode: valueOf(told)?.isAutoMode === true,
    ...(fleetIssuer !== undefined && { fleetIssuer }),
  }
}

/** As its API server says; else as EKS or the broker does. */
function issuerOf(
  document: Fact<string>,
  told: Fact<{ readonly issuer?: string } | undefined>,
): Fact<string | undefined> {
  const issuer = document.known ? issuerIn(document.value) : undefined
  const other = valueOf(told)?.issuer
  if (issuer !== undefined || other !== undefined) return known(issuer ?? other)
  return document.known ? (told.known ? known(undefined) : told) : document
}

function issuerIn(text: string): string | undefined {
  try {
    const issuer: unknown = Reflect.get(Object(JSON.parse(text)), 'issuer')
    return typeof issuer === 'string' ? issuer : undefined
  } catch {
    return undefined
  }
}

/** The pod that is named, else the newest one of the service account that has not ended. */
async function findPod(
  { pod: name, serviceAccount }: Subject,
  { kube }: ExplainPlaces,
): Promise<Pod | undefined> {
  const { namespace } = serviceAccount
  if (name !== undefined) {
    const pod = await orAbsent(() => kube.get<Pod>(PODS, { namespace, name }))
    if (pod !== undefined) return pod
    throw new PodroleError('NotFound', `there is no pod ${namespace}/${name}`)
  }
  const { items } = await kube.list<Pod>(PODS, { namespace })
  const own = items.filter(
    ({ spec }) => (spec.serviceAccountName ?? 'default') === serviceAccount.name,
  )
  const alive = own.filter(({ status }) => !['Succeeded', 'Failed'].includes(status?.phase ?? ''))
  const madeAt = ({ metadata }: Pod): string => metadata.creationTimestamp ?? ''
  return (alive.length > 0 ? alive : own).toSorted((one, other) =>
    madeAt(other).localeCompare(madeAt(one)),
  )[0]
}

interface WebhookConfiguration extends KubeObject {
  webhooks?: {
    name: string
    failurePolicy?: string
    namespaceSelector?: LabelSelector
    objectSelector?: LabelSelector
    rules?: { resources?: string[] }[]
  }[]
}

async function findWebhooks({ kube }: ExplainPlaces): Promise<readonly WebhookFact[]> {
  const { items } = await kube.list<WebhookConfiguration>(MUTATING_WEBHOOK_CONFIGURATIONS)
  return items.flatMap(({ metadata, webhooks = [] }) =>
    webhooks
      .filter(({ rules = [] }) => rules.some(({ resources }) => resources?.includes('pods')))
      .map(({ failurePolicy = 'Fail', name, namespaceSelector, objectSelector }) => ({
        configuration: metadata.name ?? '',
        name,
        failurePolicy,
        ...(namespaceSelector !== undefined && { namespaceSelector }),
        ...(objectSelector !== undefined && { objectSelector }),
      })),
  )
}

/** Agents by the names of their pods: AWS's and podrole's. */
const AGENT = /^(?:eks-pod-identity-agent|podrole-agent)/

function agentOn(
  { cluster }: WorkloadFacts,
  node: string | undefined,
  onNode: Fact<readonly Pod[]>,
): Fact<AgentFact | undefined> {
  if (cluster.isAutoMode) return known({ kind: 'built-in' })
  if (!onNode.known) return onNode
  const agent = onNode.value.find(({ metadata }) => AGENT.test(metadata.name ?? ''))
  if (agent === undefined || node === undefined) return known(undefined)
  const conditions = agent.status?.conditions ?? []
  const ready = conditions.some(({ status, type }) => type === 'Ready' && status === 'True')
  const { name, namespace } = agent.metadata
  return known({ kind: 'pod', name: `${namespace}/${name}`, node, ready })
}

/** The pods of a node, of all namespaces. */
async function readNode(
  places: ExplainPlaces,
  node: string | undefined,
): Promise<Fact<readonly Pod[]>> {
  if (node === undefined) return known([])
  return read(places, async () => {
    const { items } = await places.kube.list<Pod>(PODS, { fieldSelector: `spec.nodeName=${node}` })
    return items
  })
}

interface NetworkPolicy extends KubeObject {
  spec?: Omit<NetworkPolicyFact, 'name'>
}

async function findNetworkPolicies(
  { kube }: ExplainPlaces,
  namespace: string,
): Promise<readonly NetworkPolicyFact[]> {
  const { items } = await kube.list<NetworkPolicy>(NETWORK_POLICIES, { namespace })
  return items.map(({ metadata, spec }) => ({ ...spec, name: metadata.name ?? '' }))
}

/** The role of that name, whatever its path is; also where the text is not an ARN. */
async function readRole(
  places: ExplainPlaces,
  text: string | undefined,
): Promise<Fact<RoleFact | undefined>> {
  const name = /[\w+=,.@-]{1,64}$/.exec(text ?? '')?.[0]
  if (name === undefined) return known(undefined)
  const place = placeOf(places, text)
  if (place === undefined) {
    return unknown(
      `it is in another account than ${places.account.accountId}: give credentials of it with --role-profile`,
    )
  }
  return read(places, () => place.iam.role(name))
}

async function readProvider(
  places: ExplainPlaces,
  { account, iam }: AccountPlace,
  issuer: string | undefined,
): Promise<WorkloadFacts['provider']> {
  if (issuer === undefined || hostPathOf(issuer) === undefined) return known(undefined)
  return read(places, () => iam.provider(oidcProviderArn({ ...account, issuer })))
}

async function readQuestion(
  places: ExplainPlaces,
  { question }: Subject,
  roleArn: string | undefined,
): Promise<QuestionFact | undefined> {
  if (question === undefined) return undefined
  const { action, resource } = question
  const { iam } = placeOf(places, roleArn) ?? places
  const [policy, allowedByOrganization] = await Promise.all([
    readResourcePolicy(places, resource),
    roleArn === undefined
      ? known(undefined)
      : read(places, () => iam.allowedByOrganization(roleArn, action, resource)),
  ])
  return { action, resource, ...policy, allowedByOrganization }
}

/** Of the account that may read it, which is the resource's own. */
async function readResourcePolicy(
  places: ExplainPlaces,
  resource: string,
): Promise<Pick<QuestionFact, 'ownerAccountId' | 'resourcePolicy'>> {
  const all = placesIn(places)
  const answers = await Promise.all(
    all.map(async ({ account, iam }) => ({
      ownerAccountId: account.accountId,
      resourcePolicy: await read(places, () => iam.resourcePolicy(resource)),
    })),
  )
  const [first] = answers
  const own = answers.find(({ resourcePolicy }) => resourcePolicy.known)
  if (own !== undefined) return all.length === 1 ? { resourcePolicy: own.resourcePolicy } : own
  return { resourcePolicy: first?.resourcePolicy ?? known(undefined) }
}
