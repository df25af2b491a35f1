import { randomUUID } from 'node:crypto'
import { partitionById } from '../../../iam/partitions.ts'
import { authorize } from '../identity/authorization.ts'
import { AwsFault } from '../wire/fault.ts'
import { pageOf } from '../wire/pages.ts'
import type { TargetInput, TargetOperations } from '../wire/target.ts'
import { readNumber, readText, requireText } from '../wire/target-input.ts'
import { accountOf, type Call, callerName } from '../world.ts'
import { type Quota, QUOTAS, type QuotaName, quotaValue, setQuota } from './quotas.ts'

/** A quota that Service Quotas knows, by its name here. */
interface KnownQuota extends Quota {
  readonly name: QuotaName
  readonly quotaCode: string
}

const KNOWN: readonly KnownQuota[] = Object.entries(QUOTAS).flatMap(([name, quota]) => {
  const { quotaCode } = quota
  return quotaCode === undefined ? [] : [{ ...quota, quotaCode, name: name as QuotaName }]
})

const SERVICE_NAMES: Readonly<Record<string, string>> = {
  eks: 'Amazon Elastic Kubernetes Service (Amazon EKS)',
  iam: 'AWS Identity and Access Management (IAM)',
}

const SERVICE_CODE = { min: 1, max: 63, pattern: '[a-zA-Z][a-zA-Z0-9-]{1,63}' }
const QUOTA_CODE = { min: 1, max: 128, pattern: '[a-zA-Z][a-zA-Z0-9-]{1,128}' }

const noSuchResource = (): AwsFault =>
  new AwsFault(
    'NoSuchResourceException',
    'The request failed because the specified service does not exist.',
  )

const isHere = (call: Call, quota: KnownQuota): boolean =>
  !quota.global || partitionById(call.world.partition).homeRegion === call.region

function quotaArn(
  call: Call,
  quota: Pick<KnownQuota, 'serviceCode' | 'quotaCode' | 'global'>,
): string {
  const region = quota.global ? '' : call.region
  return `arn:${call.world.partition}:servicequotas:${region}:${accountOf(call)}:${quota.serviceCode}/${quota.quotaCode}`
}

function quotaNode(
  call: Call,
  quota: KnownQuota,
  value: number,
): Readonly<Record<string, unknown>> {
  return {
    ServiceCode: quota.serviceCode,
    ServiceName: SERVICE_NAMES[quota.serviceCode],
    QuotaArn: quotaArn(call, quota),
    QuotaCode: quota.quotaCode,
    QuotaName: quota.quotaName,
    Value: value,
    Unit: 'None',
    Adjustable: quota.maximum > quota.value,
    GlobalQuota: quota.global,
    QuotaAppliedAtLevel: 'ACCOUNT',
  }
}

function requireQuota(call: Call, input: TargetInput): KnownQuota {
  const serviceCode = requireText(input, 'ServiceCode', SERVICE_CODE)
  const quotaCode = requireText(input, 'QuotaCode', QUOTA_CODE)
  authorize(call, {
    action: `servicequotas:${call.operation}`,
    resource: quotaArn(call, { serviceCode, quotaCode, global: false }),
  })
  const found = KNOWN.find(
    (quota) => quota.serviceCode === serviceCode && quota.quotaCode === quotaCode,
  )
  if (found === undefined || !isHere(call, found)) throw noSuchResource()
  return found
}

const appliedValue = (call: Call, quota: KnownQuota): number =>
  quotaValue(call.world.tables, accountOf(call), quota.name)

async function getServiceQuota(call: Call, input: TargetInput): Promise<unknown> {
  const quota = requireQuota(call, input)
  return { Quota: quotaNode(call, quota, appliedValue(call, quota)) }
}

async function getDefaultQuota(call: Call, input: TargetInput): Promise<unknown> {
  const quota = requireQuota(call, input)
  return { Quota: quotaNode(call, quota, quota.value) }
}

const listQuotas =
  (valueOf: (call: Call, quota: KnownQuota) => number) =>
  async (call: Call, input: TargetInput): Promise<unknown> => {
    const serviceCode = requireText(input, 'ServiceCode', SERVICE_CODE)
    const only = readText(input, 'QuotaCode', QUOTA_CODE)
    const limit = readNumber(input, 'MaxResults', { min: 1, max: 100 }) ?? 100
    const token = readText(input, 'NextToken', { max: 2048 })
    authorize(call, { action: `servicequotas:${call.operation}`, resource: '*' })
    if (!Object.hasOwn(SERVICE_NAMES, serviceCode)) throw noSuchResource()
    const found = KNOWN.filter(
      (quota) =>
        quota.serviceCode === serviceCode &&
        isHere(call, quota) &&
        (only === undefined || quota.quotaCode === only),
    )
    const ask = { limit, token, fault: 'InvalidPaginationTokenException' }
    const page = pageOf(found, ({ quotaCode }) => quotaCode, ask)
    return {
      Quotas: page.items.map((quota) => quotaNode(call, quota, valueOf(call, quota))),
      ...(page.next !== undefined && { NextToken: page.next }),
    }
  }

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
  if (granted) {
    const setting = { name: quota.name, accountId: accountOf(call), value: desired }
    setQuota(call.world.tables, setting)
  }
  return {
    RequestedQuota: {
      Id: randomUUID().replaceAll('-', ''),
      ServiceCode: quota.serviceCode,
      ServiceName: SERVICE_NAMES[quota.serviceCode],
      QuotaCode: quota.quotaCode,
      QuotaName: quota.quotaName,
      DesiredValue: desired,
      Status: granted ? 'APPROVED' : 'NOT_APPROVED',
      Created: call.nowMs / 1000,
      LastUpdated: call.nowMs / 1000,
      Requester: callerName(call.identity.caller),
      QuotaArn: quotaArn(call, quota),
      GlobalQuota: quota.global,
      Unit: 'None',
    },
  }
}

/** Service Quotas' operations, API version 2019-06-24. */
export const SERVICE_QUOTAS_OPERATIONS: TargetOperations = {
  GetServiceQuota: getServiceQuota,
  ListServiceQuotas: listQuotas(appliedValue),
  GetAWSDefaultServiceQuota: getDefaultQuota,
  ListAWSDefaultServiceQuotas: listQuotas((_call, quota) => quota.value),
  RequestServiceQuotaIncrease: requestIncrease,
}
