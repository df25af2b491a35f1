/** `podrole apply` as typed: document 004's cluster config as it stands, twice, and on day 2. */
import { DescribeClusterCommand, ListPodIdentityAssociationsCommand } from '@aws-sdk/client-eks'
import { CreatePolicyCommand, CreateRoleCommand } from '@aws-sdk/client-iam'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type EksSandbox, startEksSandbox } from '../support/eks-sandbox.ts'
import { podsTrust } from '../support/shop-journey.ts'

const STEP_MS = 60_000
const FILE = '../../src/manage/desired/testdata/read/document-004-rctl.yaml'
const NOTHING = 'Nothing to do: everything is as the files say.\n'
const clusterName = 'demo-eks-cluster'
const IMPORTED = 'eksctl-demo-imported-clus46-addon-vpc-cni-Role1-badgX6yB68vw'

let here: EksSandbox
const text = readFileSync(join(import.meta.dir, FILE), 'utf8')
beforeAll(async () => {
  here = await startEksSandbox({ accountId: '679196758854', clusterName, region: 'us-west-2' })
  here.sandbox.aws.faults.replace(['iam:*=eventual:200ms', 'eks:*=eventual:200ms'])
  here.desk.write('cluster.yaml', text)
  const { cluster } = await here.eks.send(new DescribeClusterCommand({ name: clusterName }))
  const host = (cluster?.identity?.oidc?.issuer ?? '').replace('https://', '')
  const irsa = {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { Federated: `arn:aws:iam::679196758854:oidc-provider/${host}` },
        Action: 'sts:AssumeRoleWithWebIdentity',
        Condition: {
          StringEquals: {
            [`${host}:aud`]: 'sts.amazonaws.com',
            [`${host}:sub`]: 'system:serviceaccount:rafay-demo:demo-test',
          },
        },
      },
    ],
  }
  const roles = { 'demo-eks-full': podsTrust(), [IMPORTED]: JSON.stringify(irsa) }
  for (const [RoleName, AssumeRolePolicyDocument] of Object.entries(roles)) {
    await here.iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }))
  }
  const PolicyDocument = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: '*' }],
  })
  await here.iam.send(new CreatePolicyCommand({ PolicyName: 'demo-eks-full', PolicyDocument }))
}, STEP_MS)
afterAll(() => here.stop(), STEP_MS)

const associations = async (): Promise<readonly string[]> => {
  const answer = await here.eks.send(new ListPodIdentityAssociationsCommand({ clusterName }))
  return (answer.associations ?? []).map((one) => `${one.namespace}/${one.serviceAccount}`).sort()
}

test(
  'is applied once, and then there is nothing to do',
  async () => {
    const unasked = await here.desk.run('apply -f cluster.yaml')
    expect(unasked.code).toBe(1)
    expect(unasked.err).toContain('there is nobody to ask')
    const first = await here.desk.run('apply -f cluster.yaml --yes')
    expect([first.code, first.err, first.out]).toEqual([
      0,
      expect.any(String),
      expect.stringMatching(/\n\d+ step\(s\) done\.\nNothing is left to do: .*\n$/),
    ])
    expect((await associations()).length).toBeGreaterThan(0)
    const second = await here.desk.run('apply -f cluster.yaml --yes')
    expect([second.code, second.out]).toEqual([0, NOTHING])
    const resumed = await here.desk.run('apply -f cluster.yaml --resume')
    expect(resumed.err).toContain('was left unfinished')
  },
  STEP_MS,
)

test(
  'on day 2 a tag changes and an association goes',
  async () => {
    const changed = text
      .replace('env: dev', 'env: test')
      .replace(
        / {2}- createServiceAccount: true\n {4}namespace: rafay-demo\n {4}roleARN: \S+\n {4}serviceAccountName: rafay-demo2\n/,
        '',
      )
    expect(changed.length).toBeLessThan(text.length - 50)
    here.desk.write('cluster.yaml', changed)
    const { code, err } = await here.desk.run('apply -f cluster.yaml --yes --force')
    expect([code, err]).toEqual([0, expect.stringContaining('rafay-demo/rafay-demo2 done')])
    expect(await associations()).toEqual(['rafay-demo/rafay-demo', 'rafay-demo/rafay-demo3'])
    const again = await here.desk.run('apply -f cluster.yaml --yes --force')
    expect([again.code, again.out]).toEqual([0, NOTHING])
  },
  STEP_MS,
)

test(
  'awsWorkloadIdentity on EKS: provider and record, and a file without it takes it back',
  async () => {
    const name = `kind: mk8s\nname: ${clusterName}\n`
    here.desk.write('mk8s.yaml', `${name}spec: { addOns: { awsWorkloadIdentity: {} } }\n`)
    here.desk.write('without.yaml', name)
    const applied = await here.desk.run('apply -f mk8s.yaml --yes')
    expect([applied.code, applied.err]).toEqual([
      0,
      expect.stringContaining("webhook: EKS's own, in its control plane"),
    ])
    expect(applied.out).toContain("+ webhook: EKS's own")
    expect((await here.desk.run('apply -f mk8s.yaml --yes')).out).toBe(NOTHING)
    const shown = await here.desk.run(`cluster get ${clusterName} -o json`)
    expect(JSON.parse(shown.out)).toMatchObject({
      status: {
        oidcProviderUrl: expect.stringContaining('https://oidc.eks.us-west-2.amazonaws.com/id/'),
        addOns: { awsWorkloadIdentity: { state: 'enabled', webhook: 'eks' } },
      },
    })
    const back = await here.desk.run('apply -f without.yaml --yes')
    expect([back.code, back.out]).toEqual([0, expect.stringContaining('1 step(s) done.')])
    const gone = await here.desk.run(`cluster get ${clusterName}`)
    expect([gone.code, gone.err]).toEqual([
      1,
      expect.stringContaining('has no awsWorkloadIdentity'),
    ])
  },
  STEP_MS,
)
