/** `podrole quotas` and `podrole advise` on an account with clusters on EKS and beside it. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Advice } from '../../src/doctor/advise/advise.ts'
import type { QuotaLine } from '../../src/doctor/quotas/report.ts'
import { PODS, SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import type { Pod } from '../../src/kube/objects.ts'
import { podsTrust, ROLES, type ShopJourney, startShopJourney } from '../support/shop-journey.ts'

const STEP_MS = 120_000
const step = (name: string, run: () => Promise<void>): void => test(name, run, STEP_MS)

let shop: ShopJourney

beforeAll(async () => {
  shop = await startShopJourney()
  await shop.makeRole('orders')
  const made = await shop.desk.run(
    `association create shop/orders --cluster shop-eks --role-arn ${ROLES}/orders --create-service-account`,
  )
  expect(made).toMatchObject({ code: 0 })
  const annotations = { 'eks.amazonaws.com/role-arn': `${ROLES}/orders` }
  for (const [cluster, name] of [
    [shop.eks, 'old'],
    [shop.edge, 'batch'],
  ] as const) {
    await cluster.client.create(SERVICE_ACCOUNTS, {
      metadata: { namespace: 'shop', name, annotations },
    })
  }
}, 60_000)
afterAll(() => shop.stop(), 60_000)

describe('quotas', () => {
  const lines = async (
    options = '',
  ): Promise<{ code: number; err: string; lines: QuotaLine[] }> => {
    const { code, err, out } = await shop.desk.run(`quotas -o json${options}`)
    const { lines: found } = JSON.parse(out) as { readonly lines: QuotaLine[] }
    return { code, err, lines: found }
  }
  const find = (found: readonly QuotaLine[], quota: string): QuotaLine | undefined =>
    found.find((line) => line.quota === quota)

  step('live limits, and documented ones where AWS has no API, each said', async () => {
    const { code, lines: found } = await lines()
    expect(code).toBe(0)
    expect(find(found, 'oidc-providers')).toMatchObject({
      limit: 100,
      isLive: true,
      source: 'Service Quotas L-858F3967',
    })
    expect(find(found, 'associations')).toMatchObject({
      scope: 'cluster shop-eks',
      used: 1,
      limit: 5000,
      isLive: false,
      source: 'documented 2026-10',
    })
    expect(find(found, 'trust-policy-characters')).toMatchObject({
      scope: 'role orders',
      level: 'ok',
    })
    expect(find(found, 'session-token-bytes')?.used).toBeGreaterThan(200)
  })

  step('a role that is nearly full warns, and one exit code tells it', async () => {
    expect(await lines(' --fail-on warning')).toMatchObject({ code: 0 })
    await shop.makeRole('full', crowdedTrust(1700))
    const { code, lines: found } = await lines(' --fail-on warning')
    expect(code).toBe(1)
    const full = found.find(
      ({ quota, scope }) => quota === 'trust-policy-characters' && scope === 'role full',
    )
    expect(full).toMatchObject({ level: 'warning', limit: 2048 })
    expect(full?.forecast).toMatch(
      /^[1-9]\d? more service accounts on this role, at \d+ characters each$/,
    )
    expect(await lines()).toMatchObject({ code: 0 })
  })

  step('a cluster that is not there is no cluster with room', async () => {
    const { code, err } = await shop.desk.run('quotas --cluster nowhere')
    expect(code).toBe(1)
    expect(err).toContain('cluster nowhere could not be read')
  })

  step(
    'where Service Quotas may not be called, IAM itself tells, and else the documentation',
    async () => {
      shop.wired.sandbox.aws.faults.replace([
        'servicequotas:GetServiceQuota=error:AccessDeniedException:400',
      ])
      const { lines: found } = await lines()
      shop.wired.sandbox.aws.faults.replace([])
      expect(find(found, 'roles')).toMatchObject({ source: 'GetAccountSummary', isLive: true })
      expect(find(found, 'oidc-providers')).toMatchObject({
        source: 'documented 2026-10',
        isLive: false,
      })
    },
  )
})

/** A trust policy of at least so many characters. */
function crowdedTrust(characters: number): string {
  const names: string[] = []
  const write = (): string =>
    podsTrust({ StringEquals: { 'aws:RequestTag/kubernetes-service-account': names } })
  while (write().length < characters) names.push(`worker-number-${names.length}`)
  return write()
}

