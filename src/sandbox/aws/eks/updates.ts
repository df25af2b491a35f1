import { randomUUID } from 'node:crypto'
import { authorize } from '../identity/authorization.ts'
import { clusterKey } from '../records.ts'
import type { JsonInput, JsonRoute } from '../wire/json.ts'
import { accountOf, type Call } from '../world.ts'
import { inUse, notFound, pageOfList } from './body.ts'
import { TRANSITION_MS } from './lifecycle.ts'
import type { UpdateRecord } from './records.ts'
import { clusterArnOf, requireCluster } from './wire.ts'

/** What an update is about: a cluster, or a node group or add-on of it. */
export interface UpdateTarget {
  /** The cluster's `clusterKey`. */
  readonly cluster: string
  readonly nodegroupName?: string
  readonly addonName?: string
}

export interface NewUpdate {
  readonly target: UpdateTarget
  readonly type: string
  readonly params: Readonly<Record<string, string | undefined>>
  readonly clientRequestToken?: string | undefined
}

const isFor = (record: UpdateRecord, target: UpdateTarget): boolean =>
  record.cluster === target.cluster &&
  record.nodegroupName === target.nodegroupName &&
  record.addonName === target.addonName

/** Whether an update of the target is under way. */
export const isUpdating = (call: Call, target: UpdateTarget): boolean =>
  [...call.world.tables.updates.values()].some(
    (record) => isFor(record, target) && call.nowMs < record.doneAtMs,
  )

/** The update that the same request made before. */
export function repeatedUpdate(
  call: Call,
  target: UpdateTarget,
  clientRequestToken: string | undefined,
): UpdateRecord | undefined {
  if (clientRequestToken === undefined) return undefined
  return [...call.world.tables.updates.values()].find(
    (record) => isFor(record, target) && record.clientRequestToken === clientRequestToken,
  )
}

/** Starts an update, one at a time for each target. @throws AwsFault `ResourceInUseException` */
export function startUpdate(call: Call, update: NewUpdate): UpdateRecord {
  const { target, type, params, clientRequestToken } = update
  const { updates } = call.world.tables
  if (isUpdating(call, target)) {
    const what = target.addonName ?? target.nodegroupName ?? 'Cluster'
    throw inUse(`${what} is already being updated`)
  }
  const record: UpdateRecord = {
    ...target,
    id: randomUUID(),
    type,
    params: Object.entries(params).flatMap(([name, value]) =>
      value === undefined ? [] : [{ type: name, value }],
    ),
    createdAtMs: call.nowMs,
    doneAtMs: call.nowMs + TRANSITION_MS,
    ...(clientRequestToken !== undefined && { clientRequestToken }),
  }
  updates.set(`${target.cluster}/${record.id}`, record)
  return record
}

export const updateNode = (
  record: UpdateRecord,
  nowMs: number,
): Readonly<Record<string, unknown>> => ({
  id: record.id,
  status: nowMs < record.doneAtMs ? 'InProgress' : 'Successful',
  type: record.type,
  params: record.params,
  createdAt: record.createdAtMs / 1000,
  errors: [],
})

function readTarget(call: Call, input: JsonInput): UpdateTarget {
  const { searchParams } = input.url
  const nodegroupName = searchParams.get('nodegroupName') ?? undefined
  const addonName = searchParams.get('addonName') ?? undefined
  return {
    cluster: clusterKey(accountOf(call), call.region, input.labels[0] ?? ''),
    ...(nodegroupName !== undefined && { nodegroupName }),
    ...(addonName !== undefined && { addonName }),
  }
}

async function describeUpdate(call: Call, input: JsonInput): Promise<unknown> {
  const [name = '', id = ''] = input.labels
  authorize(call, { action: 'eks:DescribeUpdate', resource: clusterArnOf(call, name) })
  requireCluster(call, name)
  const target = readTarget(call, input)
  const record = call.world.tables.updates.get(`${target.cluster}/${id}`)
  if (record === undefined || !isFor(record, target)) {
    throw notFound(`No update found for ID: ${id.slice(0, 100)}`, { clusterName: name })
  }
  return { update: updateNode(record, call.nowMs) }
}

async function listUpdates(call: Call, input: JsonInput): Promise<unknown> {
  const [name = ''] = input.labels
  authorize(call, { action: 'eks:ListUpdates', resource: clusterArnOf(call, name) })
  requireCluster(call, name)
  const target = readTarget(call, input)
  const found = [...call.world.tables.updates.values()].filter((record) => isFor(record, target))
  const { items, more } = pageOfList(input, found, ({ id }) => id)
  return { updateIds: items.map(({ id }) => id), ...more }
}

export const UPDATE_ROUTES: readonly JsonRoute[] = [
  { operation: 'ListUpdates', method: 'GET', path: '/clusters/*/updates', run: listUpdates },
  {
    operation: 'DescribeUpdate',
    method: 'GET',
    path: '/clusters/*/updates/*',
    run: describeUpdate,
  },
]
