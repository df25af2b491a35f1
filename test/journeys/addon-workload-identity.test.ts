/** `podrole addon … awsWorkloadIdentity` as typed, on EKS, and beside a webhook that is there. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { ListOpenIDConnectProvidersCommand } from '@aws-sdk/client-iam'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import type { ServiceAccount } from '../../src/kube/objects.ts'
import type { Ran } from '../support/podrole.ts'
import { type ShopJourney, startShopJourney } from '../support/shop-journey.ts'

const NAME = 'awsWorkloadIdentity'
const EDGE_ISSUER = 'https://edge.issuer.sandbox/clusters/edge'
const STEP_MS = 60_000

let shop: ShopJourney
const asked = new Set<string>()
beforeAll(async () => {
  shop = await startShopJourney()
  shop.wired.sandbox.aws.decisions.listen(({ action, caller }) => {
    // The cluster's own parts ask too: nodes and agents, as roles.
    if (/:user\/|:root$/.test(caller)) asked.add(action)
  })
  shop.desk.write('edge.kubeconfig', shop.edge.cluster.kubeconfig())
}, STEP_MS)
afterAll(() => shop.stop(), STEP_MS)

const step = (name: string, run: () => Promise<void>): void => test(name, run, STEP_MS)
const run = (line: string): Promise<Ran> => shop.desk.run(line)
const addon = (verb: string, cluster: string, more = ''): Promise<Ran> =>
  run(`addon ${verb} ${NAME} --cluster ${cluster}${more}`)
const EDGE = ' --kubeconfig edge.kubeconfig'

async function providers(): Promise<readonly string[]> {
  const answer = await shop.iam.send(new ListOpenIDConnectProvidersCommand({}))
  return (answer.OpenIDConnectProviderList ?? []).flatMap(({ Arn }) => Arn ?? [])
}

step('what is not enabled is told, with the command that does', async () => {
  for (const verb of ['disable', 'update']) {
    const { code, err } = await addon(verb, 'shop-eks')
    expect([verb, code, err]).toEqual([
      verb,
      1,
      expect.stringContaining(`podrole addon enable ${NAME} --cluster shop-eks`),
    ])
  }
  expect((await addon('status', 'shop-eks')).out).toMatch(/^status +not enabled$/m)
})

step('on EKS it is a provider and a record; the same again does nothing', async () => {
  const first = await addon('enable', 'shop-eks', ' -o json')
  expect([first.code, first.err]).toEqual([0, expect.stringContaining('EKS publishes its keys')])
  const made = JSON.parse(first.out) as { oidcProviderArn: string; steps: unknown[] }
  expect(await providers()).toEqual([made.oidcProviderArn])
  expect(made.steps).toContainEqual({
    step: 'webhook',
    isChange: false,
    lines: ["EKS's own, in its control plane: none is installed"],
  })
  const before = shop.writes.length
  expect((await addon('enable', 'shop-eks')).err).toContain('nothing was done')
  expect(shop.writes.slice(before)).toEqual([])
})

step(
  'another cluster than the kubeconfig leads to is refused, by EKS and by the record',
  async () => {
    const otherEks = await addon('enable', 'shop-edge')
    expect([otherEks.code, otherEks.err]).toEqual([
      1,
      expect.stringContaining('enabled as shop-eks'),
    ])
    const { code, err } = await run('cluster get other --kubeconfig kubeconfig')
    expect([code, err]).toEqual([1, expect.stringContaining('enabled as shop-eks, not as other')])
  },
)

step('a cluster is shown by its own record, or by its broker', async () => {
  const own = await run('cluster get shop-eks -o json --kubeconfig kubeconfig')
  expect([own.code, own.err]).toEqual([0, ''])
  const { status } = JSON.parse(own.out) as Shown
  expect(status.oidcProviderUrl).toStartWith('https://oidc.eks.us-east-1.amazonaws.com/id/')
  expect(status.addOns.awsWorkloadIdentity.trustPolicy.Statement[0]?.Condition).toMatchObject({
    StringEquals: {
      [`${status.oidcProviderUrl.replace('https://', '')}:sub`]:
        'system:serviceaccount:<NAMESPACE>:<SERVICE_ACCOUNT>',
    },
  })
  // The environment names the broker.
  const { code, err, out } = await run('cluster get shop-edge -o json --ca-file ca.pem')
  expect([code, err]).toEqual([0, ''])
  const ofBroker = JSON.parse(out) as Shown
  const issuer = shop.wired.brokers[0]?.issuer ?? ''
  expect(ofBroker).toMatchObject({ issuer: EDGE_ISSUER, status: { oidcProviderUrl: issuer } })
  const [statement] = ofBroker.status.addOns.awsWorkloadIdentity.trustPolicy.Statement
  expect(statement?.Action).toEqual(['sts:AssumeRoleWithWebIdentity', 'sts:TagSession'])
  expect(statement?.Condition.StringEquals).toMatchObject({
    [`${issuer.replace('https://', '')}:sub`]:
      'cluster:shop-edge:system:serviceaccount:<NAMESPACE>:<SERVICE_ACCOUNT>',
  })
})

interface Shown {
  readonly status: {
    readonly oidcProviderUrl: string
    readonly addOns: {
      readonly awsWorkloadIdentity: {
        readonly trustPolicy: {
          readonly Statement: readonly {
            readonly Action: unknown
            readonly Condition: { readonly StringEquals: Readonly<Record<string, unknown>> }
          }[]
        }
      }
    }
  }
}

step('an issuer that STS does not see is refused before the cluster is changed', async () => {
  const { code, err } = await addon('enable', 'shop-edge', EDGE)
  expect([code, err]).toEqual([1, expect.stringContaining(`STS could not use ${EDGE_ISSUER}`)])
  const wrong = await addon(
    'enable',
    'shop-edge',
    `${EDGE} --issuer https://example.com --no-check`,
  )
  expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining('byte for byte')])
  expect((await addon('status', 'shop-edge', EDGE)).out).toMatch(/^status +not enabled$/m)
})

step('off EKS keys are published where it is said; a webhook that is there stays', async () => {
  const more = `${EDGE} --to s3://edge-keys/e1 --create-bucket --no-check`
  const { code, err } = await addon('enable', 'shop-edge', more)
  expect([code, err]).toEqual([0, expect.stringContaining('published at s3://edge-keys/e1')])
  expect(err).toContain('the add-on did not make it: it stays as it is')
  const annotations = { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::111122223333:role/x' }
  const metadata = { namespace: 'shop', name: 'annotated', annotations }
  await shop.edge.client.create<ServiceAccount>(SERVICE_ACCOUNTS, { metadata })
  const listed = await run(`addon list --cluster shop-edge${EDGE}`)
  expect([listed.code, listed.out]).toEqual([
    0,
    expect.stringMatching(/^awsWorkloadIdentity +- +enabled/m),
  ])
  // The other webhook goes on for it, so that nobody loses anything.
  const gone = await addon('disable', 'shop-edge', `${EDGE} -o json`)
  expect([gone.code, JSON.parse(gone.out)]).toMatchObject([0, { lost: [] }])
  expect((await providers()).length).toBe(2)
  expect((await run(`addon list --cluster shop-edge${EDGE}`)).code).toBe(1)
})

test('the table of the page has what AWS was asked for', () => {
  const page = readFileSync(
    join(import.meta.dir, '../../docs/operating/workload-identity.md'),
    'utf8',
  )
  const [, table = ''] = /^## What it needs$([^]*)/m.exec(page) ?? []
  const told = [...table.matchAll(/`([a-z0-9]+:[A-Z]\w+)`/g)].map(([, action = '']) => action)
  const settings = /^sts:|^s3:(?!GetObject$|PutObject$)|^eks:(?!DescribeCluster$)/
  // What AWS also wants of who makes with tags, and of who finds a bucket with documents.
  const more = ['iam:TagOpenIDConnectProvider', 's3:GetObject']
  const seen = [...asked].filter((action) => !settings.test(action))
  expect([...new Set([...seen, ...more])].sort()).toEqual(told.sort())
})

step('options of the other add-on are refused', async () => {
  const { code, err } = await addon('enable', 'shop-eks', ' --addon-version latest')
  expect([code, err]).toEqual([
    1,
    expect.stringContaining('--addon-version is not for this add-on'),
  ])
  const agent = await run('addon enable eks-pod-identity-agent --cluster shop-eks --to s3://x')
  expect([agent.code, agent.err]).toEqual([1, expect.stringContaining('--to is not for this')])
})
