/** podrole where AWS and the cluster are reached through a proxy alone, and a cluster that is private. */
import { UpdateClusterConfigCommand } from '@aws-sdk/client-eks'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { CLUSTER, type EksSandbox, REGION, startEksSandbox } from '../support/eks-sandbox.ts'
import { type ConnectProxy, startConnectProxy, startTlsFront } from '../support/connect-proxy.ts'
import type { Ran } from '../support/podrole.ts'

const STEP_MS = 120_000
const NOTHING = 'Nothing to do: everything is as the files say.\n'
/** Names that no resolver has. */
const AWS = 'aws.podrole.example'
const API = 'api.podrole.example'

let here: EksSandbox
let proxy: ConnectProxy
let front: { readonly port: number; stop(): void }

beforeAll(async () => {
  here = await startEksSandbox()
  const { authority, endpoint } = here.sandbox
  front = await startTlsFront(
    await authority.issue({ names: [AWS] }),
    Number(new URL(endpoint).port),
  )
  const apiPort = Number(new URL(here.cluster.cluster.server).port)
  proxy = await startConnectProxy({ [`${AWS}:443`]: front.port, [`${API}:6443`]: apiPort })
  const metadata = { name: CLUSTER, region: REGION }
  const orders = { namespace: 'shop', serviceAccountName: 'orders', createServiceAccount: true }
  const associations = [
    { ...orders, permissionPolicyARNs: ['arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess'] },
  ]
  here.desk.write(
    'cluster.yaml',
    JSON.stringify({
      apiVersion: 'eksctl.io/v1alpha5',
      kind: 'ClusterConfig',
      metadata,
      iam: { withOIDC: true, podIdentityAssociations: associations },
    }),
  )
  writeKubeconfig({ 'tls-server-name': 'localhost' })
}, STEP_MS)
afterAll(async () => {
  proxy.stop()
  front.stop()
  await here.stop()
}, STEP_MS)

/** The cluster by a name behind the proxy, with these settings in place of its own. */
function writeKubeconfig(settings: Readonly<Record<string, unknown>>): void {
  const file = parse(here.cluster.cluster.kubeconfig()) as {
    clusters: { cluster: Record<string, unknown> }[]
  }
  for (const { cluster } of file.clusters) {
    Object.assign(cluster, { server: `https://${API}:6443`, ...settings })
  }
  here.desk.write('behind.yaml', stringify(file, { keepUndefined: false }))
}

const HEAD = `unset HTTPS_PROXY https_proxy NO_PROXY no_proxy HTTP_PROXY http_proxy; export NODE_EXTRA_CA_CERTS=$PWD/ca.pem AWS_MAX_ATTEMPTS=1`
const run = (settings: string, line: string): Promise<Ran> =>
  here.desk.shell(`${HEAD} ${settings}; podrole ${line}`)
const BEHIND = `KUBECONFIG=behind.yaml AWS_ENDPOINT_URL=https://${AWS}`

test(
  'HTTPS_PROXY leads to AWS and to the cluster, whose certificate has another name',
  async () => {
    const settings = `${BEHIND} HTTPS_PROXY=${proxy.url.replace('//', '//me:hidden@')}`
    const { code, err } = await run(settings, 'apply -f cluster.yaml --yes')
    expect([code, err]).toEqual([0, expect.any(String)])
    expect(err).not.toContain('hidden')
    expect(new Set(proxy.tunnels)).toEqual(new Set([`${AWS}:443`, `${API}:6443`]))
    expect(new Set(proxy.authorizations)).toEqual(new Set([`Basic ${btoa('me:hidden')}`]))
    expect((await run(settings, 'plan -f cluster.yaml')).out).toBe(NOTHING)
  },
  STEP_MS,
)

