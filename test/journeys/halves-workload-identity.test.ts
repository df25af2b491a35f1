/** The halves of an apply that enables awsWorkloadIdentity on clusters that are not EKS. */
import { IAMClient, ListOpenIDConnectProvidersCommand } from '@aws-sdk/client-iam'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import type { WiredSandbox } from '../../src/cli/parts/wired-sandbox.ts'
import { type Desk, openDesk, type Ran } from '../support/podrole.ts'
import { startQuietSandbox } from '../support/quiet-sandbox.ts'

const STEP_MS = 60_000
const ACCOUNT = '111122223333'
const REGION = 'us-east-1'
const ISSUER = `https://s3.${REGION}.amazonaws.com/edge-keys/e1`
const PROVIDER = `arn:aws:iam::${ACCOUNT}:oidc-provider/${ISSUER.slice('https://'.length)}`
const NOTHING = 'Nothing to do: everything is as the files say.\n'
const ADDON = '[{ name: awsWorkloadIdentity }]'

let wired: WiredSandbox
let desk: Desk
let iam: IAMClient

const fileOf = (name: string, issuer: string | undefined, addons = ADDON): string =>
  `apiVersion: podrole.dev/v1alpha1
kind: Cluster
metadata: { name: ${name}, region: ${REGION}, accountID: "${ACCOUNT}" }
${issuer === undefined ? '' : `issuer: { url: '${issuer}' }\n`}addons: ${addons}
`

const WITHOUT_BROKER = 'unset PODROLE_BROKER_URL PODROLE_BROKER_KEY_FILE'
/** Whoever has AWS has no kubeconfig; whoever has a cluster no credentials. */
const asAws = (line: string): Promise<Ran> =>
  desk.shell(
    `${WITHOUT_BROKER} KUBECONFIG; export HOME=/nonexistent XDG_STATE_HOME=$PWD/state-aws; podrole ${line}`,
  )
const asKubernetes = (line: string, cluster = 'edge'): Promise<Ran> =>
  desk.shell(
    `${WITHOUT_BROKER} AWS_PROFILE AWS_SHARED_CREDENTIALS_FILE AWS_CONFIG_FILE AWS_REGION
    export AWS_EC2_METADATA_DISABLED=true HOME=/nonexistent XDG_STATE_HOME=$PWD/state-kube
    export KUBECONFIG=${cluster}.kubeconfig; podrole ${line}`,
  )
const whole = (line: string): Promise<Ran> =>
  desk.shell(`${WITHOUT_BROKER}; export KUBECONFIG=edge.kubeconfig; podrole ${line}`)
const providers = async (): Promise<readonly string[]> =>
  (
    (await iam.send(new ListOpenIDConnectProvidersCommand({}))).OpenIDConnectProviderList ?? []
  ).flatMap(({ Arn = '' }) => (Arn.includes('edge-keys') ? Arn : []))
const status = async (): Promise<string> =>
  /^status +(.*)$/m.exec(
    (await whole('addon status awsWorkloadIdentity --cluster edge')).out,
  )?.[1] ?? ''

beforeAll(async () => {
  const common = { region: REGION, kind: 'self-managed' } as const
  wired = await startQuietSandbox({
    accountIds: [ACCOUNT],
    region: REGION,
    clusters: [
      { ...common, name: 'edge', issuer: ISSUER },
      { ...common, name: 'inner', issuer: 'https://kubernetes.default.svc.cluster.local' },
    ],
  })
  const { sandbox } = wired
  desk = openDesk(wired, { profiles: { shop: ACCOUNT }, issuers: [ISSUER] })
  for (const [name, { cluster }] of sandbox.clusters) {
    desk.write(`${name}.kubeconfig`, cluster.kubeconfig())
  }
  desk.write('edge.yaml', fileOf('edge', ISSUER))
  desk.write('unnamed.yaml', fileOf('edge', undefined))
  desk.write('mk8s.yaml', 'kind: mk8s\nname: edge\nspec: { addOns: { awsWorkloadIdentity: {} } }\n')
  const { accessKeyId, secretAccessKey } = sandbox.aws.adminCredentials()
  const credentials = { accessKeyId, secretAccessKey: secretAccessKey.reveal() }
  iam = new IAMClient({ region: REGION, endpoint: sandbox.endpoint, credentials })
}, STEP_MS)
afterAll(async () => {
  desk.remove()
  await wired.stop()
}, STEP_MS)

