/**
 * EKS's five Pod Identity association operations on EKS's wire, over any association store.
 *
 *   associationRoutes(options): (request: Request) => Promise<Response | undefined>
 *
 * Undefined where the path is not one of an association: the caller goes on to its other routes.
 * The request's caller has been authenticated before. Hooks refuse by throwing an `EksFault` of
 * `eks-wire.ts`.
 * Source: Amazon EKS API Reference, Create/List/Describe/Update/DeletePodIdentityAssociation.
 */
import type { Association } from '../associations/association.ts'
import {
  ASSOCIATION_ID_PATTERN,
  associationArnOf,
  type ClusterPlace,
  deriveAssociationId,
  externalIdOf,
  generateAssociationId,
  readClusterArn,
} from '../associations/identifiers.ts'
import { type AssociationRequest, validateAssociationRequest } from '../associations/rules.ts'
import {
  AssociationExists,
  type AssociationFilter,
  type AssociationStore,
} from '../associations/store.ts'
import type { Clock } from '../lib/clock.ts'
import { PodroleError } from '../lib/errors.ts'
import { faultFields, type Log, silentLog } from '../lib/log.ts'
import { type AssociationBody, readCreateBody, readUpdateBody } from './association-body.ts'
import { EksFault, eksErrorOf, eksJson, pathSegments, readJsonBody } from './eks-wire.ts'

/** A cluster as the operations need it. */
export interface AssociationCluster {
  readonly name: string
  /** `arn:PARTITION:eks|podrole:REGION:ACCOUNT:cluster/NAME` */
  readonly arn: string
}

/** Which roles a request names, for the hook that checks them. */
export interface RoleQuestion {
  readonly cluster: AssociationCluster
  readonly roleArn: string
  readonly disableSessionTags: boolean
}

export interface AssociationRouteOptions {
  readonly store: AssociationStore
  readonly clock: Clock
  readonly log?: Log
  findCluster(name: string): Promise<AssociationCluster | undefined>
  /**
   * Refuses a role by throwing, at create and where an update changes the role: EKS does with
   * InvalidParameterException `Trust policy of the role provided is invalid`.
   */
  checkRole?(question: RoleQuestion): Promise<void>
  /** True (EKS's rule) where `roleArn` must be in the cluster's account. */
  readonly roleInClusterAccount?: boolean
  /** With it, a cluster holds at most `maxPerCluster` associations (EKS: 5,000). */
  countAssociations?(clusterName: string): Promise<number>
  readonly maxPerCluster?: number
}

export type AssociationRoutes = (request: Request) => Promise<Response | undefined>

/** An association operation that was recognised. */
interface Call {
  readonly options: AssociationRouteOptions
  readonly request: Request
  readonly cluster: AssociationCluster
  readonly place: ClusterPlace
}

const MAX_PER_CLUSTER = 5000
const MAX_PAGE = 100

/** The five operations as one function from request to answer; see the head of this file. */
export function associationRoutes(options: AssociationRouteOptions): AssociationRoutes {
  return async (request) => {
    const segments = pathSegments(request)
    const [clusters, clusterName, collection, id, ...more] = segments ?? []
    if (clusters !== 'clusters' || clusterName === undefined || more.length > 0) return undefined
    if (collection !== 'pod-identity-associations') return undefined
    const run = operationOf(request.method, id)
    if (run === undefined) return undefined
    try {
      const cluster = await requireCluster(options, clusterName)
      const place = readClusterArn(cluster.arn)
      if (place === undefined) {
        throw new PodroleError('InvalidClusterArn', `cluster ARN ${cluster.arn} cannot be read`)
      }
      return eksJson(await run({ options, request, cluster, place }))
    } catch (error) {
      if (!(error instanceof EksFault)) {
        options.log?.error('association operation failed', faultFields(error))
      }
      return eksErrorOf(error)
    }
  }
}

function operationOf(
  method: string,
  id: string | undefined,
): ((call: Call) => Promise<unknown>) | undefined {
  if (id === undefined) {
    if (method === 'POST') return createAssociation
    return method === 'GET' ? listAssociations : undefined
  }
  if (method === 'GET') return (call) => describeAssociation(call, id)
  if (method === 'POST') return (call) => updateAssociation(call, id)
  return method === 'DELETE' ? (call) => deleteAssociation(call, id) : undefined
}

