/** ClusterConfigs of eksctl's documented schema, applied as they stand: access entries, add-ons, day 2. */
import {
  DescribeAccessEntryCommand,
  DescribeAddonCommand,
  DescribeClusterCommand,
  ListAddonsCommand,
  ListPodIdentityAssociationsCommand,
} from '@aws-sdk/client-eks'
import {
  CreateRoleCommand,
  CreateUserCommand,
  ListAttachedRolePoliciesCommand,
} from '@aws-sdk/client-iam'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import catalog from '../../src/sandbox/aws/eks/addon-catalog.json'
import { type EksSandbox, startEksSandbox } from '../support/eks-sandbox.ts'
import { podsTrust } from '../support/shop-journey.ts'

const STEP_MS = 90_000
const TESTDATA = join(import.meta.dir, '../../src/manage/desired/testdata/read')
const NOTHING = 'Nothing to do: everything is as the files say.\n'
const AGENT = 'eks-pod-identity-agent'

/** Beside a sandbox with one cluster and a file of testdata as `cluster.yaml`. */
async function start(clusterName: string, region: string, file: string): Promise<EksSandbox> {
  const here = await startEksSandbox({ clusterName, region })
  here.desk.write('cluster.yaml', readFileSync(join(TESTDATA, file), 'utf8'))
  return here
}

async function appliedOnce({ desk }: EksSandbox, options = ''): Promise<void> {
  const line = `apply -f cluster.yaml --yes${options}`
  const { code, err, out } = await desk.run(line)
  expect([code, err, out]).toEqual([
    0,
    expect.any(String),
    expect.stringContaining('Nothing is left to do'),
  ])
  const again = await desk.run(line)
  expect([again.code, again.out]).toEqual([0, NOTHING])
}

describe('access entries, in another partition', () => {
  const clusterName = 'access'
  const account = 'arn:aws-cn:iam::111122223333'
  let here: EksSandbox
  beforeAll(async () => {
    here = await start(clusterName, 'cn-north-1', 'eksctl-access.yaml')
    await here.iam.send(new CreateUserCommand({ UserName: 'ada' }))
    for (const RoleName of ['view', 'nodes']) {
      const AssumeRolePolicyDocument = podsTrust()
      await here.iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }))
    }
  }, STEP_MS)
  afterAll(() => here.stop(), STEP_MS)

  test(
    'are applied as they stand, twice',
    async () => {
      await appliedOnce(here)
      const { cluster } = await here.eks.send(new DescribeClusterCommand({ name: clusterName }))
      expect(cluster?.accessConfig?.authenticationMode).toBe('API')
      const entry = async (principalArn: string): Promise<unknown> => {
        const input = { clusterName, principalArn }
        return (await here.eks.send(new DescribeAccessEntryCommand(input))).accessEntry
      }
      expect(await entry(`${account}:user/ada`)).toMatchObject({
        username: 'ada',
        kubernetesGroups: ['readers', 'writers'],
      })
      expect(await entry(`${account}:role/nodes`)).toMatchObject({ type: 'EC2_LINUX' })
    },
    STEP_MS,
  )

  test(
    'are deleted again; the authentication mode stays, which is told',
    async () => {
      const { code, err, out } = await here.desk.run('delete -f cluster.yaml --yes')
      expect([code, err]).toEqual([0, expect.any(String)])
      expect(out).toContain('authentication mode API: EKS takes none back')
      const again = await here.desk.run('apply -f cluster.yaml --yes')
      expect(again.code).toBe(0)
    },
    STEP_MS,
  )
})