test(
  'NO_PROXY keeps both away from it, and nothing goes there on loopback',
  async () => {
    const before = proxy.tunnels.length
    const away = await run(
      `${BEHIND} HTTPS_PROXY=${proxy.url} NO_PROXY=.podrole.example`,
      'plan -f cluster.yaml',
    )
    expect([away.code, away.err]).toEqual([1, expect.stringContaining('AWS cannot be reached')])
    const local = await run(
      `HTTPS_PROXY=${proxy.url} HTTP_PROXY=${proxy.url}`,
      'plan -f cluster.yaml',
    )
    expect([local.code, local.out]).toEqual([0, NOTHING])
    expect(proxy.tunnels.slice(before)).toEqual([])
  },
  STEP_MS,
)

test(
  "a kubeconfig's proxy-url leads to its cluster alone, whatever NO_PROXY says",
  async () => {
    const before = proxy.tunnels.length
    writeKubeconfig({ 'tls-server-name': 'localhost', 'proxy-url': proxy.url })
    const settings = "KUBECONFIG=behind.yaml NO_PROXY='*'"
    const { code, err, out } = await run(settings, 'plan -f cluster.yaml')
    expect([code, err, out]).toEqual([0, expect.any(String), NOTHING])
    expect(new Set(proxy.tunnels.slice(before))).toEqual(new Set([`${API}:6443`]))
    writeKubeconfig({ 'proxy-url': 'socks5://127.0.0.1:1080' })
    const socks = await run(settings, 'plan -f cluster.yaml')
    expect([socks.code, socks.err]).toEqual([1, expect.stringContaining('SOCKS5 proxy')])
    writeKubeconfig({ 'proxy-url': 'http://127.0.0.1:1' })
    const dead = await run(settings, 'plan -f cluster.yaml')
    expect([dead.code, dead.err]).toEqual([
      1,
      expect.stringContaining('through the proxy 127.0.0.1:1'),
    ])
  },
  STEP_MS,
)

test(
  'a certificate of another name is refused, but where nothing is to be checked, which is told',
  async () => {
    writeKubeconfig({ 'proxy-url': proxy.url })
    const wrong = await run('KUBECONFIG=behind.yaml', 'plan -f cluster.yaml')
    expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining('ALTNAME')])
    const unsafely = { 'proxy-url': proxy.url, 'insecure-skip-tls-verify': true }
    writeKubeconfig(unsafely)
    const both = await run('KUBECONFIG=behind.yaml', 'plan -f cluster.yaml')
    expect([both.code, both.err]).toEqual([1, expect.stringContaining('beside a certificate')])
    writeKubeconfig({ ...unsafely, 'certificate-authority-data': undefined })
    const unsafe = await run('KUBECONFIG=behind.yaml', 'plan -f cluster.yaml')
    expect([unsafe.code, unsafe.out]).toEqual([0, NOTHING])
    expect(unsafe.err.match(/unsafe: insecure-skip-tls-verify/g)?.length).toBe(1)
  },
  STEP_MS,
)

test(
  'a private API server is named as such, with the ways in; AWS alone goes on',
  async () => {
    writeKubeconfig({})
    const lost = await run('KUBECONFIG=behind.yaml', 'plan -f cluster.yaml')
    expect([lost.code, lost.err]).toEqual([1, expect.stringContaining('cannot be reached')])
    expect(lost.err).not.toContain('endpointPublicAccess')
    const resourcesVpcConfig = { endpointPublicAccess: false, endpointPrivateAccess: true }
    await here.eks.send(new UpdateClusterConfigCommand({ name: CLUSTER, resourcesVpcConfig }))
    const closed = await run('KUBECONFIG=behind.yaml', 'plan -f cluster.yaml')
    expect([closed.code, closed.err]).toEqual([1, expect.stringContaining('endpointPublicAccess')])
    for (const way of ['VPN', 'proxy-url', 'bastion', '--aws-only', 'runner inside']) {
      expect(closed.err).toContain(way)
    }
    const half = await run('KUBECONFIG=behind.yaml', 'plan -f cluster.yaml --aws-only')
    expect([half.code, half.out]).toEqual([0, NOTHING])
    const out = await run('', 'plan -f cluster.yaml --out plan.json')
    expect([out.code, out.err]).toEqual([0, expect.any(String)])
    expect(readFileSync(join(here.desk.folder, 'plan.json'), 'utf8')).toContain('"isPrivate": true')
  },
  STEP_MS,
)
