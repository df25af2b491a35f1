/** Every quota: AWS's code where it is exceeded, and a setting that decides where that is. */
import {
  CreateAccessEntryCommand,
  CreateClusterCommand,
  CreateFargateProfileCommand,
  CreateNodegroupCommand,
  CreatePodIdentityAssociationCommand,
  type EKSClient,
  RegisterClusterCommand,
} from '@aws-sdk/client-eks'
import {
  AddUserToGroupCommand,
  AttachGroupPolicyCommand,
  AttachRolePolicyCommand,
  AttachUserPolicyCommand,
  CreateAccessKeyCommand,
  CreateGroupCommand,
  CreateInstanceProfileCommand,
  CreateOpenIDConnectProviderCommand,
  CreatePolicyCommand,
  CreatePolicyVersionCommand,
  CreateRoleCommand,
  CreateUserCommand,
  type IAMClient,
  PutGroupPolicyCommand,
  PutRolePolicyCommand,
  PutUserPolicyCommand,
  TagRoleCommand,
  UpdateAssumeRolePolicyCommand,
} from '@aws-sdk/client-iam'
import { AssumeRoleCommand, GetCallerIdentityCommand, type STSClient } from '@aws-sdk/client-sts'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import {
  ACCOUNT,
  allowOf,
  type AwsFixture,
  CLUSTER,
  refusalOf,
  startAwsFixture,
  trustOf,
} from '../aws-fixture.suite.ts'
import { State } from '../../state.ts'
import { openTables } from '../records.ts'
import {
  beginQuotas,
  parseQuotaSetting,
  QUOTAS,
  type QuotaName,
  quotaValue,
  setQuota,
} from './quotas.ts'

const arnOf = (kind: string, name: string): string => `arn:aws:iam::${ACCOUNT}:${kind}/${name}`
const ADMIN = arnOf('user', 'admin')
const POLICY = arnOf('policy', 'p')
const TRUST = trustOf({ AWS: ADMIN }, ['sts:AssumeRole', 'sts:TagSession'])
const PodRole = ['sts:AssumeRole', 'sts:TagSession']

let fixture: AwsFixture
let iam: IAMClient
let eks: EKSClient
let sts: STSClient
let chained: STSClient

beforeAll(async () => {
  fixture = await startAwsFixture()
  ;({ iam, eks, sts } = fixture.clients(fixture.admin))
  const role = (RoleName: string, AssumeRolePolicyDocument: string): Promise<unknown> =>
    iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }))
  await role('r', TRUST)
  await role('second', trustOf({ AWS: arnOf('role', 'r') }, 'sts:AssumeRole'))
  await role('eks', trustOf({ Service: 'eks.amazonaws.com' }, 'sts:AssumeRole'))
  await role('node', trustOf({ Service: 'ec2.amazonaws.com' }, 'sts:AssumeRole'))
  await role('pods', trustOf({ Service: 'pods.eks.amazonaws.com' }, PodRole))
  await role('fargate', trustOf({ Service: 'eks-fargate-pods.amazonaws.com' }, 'sts:AssumeRole'))
  await iam.send(new TagRoleCommand({ RoleName: 'r', Tags: [{ Key: 'a', Value: 'b' }] }))
  await iam.send(new CreateUserCommand({ UserName: 'u' }))
  await iam.send(new CreateGroupCommand({ GroupName: 'g' }))
  await iam.send(new CreatePolicyCommand({ PolicyName: 'p', PolicyDocument: allowOf('s3:*') }))
  const { Credentials } = await sts.send(assume('r'))
  chained = fixture.clients({
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  }).sts
})
afterAll(() => fixture.stop())

const set = (name: QuotaName, value: number): void =>
  fixture.aws.setQuota({ name, accountId: ACCOUNT, value })
afterEach(() => {
  for (const [name, { value }] of Object.entries(QUOTAS)) set(name as QuotaName, value)
  // What is left of a rate comes back with time.
  fixture.clock.advance(1000)
})

const assume = (name: string, more: object = {}): AssumeRoleCommand =>
  new AssumeRoleCommand({ RoleArn: arnOf('role', name), RoleSessionName: 'test', ...more })
const provider = (host: string, more: object = {}): Promise<unknown> =>
  iam.send(new CreateOpenIDConnectProviderCommand({ Url: `https://${host}`, ...more }))
const tags = (count: number, from = 0): { Key: string; Value: string }[] =>
  Array.from({ length: count }, (_, index) => ({ Key: `k${from + index}`, Value: 'v' }))