describe('advise', () => {
  const advices = async (line: string): Promise<readonly Advice[]> => {
    const { code, err, out } = await shop.desk.run(`advise ${line} -o json`)
    expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' })
    return (JSON.parse(out) as { readonly advices: readonly Advice[] }).advices
  }

  step('on EKS: Pod Identity, also for one that goes by IRSA now', async () => {
    const found = await advices('--all --cluster shop-eks')
    expect(
      found.map(({ change, current, serviceAccount, way }) => [
        serviceAccount,
        current,
        way,
        change,
      ]),
    ).toEqual(
      expect.arrayContaining([
        ['shop/old', ['irsa'], 'pod-identity', 'move'],
        ['shop/orders', ['pod-identity'], 'pod-identity', 'stay'],
      ]),
    )
    expect(found.every(({ kind }) => kind === 'eks')).toBe(true)
  })

  step('a service account that is not there yet, with an old SDK: IRSA, and why', async () => {
    const { code, out } = await shop.desk.run(
      'advise shop/new --cluster shop-eks --sdk boto3@1.34.40',
    )
    expect(code).toBe(0)
    expect(out).toContain('shop/new on cluster shop-eks (eks, no role yet): IRSA\n')
    expect(out).toContain('because not Pod Identity: the SDK must be 1.34.41 or later\n')
  })

  step('a fleet of EKS and a cluster that a broker knows: a table', async () => {
    const kubeconfig = shop.desk.write('fleet.yaml', fleetKubeconfig())
    const line = `advise --all --cluster shop-eks --cluster shop-edge --broker --ca-file ca.pem --kubeconfig ${kubeconfig}`
    const { code, err, out } = await shop.desk.run(line)
    expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/^shop-eks +eks +shop\/orders +Pod Identity +Pod Identity +stay /m)
    expect(out).toMatch(/^shop-edge +other +shop\/batch +IRSA +broker +move /m)
    expect(out).toMatch(/^3 service account\(s\): 2 Pod Identity, 1 broker$/m)
  })

  step('a cluster that no context leads to is told, and the others are advised on', async () => {
    const kubeconfig = shop.desk.write('fleet.yaml', fleetKubeconfig())
    const fleet = '--cluster lost --cluster shop-eks --cluster shop-edge'
    const line = `advise --all ${fleet} --broker --ca-file ca.pem --kubeconfig ${kubeconfig}`
    const { code, err, out } = await shop.desk.run(line)
    expect([code, err]).toEqual([1, expect.stringContaining('cluster lost could not be read: ')])
    expect(err).toContain('context "lost"')
    expect(err).toContain('knows no cluster lost, nor the broker https://')
    expect(out).toMatch(/^3 service account\(s\): 2 Pod Identity, 1 broker$/m)
    const json = await shop.desk.run(`${line} -o json`)
    expect([json.code, JSON.parse(json.out)]).toMatchObject([
      1,
      { unread: [{ what: 'cluster lost', why: expect.any(String) }] },
    ])
    // Alone it is all that was asked for.
    const alone = await shop.desk.run('advise --all --cluster shop-eks --context lost')
    expect([alone.code, alone.out]).toEqual([1, ''])
    const mixed = await shop.desk.run(`advise --all ${fleet} --context shop-eks`)
    expect([mixed.code, mixed.out, mixed.err]).toEqual([
      1,
      '',
      expect.stringContaining('--context shop-eks is for one cluster alone'),
    ])
  })

  step('pods on Fargate are seen by the label that EKS gives them', async () => {
    const [before] = await advices('shop/orders --cluster shop-eks')
    expect(before?.way).toBe('pod-identity')
    await shop.eks.client.create<Pod>(PODS, {
      metadata: {
        namespace: 'shop',
        name: 'on-fargate',
        labels: { 'eks.amazonaws.com/fargate-profile': 'shop' },
      },
      spec: {
        serviceAccountName: 'orders',
        // No node has it, so the pod waits.
        nodeSelector: { 'example.com/nowhere': 'true' },
        containers: [{ name: 'main', image: 'shop' }],
      },
    })
    const [advice] = await advices('shop/orders --cluster shop-eks')
    expect(advice?.way).toBe('irsa')
    expect(advice?.arguments.map(({ code }) => code)).toContain('no-fargate')
  })

  step('what is unknown is refused with what is known', async () => {
    const need = await shop.desk.run('advise shop/x --need speed')
    expect(need).toMatchObject({ code: 1 })
    expect(need.err).toContain('known are session-tags, role-before-cluster')
    expect(await shop.desk.run('advise')).toMatchObject({ code: 1 })
    expect(await shop.desk.run('advise shop/x --all')).toMatchObject({ code: 1 })
  })
})

/** Both clusters' kubeconfigs in one, each context of its cluster's name. */
function fleetKubeconfig(): string {
  const parts = [shop.eks, shop.edge].map(({ cluster, name }) => {
    const one = Bun.YAML.parse(cluster.kubeconfig()) as {
      clusters: { cluster: object }[]
      users: { user: object }[]
    }
    return {
      cluster: { name, cluster: one.clusters[0]?.cluster },
      user: { name, user: one.users[0]?.user },
      context: { name, context: { cluster: name, user: name } },
    }
  })
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'shop-eks',
    clusters: parts.map(({ cluster }) => cluster),
    users: parts.map(({ user }) => user),
    contexts: parts.map(({ context }) => context),
  })
}
