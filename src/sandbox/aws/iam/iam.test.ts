import {
  AddClientIDToOpenIDConnectProviderCommand,
  AttachRolePolicyCommand,
  CreateOpenIDConnectProviderCommand,
  CreatePolicyCommand,
  CreatePolicyVersionCommand,
  CreateRoleCommand,
  DeleteOpenIDConnectProviderCommand,
  DeletePolicyCommand,
  DeleteRoleCommand,
  DeleteRolePolicyCommand,
  DetachRolePolicyCommand,
  GetOpenIDConnectProviderCommand,
  GetPolicyCommand,
  GetPolicyVersionCommand,
  GetRoleCommand,
  GetRolePolicyCommand,
  type IAMClient,
  ListAttachedRolePoliciesCommand,
  ListOpenIDConnectProvidersCommand,
  ListRolePoliciesCommand,
  ListRolesCommand,
  ListRoleTagsCommand,
  paginateListRoles,
  PutRolePolicyCommand,
  RemoveClientIDFromOpenIDConnectProviderCommand,
  TagRoleCommand,
  UntagRoleCommand,
  UpdateAssumeRolePolicyCommand,
  UpdateRoleCommand,
} from '@aws-sdk/client-iam'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  ACCOUNT,
  allowOf,
  type AwsFixture,
  refusalOf,
  startAwsFixture,
  trustOf,
} from '../aws-fixture.suite.ts'

let fixture: AwsFixture
let iam: IAMClient
const EC2 = trustOf({ Service: 'ec2.amazonaws.com' }, 'sts:AssumeRole')

beforeAll(async () => {
  fixture = await startAwsFixture()
  iam = fixture.clients(fixture.admin).iam
})
afterAll(() => fixture.stop())

const create = (RoleName: string, more: object = {}): Promise<unknown> =>
  iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: EC2, ...more }))

