import {
  CreateAddonCommand,
  CreatePodIdentityAssociationCommand,
  DeleteAddonCommand,
  DeletePodIdentityAssociationCommand,
  DescribeAddonCommand,
  DescribeClusterCommand,
  ListPodIdentityAssociationsCommand,
} from '@aws-sdk/client-eks'
import {
  AttachRolePolicyCommand,
  CreateRoleCommand,
  DeleteRoleCommand,
  GetRoleCommand,
  GetRolePolicyCommand,
  ListRolePoliciesCommand,
  ListRolesCommand,
  PutRolePolicyCommand,
  TagRoleCommand,
} from '@aws-sdk/client-iam'
import { CreateBucketCommand, ListBucketsCommand } from '@aws-sdk/client-s3'
import { AssumeRoleCommand, GetCallerIdentityCommand } from '@aws-sdk/client-sts'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import {
  ACCOUNT,
  allowOf,
  type AwsFixture,
  type Clients,
  CLUSTER,
  refusalOf,
  REGION,
  startAwsFixture,
  trustOf,
} from '../aws-fixture.suite.ts'

let fixture: AwsFixture
let clients: Clients
beforeAll(async () => {
  fixture = await startAwsFixture()
  clients = fixture.clients(fixture.admin)
})
afterEach(() => fixture.aws.faults.replace([]))
afterAll(() => fixture.stop())

const order = (...faults: readonly string[]): void => fixture.aws.faults.replace(faults)
const whoAmI = (): Promise<unknown> => clients.sts.send(new GetCallerIdentityCommand({}))
const TRUST = trustOf({ AWS: `arn:aws:iam::${ACCOUNT}:root` }, 'sts:AssumeRole')

const createRole = (RoleName: string): Promise<unknown> =>
  clients.iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: TRUST }))
const getRole = (RoleName: string): Promise<unknown> =>
  clients.iam.send(new GetRoleCommand({ RoleName }))
const putPolicy = (RoleName: string, PolicyName: string, action: string): Promise<unknown> =>
  clients.iam.send(
    new PutRolePolicyCommand({ RoleName, PolicyName, PolicyDocument: allowOf(action) }),
  )

describe("each service's own words", () => {
  const post = (service: string, target: string): Promise<Response> =>
    fixture.call({
      keys: fixture.admin,
      service,
      body: '{}',
      headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': target },
    })
  const CASES = [
    ['sts', 'Throttling', 400, 'ServiceUnavailable'],
    ['iam', 'Throttling', 400, 'ServiceUnavailable'],
    ['eks', 'ThrottlingException', 429, 'ServiceUnavailableException'],
    ['s3', 'SlowDown', 503, 'ServiceUnavailable'],
  ] as const
  const CALLS = {
    sts: whoAmI,
    iam: () => clients.iam.send(new ListRolesCommand({})),
    eks: () => clients.eks.send(new DescribeClusterCommand({ name: CLUSTER })),
    s3: () => clients.s3.send(new ListBucketsCommand({})),
  }
  test.each(CASES)('%s: throttling is %s %i, an outage %s', async (service, code, status, down) => {
    const call = CALLS[service]
    order(`${service}:*=throttle:1`)
    expect(await refusalOf(call())).toMatchObject({ code, status })
    await call()
    order(`${service}:*=outage`)
    expect(await refusalOf(call())).toMatchObject({ code: down, status: 503 })
    expect(await refusalOf(call())).toMatchObject({ code: down, status: 503 })
    order(`${service}:*=error:OddThing:409`)
    expect(await refusalOf(call())).toMatchObject({ code: 'OddThing', status: 409 })
    order(`${service}:AnotherOperation=outage`)
    await call()
  })

  test.each([
    ['kms', 'TrentService.ListKeys', 'ThrottlingException'],
    ['servicequotas', 'ServiceQuotasV20190624.ListServices', 'TooManyRequestsException'],
  ])('%s', async (service, target, code) => {
    order(`${service}:*=throttle`)
    const answer = await post(service, target)
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ __type: code })
  })

  test('EC2 and EKS Auth', async () => {
    order('ec2:DescribeRegions=throttle', 'eks-auth:*=throttle')
    const regions = await fixture.call({
      keys: fixture.admin,
      service: 'ec2',
      body: 'Action=DescribeRegions&Version=2016-11-15',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
    expect(regions.status).toBe(503)
    expect(await regions.text()).toContain('<Code>RequestLimitExceeded</Code>')
    const path = `/clusters/${CLUSTER}/assume-role-for-pod-identity`
    const body = '{"token":"x"}'
    const pod = await fixture.call({ keys: fixture.admin, service: 'eks-auth', path, body })
    expect([pod.status, pod.headers.get('x-amzn-errortype')]).toEqual([429, 'ThrottlingException'])
  })

  test('an operation that fails was not carried out, and is on record', async () => {
    order('iam:CreateRole=error:ServiceFailure:500')
    expect(await refusalOf(createRole('failed'))).toMatchObject({
      code: 'ServiceFailureException',
      status: 500,
    })
    expect(fixture.aws.decisions.recent().at(-1)).toMatchObject({
      operation: 'CreateRole',
      allowed: false,
      reason: 'ServiceFailure',
    })
    expect((await refusalOf(getRole('failed'))).code).toBe('NoSuchEntityException')
  })

  test('a half answer: carried out, and the answer breaks off', async () => {
    order('iam:CreateRole=half-answer@1')
    const refused = await refusalOf(createRole('half'))
    expect(refused.status === undefined || refused.status === 200).toBe(true)
    await getRole('half')
  })

  test('a delay comes before the operation', async () => {
    order('sts:*=delay:150ms')
    const from = performance.now()
    await whoAmI()
    expect(performance.now() - from).toBeGreaterThanOrEqual(149)
  })
})