describe('add-ons', () => {
  const clusterName = 'addons'
  let here: EksSandbox
  beforeAll(async () => {
    here = await start(clusterName, 'us-west-2', 'eksctl-addons.yaml')
  }, STEP_MS)
  afterAll(() => here.stop(), STEP_MS)

  const addons = async (): Promise<readonly string[]> =>
    ((await here.eks.send(new ListAddonsCommand({ clusterName }))).addons ?? []).toSorted()

  test(
    'with roles by IRSA, by association and as EKS recommends are applied as they stand, twice',
    async () => {
      await appliedOnce(here)
      expect(await addons()).toEqual([
        'adot',
        'aws-ebs-csi-driver',
        'aws-efs-csi-driver',
        'coredns',
        'vpc-cni',
      ])
      const { addon } = await here.eks.send(
        new DescribeAddonCommand({ clusterName, addonName: 'aws-ebs-csi-driver' }),
      )
      const RoleName = (addon?.serviceAccountRoleArn ?? '').split('/').at(-1)
      const { AttachedPolicies } = await here.iam.send(
        new ListAttachedRolePoliciesCommand({ RoleName }),
      )
      expect(AttachedPolicies?.map(({ PolicyName }) => PolicyName)).toEqual([
        'AmazonEBSCSIDriverPolicy',
      ])
      const { associations } = await here.eks.send(
        new ListPodIdentityAssociationsCommand({ clusterName }),
      )
      expect(associations?.map(({ serviceAccount }) => serviceAccount)).toEqual([
        'efs-csi-controller-sa',
      ])
    },
    STEP_MS,
  )

  test(
    'on day 2 EKS recommends the roles, and the agent is enabled, raised and removed',
    async () => {
      const [newest = '', older = ''] =
        catalog.find(({ addonName }) => addonName === AGENT)?.versions ?? []
      const file = (...rows: readonly string[]): void => {
        const head = `apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata: { name: addons, region: us-west-2 }\n`
        here.desk.write(
          'cluster.yaml',
          `${head}addons:\n${rows.map((one) => `  - ${one}\n`).join('')}`,
        )
      }
      const driver = '{ name: aws-ebs-csi-driver, useDefaultPodIdentityAssociations: true }'
      file(driver, `{ name: ${AGENT}, version: ${older} }`)
      await appliedOnce(here)
      const version = async (): Promise<string | undefined> => {
        const input = { clusterName, addonName: AGENT }
        return (await here.eks.send(new DescribeAddonCommand(input))).addon?.addonVersion
      }
      expect(await addons()).toEqual(['aws-ebs-csi-driver', AGENT])
      expect(await version()).toBe(older)
      file(driver, `{ name: ${AGENT}, version: latest }`)
      await appliedOnce(here)
      expect(await version()).toBe(newest)
      file(driver)
      const refused = await here.desk.run('apply -f cluster.yaml --yes')
      expect([refused.code, refused.out]).toEqual([
        1,
        expect.stringContaining('kube-system/ebs-csi-controller-sa'),
      ])
      expect(await addons()).toContain(AGENT)
      await appliedOnce(here, ' --force')
      expect(await addons()).toEqual(['aws-ebs-csi-driver'])
    },
    STEP_MS,
  )

  test(
    "Control Plane's manifest without an add-on asks for nothing; of two clusters both must be there",
    async () => {
      here.desk.write('mk8s.yaml', 'kind: mk8s\nname: elsewhere\nspec: { version: 1.32.1 }\n')
      for (const line of ['apply -f mk8s.yaml --yes', 'apply -f cluster.yaml --yes']) {
        const alone = await here.desk.run(line)
        expect([alone.code, alone.out]).toEqual([0, NOTHING])
      }
      const gone = await here.desk.run('delete -f mk8s.yaml --yes')
      expect([gone.code, gone.out]).toEqual([0, expect.stringContaining('Nothing to do')])
      here.desk.write(
        'two.yaml',
        `apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata: { name: nowhere, region: us-west-2 }\naddons: [{ name: ${AGENT} }]\n`,
      )
      const before = here.writes.length
      const two = await here.desk.run('apply -f cluster.yaml -f two.yaml --yes')
      expect([two.code, two.out]).toEqual([
        1,
        expect.stringContaining('there is no cluster nowhere'),
      ])
      expect(here.writes.length).toBe(before)
    },
    STEP_MS,
  )
})
