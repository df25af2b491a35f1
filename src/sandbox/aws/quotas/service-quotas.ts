import { partitionById } from '../../../iam/partitions.ts'
import { authorize } from '../identity/authorization.ts'
import { AwsFault } from '../wire/fault.ts'
import { pageOf } from '../wire/pages.ts'
import type { TargetInput, TargetOperations } from '../wire/target.ts'
import { readNumber, readText, requireText } from '../wire/target-input.ts'
import { accountOf, type Call } from '../world.ts'
import { type Quota, QUOTAS, type QuotaName, quotaValue } from './quotas.ts'

/** A quota that Service Quotas knows, by its name here. */
export interface KnownQuota extends Quota {
  readonly name: QuotaName
  readonly quotaCode: string
}

const KNOWN: readonly KnownQuota[] = Object.entries(QUOTAS).flatMap(([name, quota]) => {
  const { quotaCode } = quota
  return quotaCode === undefined ? [] : [{ ...quota, quotaCode, name: name as QuotaName }]
})

export const SERVICE_NAMES: Readonly<Record<string, string>> = {
  eks: 'Amazon Elastic Kubernetes Service (Amazon EKS)',
  iam: 'AWS Identity and Access Management (IAM)',
}

export const SERVICE_CODE = { min: 1, max: 63, pattern: '[a-zA-Z][a-zA-Z0-9-]{1,63}' }
export const QUOTA_CODE = { min: 1, max: 128, pattern: '[a-zA-Z][a-zA-Z0-9-]{1,128}' }

export const noSuchResource = (): AwsFault =>
  new AwsFault(
    'NoSuchResourceException',
    'The request failed because the specified service does not exist.',
  )

export const isHere = (call: Call, quota: KnownQuota): boolean =>
  !quota.global || partitionById(call.world.partition).homeRegion === call.region

export function quotaArn(
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

export function requireQuota(call: Call, input: TargetInput): KnownQuota {
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

export const appliedValue = (call: Call, quota: KnownQuota): number =>
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
    authorize(call, { action: `servicequotas:${call.operation}`, resource: '*' })
    if (!Object.hasOwn(SERVICE_NAMES, serviceCode)) throw noSuchResource()
    const found = KNOWN.filter(
      (quota) =>
        quota.serviceCode === serviceCode &&
        isHere(call, quota) &&
        (only === undefined || quota.quotaCode === only),
    )
    const page = pageOfQuotas(input, found, ({ quotaCode }) => quotaCode)
    const Quotas = page.items.map((quota) => quotaNode(call, quota, valueOf(call, quota)))
    return { Quotas, ...page.more }
  }

/** One page, by `MaxResults` and `NextToken`. @throws AwsFault */
export function pageOfQuotas<T>(
  input: TargetInput,
  all: Iterable<T>,
  keyOf: (item: T) => string,
): { readonly items: readonly T[]; readonly more: { readonly NextToken?: string } } {
  const limit = readNumber(input, 'MaxResults', { min: 1, max: 100 }) ?? 100
  const token = readText(input, 'NextToken', { max: 2048 })
  const ask = { limit, token, fault: 'InvalidPaginationTokenException' }
  const page = pageOf(all, keyOf, ask)
  return { items: page.items, more: page.next === undefined ? {} : { NextToken: page.next } }
}

async function listServices(call: Call, input: TargetInput): Promise<unknown> {
  authorize(call, { action: 'servicequotas:ListServices', resource: '*' })
  const page = pageOfQuotas(input, Object.entries(SERVICE_NAMES), ([code]) => code)
  const Services = page.items.map(([ServiceCode, ServiceName]) => ({ ServiceCode, ServiceName }))
  return { Services, ...page.more }
}

/** Those that read quotas. */
export const QUOTA_OPERATIONS: TargetOperations = {
  GetServiceQuota: getServiceQuota,
  ListServiceQuotas: listQuotas(appliedValue),
  GetAWSDefaultServiceQuota: getDefaultQuota,
  ListAWSDefaultServiceQuotas: listQuotas((_call, quota) => quota.value),
  ListServices: listServices,
}