const cluster = (name: string, resourcesVpcConfig: object): Promise<unknown> => {
  const roleArn = arnOf('role', 'eks')
  return eks.send(new CreateClusterCommand({ name, roleArn, resourcesVpcConfig }))
}
const group = (nodegroupName: string, maxSize: number): Promise<unknown> =>
  eks.send(
    new CreateNodegroupCommand({
      clusterName: CLUSTER,
      nodegroupName,
      nodeRole: arnOf('role', 'node'),
      subnets: ['subnet-1'],
      scalingConfig: { minSize: 0, desiredSize: 0, maxSize },
    }),
  )
const profile = (fargateProfileName: string, selectors: object[]): Promise<unknown> =>
  eks.send(
    new CreateFargateProfileCommand({
      clusterName: CLUSTER,
      fargateProfileName,
      podExecutionRoleArn: arnOf('role', 'fargate'),
      selectors,
    }),
  )

type Case = readonly [low: number, code: string, exceed: () => Promise<unknown>]
const LIMIT = 'LimitExceeded'
const EKS_LIMIT = 'ResourceLimitExceeded'
const inline = { PolicyName: 'one', PolicyDocument: allowOf('s3:*') }

/** A call that is refused where the quota is `low`, and allowed where it has AWS's default. */
const CASES: Readonly<Record<QuotaName, Case>> = {
  oidcProviders: [0, LIMIT, () => provider('one.example')],
  clientIdsPerProvider: [1, LIMIT, () => provider('two.example', { ClientIDList: ['a', 'b'] })],
  thumbprintsPerProvider: [
    1,
    'InvalidInput',
    () => provider('three.example', { ThumbprintList: ['a'.repeat(40), 'b'.repeat(40)] }),
  ],
  roles: [
    0,
    LIMIT,
    () => iam.send(new CreateRoleCommand({ RoleName: 'new', AssumeRolePolicyDocument: TRUST })),
  ],
  trustPolicyCharacters: [
    TRUST.length - 1,
    LIMIT,
    () => iam.send(new UpdateAssumeRolePolicyCommand({ RoleName: 'r', PolicyDocument: TRUST })),
  ],
  rolePolicyCharacters: [
    10,
    LIMIT,
    () => iam.send(new PutRolePolicyCommand({ RoleName: 'r', ...inline })),
  ],
  userPolicyCharacters: [
    10,
    LIMIT,
    () => iam.send(new PutUserPolicyCommand({ UserName: 'u', ...inline })),
  ],
  groupPolicyCharacters: [
    10,
    LIMIT,
    () => iam.send(new PutGroupPolicyCommand({ GroupName: 'g', ...inline })),
  ],
  policies: [1, LIMIT, () => iam.send(new CreatePolicyCommand({ ...inline, PolicyName: 'new' }))],
  policyCharacters: [
    10,
    LIMIT,
    () => iam.send(new CreatePolicyCommand({ ...inline, PolicyName: 'big' })),
  ],
  versionsPerPolicy: [
    1,
    LIMIT,
    () => iam.send(new CreatePolicyVersionCommand({ ...inline, PolicyArn: POLICY })),
  ],
  policiesPerRole: [
    0,
    LIMIT,
    () => iam.send(new AttachRolePolicyCommand({ RoleName: 'r', PolicyArn: POLICY })),
  ],
  policiesPerUser: [
    0,
    LIMIT,
    () => iam.send(new AttachUserPolicyCommand({ UserName: 'u', PolicyArn: POLICY })),
  ],
  policiesPerGroup: [
    0,
    LIMIT,
    () => iam.send(new AttachGroupPolicyCommand({ GroupName: 'g', PolicyArn: POLICY })),
  ],
  instanceProfiles: [
    0,
    LIMIT,
    () => iam.send(new CreateInstanceProfileCommand({ InstanceProfileName: 'new' })),
  ],
  groups: [1, LIMIT, () => iam.send(new CreateGroupCommand({ GroupName: 'new' }))],
  groupsPerUser: [
    0,
    LIMIT,
    () => iam.send(new AddUserToGroupCommand({ UserName: 'u', GroupName: 'g' })),
  ],
  users: [2, LIMIT, () => iam.send(new CreateUserCommand({ UserName: 'new' }))],
  accessKeysPerUser: [0, LIMIT, () => iam.send(new CreateAccessKeyCommand({ UserName: 'u' }))],
  tagsPerResource: [
    1,
    LIMIT,
    () => iam.send(new TagRoleCommand({ RoleName: 'r', Tags: [{ Key: 'b', Value: 'c' }] })),
  ],
  sessionTags: [1, 'ValidationError', () => sts.send(assume('r', { Tags: tags(2) }))],
  sessionPolicyCharacters: [
    10,
    'ValidationError',
    () => sts.send(assume('r', { Policy: allowOf('s3:*') })),
  ],
  sessionPolicyArns: [
    0,
    'ValidationError',
    () => sts.send(assume('r', { PolicyArns: [{ arn: POLICY }] })),
  ],
  sessionTokenBytes: [600, 'PackedPolicyTooLarge', () => sts.send(assume('r'))],
  chainedSessionSeconds: [3599, 'ValidationError', () => chained.send(assume('second'))],
  stsRequestsPerSecond: [0, 'Throttling', () => sts.send(new GetCallerIdentityCommand({}))],
  clusters: [1, EKS_LIMIT, () => cluster('one', { subnetIds: [] })],
  registeredClusters: [
    0,
    EKS_LIMIT,
    () => {
      const connectorConfig = { roleArn: arnOf('role', 'r'), provider: 'OTHER' as const }
      return eks.send(new RegisterClusterCommand({ name: 'far', connectorConfig }))
    },
  ],
  controlPlaneSecurityGroups: [
    1,
    EKS_LIMIT,
    () => cluster('two', { securityGroupIds: ['sg-1', 'sg-2'] }),
  ],
  publicAccessCidrs: [0, EKS_LIMIT, () => cluster('three', { publicAccessCidrs: ['10.0.0.0/8'] })],
  nodegroups: [0, EKS_LIMIT, () => group('one', 1)],
  nodesPerNodegroup: [1, EKS_LIMIT, () => group('two', 2)],
  fargateProfiles: [0, EKS_LIMIT, () => profile('one', [{ namespace: 'a' }])],
  selectorsPerFargateProfile: [
    1,
    'InvalidParameter',
    () => profile('two', [{ namespace: 'a' }, { namespace: 'b' }]),
  ],
  labelsPerFargateSelector: [
    1,
    'InvalidParameter',
    () => profile('three', [{ namespace: 'a', labels: { a: '1', b: '2' } }]),
  ],
  accessEntries: [
    1,
    EKS_LIMIT,
    () =>
      eks.send(
        new CreateAccessEntryCommand({ clusterName: CLUSTER, principalArn: arnOf('role', 'r') }),
      ),
  ],
  associations: [
    0,
    EKS_LIMIT,
    () => {
      const where = { clusterName: CLUSTER, namespace: 'a', serviceAccount: 'b' }
      const command = { ...where, roleArn: arnOf('role', 'pods') }
      return eks.send(new CreatePodIdentityAssociationCommand(command))
    },
  ],
}

