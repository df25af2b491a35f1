/**
 * The broker as one handler: EKS Auth for agents, EKS's association and cluster operations and
 * podrole's own management for admins, the fleet issuer's documents for STS.
 */
import type { AssociationStore } from '../associations/store.ts'
import { DISCOVERY_PATH, issuerBase, JWKS_PATH, jwksOf } from '../issuer/documents.ts'
import { issuerApp } from '../issuer/issuer-app.ts'
import type { RotationPorts } from '../issuer/rotation/rotate.ts'
import type { Clock } from '../lib/clock.ts'
import { type Client, type Handler, jsonResponse, textResponse } from '../lib/handler.ts'
import { faultFields, type Log } from '../lib/log.ts'
import { secondsSince } from '../lib/metrics/measured.ts'
import { Secret } from '../lib/secret.ts'
import { type AssociationRoutes, associationRoutes } from './association-api.ts'
import {
  authenticateKey,
  type AuthenticationOptions,
  type ManagementRoutes,
  readAgentProof,
  type ReadRequest,
  readWhole,
} from './authentication.ts'
import { clusterRoutes } from './cluster-api.ts'
import type { BrokerPlace } from './cluster-registration.ts'
import {
  type EksErrorName,
  EksFault,
  eksErrorOf,
  eksJson,
  pathSegments,
  readJsonBody,
} from './eks-wire.ts'
import type { FleetKeys } from './fleet-keys.ts'
import type { ReadIssuerKeys } from './followed-clusters.ts'
import { createIssuing, type IssueCredentials, type Issued } from './issuing.ts'
import { keyRoutes } from './key-api.ts'
import type { BrokerMetrics, BrokerOperation } from './metrics.ts'
import { rotationRoutes } from './rotation-api.ts'
import type { BrokerKey, BrokerStore } from './store.ts'
import type { StsPort } from './sts.ts'
import { tagRoutes } from './tag-api.ts'

export interface BrokerAppOptions {
  readonly store: BrokerStore
  readonly associations: AssociationStore
  readonly sts: StsPort
  /** The fleet issuer's URL. */
  readonly issuer: string
  readonly keys: FleetKeys
  /** Undefined where nothing looks at the fleet issuer from outside: its keys cannot rotate then. */
  readonly rotation?: RotationPorts | undefined
  /** Undefined where nothing reads the issuers of clusters. */
  readonly readIssuerKeys?: ReadIssuerKeys
  readonly place: BrokerPlace
  readonly clock: Clock
  readonly log: Log
  readonly metrics?: BrokerMetrics
  readonly sessionSeconds?: number
  readonly refuseLongSubjects?: boolean
  /** Issuances under way at once; more are answered with ThrottlingException. Default 256. */
  readonly maxConcurrent?: number
}

interface Broker {
  readonly options: BrokerAppOptions
  readonly authentication: AuthenticationOptions
  readonly issue: IssueCredentials
  /** EKS's own operations. */
  readonly associations: readonly AssociationRoutes[]
  readonly management: readonly ManagementRoutes[]
  readonly documents: Handler
  readonly documentPaths: ReadonlySet<string>
  underWay: number
}

const MAX_CONCURRENT = 256

/** @throws PodroleError `InvalidIssuer` */
export function brokerApp(options: BrokerAppOptions): Handler {
  const { clock, issuer, log, store } = options
  const base = new URL(issuerBase(issuer)).pathname.replace(/\/$/, '')
  const found = {
    store: options.associations,
    clock,
    log,
    findCluster: (name: string) => store.getCluster(name),
  }
  const broker: Broker = {
    options,
    authentication: { store, clock, region: options.place.region },
    issue: createIssuing({ ...options, signingKey: () => options.keys.signing() }),
    associations: [associationRoutes(found), tagRoutes(found)],
    management: [
      clusterRoutes(options),
      keyRoutes(options),
      rotationRoutes({ store, rotation: options.rotation, clock, log }),
    ],
    documents: issuerApp({ issuer, jwks: () => jwksOf(options.keys.published()) }),
    documentPaths: new Set([base + DISCOVERY_PATH, base + JWKS_PATH]),
    underWay: 0,
  }
  const { metrics } = options
  metrics?.watchExchanges(() => broker.underWay)
  return async (request, client) => {
    const since = performance.now()
    const asked = operationOf(broker, request)
    const response = await answer(broker, asked, request, client)
    metrics?.answered(asked.operation, response.status, secondsSince(since))
    return response
  }
}

interface Asked {
  readonly operation: BrokerOperation
  /** Of `AssumeRoleForPodIdentity`. */
  readonly clusterName?: string
}

function operationOf({ documentPaths }: Broker, request: Request): Asked {
  const { pathname } = new URL(request.url)
  if (documentPaths.has(pathname)) return { operation: 'documents' }
  if (pathname === '/healthz' || pathname === '/readyz') return { operation: 'probe' }
  const [root, clusterName, operation, ...more] = pathSegments(request) ?? []
  if (root === 'clusters' && operation === 'assume-role-for-pod-identity' && more.length === 0) {
    return request.method === 'POST' && clusterName
      ? { operation: 'AssumeRoleForPodIdentity', clusterName }
      : { operation: 'unknown' }
  }
  const isManaged = root === 'clusters' || root === 'tags' || root === 'podrole'
  return { operation: isManaged ? 'management' : 'unknown' }
}