describe('/_podrole/faults', () => {
  const ask = (method: string, more: object = {}): Promise<Response> =>
    fixture.call({
      keys: fixture.admin,
      service: 'podrole',
      path: '/_podrole/faults',
      method,
      ...more,
    })

  test('told, changed and taken away by an administrator', async () => {
    const body = JSON.stringify({ faults: ['sts:*=throttle:2'] })
    expect((await ask('PUT', { body })).status).toBe(200)
    expect((await refusalOf(whoAmI())).code).toBe('Throttling')
    const standing = { fault: 'sts:*=throttle:2', applied: 1, remaining: [1] }
    expect(await (await ask('GET')).json()).toEqual({ faults: [standing] })
    expect(await (await ask('DELETE')).json()).toEqual({ faults: [] })
    await whoAmI()
  })

  test.each(['{"faults":["sts"]}', '{"faults":[1]}', '{}', '[]', 'x'])(
    'refuses %s',
    async (body) => {
      order('sts:*=throttle')
      const answer = await ask('PUT', { body })
      expect(answer.status).toBe(400)
      expect(fixture.aws.faults.list()).toHaveLength(1)
    },
  )

  test('nobody else: unsigned, other services, other keys', async () => {
    const url = `${fixture.endpoint}/_podrole/faults`
    expect((await fetch(url, { method: 'DELETE' })).status).toBe(403)
    for (const service of ['sts', 's3', 'eks']) {
      const answer = await ask('PUT', { service, body: '{"faults":["*:*=outage"]}' })
      expect(answer.status).toBeGreaterThanOrEqual(400)
    }
    await createRole('no-admin')
    await clients.iam.send(
      new AttachRolePolicyCommand({
        RoleName: 'no-admin',
        PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess',
      }),
    )
    const RoleArn = `arn:aws:iam::${ACCOUNT}:role/no-admin`
    const { Credentials: found } = await clients.sts.send(
      new AssumeRoleCommand({ RoleArn, RoleSessionName: 'test' }),
    )
    const keys = {
      accessKeyId: found?.AccessKeyId ?? '',
      secretAccessKey: found?.SecretAccessKey ?? '',
      sessionToken: found?.SessionToken ?? '',
    }
    expect((await ask('GET', { keys })).status).toBe(403)
    expect((await ask('POST', { body: '{}' })).status).toBe(405)
    expect((await ask('GET', { path: '/_podrole/other' })).status).toBe(404)
    expect(fixture.aws.faults.list()).toEqual([])
  })
})

