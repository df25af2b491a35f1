/** podrole where a broker is reached through a proxy alone. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { type ConnectProxy, startConnectProxy } from '../support/connect-proxy.ts'
import type { Ran } from '../support/podrole.ts'
import { REGION, type ShopJourney, startShopJourney } from '../support/shop-journey.ts'

const STEP_MS = 120_000
const NOTHING = 'Nothing to do: everything is as the files say.\n'
/** A name of the broker's certificate that no resolver has. */
const BROKER = 'fleet.issuer.sandbox'

let shop: ShopJourney
let proxy: ConnectProxy

beforeAll(async () => {
  shop = await startShopJourney()
  const port = Number(new URL(shop.wired.brokers[0]?.endpoint.url ?? '').port)
  proxy = await startConnectProxy({ [`${BROKER}:443`]: port })
  shop.desk.write('edge.kubeconfig', shop.edge.cluster.kubeconfig())
  const READ = 'permissionPolicyARNs: [arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess]'
  shop.desk.write(
    'edge.yaml',
    `apiVersion: podrole.dev/v1alpha1
kind: Cluster
metadata: { name: shop-edge, region: ${REGION} }
broker: { url: 'https://${BROKER}' }
iam:
  podIdentityAssociations:
    - { namespace: shop, serviceAccountName: orders, createServiceAccount: true, ${READ} }
`,
  )
  const issuer = shop.wired.brokers[0]?.issuer ?? ''
  const made = await shop.desk.run(`issuer provider create --issuer ${issuer}`)
  expect([made.code, made.err]).toEqual([0, expect.any(String)])
}, STEP_MS)
afterAll(async () => {
  proxy.stop()
  await shop.stop()
}, STEP_MS)

const run = (settings: string, line: string): Promise<Ran> =>
  shop.desk.shell(
    `unset HTTPS_PROXY https_proxy NO_PROXY no_proxy HTTP_PROXY http_proxy
    export KUBECONFIG=edge.kubeconfig ${settings}; podrole ${line} --ca-file ca.pem`,
  )

test(
  "HTTPS_PROXY leads to the broker's own API and to its associations",
  async () => {
    const settings = `HTTPS_PROXY=${proxy.url.replace('//', '//me:hidden@')}`
    const listed = await run(settings, `cluster list --broker https://${BROKER}`)
    expect([listed.code, listed.err, listed.out]).toEqual([
      0,
      '',
      expect.stringContaining('shop-edge'),
    ])
    const applied = await run(settings, 'apply -f edge.yaml --yes')
    expect([applied.code, applied.err]).toEqual([0, expect.any(String)])
    expect(applied.err).not.toContain('hidden')
    expect((await run(settings, 'plan -f edge.yaml')).out).toBe(NOTHING)
    const shown = await run(
      settings,
      `association list --cluster shop-edge --broker https://${BROKER}`,
    )
    expect([shown.code, shown.out]).toEqual([0, expect.stringContaining('orders')])
    expect(new Set(proxy.tunnels)).toEqual(new Set([`${BROKER}:443`]))
    expect(new Set(proxy.authorizations)).toEqual(new Set([`Basic ${btoa('me:hidden')}`]))
  },
  STEP_MS,
)

test(
  'NO_PROXY keeps it away, and a broker on loopback is reached without one',
  async () => {
    const before = proxy.tunnels.length
    for (const line of [
      `cluster list --broker https://${BROKER}`,
      `association list --cluster shop-edge --broker https://${BROKER}`,
    ]) {
      const away = await run(`HTTPS_PROXY=${proxy.url} NO_PROXY=.issuer.sandbox`, line)
      expect([line, away.code]).toEqual([line, 1])
      expect(away.err).toContain(`https://${BROKER} cannot be reached (`)
    }
    const local = shop.wired.brokers[0]?.endpoint.url ?? ''
    for (const line of [
      `cluster list --broker ${local}`,
      `association list --cluster shop-edge --broker ${local}`,
    ]) {
      const { code, err } = await run(`HTTPS_PROXY=${proxy.url} HTTP_PROXY=${proxy.url}`, line)
      expect([line, code, err]).toEqual([line, 0, ''])
    }
    expect(proxy.tunnels.slice(before)).toEqual([])
  },
  STEP_MS,
)
