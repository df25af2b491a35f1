import { callRestJson, invalidAnswer, member, objectMember } from './_rest-json.ts'
import {
  type AssociationsEndpoint,
  associationsPath,
  rowPages,
  serviceOf,
} from './associations-client.ts'

/** EKS's PodIdentityAssociation; times are milliseconds since the epoch. */
export interface AssociationRecord {
  readonly associationId: string
  readonly associationArn: string
  readonly clusterName: string
  readonly namespace: string
  readonly serviceAccount: string
  readonly roleArn: string
  readonly targetRoleArn?: string
  readonly disableSessionTags: boolean
  /** Session policy, JSON text. */
  readonly policy?: string
  readonly externalId?: string
  readonly ownerArn?: string
  readonly tags: Readonly<Record<string, string>>
  readonly createdAtMs: number
  readonly modifiedAtMs: number
}

/** What a list tells of each: not its role. */
export type AssociationRow = Pick<
  AssociationRecord,
  'associationId' | 'associationArn' | 'namespace' | 'serviceAccount' | 'ownerArn'
>

/** EKS's operations on associations and their tags where no AWS SDK goes: at a broker, whose CA may be its own. */
export interface AssociationCalls {
  /** Page by page, all of them. */
  list(
    clusterName: string,
    filter: Readonly<Partial<Record<'namespace' | 'serviceAccount', string>>>,
  ): Promise<readonly AssociationRow[]>
  describe(clusterName: string, id: string): Promise<AssociationRecord>
  create(clusterName: string, body: Readonly<Record<string, unknown>>): Promise<AssociationRecord>
  update(
    clusterName: string,
    id: string,
    body: Readonly<Record<string, unknown>>,
  ): Promise<AssociationRecord>
  delete(clusterName: string, id: string): Promise<AssociationRecord>
  tag(associationArn: string, tags: Readonly<Record<string, string>>): Promise<void>
  untag(associationArn: string, keys: readonly string[]): Promise<void>
}

/**
 * The operations of the EKS API Reference (Create/List/Describe/Update/DeletePodIdentityAssociation,
 * TagResource, UntagResource) as signed calls. All throw ServiceFault with the wire's code.
 */
export function createAssociationCalls(endpoint: AssociationsEndpoint): AssociationCalls {
  const service = serviceOf(endpoint)
  const call = async (
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body?: unknown,
  ): Promise<AssociationRecord> =>
    readRecord(
      objectMember(
        await callRestJson(service, { method, path, ...(body !== undefined && { body }) }),
        'association',
      ),
    )
  const one = (clusterName: string, id: string): string =>
    `${associationsPath(clusterName)}/${encodeURIComponent(id)}`
  return {
    list: async (clusterName, filter) => {
      const wanted = Object.entries(filter).filter(([, value]) => value !== undefined)
      const pages = rowPages(service, clusterName, Object.fromEntries(wanted))
      return (await Array.fromAsync(pages)).flat().map(readRow)
    },
    describe: (clusterName, id) => call('GET', one(clusterName, id)),
    create: (clusterName, body) => call('POST', associationsPath(clusterName), body),
    update: (clusterName, id, body) => call('POST', one(clusterName, id), body),
    delete: (clusterName, id) => call('DELETE', one(clusterName, id)),
    tag: async (arn, tags) => {
      await callRestJson(service, { method: 'POST', path: tagsPath(arn), body: { tags } })
    },
    untag: async (arn, keys) => {
      const query = keys.map((key) => `tagKeys=${encodeURIComponent(key)}`).join('&')
      await callRestJson(service, { method: 'DELETE', path: `${tagsPath(arn)}?${query}` })
    },
  }
}

const tagsPath = (arn: string): string => `/tags/${encodeURIComponent(arn)}`

const requiredText = (row: unknown, name: string): string => {
  const text = member(row, name)
  if (text === undefined) throw invalidAnswer('EKS', `has an association without ${name}`)
  return text
}

function readRow(row: unknown): AssociationRow {
  const ownerArn = member(row, 'ownerArn')
  return {
    associationId: requiredText(row, 'associationId'),
    associationArn: requiredText(row, 'associationArn'),
    namespace: requiredText(row, 'namespace'),
    serviceAccount: requiredText(row, 'serviceAccount'),
    ...(ownerArn !== undefined && { ownerArn }),
  }
}

function readRecord(row: unknown): AssociationRecord {
  const targetRoleArn = member(row, 'targetRoleArn')
  const policy = member(row, 'policy')
  const externalId = member(row, 'externalId')
  return {
    ...readRow(row),
    clusterName: requiredText(row, 'clusterName'),
    roleArn: requiredText(row, 'roleArn'),
    disableSessionTags: objectMember(row, 'disableSessionTags') === true,
    ...(targetRoleArn !== undefined && { targetRoleArn }),
    ...(policy !== undefined && { policy }),
    ...(externalId !== undefined && { externalId }),
    tags: readTags(objectMember(row, 'tags')),
    createdAtMs: readTime(row, 'createdAt'),
    modifiedAtMs: readTime(row, 'modifiedAt'),
  }
}

function readTags(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null) return {}
  return Object.fromEntries(
    Object.entries(value).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  )
}

/** restJson1 writes times as seconds since the epoch. */
function readTime(row: unknown, name: string): number {
  const seconds = objectMember(row, name)
  return typeof seconds === 'number' && Number.isFinite(seconds) ? Math.round(seconds * 1000) : 0
}
