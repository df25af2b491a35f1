/** EKS takes an add-on's IRSA role away with every update that does not name it. */
import { CreateRoleCommand, type IAMClient } from '@aws-sdk/client-iam'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { openAccount } from '../../aws/account.ts'
import {
  ACCOUNT,
  type AwsFixture,
  CLUSTER,
  REGION,
  startAwsFixture,
  trustOf,
} from '../../sandbox/aws/aws-fixture.suite.ts'
import { type ClusterPort, clusterPort } from '../apply/cluster-port.ts'
import { eksPlaces } from '../apply/eks-places.ts'
import { updateAddon } from './addon-apply.ts'
import type { AddonPort } from './addon-port.ts'
import { eksAddons } from './eks-addons.ts'
import { eksAssociations } from './eks-associations.ts'
import { type EksClient, openEks } from './eks-client.ts'

const addonName = 'aws-ebs-csi-driver'
const [OLD, NEW] = ['v1.50.1-eksbuild.1', 'v1.51.1-eksbuild.1']
const WAIT = { timeoutMs: 20_000, firstDelayMs: 20, onProgress: () => undefined }
const roleArn = `arn:aws:iam::${ACCOUNT}:role/driver`
const cluster = `arn:aws:eks:${REGION}:${ACCOUNT}:cluster/${CLUSTER}`

let fixture: AwsFixture
let eks: EksClient
let addons: AddonPort
let port: ClusterPort
let ticking: Timer

async function makeRole(iam: IAMClient, RoleName: string): Promise<void> {
  const AssumeRolePolicyDocument = trustOf(
    { AWS: `arn:aws:iam::${ACCOUNT}:root` },
    'sts:AssumeRole',
  )
  await iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }))
}

beforeAll(async () => {
  fixture = await startAwsFixture()
  ticking = setInterval(() => fixture.clock.advance(100), 5)
  const { admin: credentials, endpoint } = fixture
  eks = await openEks(await openAccount({ endpoint, region: REGION, credentials }))
  addons = eksAddons(eks, CLUSTER)
  port = clusterPort(eksPlaces(eks, CLUSTER, WAIT))
  await makeRole(fixture.clients(fixture.admin).iam, 'driver')
  const addon = {
    name: addonName,
    settings: { version: OLD, associations: [], serviceAccountRoleArn: roleArn },
    tags: {},
  }
  await port.act({ do: 'create-addon', cluster, addon })
})
afterAll(async () => {
  clearInterval(ticking)
  await fixture.stop()
})

const roleOf = async (): Promise<string | undefined> =>
  (await addons.describe(addonName)).serviceAccountRoleArn

test('another version leaves the role as it is, by the command and by apply', async () => {
  const associations = eksAssociations(eks, CLUSTER)
  const at = { port: addons, associations, clusterName: CLUSTER, options: '' }
  await updateAddon({ ...at, kubernetesVersion: '1.36' }, { addonName, version: NEW }, WAIT)
  expect(await roleOf()).toBe(roleArn)
  const settings = { associations: [], serviceAccountRoleArn: roleArn }
  const before = { ...settings, version: NEW }
  const after = { ...settings, version: OLD }
  await port.act({ do: 'update-addon', cluster, name: addonName, before, after })
  expect(await roleOf()).toBe(roleArn)
})

test('apply takes the role away where it is to go', async () => {
  const before = { version: OLD, associations: [], serviceAccountRoleArn: roleArn }
  const after = { version: OLD, associations: [] }
  await port.act({ do: 'update-addon', cluster, name: addonName, before, after })
  expect(await roleOf()).toBeUndefined()
})
