import { CreateAccessEntryCommand } from '@aws-sdk/client-eks'
import { CreateRoleCommand } from '@aws-sdk/client-iam'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { openAccount } from '../../aws/account.ts'
import { describeEksCluster } from '../../aws/eks-cluster.ts'
import { codeOf } from '../../lib/errors.ts'
import {
  ACCOUNT,
  type AwsFixture,
  CLUSTER,
  REGION,
  startAwsFixture,
  trustOf,
} from '../../sandbox/aws/aws-fixture.suite.ts'
import {
  type AccessEntryPort,
  describeAccessEntries,
  findAccessEntry,
} from './access-entry-port.ts'
import { type AddonPort, describeAddons, findAddon } from './addon-port.ts'
import { compareAddonVersions } from './addon-version.ts'
import { eksAccessEntries } from './eks-access-entries.ts'
import { eksAddons } from './eks-addons.ts'
import { type EksClient, openEks } from './eks-client.ts'

let fixture: AwsFixture
let eks: EksClient
const roleArn = (name: string): string => `arn:aws:iam::${ACCOUNT}:role/${name}`
const VIEW = 'arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy'
const ADMIN = 'arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy'

async function makeRole(RoleName: string): Promise<void> {
  const trust = trustOf({ AWS: `arn:aws:iam::${ACCOUNT}:root` }, 'sts:AssumeRole')
  await fixture
    .clients(fixture.admin)
    .iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: trust }))
}

beforeAll(async () => {
  fixture = await startAwsFixture()
  const { admin: credentials, endpoint } = fixture
  const account = await openAccount({ endpoint, region: REGION, credentials })
  eks = await openEks(account)
  expect(await describeEksCluster(account, CLUSTER)).toMatchObject({
    arn: `arn:aws:eks:${REGION}:${ACCOUNT}:cluster/${CLUSTER}`,
    authenticationMode: 'API',
    autoMode: false,
    status: 'ACTIVE',
    version: expect.stringMatching(/^1\.\d+$/),
  })
})
afterAll(() => fixture.stop())

describe('access entries of EKS', () => {
  let port: AccessEntryPort
  beforeAll(() => {
    port = eksAccessEntries(eks, CLUSTER)
  })

  test('made, found with their policies, changed, deleted', async () => {
    await makeRole('reader')
    const principalArn = roleArn('reader')
    const made = await port.create({
      principalArn,
      kubernetesGroups: ['viewers'],
      tags: { team: 'shop' },
    })
    expect(made).toMatchObject({
      principalArn,
      type: 'STANDARD',
      username: `arn:aws:sts::${ACCOUNT}:assumed-role/reader/{{SessionName}}`,
      kubernetesGroups: ['viewers'],
      tags: { team: 'shop' },
    })
    await port.associate(principalArn, { policyArn: VIEW, accessScope: { type: 'cluster' } })
    const scope = { type: 'namespace', namespaces: ['shop', 'bank-*'] } as const
    await port.associate(principalArn, { policyArn: VIEW, accessScope: scope })
    await port.associate(principalArn, { policyArn: ADMIN, accessScope: { type: 'cluster' } })
    await port.disassociate(principalArn, ADMIN)
    await port.update(principalArn, { kubernetesGroups: [], username: 'reader' })
    await port.tagging.tag(made.accessEntryArn, { more: '1' })
    expect(await findAccessEntry(port, principalArn)).toMatchObject({
      username: 'reader',
      kubernetesGroups: [],
      accessPolicies: [{ policyArn: VIEW, accessScope: scope }],
      tags: { team: 'shop', more: '1' },
    })
    await port.delete(principalArn)
    expect(await findAccessEntry(port, principalArn)).toBeUndefined()
    expect(await port.knownPolicies()).toContain(VIEW)
  })

  test('all pages are read; refusals have their codes', async () => {
    const before = (await port.list()).length
    const { eks: client } = fixture.clients(fixture.admin)
    for (let n = 0; n < 105; n += 1) {
      await makeRole(`many-${n}`)
      const principalArn = roleArn(`many-${n}`)
      await client.send(new CreateAccessEntryCommand({ clusterName: CLUSTER, principalArn }))
    }
    expect(await port.list()).toHaveLength(before + 105)
    const found = await describeAccessEntries(port)
    expect(found.filter(({ principalArn }) => principalArn.includes('many-'))).toHaveLength(105)
    const nobody = roleArn('nobody')
    const codes = await Promise.all(
      [
        port.describe(nobody),
        port.create({ principalArn: nobody }),
        port.create({ principalArn: roleArn('many-1') }),
        port.associate(roleArn('many-1'), {
          policyArn: VIEW,
          accessScope: { type: 'namespace', namespaces: [] },
        }),
        eksAccessEntries(eks, 'nobody').list(),
      ].map((refused) => refused.then(() => 'done', codeOf)),
    )
    expect(codes).toEqual([
      'ResourceNotFound',
      'InvalidParameter',
      'ResourceInUse',
      'InvalidParameter',
      'ResourceNotFound',
    ])
  }, 60_000)
})

describe('add-ons of EKS', () => {
  let port: AddonPort
  const NAME = 'eks-pod-identity-agent'
  beforeAll(() => {
    port = eksAddons(eks, CLUSTER)
  })

  test('versions come newest first, with the default one marked', async () => {
    const versions = await port.versions(NAME, '1.36')
    expect(versions.length).toBeGreaterThan(1)
    expect(versions.filter(({ isDefault }) => isDefault)).toHaveLength(1)
    expect(await port.versions(NAME, '1.2')).toEqual([])
    expect(await port.versions('no-such-addon', '1.36')).toEqual([])
    const words = ['v1.3.10-eksbuild.1', 'v1.3.9-eksbuild.10', 'v1.3.9-eksbuild.3', 'v1.3']
    expect([...words].toReversed().toSorted((a, b) => compareAddonVersions(b, a))).toEqual(words)
  })

  test('made, changed, listed, deleted', async () => {
    const [newest, older] = await port.versions(NAME, '1.36')
    const made = await port.create({ addonName: NAME, addonVersion: older?.version ?? '' })
    expect(made).toMatchObject({ addonName: NAME, status: 'CREATING', issues: [] })
    fixture.clock.advance(2000)
    await port.update(NAME, { addonVersion: newest?.version ?? '', resolveConflicts: 'PRESERVE' })
    fixture.clock.advance(2000)
    expect(await describeAddons(port)).toMatchObject([
      { addonName: NAME, status: 'ACTIVE', addonVersion: newest?.version },
    ])
    await port.delete(NAME)
    fixture.clock.advance(2000)
    expect(await findAddon(port, NAME)).toBeUndefined()
    expect(await port.update(NAME, {}).catch(codeOf)).toBe('ResourceNotFound')
    expect(await port.create({ addonName: 'no-such' }).catch(codeOf)).toBe('InvalidParameter')
  })
})