describe('roles', () => {
  test('create, read, change, delete', async () => {
    await create('app', {
      Path: '/team/',
      Description: 'a < b & "c"',
      Tags: [{ Key: 'a', Value: 'é' }],
    })
    const { Role } = await iam.send(new GetRoleCommand({ RoleName: 'APP' }))
    expect(Role).toMatchObject({
      RoleName: 'app',
      Path: '/team/',
      Arn: `arn:aws:iam::${ACCOUNT}:role/team/app`,
      Description: 'a < b & "c"',
      MaxSessionDuration: 3600,
      Tags: [{ Key: 'a', Value: 'é' }],
    })
    expect(decodeURIComponent(Role?.AssumeRolePolicyDocument ?? '')).toBe(EC2)
    expect(Role?.AssumeRolePolicyDocument).toStartWith('%7B%22')
    const update = { RoleName: 'app', MaxSessionDuration: 7200, Description: 'x' }
    await iam.send(new UpdateRoleCommand(update))
    const trust = trustOf({ AWS: ACCOUNT }, 'sts:AssumeRole')
    await iam.send(new UpdateAssumeRolePolicyCommand({ RoleName: 'app', PolicyDocument: trust }))
    await iam.send(new TagRoleCommand({ RoleName: 'app', Tags: [{ Key: 'A', Value: '2' }] }))
    const tags = await iam.send(new ListRoleTagsCommand({ RoleName: 'app' }))
    expect(tags.Tags).toEqual([{ Key: 'A', Value: '2' }])
    await iam.send(new UntagRoleCommand({ RoleName: 'app', TagKeys: ['a'] }))
    const changed = (await iam.send(new GetRoleCommand({ RoleName: 'app' }))).Role
    expect(changed).toMatchObject({ MaxSessionDuration: 7200, Description: 'x' })
    expect(changed?.Tags).toBeUndefined()
    await iam.send(new DeleteRoleCommand({ RoleName: 'app' }))
    const gone = await refusalOf(iam.send(new GetRoleCommand({ RoleName: 'app' })))
    expect(gone.code).toStartWith('NoSuchEntity')
    expect(gone).toMatchObject({ status: 404, message: 'The role with name app cannot be found.' })
  })

  test('lists come in pages', async () => {
    for (let index = 0; index < 7; index += 1) await create(`page-${index}`, { Path: '/pages/' })
    const names: string[] = []
    let pages = 0
    const ask = { PathPrefix: '/pages/', MaxItems: 3 }
    for await (const page of paginateListRoles({ client: iam, pageSize: 3 }, ask)) {
      pages += 1
      names.push(...(page.Roles ?? []).map(({ RoleName }) => RoleName ?? ''))
    }
    expect(pages).toBe(3)
    expect(names).toEqual([0, 1, 2, 3, 4, 5, 6].map((index) => `page-${index}`))
    const bad = new ListRolesCommand({ Marker: 'nonsense' })
    expect((await refusalOf(iam.send(bad))).code).toBe('ValidationError')
  })

  test('a list shows a role as it is now, also one that names another', async () => {
    const listed = async (): Promise<object | undefined> => {
      const { Roles } = await iam.send(new ListRolesCommand({ PathPrefix: '/now/' }))
      return Roles?.find(({ RoleName }) => RoleName === 'now')
    }
    await create('now', { Path: '/now/', Description: 'before' })
    expect(await listed()).toMatchObject({ Description: 'before' })
    await iam.send(new UpdateRoleCommand({ RoleName: 'now', Description: 'after' }))
    expect(await listed()).toMatchObject({ Description: 'after' })
    const other = (
      await iam.send(new CreateRoleCommand({ RoleName: 'named', AssumeRolePolicyDocument: EC2 }))
    ).Role
    const PolicyDocument = trustOf({ AWS: other?.Arn }, 'sts:AssumeRole')
    await iam.send(new UpdateAssumeRolePolicyCommand({ RoleName: 'now', PolicyDocument }))
    expect(await listed()).toMatchObject({
      AssumeRolePolicyDocument: expect.stringContaining('role%2Fnamed'),
    })
    // What it names is gone: its unique id is shown in its place.
    await iam.send(new DeleteRoleCommand({ RoleName: 'named' }))
    expect(await listed()).toMatchObject({
      AssumeRolePolicyDocument: expect.stringContaining(other?.RoleId ?? 'no id'),
    })
  })

  const malformed: [trust: string, text: string][] = [
    ['{', 'This policy contains invalid Json'],
    [
      trustOf({ AWS: `arn:aws:iam::${ACCOUNT}:role/nobody` }, 'sts:AssumeRole'),
      `Invalid principal in policy: "AWS":"arn:aws:iam::${ACCOUNT}:role/nobody"`,
    ],
    [
      trustOf({ Service: 'ec2.amazonaws.com' }, 's3:GetObject'),
      'AssumeRole policy may only specify STS AssumeRole actions.',
    ],
    [EC2.replace('"Effect"', '"Resource":"*","Effect"'), 'Has prohibited field Resource'],
  ]
  for (const [trust, text] of malformed) {
    test(`refuses a trust policy: ${text}`, async () => {
      const refusal = await refusalOf(create('bad', { AssumeRolePolicyDocument: trust }))
      expect(refusal.code).toStartWith('MalformedPolicyDocument')
      expect(refusal).toMatchObject({ status: 400, message: text })
    })
  }

  test('quotas and shapes', async () => {
    await create('full')
    const again = await refusalOf(create('FULL'))
    expect(again).toMatchObject({ status: 409 })
    expect(again.code).toStartWith('EntityAlreadyExists')
    const [long, just] = [2049, 2048].map((length) => EC2 + ' '.repeat(length - EC2.length))
    const limit = await refusalOf(create('long', { AssumeRolePolicyDocument: long }))
    expect(limit.code).toStartWith('LimitExceeded')
    expect(limit).toMatchObject({
      status: 409,
      message: 'Cannot exceed quota for ACLSizePerRole: 2048',
    })
    await create('long', { AssumeRolePolicyDocument: just })
    const tags = (from: number, count: number): { Key: string; Value: string }[] =>
      Array.from({ length: count }, (_, index) => ({ Key: `k${from + index}`, Value: '' }))
    await iam.send(new TagRoleCommand({ RoleName: 'full', Tags: tags(0, 50) }))
    const more = await refusalOf(
      iam.send(new TagRoleCommand({ RoleName: 'full', Tags: tags(50, 1) })),
    )
    expect(more.code).toStartWith('LimitExceeded')
    const twice = {
      RoleName: 'full',
      Tags: [
        { Key: 'a', Value: '' },
        { Key: 'A', Value: '' },
      ],
    }
    expect((await refusalOf(iam.send(new TagRoleCommand(twice)))).code).toStartWith('InvalidInput')
    const name = await refusalOf(create('a b'))
    expect(name).toMatchObject({ code: 'ValidationError', status: 400 })
    expect(name.message).toContain("at 'roleName' failed to satisfy constraint")
    const duration = await refusalOf(create('dur', { MaxSessionDuration: 43_201 }))
    expect(duration.message).toContain('less than or equal to 43200')
  })
})