describe('writes that are seen late', () => {
  test('a role is not there at once, and not gone at once', async () => {
    order('iam:*=eventual:10s')
    await createRole('late')
    expect((await refusalOf(getRole('late'))).code).toBe('NoSuchEntityException')
    const listed = async (): Promise<boolean> =>
      (await clients.iam.send(new ListRolesCommand({}))).Roles?.some(
        (r) => r.RoleName === 'late',
      ) ?? false
    expect(await listed()).toBe(false)
    expect((await refusalOf(createRole('late'))).code).toBe('EntityAlreadyExistsException')
    fixture.clock.advance(10_000)
    await getRole('late')
    expect(await listed()).toBe(true)
    await clients.iam.send(new DeleteRoleCommand({ RoleName: 'late' }))
    await getRole('late')
    expect(await listed()).toBe(true)
    fixture.clock.advance(10_000)
    expect((await refusalOf(getRole('late'))).code).toBe('NoSuchEntityException')
    expect(await listed()).toBe(false)
  })

  test('no write is lost: neither of two in a row, nor by who saw the old record', async () => {
    await createRole('twice')
    order('iam:*=eventual:10s')
    await putPolicy('twice', 'one', 's3:ListBucket')
    await putPolicy('twice', 'two', 's3:GetObject')
    const Tags = [{ Key: 'team', Value: 'blue' }]
    await clients.iam.send(new TagRoleCommand({ RoleName: 'twice', Tags }))
    const RoleArn = `arn:aws:iam::${ACCOUNT}:role/twice`
    await clients.sts.send(new AssumeRoleCommand({ RoleArn, RoleSessionName: 'test' }))
    const list = new ListRolePoliciesCommand({ RoleName: 'twice' })
    expect((await clients.iam.send(list)).PolicyNames).toEqual([])
    fixture.clock.advance(10_000)
    expect((await clients.iam.send(list)).PolicyNames).toEqual(['one', 'two'])
    const { Role } = await clients.iam.send(new GetRoleCommand({ RoleName: 'twice' }))
    expect(Role?.Tags).toEqual(Tags)
    expect(Role?.RoleLastUsed?.LastUsedDate).toBeDefined()
  })

  test('decisions see a permission late, and its end late', async () => {
    await createRole('maker')
    const RoleArn = `arn:aws:iam::${ACCOUNT}:role/maker`
    const { Credentials: found } = await clients.sts.send(
      new AssumeRoleCommand({ RoleArn, RoleSessionName: 'test' }),
    )
    const { s3, iam } = fixture.clients({
      accessKeyId: found?.AccessKeyId ?? '',
      secretAccessKey: found?.SecretAccessKey ?? '',
      sessionToken: found?.SessionToken ?? '',
    })
    const make = (Bucket: string): Promise<unknown> =>
      s3.send(
        new CreateBucketCommand({
          Bucket,
          CreateBucketConfiguration: { LocationConstraint: REGION },
        }),
      )
    order('iam:*=eventual:10s')
    await putPolicy('maker', 'own', 's3:CreateBucket')
    expect((await refusalOf(make('late-bucket'))).code).toBe('AccessDenied')
    fixture.clock.advance(10_000)
    await make('late-bucket')
    await putPolicy('maker', 'own', 'iam:TagRole')
    await make('late-bucket-too')
    const tag = new TagRoleCommand({ RoleName: 'maker', Tags: [{ Key: 'a', Value: 'b' }] })
    expect((await refusalOf(iam.send(tag))).code).toBe('AccessDenied')
    fixture.clock.advance(10_000)
    expect((await refusalOf(make('never-bucket'))).code).toBe('AccessDenied')
    await iam.send(tag)
    const get = new GetRolePolicyCommand({ RoleName: 'maker', PolicyName: 'own' })
    expect(decodeURIComponent((await clients.iam.send(get)).PolicyDocument ?? '')).toContain(
      'TagRole',
    )
  })

  test('a role made a moment ago cannot be assumed yet', async () => {
    order('iam:*=eventual:10s')
    await createRole('soon')
    const assume = new AssumeRoleCommand({
      RoleArn: `arn:aws:iam::${ACCOUNT}:role/soon`,
      RoleSessionName: 'test',
    })
    expect((await refusalOf(clients.sts.send(assume))).code).toBe('AccessDenied')
    fixture.clock.advance(10_000)
    await clients.sts.send(assume)
  })

  test('EKS: an association is listed late, and stays a while', async () => {
    const { eks } = clients
    await clients.iam.send(
      new CreateRoleCommand({
        RoleName: 'pods',
        AssumeRolePolicyDocument: trustOf({ Service: 'pods.eks.amazonaws.com' }, [
          'sts:AssumeRole',
          'sts:TagSession',
        ]),
      }),
    )
    order('eks:*=eventual:10s')
    const made = await eks.send(
      new CreatePodIdentityAssociationCommand({
        clusterName: CLUSTER,
        namespace: 'apps',
        serviceAccount: 'web',
        roleArn: `arn:aws:iam::${ACCOUNT}:role/pods`,
      }),
    )
    const list = new ListPodIdentityAssociationsCommand({ clusterName: CLUSTER })
    const count = async (): Promise<number> => (await eks.send(list)).associations?.length ?? 0
    expect(await count()).toBe(0)
    fixture.clock.advance(10_000)
    expect(await count()).toBe(1)
    const associationId = made.association?.associationId
    await eks.send(new DeletePodIdentityAssociationCommand({ clusterName: CLUSTER, associationId }))
    expect(await count()).toBe(1)
    order()
    expect(await count()).toBe(0)
  })

  test('EKS: an add-on made again in the place of one that is gone stays', async () => {
    const { eks } = clients
    const addon = { clusterName: CLUSTER, addonName: 'eks-pod-identity-agent' }
    const statusOf = async (): Promise<string | undefined> =>
      (await eks.send(new DescribeAddonCommand(addon))).addon?.status
    order('eks:*=eventual:10s')
    await eks.send(new CreateAddonCommand(addon))
    fixture.clock.advance(20_000)
    await eks.send(new DeleteAddonCommand(addon))
    fixture.clock.advance(20_000)
    await eks.send(new CreateAddonCommand(addon))
    // Reads are of the one that is gone, and take its row away.
    expect((await refusalOf(statusOf())).code).toBe('ResourceNotFoundException')
    fixture.clock.advance(20_000)
    expect(await statusOf()).toBe('ACTIVE')
    order()
  })
})
