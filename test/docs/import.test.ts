/**
 * docs/operating/import.md: its commands run as they are typed, in its order, and its table has
 * the actions that AWS was asked for meanwhile.
 */
import { CreateAddonCommand, waitUntilAddonActive } from '@aws-sdk/client-eks'
import { AttachRolePolicyCommand, CreatePolicyCommand } from '@aws-sdk/client-iam'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pageBlocks } from '../support/page-commands.ts'
import { ROLES, type ShopJourney, startShopJourney } from '../support/shop-journey.ts'

const PAGE = 'operating/import.md'
const TEXT = readFileSync(join(import.meta.dir, '..', '..', 'docs', PAGE), 'utf8')
const LINES = pageBlocks(PAGE, 'sh').flatMap((block) =>
  block.split('\n').filter((line) => line !== ''),
)
const STEP_MS = 120_000
const NOTHING = 'Nothing to do: everything is as the files say.\n'
const EDGE = `apiVersion: podrole.dev/v1alpha1
kind: Cluster
metadata: { name: shop-edge, region: us-east-1 }
broker: { url: https://broker.example.com }
iam:
  podIdentityAssociations:
    - namespace: shop
      serviceAccountName: orders
      createServiceAccount: true
      permissionPolicyARNs: [arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess]
`

let shop: ShopJourney
const asked = new Set<string>()
let isOfPage = true

beforeAll(async () => {
  shop = await startShopJourney()
  const { desk } = shop
  const kubeconfig = shop.edge.cluster.kubeconfig().replaceAll('"admin"', '"edge-admin"')
  desk.write('edge.kubeconfig', kubeconfig)
  desk.write('edge.yaml', EDGE)
  for (const name of ['ci', 'driver']) await shop.makeRole(name)
  const Statement = [{ Effect: 'Allow', Action: 's3:GetObject', Resource: '*' }]
  const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement })
  const { Policy } = await shop.iam.send(
    new CreatePolicyCommand({ PolicyName: 'reads', PolicyDocument }),
  )
  const attached = { RoleName: 'ci', PolicyArn: Policy?.Arn }
  await shop.iam.send(new AttachRolePolicyCommand(attached))
  const at = { clusterName: 'shop-eks', addonName: 'aws-ebs-csi-driver' }
  await shop.eksApi.send(
    new CreateAddonCommand({ ...at, serviceAccountRoleArn: `${ROLES}/driver` }),
  )
  await waitUntilAddonActive({ client: shop.eksApi, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, at)
  for (const line of [
    `issuer provider create --issuer ${shop.wired.brokers[0]?.issuer ?? ''}`,
    `access-entry create ${ROLES}/ci --cluster shop-eks`,
    `association create shop/stock --cluster shop-eks --role-arn ${ROLES}/ci`,
    'apply -f edge.yaml --yes --broker --ca-file ca.pem --kubeconfig edge.kubeconfig',
  ]) {
    const { code, err, out } = await desk.run(line)
    if (code !== 0) expect({ line, err, out }).toEqual({ line, err: '', out: '' })
  }
  shop.wired.sandbox.aws.decisions.listen(({ action, caller }) => {
    // The cluster's own parts ask too: nodes and agents, as roles; applying is not of this page.
    if (isOfPage && action !== 'sts:GetCallerIdentity' && /:user\/|:root$/.test(caller))
      asked.add(action)
  })
}, STEP_MS)
afterAll(() => shop.stop(), STEP_MS)

test('it has commands, all of podrole', () => {
  expect(LINES.length).toBeGreaterThan(6)
  expect(LINES.filter((line) => !line.startsWith('podrole '))).toEqual([])
})

for (const line of LINES) {
  test(
    line,
    async () => {
      const before = shop.writes.length
      const { code, err, out } = await shop.desk.shell(line)
      expect({ code, err, out }).toMatchObject({ code: 0 })
      if (line.includes(' plan ')) expect(out).toBe(NOTHING)
      else if (!line.includes(' > ')) expect(out).toMatch(/^kind: Cluster/m)
      expect(shop.writes.slice(before)).toEqual([])
    },
    STEP_MS,
  )
}

test(
  'the file of a cluster on a broker goes on as the maker of its role, and plans to nothing',
  async () => {
    const places = '--broker --ca-file ca.pem --kubeconfig edge.kubeconfig'
    const { code, out } = await shop.desk.run(`import --as yaml --cluster shop-edge ${places}`)
    expect(code).toBe(0)
    expect(out).toContain('permissionPolicyARNs:')
    expect(out).toContain(shop.desk.environment['PODROLE_BROKER_URL'] ?? 'no broker')
    shop.desk.write('edge-imported.yaml', out)
    const planned = await shop.desk.run(`plan -f edge-imported.yaml ${places}`)
    expect(planned).toMatchObject({ code: 0, out: NOTHING })
  },
  STEP_MS,
)

test(
  'so is the one of a cluster with an issuer of its own and no broker',
  async () => {
    isOfPage = false
    const { desk } = shop
    const issuer = 'https://edge.issuer.sandbox/clusters/edge'
    desk.write(
      'own.yaml',
      `apiVersion: podrole.dev/v1alpha1
kind: Cluster
metadata: { name: shop-edge, region: us-east-1 }
issuer: { url: "${issuer}" }
iam:
  withOIDC: true
  serviceAccounts:
    - metadata: { name: reports, namespace: shop }
      attachPolicyARNs: [arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess]
`,
    )
    const applied = await desk.run('apply -f own.yaml --yes --kubeconfig edge.kubeconfig')
    expect(applied).toMatchObject({ code: 0 })
    const { code, err, out } = await desk.run(
      `import --as yaml --cluster shop-edge --issuer ${issuer} --kubeconfig edge.kubeconfig`,
    )
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toContain('attachPolicyARNs:')
    desk.write('own-imported.yaml', out)
    const planned = await desk.run('plan -f own-imported.yaml --kubeconfig edge.kubeconfig')
    expect(planned).toMatchObject({ code: 0, out: NOTHING })
    const many = await desk.run(`import --as yaml --cluster a --cluster b --issuer ${issuer}`)
    expect(many).toMatchObject({ code: 1, out: '' })
  },
  STEP_MS,
)

test('the table has what AWS was asked for', () => {
  const told = [...TEXT.matchAll(/^\| .* \| (.*) \|$/gm)].flatMap(([, actions = '']) =>
    [...actions.matchAll(/`([a-z]+:\w+)`/g)].map(([, action]) => action ?? ''),
  )
  expect(told.sort()).toEqual([...asked].sort())
})