test(
  "AWS's half of a file that names no issuer says so, and what to do",
  async () => {
    for (const file of ['unnamed.yaml', 'mk8s.yaml']) {
      const { code, out } = await asAws(`plan -f ${file} --aws-only`)
      expect([file, code, out]).toEqual([
        file,
        1,
        expect.stringContaining(
          'the issuer of cluster edge is not known: its API server tells it, which was not asked, and the file names none',
        ),
      ])
      expect(out).not.toContain('nobody')
      expect(out).toContain('podrole plan -f FILE --out PLANFILE')
    }
    const applied = await asAws('apply -f unnamed.yaml --aws-only --yes')
    expect([applied.code, await providers()]).toEqual([1, []])
  },
  STEP_MS,
)

test(
  'an issuer that STS cannot reach is refused in the half of the cluster too',
  async () => {
    desk.write('inner.yaml', fileOf('inner', undefined))
    const { code, out } = await asKubernetes('plan -f inner.yaml --kubernetes-only', 'inner')
    expect([code, out]).toEqual([1, expect.stringContaining('which STS cannot reach')])
  },
  STEP_MS,
)

test(
  'keys that are published nowhere end the half of the cluster, before it is changed',
  async () => {
    const { code, err } = await asKubernetes('apply -f edge.yaml --kubernetes-only --yes')
    expect([code, err]).toEqual([1, expect.stringMatching(/edge-keys/)])
    expect(await status()).toBe('not enabled')
  },
  STEP_MS,
)

test(
  'halves of files: the provider by whoever has AWS, the rest by whoever has the cluster',
  async () => {
    const keys = await whole(
      'issuer publish --from-api-server --to s3://edge-keys/e1 --create-bucket',
    )
    expect([keys.code, keys.err]).toEqual([0, expect.any(String)])
    const aws = await asAws('apply -f edge.yaml --aws-only --yes')
    expect([aws.code, aws.err]).toEqual([0, expect.any(String)])
    expect(aws.out).toContain('Kubernetes was not looked at')
    expect([await providers(), await status()]).toEqual([[PROVIDER], 'not enabled'])
    const cluster = await asKubernetes('apply -f edge.yaml --kubernetes-only --resume --yes')
    expect([cluster.code, cluster.err]).toEqual([0, expect.any(String)])
    expect(await status()).toBe('enabled')
    for (const again of [
      await asAws('plan -f edge.yaml --aws-only'),
      await asKubernetes('plan -f edge.yaml --kubernetes-only'),
      await whole('plan -f edge.yaml'),
    ]) {
      expect([again.code, again.out]).toEqual([0, NOTHING])
    }
  },
  STEP_MS,
)

test(
  'without it in the file the half of the cluster takes it away, and AWS keeps the provider',
  async () => {
    desk.write('without.yaml', fileOf('edge', ISSUER, '[]'))
    const aws = await asAws('apply -f without.yaml --aws-only --yes')
    expect([aws.code, await status()]).toEqual([0, 'enabled'])
    const { code, err } = await asKubernetes('apply -f without.yaml --kubernetes-only --yes')
    expect([code, err]).toEqual([0, expect.any(String)])
    expect([await providers(), await status()]).toEqual([[PROVIDER], 'not enabled'])
  },
  STEP_MS,
)

test(
  'halves of a plan file need no issuer in the file',
  async () => {
    const planned = await whole('plan -f unnamed.yaml --out plan.json')
    expect([planned.code, planned.err]).toEqual([0, expect.any(String)])
    const cluster = await asKubernetes('apply plan.json --kubernetes-only --yes')
    expect([cluster.code, cluster.err]).toEqual([0, expect.any(String)])
    expect(await status()).toBe('enabled')
    const aws = await asAws('apply plan.json --aws-only --yes')
    expect([aws.code, aws.out]).toEqual([0, expect.any(String)])
    expect((await whole('plan -f unnamed.yaml')).out).toBe(NOTHING)
  },
  STEP_MS,
)
