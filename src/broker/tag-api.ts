/**
 * EKS's three tag operations on EKS's wire, for Pod Identity associations: a broker has nothing
 * else with an ARN that has tags. The request's caller has been authenticated before.
 * Source: Amazon EKS API Reference, TagResource, UntagResource, ListTagsForResource.
 */
import type { Association } from '../associations/association.ts'
import { validateAssociationRequest } from '../associations/rules.ts'
import type { Tags } from '../iam/tags.ts'
import { faultFields, silentLog } from '../lib/log.ts'
import type { AssociationRouteOptions, AssociationRoutes } from './association-api.ts'
import { EksFault, eksErrorOf, eksJson, pathSegments, readJsonBody } from './eks-wire.ts'

type TagRouteOptions = Pick<AssociationRouteOptions, 'store' | 'findCluster' | 'log'>

const ASSOCIATION_ARN = /^arn:[^:]+:[^:]+:[^:]+:\d{12}:podidentityassociation\/([^/]+)\/([^/]+)$/

/** The three operations as one function from request to answer; undefined for any other path. */
export function tagRoutes(options: TagRouteOptions): AssociationRoutes {
  return async (request) => {
    const [tags, ...rest] = pathSegments(request) ?? []
    const run = operationOf(request.method)
    if (tags !== 'tags' || rest.length === 0 || run === undefined) return undefined
    try {
      const found = await requireTagged(options, rest.join('/'))
      return eksJson(await run(options, found, request))
    } catch (error) {
      if (!(error instanceof EksFault)) {
        options.log?.error('tag operation failed', faultFields(error))
      }
      return eksErrorOf(error)
    }
  }
}

type Operation = (
  options: TagRouteOptions,
  found: Association,
  request: Request,
) => Promise<Readonly<Record<string, unknown>>>

function operationOf(method: string): Operation | undefined {
  if (method === 'GET') return async (_, { tags }) => ({ tags })
  if (method === 'POST') return tagResource
  return method === 'DELETE' ? untagResource : undefined
}

async function tagResource(
  options: TagRouteOptions,
  found: Association,
  request: Request,
): Promise<Readonly<Record<string, never>>> {
  const { tags } = await readBody(request)
  const added = readTags(tags)
  await save(options, found, { ...found.tags, ...added })
  return {}
}

async function untagResource(
  options: TagRouteOptions,
  found: Association,
  request: Request,
): Promise<Readonly<Record<string, never>>> {
  const keys = new URL(request.url).searchParams.getAll('tagKeys')
  if (keys.length === 0) throw badRequest('tagKeys: wanted at least one key')
  const kept = Object.entries(found.tags).filter(([key]) => !keys.includes(key))
  await save(options, found, Object.fromEntries(kept))
  return {}
}

async function save(
  { log = silentLog, store }: TagRouteOptions,
  found: Association,
  tags: Tags,
): Promise<void> {
  const [, partition = ''] = found.associationArn.split(':')
  const faults = validateAssociationRequest({ ...found, tags }, { partition })
  const ofTags = faults.filter(({ field }) => field === 'tags').map(({ message }) => message)
  if (ofTags.length > 0) throw badRequest(ofTags.join('; '))
  if (!(await store.replace({ ...found, tags }))) throw notFound(found.associationArn)
  const { associationId, clusterName, namespace, serviceAccount } = found
  log.info('association tagged', {
    associationId,
    clusterName,
    serviceAccount: `${namespace}/${serviceAccount}`,
    tagKeys: Object.keys(tags),
  })
}

async function requireTagged(
  { findCluster, store }: TagRouteOptions,
  arn: string,
): Promise<Association> {
  const [, clusterName = '', id = ''] = ASSOCIATION_ARN.exec(arn) ?? []
  const cluster = await findCluster(clusterName)
  const found = cluster === undefined ? undefined : await store.get(clusterName, id)
  if (found?.associationArn !== arn) throw notFound(arn)
  return found
}

/** The tag operations know this code alone for what is wrong with a call. */
const badRequest = (message: string): EksFault => new EksFault('BadRequestException', message)

const notFound = (arn: string): EksFault =>
  new EksFault('NotFoundException', `No resource found for ARN ${arn.slice(0, 300)}`)

async function readBody(request: Request): Promise<Readonly<Record<string, unknown>>> {
  try {
    return await readJsonBody(request)
  } catch (error) {
    throw error instanceof EksFault ? badRequest(error.message) : error
  }
}

function readTags(value: unknown): Tags {
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value)
  const entries = isMap ? Object.entries(value) : []
  if (entries.length > 0 && entries.every((one): one is [string, string] => isText(one[1]))) {
    return Object.fromEntries(entries)
  }
  throw badRequest('tags: wanted a map of strings, not an empty one')
}

const isText = (value: unknown): value is string => typeof value === 'string'