async function createAssociation(call: Call): Promise<unknown> {
  const { options, cluster, place } = call
  const body = readCreateBody(await readJsonBody(call.request))
  const wanted = { ...body, clusterName: cluster.name }
  refuseFaults(wanted, call)
  const associationId = idFor(body, cluster)
  const known = await options.store.find(wanted)
  // The same request once more: EKS answers as it did the first time.
  if (known !== undefined) {
    if (known.associationId === associationId) return { association: wireAssociation(known) }
    throw inUse(known.associationId)
  }
  await checkRoom(options, cluster.name)
  await options.checkRole?.({
    cluster,
    roleArn: body.roleArn,
    disableSessionTags: body.disableSessionTags ?? false,
  })
  const nowMs = options.clock.now()
  const association = withExternalId(
    {
      associationId,
      associationArn: associationArnOf(place, associationId),
      clusterName: cluster.name,
      namespace: body.namespace,
      serviceAccount: body.serviceAccount,
      roleArn: body.roleArn,
      ...(body.targetRoleArn !== undefined && { targetRoleArn: body.targetRoleArn }),
      disableSessionTags: body.disableSessionTags ?? false,
      ...(body.policy !== undefined && { policy: body.policy }),
      tags: body.tags ?? {},
      createdAtMs: nowMs,
      modifiedAtMs: nowMs,
    },
    place,
  )
  try {
    await options.store.create(association)
  } catch (error) {
    if (!(error instanceof AssociationExists)) throw error
    const first =
      error.existing === associationId
        ? await options.store.get(cluster.name, associationId)
        : undefined
    // The same request twice at once: the other one was first.
    if (first !== undefined) return { association: wireAssociation(first) }
    throw inUse(error.existing)
  }
  logChange(options, 'association created', association)
  return { association: wireAssociation(association) }
}

async function listAssociations(call: Call): Promise<unknown> {
  const query = new URL(call.request.url).searchParams
  const limit = readMaxResults(query.get('maxResults'))
  const after = readNextToken(query.get('nextToken'))
  const namespace = query.get('namespace')
  const serviceAccount = query.get('serviceAccount')
  const filter: AssociationFilter = {
    clusterName: call.cluster.name,
    ...(namespace && { namespace }),
    ...(serviceAccount && { serviceAccount }),
    ...(after !== undefined && { after }),
    limit,
  }
  const page = await call.options.store.list(filter)
  const last = page.at(-1)?.associationId
  const more =
    last !== undefined &&
    page.length === limit &&
    (await call.options.store.list({ ...filter, after: last, limit: 1 })).length > 0
  return {
    associations: page.map(wireSummary),
    ...(more && { nextToken: Buffer.from(last).toString('base64url') }),
  }
}

async function describeAssociation(call: Call, id: string): Promise<unknown> {
  return { association: wireAssociation(await requireAssociation(call, id)) }
}

async function updateAssociation(call: Call, id: string): Promise<unknown> {
  const { options, cluster, place } = call
  const body = readUpdateBody(await readJsonBody(call.request))
  const known = await requireAssociation(call, id)
  const { targetRoleArn: _target, policy: _policy, externalId: _externalId, ...kept } = known
  // An empty string takes a value away; what the body does not name stays as it is.
  const targetRoleArn = body.targetRoleArn ?? known.targetRoleArn
  const policy = body.policy ?? known.policy
  const wanted: Association = {
    ...kept,
    roleArn: body.roleArn ?? known.roleArn,
    disableSessionTags: body.disableSessionTags ?? known.disableSessionTags,
    ...(targetRoleArn && { targetRoleArn }),
    ...(policy && { policy }),
    modifiedAtMs: options.clock.now(),
  }
  refuseFaults(wanted, call)
  if (wanted.roleArn !== known.roleArn) {
    const { roleArn, disableSessionTags } = wanted
    await options.checkRole?.({ cluster, roleArn, disableSessionTags })
  }
  const association = withExternalId(wanted, place)
  if (!(await options.store.replace(association))) throw notFound(id, cluster.name)
  logChange(options, 'association updated', association)
  return { association: wireAssociation(association) }
}

async function deleteAssociation(call: Call, id: string): Promise<unknown> {
  const known = await requireAssociation(call, id)
  const gone = await call.options.store.delete(call.cluster.name, known.associationId)
  if (gone === undefined) throw notFound(id, call.cluster.name)
  logChange(call.options, 'association deleted', gone)
  return { association: wireAssociation(gone) }
}