const codeOf = async (call: Promise<unknown>): Promise<string> =>
  (await refusalOf(call)).code.replace(/Exception$/, '')

describe('every quota is a setting', () => {
  test.each(Object.entries(CASES))('%s', async (name, [low, code, exceed]) => {
    set(name as QuotaName, low)
    expect(await codeOf(exceed())).toBe(code)
    set(name as QuotaName, QUOTAS[name as QuotaName].value)
    fixture.clock.advance(1000)
    await exceed()
  })
})

describe("AWS's default, and a higher setting", () => {
  test('the 101st OIDC provider', async () => {
    const { oidcProviders } = QUOTAS
    let made = 0
    const more = async (): Promise<void> => {
      await provider(`p${(made += 1)}.example.com`)
    }
    const fill = async (): Promise<unknown> => {
      for (let tries = 0; tries <= oidcProviders.value; tries += 1) await more()
      return undefined
    }
    expect(await codeOf(fill())).toBe(LIMIT)
    const list = await fixture.call({
      keys: fixture.admin,
      service: 'iam',
      body: 'Action=ListOpenIDConnectProviders&Version=2010-05-08',
    })
    expect((await list.text()).match(/<Arn>/g)).toHaveLength(100)
    set('oidcProviders', 101)
    await more()
    expect(await codeOf(more())).toBe(LIMIT)
  })

  test('a trust policy of 2,049 characters', async () => {
    const create = (RoleName: string, length: number): Promise<unknown> => {
      const AssumeRolePolicyDocument = TRUST.padEnd(length)
      return iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }))
    }
    const refusal = await refusalOf(create('long', 2049))
    expect(refusal).toMatchObject({ code: 'LimitExceededException', status: 409 })
    expect(refusal.message).toBe('Cannot exceed quota for ACLSizePerRole: 2048')
    set('trustPolicyCharacters', 4096)
    await create('long', 4096)
    expect(await codeOf(create('longer', 4097))).toBe(LIMIT)
  })

  test('the 51st tag of a role', async () => {
    const tag = (Tags: { Key: string; Value: string }[]): Promise<unknown> =>
      iam.send(new TagRoleCommand({ RoleName: 'second', Tags }))
    await tag(tags(50))
    expect(await codeOf(tag(tags(1, 50)))).toBe(LIMIT)
    set('tagsPerResource', 51)
    await tag(tags(1, 50))
    expect(await codeOf(tag(tags(1, 51)))).toBe(LIMIT)
  })

  test('a session token over 4,096 bytes', async () => {
    // Values that compress badly: each tag is about as long in the token.
    const Tags = Array.from({ length: 25 }, (_, index) => ({
      Key: `k${index}`,
      Value: Array.from({ length: 8 }, () => crypto.randomUUID().replaceAll('-', '')).join(''),
    }))
    const refusal = await refusalOf(sts.send(assume('r', { Tags })))
    expect(refusal.code).toStartWith('PackedPolicyTooLarge')
    expect(refusal.status).toBe(400)
    expect(refusal.message).toMatch(/exceeds the limit of 4096 bytes$/)
    set('sessionTokenBytes', 8192)
    const { Credentials } = await sts.send(assume('r', { Tags }))
    expect(Credentials?.SessionToken?.length).toBeGreaterThan(4096)
  })

  test("STS's requests are counted by account and second", async () => {
    set('stsRequestsPerSecond', 2)
    fixture.clock.advance(5000)
    const other = fixture.clients(fixture.otherAdmin).sts
    const ask = (client: STSClient): Promise<unknown> =>
      client.send(new GetCallerIdentityCommand({}))
    await ask(sts)
    await ask(sts)
    const refusal = await refusalOf(ask(sts))
    expect(refusal).toMatchObject({ code: 'Throttling', status: 400, message: 'Rate exceeded' })
    await ask(other)
    fixture.clock.advance(500)
    await ask(sts)
    expect(await codeOf(ask(sts))).toBe('Throttling')
    const told = fixture.aws.decisions.recent().at(-1)
    expect(told).toMatchObject({ allowed: false, reason: 'Throttling', service: 'sts' })
  })

  test('a quota of all accounts yields to that of one', async () => {
    const { iam: other } = fixture.clients(fixture.otherAdmin)
    const make = (client: IAMClient, GroupName: string): Promise<unknown> =>
      client.send(new CreateGroupCommand({ GroupName }))
    fixture.aws.setQuota({ name: 'groups', accountId: '*', value: 0 })
    expect(await codeOf(make(other, 'a'))).toBe(LIMIT)
    await make(iam, 'a')
    fixture.aws.setQuota({ name: 'groups', accountId: '*', value: QUOTAS.groups.value })
    await make(other, 'a')
  })
})

