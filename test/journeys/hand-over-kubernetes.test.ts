/**
 * `podrole apply --hand-over` as typed: somebody with AWS who only reads in the cluster applies,
 * somebody who has the cluster runs the files with kubectl, and the apply ends whole.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { CLUSTER_ROLE_BINDINGS, SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import type { ServiceAccount } from '../../src/kube/objects.ts'
import { CLUSTER, type EksSandbox, REGION, startEksSandbox } from '../support/eks-sandbox.ts'
import { findKubernetes } from '../support/kubernetes-binaries.ts'
import type { Ran } from '../support/podrole.ts'
import { lacks } from '../support/tools.ts'

const STEP_MS = 240_000
const NOTHING = 'Nothing to do: everything is as the files say.\n'
const READ_S3 = 'arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess'

const kubernetes = await findKubernetes()
const hasNoKubectl = lacks('steps run by kubectl', kubernetes.missing)

let here: EksSandbox

beforeAll(async () => {
  here = await startEksSandbox()
  const { client, cluster } = here.cluster
  const reader = { namespace: 'default', name: 'reader' }
  await client.create<ServiceAccount>(SERVICE_ACCOUNTS, { metadata: reader })
  await client.create(CLUSTER_ROLE_BINDINGS, {
    metadata: { name: 'reader' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
    subjects: [{ kind: 'ServiceAccount', ...reader }],
  })
  const token = await client.createToken(reader, { audiences: [], expirationSeconds: 3600 })
  const config = JSON.parse(cluster.kubeconfig()) as { users: { user: object }[] }
  const users = config.users.map((one) => ({ ...one, user: { token } }))
  here.desk.write('reader.kubeconfig', JSON.stringify({ ...config, users }))
}, STEP_MS)
afterAll(() => here.stop(), STEP_MS)

const writeFile = (serviceAccounts: readonly object[]): void => {
  const metadata = { name: CLUSTER, region: REGION }
  const iam = { withOIDC: true, serviceAccounts }
  const file = { apiVersion: 'eksctl.io/v1alpha5', kind: 'ClusterConfig', metadata, iam }
  here.desk.write('cluster.yaml', JSON.stringify(file))
}
const account = (name: string, roleName?: string): object => ({
  metadata: { namespace: 'shop', name },
  attachPolicyARNs: [READ_S3],
  ...(roleName !== undefined && { roleName }),
})
const asReader = (line: string): Promise<Ran> =>
  here.desk.shell(`export KUBECONFIG=reader.kubeconfig; exec podrole ${line}`)
/** Whoever has the cluster, with kubectl. */
const asAdmin = (line: string): Promise<Ran> =>
  here.desk.shell(`export PATH="${kubernetes.folder ?? ''}${delimiter}$PATH"; ${line}`)
const inputs = (folder: string): readonly string[] =>
  readdirSync(join(here.desk.folder, folder))
    .filter((name) => /^\d{3}-.*\.json$/.test(name))
    .sort()
const script = (folder: string): string =>
  readFileSync(join(here.desk.folder, folder, 'run.sh'), 'utf8')

/** Applies as the reader while somebody runs what is in the folder; what came of it. */
async function applyBetween(folder: string): Promise<Ran> {
  const applying = asReader(
    `apply -f cluster.yaml --yes --force --hand-over ${folder} --hand-over-timeout 1m`,
  )
  for (let runs = 0; runs < 200; runs += 1) {
    const end = await Promise.race([applying, Bun.sleep(300)])
    if (end !== undefined) return end
    const ran = await asAdmin(`if [ -e ${folder}/run.sh ]; then sh ${folder}/run.sh >&2; fi`)
    expect([ran.code, ran.err]).toEqual([0, expect.any(String)])
  }
  throw new Error('the apply did not end')
}
const expectNothing = async (): Promise<void> => {
  expect((await here.desk.run('plan -f cluster.yaml')).out).toBe(NOTHING)
}

test.skipIf(hasNoKubectl)(
  'a namespace and service accounts that Kubernetes refuses are handed over, and awaited',
  async () => {
    writeFile([account('reports'), account('audit')])
    const { code, err, out } = await applyBetween('first')
    expect([code, err]).toEqual([
      0,
      expect.stringContaining('for somebody who may do them: first/'),
    ])
    expect(out).toContain(' done.\n')
    expect(inputs('first')).toEqual([
      '001-create-namespace.json',
      '002-create-service-account.json',
      '003-create-service-account.json',
    ])
    expect(script('first')).toContain(
      'step 002-create-service-account kubectl create -f 002-create-service-account.json\n',
    )
    expect(err).toContain('no lease keeps other applies out')
    await expectNothing()
  },
  STEP_MS,
)

test.skipIf(hasNoKubectl)(
  'so are the change of a role and what goes, in their order beside the steps of AWS',
  async () => {
    writeFile([account('reports', 'reports-now')])
    const { code, err } = await applyBetween('second')
    expect([code, err]).toEqual([0, expect.any(String)])
    expect(inputs('second')).toEqual([expect.stringContaining('-patch-service-account.json')])
    expect(script('second')).toContain('kubectl delete serviceaccount audit --namespace shop\n')
    await expectNothing()
  },
  STEP_MS,
)

test(
  'what nobody does in time is told, and nothing of it is done',
  async () => {
    writeFile([account('reports', 'reports-now'), account('late')])
    const { code, out } = await asReader(
      'apply -f cluster.yaml --yes --hand-over third --hand-over-timeout 1s',
    )
    expect([code, out]).toEqual([1, expect.stringContaining('handed over: create-service-account')])
    expect(inputs('third')).toEqual(['001-create-service-account.json'])
    const late = JSON.parse(
      readFileSync(join(here.desk.folder, 'third', inputs('third')[0] ?? ''), 'utf8'),
    ) as ServiceAccount
    expect(late).toMatchObject({
      kind: 'ServiceAccount',
      metadata: { namespace: 'shop', name: 'late', labels: {} },
    })
  },
  STEP_MS,
)