/** An association as Describe answers it; times are epoch seconds. */
export function wireAssociation(association: Association): Readonly<Record<string, unknown>> {
  const { createdAtMs, modifiedAtMs, ...rest } = association
  return { ...rest, createdAt: createdAtMs / 1000, modifiedAt: modifiedAtMs / 1000 }
}

/** An association as List answers it: without its role. */
export function wireSummary(association: Association): Readonly<Record<string, unknown>> {
  const { clusterName, namespace, serviceAccount, associationArn, associationId, ownerArn } =
    association
  return {
    clusterName,
    namespace,
    serviceAccount,
    associationArn,
    associationId,
    ...(ownerArn !== undefined && { ownerArn }),
  }
}

async function requireCluster(
  options: AssociationRouteOptions,
  name: string,
): Promise<AssociationCluster> {
  const cluster = await options.findCluster(name)
  if (cluster !== undefined) return cluster
  throw new EksFault('ResourceNotFoundException', `No cluster found for name: ${name}.`, {
    members: { clusterName: name },
  })
}

async function requireAssociation(call: Call, id: string): Promise<Association> {
  const known = ASSOCIATION_ID_PATTERN.test(id)
    ? await call.options.store.get(call.cluster.name, id)
    : undefined
  if (known === undefined) throw notFound(id, call.cluster.name)
  return known
}

function refuseFaults(request: AssociationRequest, call: Call): void {
  const { partition, accountId } = call.place
  const faults = validateAssociationRequest(request, {
    partition,
    ...(call.options.roleInClusterAccount === true && { roleAccountId: accountId }),
  })
  if (faults.length === 0) return
  const message = faults.map((fault) => fault.message).join('; ')
  throw new EksFault('InvalidParameterException', message, {
    members: { clusterName: call.cluster.name },
  })
}

async function checkRoom(options: AssociationRouteOptions, clusterName: string): Promise<void> {
  const count = (await options.countAssociations?.(clusterName)) ?? 0
  const most = options.maxPerCluster ?? MAX_PER_CLUSTER
  if (count < most) return
  throw new EksFault(
    'ResourceLimitExceededException',
    `cluster ${clusterName} has ${count} Pod Identity associations: at most ${most} are allowed`,
    { members: { clusterName } },
  )
}

function idFor(body: AssociationBody, cluster: AssociationCluster): string {
  const { clientRequestToken, ...values } = body
  if (clientRequestToken === undefined) return generateAssociationId()
  const sorted = Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1))
  return deriveAssociationId([cluster.arn, clientRequestToken, JSON.stringify(sorted)])
}

function withExternalId(association: Association, place: ClusterPlace): Association {
  if (association.targetRoleArn === undefined || !association.disableSessionTags) return association
  return { ...association, externalId: externalIdOf(place, association) }
}

function readMaxResults(text: string | null): number {
  if (text === null) return MAX_PAGE
  const value = /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (value >= 1 && value <= MAX_PAGE) return value
  throw new EksFault(
    'InvalidParameterException',
    `maxResults ${JSON.stringify(text.slice(0, 20))} is out of range: wanted 1 to ${MAX_PAGE}`,
  )
}

function readNextToken(text: string | null): string | undefined {
  if (text === null || text === '') return undefined
  const id = Buffer.from(text.slice(0, 100), 'base64url').toString('latin1')
  if (ASSOCIATION_ID_PATTERN.test(id)) return id
  throw new EksFault('InvalidParameterException', 'nextToken is not one that a list answered')
}

function notFound(id: string, clusterName: string): EksFault {
  const told = JSON.stringify(id.slice(0, 100))
  return new EksFault(
    'ResourceNotFoundException',
    `No Pod Identity association ${told} was found in cluster ${clusterName}`,
    { members: { clusterName } },
  )
}

const inUse = (existing: string): EksFault =>
  new EksFault('ResourceInUseException', `Association already exists: ${existing}`)

function logChange(
  options: AssociationRouteOptions,
  message: string,
  association: Association,
): void {
  const { associationId, clusterName, namespace, serviceAccount, roleArn, targetRoleArn } =
    association
  ;(options.log ?? silentLog).info(message, {
    associationId,
    clusterName,
    serviceAccount: `${namespace}/${serviceAccount}`,
    roleArn,
    ...(targetRoleArn !== undefined && { targetRoleArn }),
  })
}
