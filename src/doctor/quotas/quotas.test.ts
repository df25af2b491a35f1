import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { QuotaFacts } from './facts.ts'
import { type EksQuotaReader, gatherQuotas, type IamQuotaReader } from './gather.ts'
import { type QuotaLine, quotaReport } from './report.ts'

const CASES = join(import.meta.dir, 'testdata')

interface QuotaCase {
  /** What it is about, for whoever reads it. */
  readonly about: string
  readonly facts: QuotaFacts
  /** Lines that must be there, as far as they are written out. */
  readonly has: readonly Partial<QuotaLine>[]
}

describe('a report', () => {
  for (const file of readdirSync(CASES)) {
    test(file, () => {
      const { facts, has } = JSON.parse(readFileSync(join(CASES, file), 'utf8')) as QuotaCase
      const { lines } = quotaReport(facts)
      expect(has.length).toBeGreaterThan(0)
      for (const wanted of has) {
        const found = lines.filter(({ quota }) => quota === wanted.quota)
        expect(found).toHaveLength(1)
        expect(found[0]).toMatchObject(wanted)
      }
    })
  }

  test('a line warns from the share on that is asked for', () => {
    const arn = 'arn:aws:eks:eu-west-1:111122223333:cluster/prod'
    const associations = Array.from({ length: 2500 }, (_, at) => ({
      namespace: 'shop',
      serviceAccount: `worker-${at}`,
    }))
    const cluster = { name: 'prod', arn, associations, accessEntries: 0 }
    const eks = { clusterNames: ['prod'], quota, clusters: [cluster] }
    const facts = { accountId: '1', region: 'eu-west-1', unread: [], eks }
    const level = (warnAt?: number): string | undefined =>
      quotaReport(facts, warnAt).lines.find((line) => line.quota === 'associations')?.level
    expect([level(), level(0.5), level(0.51)]).toEqual(['ok', 'warning', 'ok'])
  })
})

const quota = { value: 100, isLive: true, text: '100' }

describe('what is gathered', () => {
  const quotas = {
    'oidc-providers': quota,
    'trust-policy-characters': quota,
    roles: quota,
    'policies-per-role': quota,
  }
  const iam: IamQuotaReader = {
    providers: () => Promise.resolve(2),
    roles: () => Promise.resolve([]),
    quotas: () => Promise.resolve(quotas),
    summary: () => Promise.resolve({ RolesQuota: 1000 }),
  }
  const eks: EksQuotaReader = {
    clusterNames: () => Promise.resolve(['prod', 'dev']),
    quota: () => Promise.resolve(quota),
    cluster: (name) =>
      name === 'gone'
        ? Promise.reject(new Error(`no cluster ${name}`))
        : Promise.resolve({ name, arn: `arn:${name}`, associations: [], accessEntries: 1 }),
  }
  const places = { accountId: '111122223333', region: 'eu-west-1', iam, eks }
  const refuse = (): Promise<never> => Promise.reject(new Error('not authorized'))

  test('all clusters of the region, or those that are named', async () => {
    const names = async (only: readonly string[]): Promise<unknown> =>
      (await gatherQuotas(places, only)).eks?.clusters.map(({ name }) => name)
    expect(await names([])).toEqual(['prod', 'dev'])
    expect(await names(['dev'])).toEqual(['dev'])
  })

  test('what may not be read is told, and the rest is there', async () => {
    const gone = await gatherQuotas(places, ['gone', 'dev'])
    expect(gone.eks?.clusters.map(({ name }) => name)).toEqual(['dev'])
    expect(gone.unread).toEqual([{ what: 'cluster gone', why: 'no cluster gone' }])
    const blind = await gatherQuotas({ ...places, eks: { ...eks, clusterNames: refuse } }, [])
    expect(blind.eks).toBeUndefined()
    expect(blind.iam?.providers).toBe(2)
    expect(blind.unread).toEqual([{ what: 'EKS', why: 'not authorized' }])
  })

  test('without the summary the other sources are taken', async () => {
    const facts = await gatherQuotas({ ...places, iam: { ...iam, summary: refuse } }, [])
    expect(facts.unread).toEqual([{ what: 'GetAccountSummary', why: 'not authorized' }])
    const [providers] = quotaReport(facts).lines
    expect(providers).toMatchObject({ used: 2, limit: 100, source: 'Service Quotas L-858F3967' })
  })
})
