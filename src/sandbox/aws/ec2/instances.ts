import { createHash } from 'node:crypto'
import { compileText, matchesPattern } from '../../../iam/pattern.ts'
import type { Tables, Tags } from '../records.ts'
import { AwsFault } from '../wire/fault.ts'
import { pageOf } from '../wire/pages.ts'
import type { QueryParameters } from '../wire/query.ts'
import type { Node } from '../wire/xml.ts'
import { accountOf, type Call } from '../world.ts'
import { authorizeEc2 } from './authorization.ts'
import { itemsOf, readIndexed } from './parameters.ts'
import type { InstanceRecord, MetadataOptions } from './records.ts'

/** What a new instance of a current AMI has: version 2 only, one hop. */
export const DEFAULT_METADATA: MetadataOptions = {
  httpTokens: 'required',
  httpPutResponseHopLimit: 1,
  httpEndpoint: 'enabled',
  httpProtocolIpv6: 'disabled',
  instanceMetadataTags: 'disabled',
}

/** An instance to put there; the rest is made up. */
export interface InstanceSpec {
  readonly accountId: string
  readonly region: string
  /** The Kubernetes node that it is. */
  readonly nodeName: string
  readonly clusterName: string
  readonly privateIpAddress?: string
  readonly instanceProfileArn?: string
  readonly metadataOptions?: Partial<MetadataOptions>
  readonly tags?: Tags
}

/** How long EC2 still shows an instance that is terminated. */
const SHOWN_MS = 3_600_000

/**
 * Puts an instance there. A node keeps its instance as long as that is not terminated, and gets one
 * with another id then.
 */
export function putInstance(tables: Tables, spec: InstanceSpec, nowMs: number): InstanceRecord {
  const { accountId, region, nodeName, clusterName } = spec
  forgetTerminated(tables, nowMs)
  const before = [...tables.instances.values()].filter(
    (record) =>
      record.accountId === accountId &&
      record.region === region &&
      record.clusterName === clusterName &&
      record.nodeName === nodeName,
  )
  const known = before.find(({ state }) => state !== 'terminated')
  const life = before.length > 0 && known === undefined ? [String(nowMs)] : []
  const words = [accountId, region, clusterName, nodeName, ...life]
  const hex = createHash('sha256').update(words.join('/')).digest('hex')
  const octets = [
    10,
    0,
    Number.parseInt(hex.slice(20, 22), 16),
    Number.parseInt(hex.slice(22, 24), 16),
  ]
  const privateIpAddress = spec.privateIpAddress ?? known?.privateIpAddress ?? octets.join('.')
  const record: InstanceRecord = {
    accountId,
    region,
    instanceId: known?.instanceId ?? `i-${hex.slice(0, 17)}`,
    instanceType: 't3.medium',
    privateIpAddress,
    privateDnsName: `ip-${privateIpAddress.replaceAll('.', '-')}.${region}.compute.internal`,
    state: 'running',
    ...(spec.instanceProfileArn !== undefined && { instanceProfileArn: spec.instanceProfileArn }),
    metadataOptions: { ...DEFAULT_METADATA, ...spec.metadataOptions },
    tags: {
      Name: nodeName,
      'eks:cluster-name': clusterName,
      [`kubernetes.io/cluster/${clusterName}`]: 'owned',
      ...spec.tags,
    },
    clusterName,
    nodeName,
    launchedAtMs: nowMs,
  }
  tables.instances.set(keyOf(record), record)
  return record
}

const keyOf = ({ accountId, region, instanceId }: InstanceRecord): string =>
  `${accountId}/${region}/${instanceId}`

/** Ends the instances of a cluster's nodes, as the auto scaling groups of its node groups would. */
export function terminateInstances(
  tables: Tables,
  place: Pick<InstanceSpec, 'accountId' | 'region' | 'clusterName'>,
  nowMs: number,
): void {
  for (const record of tables.instances.values()) {
    const isOwn = (['accountId', 'region', 'clusterName'] as const).every(
      (member) => record[member] === place[member],
    )
    if (!isOwn || record.state === 'terminated') continue
    tables.instances.set(keyOf(record), { ...record, state: 'terminated', terminatedAtMs: nowMs })
  }
}

const isForgotten = ({ terminatedAtMs }: InstanceRecord, nowMs: number): boolean =>
  terminatedAtMs !== undefined && nowMs - terminatedAtMs >= SHOWN_MS

function forgetTerminated(tables: Tables, nowMs: number): void {
  for (const record of tables.instances.values()) {
    if (isForgotten(record, nowMs)) tables.instances.delete(keyOf(record))
  }
}

const STATE_CODES: Readonly<Record<InstanceRecord['state'], number>> = {
  pending: 0,
  running: 16,
  'shutting-down': 32,
  terminated: 48,
  stopping: 64,
  stopped: 80,
}

/** Why an instance is terminated that a call ended. */
const GONE = {
  stateReason: {
    code: 'Client.UserInitiatedShutdown',
    message: 'Client.UserInitiatedShutdown: User initiated shutdown',
  },
}

const momentOf = (ms: number): string => new Date(ms).toISOString().slice(0, 19).replace('T', ' ')