async function answer(
  broker: Broker,
  asked: Asked,
  request: Request,
  client: Client,
): Promise<Response> {
  try {
    return await route(broker, asked, request, client)
  } catch (error) {
    if (!(error instanceof EksFault)) {
      broker.options.log.error('request failed', faultFields(error))
    }
    return eksErrorOf(error, 'InternalServerException')
  }
}

function route(
  broker: Broker,
  { clusterName = '', operation }: Asked,
  request: Request,
  client: Client,
): Response | Promise<Response> {
  const { pathname } = new URL(request.url)
  switch (operation) {
    case 'AssumeRoleForPodIdentity':
      return answerAgent(broker, request, clusterName)
    case 'documents':
      return broker.documents(request, client)
    case 'management':
      return answerManagement(broker, request)
    case 'probe':
      return pathname === '/healthz' ? textResponse('ok\n') : answerReadiness(broker)
    case 'unknown':
      throw new EksFault(
        'UnknownOperationException',
        `${request.method} ${pathname.slice(0, 200)} is no operation here`,
      )
    default:
      return operation satisfies never
  }
}

async function answerReadiness(broker: Broker): Promise<Response> {
  try {
    await broker.options.store.readIssuerState()
    broker.options.keys.signing()
    return jsonResponse({ ready: true })
  } catch (error) {
    broker.options.log.error('not ready', faultFields(error))
    return jsonResponse({ ready: false, reason: 'the database does not answer' }, 503)
  }
}

async function answerAgent(
  broker: Broker,
  request: Request,
  clusterName: string,
): Promise<Response> {
  const { log, maxConcurrent = MAX_CONCURRENT, metrics } = broker.options
  const since = performance.now()
  // Before it counts: whoever sends a body byte by byte would take the place of others.
  const read = await readWhole(request)
  if (broker.underWay >= maxConcurrent) {
    metrics?.exchanged('ThrottlingException', secondsSince(since))
    throw new EksFault('ThrottlingException', 'Rate exceeded')
  }
  broker.underWay += 1
  let agent = 'unknown'
  try {
    const proof = await readAgentProof(broker.authentication, read)
    agent = proof.kind === 'key' ? `key:${proof.key.accessKeyId}` : 'token'
    const { token } = await readJsonBody(read.request)
    if (typeof token !== 'string' || token === '') {
      throw new EksFault('InvalidParameterException', 'token: wanted the token of a pod, a string')
    }
    const issued = await broker.issue({ clusterName, token: new Secret(token), proof })
    metrics?.exchanged('issued', secondsSince(since))
    return eksJson(wireCredentials(issued))
  } catch (error) {
    metrics?.exchanged(errorNameOf(error), secondsSince(since))
    if (error instanceof EksFault) {
      const fields = { clusterName: clusterName.slice(0, 100), agent, ...faultFields(error) }
      log.warn('credentials refused', fields)
    }
    throw error
  } finally {
    broker.underWay -= 1
  }
}

const errorNameOf = (thrown: unknown): EksErrorName =>
  thrown instanceof EksFault ? (thrown.code as EksErrorName) : 'InternalServerException'

/** EKS Auth's answer (EKS API Reference, AssumeRoleForPodIdentity); `expiration` is epoch seconds. */
function wireCredentials(issued: Issued): Readonly<Record<string, unknown>> {
  const { association, audience, pod, session } = issued
  return {
    subject: { namespace: pod.namespace, serviceAccount: pod.serviceAccount },
    audience,
    podIdentityAssociation: {
      associationArn: association.associationArn,
      associationId: association.associationId,
    },
    assumedRoleUser: { arn: session.assumedRoleArn, assumeRoleId: session.assumedRoleId },
    credentials: {
      sessionToken: session.sessionToken.reveal(),
      secretAccessKey: session.secretAccessKey.reveal(),
      accessKeyId: session.accessKeyId,
      expiration: session.expiresAtMs / 1000,
    },
  }
}

async function answerManagement(broker: Broker, request: Request): Promise<Response> {
  const read: ReadRequest = await readWhole(request)
  const key = await authenticateKey(broker.authentication, read, 'eks')
  requireScope(key, read.request)
  for (const routes of broker.associations) {
    const answer = await routes(read.request)
    if (answer !== undefined) return answer
  }
  for (const routes of broker.management) {
    const managed = await routes(read.request, key)
    if (managed !== undefined) return managed
  }
  throw new EksFault('UnknownOperationException', `${request.method} is no operation of that path`)
}

/** Admins may do everything here; a webhook's key reads the associations of its cluster. */
function requireScope(key: BrokerKey, request: Request): void {
  const { scope } = key
  if (scope.kind === 'admin') return
  const [root, clusterName, collection] = pathSegments(request) ?? []
  const reads =
    scope.kind === 'webhook' &&
    request.method === 'GET' &&
    root === 'clusters' &&
    clusterName === scope.clusterName &&
    collection === 'pod-identity-associations'
  if (reads) return
  throw new EksFault(
    'AccessDeniedException',
    `broker key ${key.accessKeyId} has the scope ${scope.kind} of cluster ${scope.clusterName}: it may not do this`,
    { status: 403 },
  )
}
