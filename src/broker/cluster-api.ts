/**
 * A broker's clusters: DescribeCluster and ListClusters on EKS's wire, and podrole's own
 * `PUT|GET|DELETE /podrole/v1/clusters[/NAME]`.
 */
import type { Clock } from '../lib/clock.ts'
import { messageOf, PodroleError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { ManagementRoutes } from './authentication.ts'
import {
  type BrokerPlace,
  clusterArnOf,
  indistinguishableFrom,
  readRegistration,
  storedKeys,
} from './cluster-registration.ts'
import { EksFault, eksJson, pathSegments, readJsonBody } from './eks-wire.ts'
import type { ReadIssuerKeys } from './followed-clusters.ts'
import type { BrokerStore, RegisteredCluster } from './store.ts'

interface ClusterApiOptions {
  readonly store: BrokerStore
  readonly place: BrokerPlace
  /** The fleet issuer: the URL that IAM's OIDC provider for these clusters has. */
  readonly issuer: string
  /** Undefined where nothing reads issuers: then no cluster can follow one. */
  readonly readIssuerKeys?: ReadIssuerKeys
  readonly clock: Clock
  readonly log: Log
}

const MAX_PAGE = 100

/** The operations on clusters; the caller has been authenticated as an admin. */
export function clusterRoutes(options: ClusterApiOptions): ManagementRoutes {
  // One after another: each is compared with all that are there before it is written.
  let last: Promise<unknown> = Promise.resolve()
  const registerInTurn = (name: string, body: unknown): Promise<Response> => {
    const turn = last.then(() => register(options, name, body))
    last = turn.catch(() => undefined)
    return turn
  }
  return async (request) => {
    const segments = pathSegments(request) ?? []
    const { method } = request
    if (segments[0] === 'clusters') {
      const [, name, ...more] = segments
      if (method !== 'GET' || more.length > 0) return undefined
      if (name === undefined) return eksJson(await listNames(options, request))
      return eksJson({ cluster: eksCluster(await requireCluster(options, name)) })
    }
    const [root, version, collection, name, ...more] = segments
    if (root !== 'podrole' || version !== 'v1' || collection !== 'clusters') return undefined
    if (more.length > 0) return undefined
    if (name === undefined) return method === 'GET' ? answerAll(options) : undefined
    if (method === 'PUT') return registerInTurn(name, await readJsonBody(request))
    if (method === 'GET') return eksJson(describe(options, await requireCluster(options, name)))
    return method === 'DELETE' ? remove(options, name) : undefined
  }
}

async function answerAll(options: ClusterApiOptions): Promise<Response> {
  const clusters = await options.store.listClusters()
  return eksJson({ clusters: clusters.map((cluster) => describe(options, cluster)) })
}

async function register(
  options: ClusterApiOptions,
  name: string,
  body: unknown,
): Promise<Response> {
  const { clock, log, place, store } = options
  const asked = readRegistration(name, body)
  const jwks = asked.jwks ?? (await publishedKeys(options, asked.issuer))
  const registration = { ...asked, jwks, followsIssuer: asked.jwks === undefined }
  const all = await store.listClusters()
  const twin = indistinguishableFrom(
    registration,
    all.filter((cluster) => cluster.name !== name),
  )
  if (twin !== undefined) {
    throw new EksFault(
      'ResourceInUseException',
      `cluster ${twin.name} has the same issuer and one of these keys: tokens of the one would be good for the other`,
    )
  }
  const nowMs = clock.now()
  const known = all.find((cluster) => cluster.name === name)
  const cluster: RegisteredCluster = {
    ...registration,
    name,
    arn: clusterArnOf(place, name),
    createdAtMs: known?.createdAtMs ?? nowMs,
    modifiedAtMs: nowMs,
  }
  const isNew = await store.putCluster(cluster)
  log.info(isNew ? 'cluster registered' : 'cluster changed', { name, issuer: cluster.issuer })
  return eksJson(describe(options, cluster), isNew ? 201 : 200)
}

async function publishedKeys(
  { readIssuerKeys }: ClusterApiOptions,
  issuer: string,
): Promise<string> {
  if (readIssuerKeys === undefined) {
    throw new EksFault('InvalidParameterException', 'followIssuer: this broker reads no issuers')
  }
  try {
    return storedKeys(await readIssuerKeys(issuer))
  } catch (error) {
    throw new EksFault('InvalidParameterException', `followIssuer: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

async function remove(options: ClusterApiOptions, name: string): Promise<Response> {
  const cluster = await requireCluster(options, name)
  try {
    await options.store.deleteCluster(name)
  } catch (error) {
    if (!(error instanceof PodroleError) || error.code !== 'ClusterInUse') throw error
    throw new EksFault('ResourceInUseException', `${error.message}: delete them first`, {
      members: { clusterName: name },
    })
  }
  options.log.info('cluster removed', { name })
  return eksJson(describe(options, cluster))
}

async function listNames(options: ClusterApiOptions, request: Request): Promise<unknown> {
  const query = new URL(request.url).searchParams
  const asked = Number(query.get('maxResults') ?? MAX_PAGE)
  if (!Number.isInteger(asked) || asked < 1 || asked > MAX_PAGE) {
    throw new EksFault('InvalidParameterException', `maxResults: wanted 1 to ${MAX_PAGE}`)
  }
  const after = Buffer.from(query.get('nextToken') ?? '', 'base64url').toString('latin1')
  const names = (await options.store.listClusters()).map((cluster) => cluster.name)
  const rest = names.filter((name) => name > after)
  const clusters = rest.slice(0, asked)
  const last = clusters.at(-1) ?? ''
  return {
    clusters,
    ...(rest.length > asked && { nextToken: Buffer.from(last).toString('base64url') }),
  }
}

async function requireCluster(
  options: ClusterApiOptions,
  name: string,
): Promise<RegisteredCluster> {
  const cluster = await options.store.getCluster(name)
  if (cluster !== undefined) return cluster
  throw new EksFault('ResourceNotFoundException', `No cluster found for name: ${name}.`, {
    members: { clusterName: name },
  })
}

/** What of EKS's Cluster (EKS API Reference) a registered cluster has. */
function eksCluster(cluster: RegisteredCluster): Readonly<Record<string, unknown>> {
  return {
    name: cluster.name,
    arn: cluster.arn,
    createdAt: cluster.createdAtMs / 1000,
    status: 'ACTIVE',
    identity: { oidc: { issuer: cluster.issuer } },
    tags: {},
  }
}

function describe(
  options: ClusterApiOptions,
  cluster: RegisteredCluster,
): Readonly<Record<string, unknown>> {
  const { agents, arn, audiences, createdAtMs, followsIssuer, issuer, jwks, modifiedAtMs, name } =
    cluster
  return {
    name,
    arn,
    issuer,
    jwks: JSON.parse(jwks),
    followIssuer: followsIssuer,
    audiences,
    agents,
    oidcProviderUrl: options.issuer,
    createdAt: createdAtMs / 1000,
    modifiedAt: modifiedAtMs / 1000,
  }
}