function instanceNode(record: InstanceRecord): Node {
  const { metadataOptions, instanceProfileArn, terminatedAtMs } = record
  const isGone = terminatedAtMs !== undefined
  return {
    instanceId: record.instanceId,
    imageId: 'ami-0123456789abcdef0',
    instanceState: { code: STATE_CODES[record.state], name: record.state },
    privateDnsName: isGone ? '' : record.privateDnsName,
    ...(isGone && { reason: `User initiated (${momentOf(terminatedAtMs)} GMT)` }),
    amiLaunchIndex: 0,
    instanceType: record.instanceType,
    launchTime: new Date(record.launchedAtMs),
    placement: { availabilityZone: `${record.region}a`, groupName: '', tenancy: 'default' },
    monitoring: { state: 'disabled' },
    ...(isGone ? GONE : { privateIpAddress: record.privateIpAddress }),
    architecture: 'x86_64',
    hypervisor: 'xen',
    virtualizationType: 'hvm',
    ...(instanceProfileArn !== undefined && {
      iamInstanceProfile: { arn: instanceProfileArn, id: 'AIPASANDBOXSANDBOX234' },
    }),
    metadataOptions: { state: 'applied', ...metadataOptions },
    tagSet: itemsOf(Object.entries(record.tags).map(([key, value]) => ({ key, value }))),
  }
}

type Read = (record: InstanceRecord) => readonly (string | undefined)[]

/** Filters. Source: EC2 API Reference, DescribeInstances. */
const FILTERS: Readonly<Record<string, Read>> = {
  'instance-id': ({ instanceId }) => [instanceId],
  'instance-type': ({ instanceType }) => [instanceType],
  'instance-state-name': ({ state }) => [state],
  'instance-state-code': ({ state }) => [String(STATE_CODES[state])],
  'private-dns-name': ({ privateDnsName }) => [privateDnsName],
  'private-ip-address': ({ privateIpAddress }) => [privateIpAddress],
  'iam-instance-profile.arn': ({ instanceProfileArn }) => [instanceProfileArn],
  'metadata-options.http-tokens': ({ metadataOptions }) => [metadataOptions.httpTokens],
  'metadata-options.http-endpoint': ({ metadataOptions }) => [metadataOptions.httpEndpoint],
  'metadata-options.http-put-response-hop-limit': ({ metadataOptions }) => [
    String(metadataOptions.httpPutResponseHopLimit),
  ],
  'tag-key': ({ tags }) => Object.keys(tags),
}

function readFilters(
  parameters: QueryParameters,
): readonly ((record: InstanceRecord) => boolean)[] {
  const filters: ((record: InstanceRecord) => boolean)[] = []
  for (let index = 1; index <= 200; index += 1) {
    const name = parameters.get(`Filter.${index}.Name`)
    if (name === undefined) break
    const read: Read | undefined = name.startsWith('tag:')
      ? ({ tags }) => [tags[name.slice(4)]]
      : Object.hasOwn(FILTERS, name)
        ? FILTERS[name]
        : undefined
    if (read === undefined) {
      throw new AwsFault('InvalidParameterValue', `The filter '${name.slice(0, 100)}' is invalid`)
    }
    const patterns = readIndexed(parameters, `Filter.${index}.Value`).map(compileText)
    filters.push((record) =>
      read(record).some(
        (value) =>
          value !== undefined && patterns.some((pattern) => matchesPattern(pattern, value)),
      ),
    )
  }
  return filters
}

/** The sandbox's instances of the call's account and region. */
export function describeInstances(call: Call, parameters: QueryParameters): Node {
  const ids = readIndexed(parameters, 'InstanceId')
  const maxText = parameters.get('MaxResults') ?? '1000'
  const limit = /^\d{1,4}$/.test(maxText) ? Number(maxText) : 0
  authorizeEc2(call, 'ec2:DescribeInstances')
  if (limit < 5 || limit > 1000) {
    throw new AwsFault(
      'InvalidParameterValue',
      `Value ( ${maxText.slice(0, 20)} ) for parameter maxResults is invalid. Expecting a value between 5 and 1000.`,
    )
  }
  if (ids.length > 0 && parameters.get('MaxResults') !== undefined) {
    throw new AwsFault(
      'InvalidParameterCombination',
      'The parameter instancesSet cannot be used with the parameter maxResults',
    )
  }
  const own = [...call.world.tables.instances.values()].filter(
    (record) =>
      record.accountId === accountOf(call) &&
      record.region === call.region &&
      !isForgotten(record, call.nowMs),
  )
  for (const id of ids) {
    if (!/^i-[0-9a-f]{8,17}$/.test(id)) {
      throw new AwsFault('InvalidInstanceID.Malformed', `Invalid id: "${id.slice(0, 100)}"`)
    }
    if (!own.some(({ instanceId }) => instanceId === id)) {
      throw new AwsFault('InvalidInstanceID.NotFound', `The instance ID '${id}' does not exist`)
    }
  }
  const filters = readFilters(parameters)
  const found = own.filter(
    (record) =>
      (ids.length === 0 || ids.includes(record.instanceId)) &&
      filters.every((matches) => matches(record)),
  )
  const token = parameters.get('NextToken')
  const page = pageOf(found, (one) => one.instanceId, { limit, token, fault: 'InvalidNextToken' })
  return {
    reservationSet: itemsOf(
      page.items.map((record) => ({
        reservationId: record.instanceId.replace('i-', 'r-'),
        ownerId: record.accountId,
        groupSet: '',
        instancesSet: itemsOf([instanceNode(record)]),
      })),
    ),
    ...(page.next !== undefined && { nextToken: page.next }),
  }
}