describe('policies', () => {
  test('inline ones, their sizes, and what keeps a role', async () => {
    await create('inline')
    const put = (name: string, document: string): Promise<unknown> =>
      iam.send(
        new PutRolePolicyCommand({
          RoleName: 'inline',
          PolicyName: name,
          PolicyDocument: document,
        }),
      )
    await put('a', allowOf('s3:GetObject'))
    const got = await iam.send(new GetRolePolicyCommand({ RoleName: 'inline', PolicyName: 'a' }))
    expect(decodeURIComponent(got.PolicyDocument ?? '')).toBe(allowOf('s3:GetObject'))
    const big = allowOf('s3:GetObject', [`arn:aws:s3:::${'x'.repeat(10_200)}`])
    expect((await refusalOf(put('b', big))).code).toStartWith('LimitExceeded')
    expect((await refusalOf(put('b', '{}'))).code).toStartWith('MalformedPolicyDocument')
    await put('b', allowOf('s3:PutObject') + ' '.repeat(20_000))
    const list = await iam.send(new ListRolePoliciesCommand({ RoleName: 'inline' }))
    expect(list.PolicyNames).toEqual(['a', 'b'])
    const kept = await refusalOf(iam.send(new DeleteRoleCommand({ RoleName: 'inline' })))
    expect(kept.code).toStartWith('DeleteConflict')
    expect(kept.message).toBe('Cannot delete entity, must delete policies first.')
    for (const PolicyName of ['a', 'b']) {
      await iam.send(new DeleteRolePolicyCommand({ RoleName: 'inline', PolicyName }))
    }
    await iam.send(new DeleteRoleCommand({ RoleName: 'inline' }))
  })

  test('managed ones with versions', async () => {
    const made = await iam.send(
      new CreatePolicyCommand({ PolicyName: 'read', PolicyDocument: allowOf('s3:GetObject') }),
    )
    const PolicyArn = made.Policy?.Arn ?? ''
    expect(PolicyArn).toBe(`arn:aws:iam::${ACCOUNT}:policy/read`)
    await create('user-of')
    const attach = { RoleName: 'user-of', PolicyArn }
    await iam.send(new AttachRolePolicyCommand(attach))
    const attached = await iam.send(new ListAttachedRolePoliciesCommand({ RoleName: 'user-of' }))
    expect(attached.AttachedPolicies).toEqual([{ PolicyName: 'read', PolicyArn }])
    const used = await refusalOf(iam.send(new DeletePolicyCommand({ PolicyArn })))
    expect(used.code).toStartWith('DeleteConflict')
    const version = { PolicyArn, PolicyDocument: allowOf('s3:PutObject'), SetAsDefault: true }
    await iam.send(new CreatePolicyVersionCommand(version))
    const { Policy } = await iam.send(new GetPolicyCommand({ PolicyArn }))
    expect(Policy).toMatchObject({ DefaultVersionId: 'v2', AttachmentCount: 1 })
    const read = await iam.send(new GetPolicyVersionCommand({ PolicyArn, VersionId: 'v1' }))
    expect(decodeURIComponent(read.PolicyVersion?.Document ?? '')).toBe(allowOf('s3:GetObject'))
    await iam.send(new DetachRolePolicyCommand(attach))
    const none = { RoleName: 'user-of', PolicyArn: 'arn:aws:iam::aws:policy/Nothing' }
    const missing = await refusalOf(iam.send(new AttachRolePolicyCommand(none)))
    expect(missing.code).toStartWith('NoSuchEntity')
    const admin = { RoleName: 'user-of', PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess' }
    await iam.send(new AttachRolePolicyCommand(admin))
  })
})

describe('OIDC providers', () => {
  test('create, read, change, delete', async () => {
    const made = await iam.send(
      new CreateOpenIDConnectProviderCommand({
        Url: 'https://oidc.example.com:443/id/A',
        ClientIDList: ['sts.amazonaws.com'],
        ThumbprintList: ['A'.repeat(40)],
      }),
    )
    const OpenIDConnectProviderArn = made.OpenIDConnectProviderArn ?? ''
    expect(OpenIDConnectProviderArn).toBe(
      `arn:aws:iam::${ACCOUNT}:oidc-provider/oidc.example.com/id/A`,
    )
    const id = { OpenIDConnectProviderArn }
    await iam.send(new AddClientIDToOpenIDConnectProviderCommand({ ...id, ClientID: 'b' }))
    await iam.send(
      new RemoveClientIDFromOpenIDConnectProviderCommand({ ...id, ClientID: 'sts.amazonaws.com' }),
    )
    const got = await iam.send(new GetOpenIDConnectProviderCommand(id))
    expect(got).toMatchObject({
      Url: 'oidc.example.com/id/A',
      ClientIDList: ['b'],
      ThumbprintList: ['a'.repeat(40)],
    })
    const again = new CreateOpenIDConnectProviderCommand({ Url: 'https://oidc.example.com/id/A' })
    expect((await refusalOf(iam.send(again))).code).toStartWith('EntityAlreadyExists')
    await iam.send(new DeleteOpenIDConnectProviderCommand(id))
    await iam.send(new DeleteOpenIDConnectProviderCommand(id))
    const gone = await refusalOf(iam.send(new GetOpenIDConnectProviderCommand(id)))
    expect(gone.code).toStartWith('NoSuchEntity')
  })

  test('URLs and the hundred and first', async () => {
    for (const Url of ['http://a.example', 'https://a.example:8443', 'https://a.example/?x', 'a']) {
      const command = new CreateOpenIDConnectProviderCommand({ Url })
      expect((await refusalOf(iam.send(command))).code).toStartWith('InvalidInput')
    }
    const list = await iam.send(new ListOpenIDConnectProvidersCommand({}))
    const from = list.OpenIDConnectProviderList?.length ?? 0
    const make = (index: number): Promise<unknown> =>
      iam.send(new CreateOpenIDConnectProviderCommand({ Url: `https://p${index}.example.com` }))
    for (let index = from; index < 100; index += 1) await make(index)
    const over = await refusalOf(make(100))
    expect(over.code).toStartWith('LimitExceeded')
    expect(over.message).toBe('Cannot exceed quota for OpenIdConnectProvidersPerAccount: 100')
  })
})

test('every call is authorized: a role may do what its policies say, in its account', async () => {
  await create('node', { AssumeRolePolicyDocument: EC2 })
  const ask = {
    roleArn: `arn:aws:iam::${ACCOUNT}:role/node`,
    service: 'ec2.amazonaws.com',
    sessionName: 'i-1',
    durationSeconds: 3600,
  }
  const found = fixture.aws.issueServiceCredentials(ask)
  const keys = {
    accessKeyId: found.accessKeyId,
    secretAccessKey: found.secretAccessKey.reveal(),
    sessionToken: found.sessionToken.reveal(),
  }
  const own = fixture.clients(keys).iam
  const get = new GetRoleCommand({ RoleName: 'node' })
  const refusal = await refusalOf(own.send(get))
  expect(refusal).toMatchObject({ code: 'AccessDenied', status: 403 })
  expect(refusal.message).toBe(
    `User: arn:aws:sts::${ACCOUNT}:assumed-role/node/i-1 is not authorized to perform: iam:GetRole on resource: arn:aws:iam::${ACCOUNT}:role/node because no identity-based policy allows the iam:GetRole action`,
  )
  const PolicyDocument = allowOf('iam:GetRole', `arn:aws:iam::${ACCOUNT}:role/node`)
  await iam.send(new PutRolePolicyCommand({ RoleName: 'node', PolicyName: 'a', PolicyDocument }))
  await own.send(get)
  expect(() =>
    fixture.aws.issueServiceCredentials({ ...ask, service: 'pods.eks.amazonaws.com' }),
  ).toThrow('cannot assume')
})
