/** `podrole plan|apply` with a kubeconfig of another cluster, and through a tunnel. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { connect, createServer } from 'node:net'
import { SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import type { Plan } from '../../src/manage/plan/plan.ts'
import { CLUSTER, type EksSandbox, REGION, startEksSandbox } from '../support/eks-sandbox.ts'

const STEP_MS = 60_000
let here: EksSandbox
beforeAll(async () => {
  here = await startEksSandbox({ moreClusters: ['green'] })
  here.desk.write(
    'cluster.yaml',
    `apiVersion: eksctl.io/v1alpha5
kind: ClusterConfig
metadata: { name: ${CLUSTER}, region: ${REGION} }
iam:
  podIdentityAssociations:
    - { namespace: default, serviceAccountName: orders, createServiceAccount: true, permissionPolicyARNs: [arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess] }
`,
  )
  here.desk.write(
    'green.kubeconfig',
    here.sandbox.clusters.get('green')?.cluster.kubeconfig() ?? '',
  )
}, STEP_MS)
afterAll(() => here.stop(), STEP_MS)

const accounts = async (name: string): Promise<readonly string[]> => {
  const kube = here.sandbox.clusters.get(name)?.client
  const { items = [] } = (await kube?.list(SERVICE_ACCOUNTS, { namespace: 'default' })) ?? {}
  return items.map(({ metadata: { name = '' } }) => name).sort()
}

test(
  "another cluster's is refused before the first step, and the plan says why",
  async () => {
    const plan = await here.desk.run('plan -f cluster.yaml --kubeconfig green.kubeconfig -o json')
    expect(plan.code).toBe(1)
    expect(JSON.parse(plan.out) as Plan).toMatchObject({
      steps: [],
      refusals: [
        {
          code: 'OtherCluster',
          text: expect.stringMatching(/another cluster than blue: .*issuer/),
        },
      ],
    })
    const applied = await here.desk.run('apply -f cluster.yaml --kubeconfig green.kubeconfig --yes')
    expect([applied.code, applied.out]).toEqual([1, expect.stringContaining('--trust-kubeconfig')])
    expect(here.writes).toEqual([])
    expect(await accounts('green')).toEqual(['default'])
  },
  STEP_MS,
)

test(
  'through a tunnel the cluster is known by its issuer',
  async () => {
    const { server } = here.cluster.cluster
    const tunnel = createServer((client) => {
      const far = connect(Number(new URL(server).port), '127.0.0.1')
      client.pipe(far).pipe(client)
      for (const end of [client, far]) end.on('error', () => end.destroy())
    })
    await new Promise<void>((resolve) => {
      tunnel.listen(0, '127.0.0.1', resolve)
    })
    const address = tunnel.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const through = server.replace(/:\d+/, `:${address.port}`)
    const config = here.cluster.cluster.kubeconfig().replaceAll(server, through)
    here.desk.write('tunnel.kubeconfig', config)
    const { code, err, out } = await here.desk.run(
      'apply -f cluster.yaml --kubeconfig tunnel.kubeconfig --yes',
    )
    tunnel.close()
    expect([code, err, out]).toEqual([
      0,
      expect.not.stringContaining('is it the same cluster'),
      expect.stringContaining('Nothing is left to do'),
    ])
    expect(await accounts(CLUSTER)).toEqual(['default', 'orders'])
  },
  STEP_MS,
)

test(
  'a resumed apply looks too; who knows better says so',
  async () => {
    here.desk.write(
      'other.yaml',
      (await Bun.file(`${here.desk.folder}/cluster.yaml`).text()).replace('orders', 'late'),
    )
    here.sandbox.aws.faults.replace(['iam:CreateRole=error:AccessDenied:403'])
    const failed = await here.desk.run('apply -f other.yaml --yes')
    expect([failed.code, failed.out]).toEqual([1, expect.stringContaining('1 failed')])
    here.sandbox.aws.faults.replace([])
    const wrong = await here.desk.run('apply -f other.yaml --kubeconfig green.kubeconfig --resume')
    expect([wrong.code, wrong.err]).toEqual([
      1,
      expect.stringContaining('another cluster than blue'),
    ])
    const trusted = await here.desk.run(
      'plan -f cluster.yaml --kubeconfig green.kubeconfig --trust-kubeconfig',
    )
    expect([trusted.code, trusted.err]).toEqual([
      0,
      expect.stringContaining('is it the same cluster?'),
    ])
    const resumed = await here.desk.run('apply -f other.yaml --resume')
    expect([resumed.code, resumed.out]).toEqual([0, expect.stringContaining('Nothing is left')])
  },
  STEP_MS,
)
