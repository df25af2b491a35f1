/** Requests for an increase, and what became of them. */
import { randomUUID } from 'node:crypto'
import { authorize } from '../identity/authorization.ts'
import type { Tables } from '../records.ts'
import { AwsFault } from '../wire/fault.ts'
import type { TargetInput, TargetOperations } from '../wire/target.ts'
import { readNumber, readText, requireText } from '../wire/target-input.ts'
import { accountOf, type Call, callerName } from '../world.ts'
import {
  appliedValue,
  isHere,
  type KnownQuota,
  noSuchResource,
  pageOfQuotas,
  QUOTA_CODE,
  quotaArn,
  requireQuota,
  SERVICE_CODE,
  SERVICE_NAMES,
} from './service-quotas.ts'
import { type QuotaName, QUOTAS, setQuota } from './quotas.ts'

export interface QuotaRequestRecord {
  readonly id: string
  readonly accountId: string
  readonly region: string
  readonly name: QuotaName
  readonly desired: number
  readonly status: 'APPROVED' | 'NOT_APPROVED'
  readonly requester: string
  readonly createdAtMs: number
}

const MAX_REQUESTS = 1000
const REQUEST_ID = { min: 1, max: 128, pattern: '[0-9a-zA-Z][a-zA-Z0-9-]{1,128}' }
const STATUSES = [
  'PENDING',
  'CASE_OPENED',
  'APPROVED',
  'DENIED',
  'CASE_CLOSED',
  'NOT_APPROVED',
  'INVALID_REQUEST',
]
const LEVELS = ['ACCOUNT', 'RESOURCE', 'ALL']

function requestNode(call: Call, request: QuotaRequestRecord): Readonly<Record<string, unknown>> {
  const quota = knownOf(request)
  return {
    Id: request.id,
    ServiceCode: quota.serviceCode,
    ServiceName: SERVICE_NAMES[quota.serviceCode],
    QuotaCode: quota.quotaCode,
    QuotaName: quota.quotaName,
    DesiredValue: request.desired,
    Status: request.status,
    Created: request.createdAtMs / 1000,
    LastUpdated: request.createdAtMs / 1000,
    Requester: request.requester,
    QuotaArn: quotaArn(call, quota),
    GlobalQuota: quota.global,
    Unit: 'None',
    QuotaRequestedAtLevel: 'ACCOUNT',
  }
}

const knownOf = ({ name }: QuotaRequestRecord): KnownQuota => ({
  ...QUOTAS[name],
  name,
  quotaCode: QUOTAS[name].quotaCode ?? '',
})

/** An increase up to the maximum is granted at once; what is above it waits for nobody. */
async function requestIncrease(call: Call, input: TargetInput): Promise<unknown> {
  const desired = readNumber(input, 'DesiredValue', { min: 0, max: 10_000_000_000 })
  const quota = requireQuota(call, input)
  if (desired === undefined || desired <= appliedValue(call, quota)) {
    throw new AwsFault(
      'IllegalArgumentException',
      'The desired value must be greater than the current quota value',
    )
  }
  const granted = desired <= quota.maximum
  const request: QuotaRequestRecord = {
    id: randomUUID().replaceAll('-', ''),
    accountId: accountOf(call),
    region: call.region,
    name: quota.name,
    desired,
    status: granted ? 'APPROVED' : 'NOT_APPROVED',
    requester: callerName(call.identity.caller),
    createdAtMs: call.nowMs,
  }
  const { tables } = call.world
  if (granted) setQuota(tables, { name: quota.name, accountId: accountOf(call), value: desired })
  keepRequest(tables, request)
  return { RequestedQuota: requestNode(call, request) }
}

function keepRequest({ quotaRequests }: Tables, request: QuotaRequestRecord): void {
  const [oldest] = quotaRequests.size >= MAX_REQUESTS ? quotaRequests.entries() : []
  if (oldest !== undefined) quotaRequests.delete(oldest[0])
  quotaRequests.set(request.id, request)
}

/** Those of the call's account and region. */
const ownRequests = (call: Call): readonly QuotaRequestRecord[] =>
  [...call.world.tables.quotaRequests.values()].filter(
    ({ accountId, region }) => accountId === accountOf(call) && region === call.region,
  )

async function getRequest(call: Call, input: TargetInput): Promise<unknown> {
  const id = requireText(input, 'RequestId', REQUEST_ID)
  authorize(call, { action: 'servicequotas:GetRequestedServiceQuotaChange', resource: '*' })
  const request = ownRequests(call).find((one) => one.id === id)
  if (request === undefined) throw noSuchResource()
  return { RequestedQuota: requestNode(call, request) }
}

/** The history of a service's quotas, or of one quota, the newest first. */
async function listRequests(call: Call, input: TargetInput): Promise<unknown> {
  const byQuota = call.operation === 'ListRequestedServiceQuotaChangeHistoryByQuota'
  const serviceCode = readText(input, 'ServiceCode', { ...SERVICE_CODE, required: byQuota })
  const quotaCode = byQuota ? requireText(input, 'QuotaCode', QUOTA_CODE) : undefined
  const status = readText(input, 'Status', { oneOf: STATUSES })
  const level = readText(input, 'QuotaRequestedAtLevel', { oneOf: LEVELS }) ?? 'ACCOUNT'
  authorize(call, { action: `servicequotas:${call.operation}`, resource: '*' })
  if (serviceCode !== undefined && !Object.hasOwn(SERVICE_NAMES, serviceCode)) {
    throw noSuchResource()
  }
  const found = ownRequests(call).filter((one) => {
    const quota = knownOf(one)
    return (
      isHere(call, quota) &&
      level !== 'RESOURCE' &&
      (serviceCode === undefined || quota.serviceCode === serviceCode) &&
      (quotaCode === undefined || quota.quotaCode === quotaCode) &&
      (status === undefined || one.status === status)
    )
  })
  const page = pageOfQuotas(input, found, (one) => `${10 ** 15 - one.createdAtMs}/${one.id}`)
  return { RequestedQuotas: page.items.map((one) => requestNode(call, one)), ...page.more }
}

export const QUOTA_REQUEST_OPERATIONS: TargetOperations = {
  RequestServiceQuotaIncrease: requestIncrease,
  GetRequestedServiceQuotaChange: getRequest,
  ListRequestedServiceQuotaChangeHistory: listRequests,
  ListRequestedServiceQuotaChangeHistoryByQuota: listRequests,
}