test('what a run began with ends with it, and what was granted stays', () => {
  const tables = openTables(new State())
  beginQuotas(tables, [{ name: 'roles', accountId: '*', value: 3 }])
  setQuota(tables, { name: 'groups', accountId: ACCOUNT, value: 400 })
  expect(quotaValue(tables, ACCOUNT, 'roles')).toBe(3)
  beginQuotas(tables, [{ name: 'users', accountId: '*', value: 2 }])
  const now = (['roles', 'groups', 'users'] as const).map((name) =>
    quotaValue(tables, ACCOUNT, name),
  )
  expect(now).toEqual([QUOTAS.roles.value, 400, 2])
})

describe('as it is typed', () => {
  test('for all accounts, and for one', () => {
    const accounts = ['111122223333']
    expect(parseQuotaSetting('oidcProviders=3', accounts)).toEqual({
      name: 'oidcProviders',
      accountId: '*',
      value: 3,
    })
    expect(parseQuotaSetting('111122223333/roles=0', accounts)).toEqual({
      name: 'roles',
      accountId: '111122223333',
      value: 0,
    })
  })

  const wrong: readonly (readonly [text: string, told: RegExp])[] = [
    ['providers=3', /"providers=3" names no quota/],
    ['constructor=3', /names no quota/],
    ['oidcProviders', /names no quota/],
    ['roles=', /has the value "": wanted a whole number/],
    ['roles=-1', /has the value "-1"/],
    ['roles=1.5', /has the value "1.5"/],
    ['roles=9999999999', /wanted a whole number from 0 to 1000000000/],
    ['444455556666/roles=1', /an account that the sandbox does not have: wanted one of 1/],
    ['/roles=1', /an account that the sandbox does not have/],
  ]
  test.each(wrong)('%j is refused', (text, told) => {
    expect(() => parseQuotaSetting(text, ['111122223333'])).toThrow(told)
  })

  test('a wrong name tells all of them', () => {
    try {
      parseQuotaSetting('x=1', [])
      throw new Error('not refused')
    } catch (error) {
      for (const name of Object.keys(QUOTAS))
        expect(String(Reflect.get(Object(error), 'hint'))).toContain(name)
    }
  })
})
