import {
  paginateListServiceQuotas,
  type ServiceQuota,
  ServiceQuotas,
} from '@aws-sdk/client-service-quotas'
import { did, equal, includes, listed, mapped, SETTINGS, waitFor } from './checks.ts'

const IAM = { ServiceCode: 'iam' }
const PROVIDERS = { ...IAM, QuotaCode: 'L-858F3967' }

export async function runQuotas(): Promise<void> {
  const quotas = new ServiceQuotas(SETTINGS)
  const { Quota } = await quotas.getServiceQuota(PROVIDERS)
  equal('OIDC providers of an account', Quota?.Value, 100)
  equal('a quota can be raised', Quota?.Adjustable, true)
  did('service-quotas', 'quota', 'read')
  const codesOf = (found: readonly ServiceQuota[] | undefined): string[] =>
    mapped(found, (one) => one.QuotaCode)
  const all = codesOf((await quotas.listServiceQuotas(IAM)).Quotas)
  includes("IAM's quotas", all, 'L-858F3967', 'L-FE177D64')
  did('service-quotas', 'quota', 'list')
  const pages = paginateListServiceQuotas({ client: quotas, pageSize: 2 }, { ...IAM })
  equal('quotas by pages', codesOf(await listed(pages, (page) => page.Quotas)), all)
  did('service-quotas', 'quota', 'pages')
  const asked = await quotas.requestServiceQuotaIncrease({ ...PROVIDERS, DesiredValue: 300 })
  equal('what was asked for', asked.RequestedQuota?.DesiredValue, 300)
  const read = async (): Promise<number | undefined> =>
    (await quotas.getServiceQuota(PROVIDERS)).Quota?.Value
  await waitFor('the quota', read, 300)
  did('service-quotas', 'increase', 'create')
  const unchanged = await quotas.getAWSDefaultServiceQuota(PROVIDERS)
  equal('the default stays', unchanged.Quota?.Value, 100)
  did('service-quotas', 'default-quota', 'read')
}
