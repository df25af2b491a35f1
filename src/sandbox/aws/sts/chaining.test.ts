/** Role chaining, and what AssumeRole takes: AWS STS API Reference, AssumeRole. */
import {
  CreateOpenIDConnectProviderCommand,
  CreatePolicyCommand,
  CreateRoleCommand,
  PutRolePermissionsBoundaryCommand,
  PutRolePolicyCommand,
} from '@aws-sdk/client-iam'
import {
  AssumeRoleCommand,
  type AssumeRoleCommandOutput,
  AssumeRoleWithWebIdentityCommand,
} from '@aws-sdk/client-sts'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  ACCOUNT,
  allowOf,
  type AwsFixture,
  type Clients,
  ISSUER,
  type Keys,
  OTHER_ACCOUNT,
  refusalOf,
  startAwsFixture,
  trustOf,
} from '../aws-fixture.suite.ts'

const USER = `arn:aws:iam::${ACCOUNT}:user/admin`
const PROVIDER = `arn:aws:iam::${ACCOUNT}:oidc-provider/${ISSUER.slice('https://'.length)}`
const WEB = 'sts:AssumeRoleWithWebIdentity'
const BOTH = ['sts:AssumeRole', 'sts:TagSession']

let fixture: AwsFixture
let admin: Clients
const arnOf = (name: string, account = ACCOUNT): string => `arn:aws:iam::${account}:role/${name}`

beforeAll(async () => {
  fixture = await startAwsFixture()
  admin = fixture.clients(fixture.admin)
  const ClientIDList = ['sts.amazonaws.com']
  await admin.iam.send(new CreateOpenIDConnectProviderCommand({ Url: ISSUER, ClientIDList }))
  await create('any', trustOf({ AWS: USER }, BOTH))
})
afterAll(() => fixture.stop())

async function create(name: string, trust: string, more: object = {}): Promise<void> {
  const role = { RoleName: name, AssumeRolePolicyDocument: trust, ...more }
  await admin.iam.send(new CreateRoleCommand(role))
}

async function permit(name: string, policy: string): Promise<void> {
  const put = { RoleName: name, PolicyName: 'own', PolicyDocument: policy }
  await admin.iam.send(new PutRolePolicyCommand(put))
}

const assume = (
  keys: Keys,
  roleArn: string,
  more: object = {},
): Promise<AssumeRoleCommandOutput> => {
  const command = new AssumeRoleCommand({ RoleArn: roleArn, RoleSessionName: 'test', ...more })
  return fixture.clients(keys).sts.send(command)
}

function keysOf({ Credentials }: Pick<AssumeRoleCommandOutput, 'Credentials'>): Keys {
  return {
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  }
}

const hop = async (keys: Keys, name: string, more: object = {}): Promise<Keys> =>
  keysOf(await assume(keys, arnOf(name), more))

async function webKeys(roleArn: string, claims: Readonly<Record<string, unknown>>): Promise<Keys> {
  const command = new AssumeRoleWithWebIdentityCommand({
    RoleArn: roleArn,
    RoleSessionName: 'pod',
    WebIdentityToken: await fixture.token(claims),
  })
  return keysOf(await admin.sts.send(command))
}

describe('from a web identity', () => {
  test('transitive tags pass through two hops, others and the provider do not', async () => {
    const red = { 'aws:RequestTag/team': 'red', 'aws:PrincipalTag/team': 'red' }
    await create('start', trustOf({ Federated: PROVIDER }, [WEB, 'sts:TagSession']))
    await create(
      'hop-1',
      trustOf({ AWS: arnOf('start') }, BOTH, {
        StringEquals: {
          ...red,
          'aws:PrincipalTag/stage': 'prod',
          'aws:FederatedProvider': PROVIDER,
        },
        'ForAllValues:StringEquals': {
          'aws:TagKeys': ['team'],
          'sts:TransitiveTagKeys': ['team'],
        },
        Null: { 'aws:TagKeys': 'false', 'aws:RequestTag/stage': 'true' },
      }),
    )
    await create(
      'hop-2',
      trustOf({ AWS: arnOf('hop-1') }, BOTH, {
        StringEquals: red,
        Null: { 'aws:PrincipalTag/stage': 'true', 'aws:FederatedProvider': 'true' },
      }),
    )
    await create('untagged', trustOf({ AWS: arnOf('hop-1') }, 'sts:AssumeRole'))
    const tags = {
      principal_tags: { team: ['red'], stage: ['prod'] },
      transitive_tag_keys: ['team'],
    }
    const start = await webKeys(arnOf('start'), { 'https://aws.amazon.com/tags': tags })
    const first = await hop(start, 'hop-1')
    const second = await hop(first, 'hop-2')
    await permit(
      'hop-2',
      JSON.stringify({
        Version: '2012-10-17',
        Statement: {
          Effect: 'Allow',
          Action: 'iam:ListRoles',
          Resource: '*',
          Condition: { StringEquals: { 'aws:PrincipalTag/team': 'red' } },
        },
      }),
    )
    const list = { service: 'iam', body: 'Action=ListRoles&Version=2010-05-08' }
    expect((await fixture.call({ ...list, keys: second })).status).toBe(200)
    // The tag is still passed, so the trust policy must allow that.
    const refusal = await refusalOf(hop(first, 'untagged'))
    expect(refusal).toMatchObject({ code: 'AccessDenied', status: 403 })
    expect(refusal.message).toContain('sts:TagSession')
    const again = { Tags: [{ Key: 'Team', Value: 'blue' }] }
    expect((await refusalOf(hop(second, 'hop-2', again))).status).toBe(400)
  })

  test('a source identity stays and is asked for at each hop', async () => {
    const source = { 'https://aws.amazon.com/source_identity': 'ann' }
    await create('named', trustOf({ Federated: PROVIDER }, [WEB, 'sts:SetSourceIdentity']))
    await create(
      'named-1',
      trustOf({ AWS: arnOf('named') }, ['sts:AssumeRole', 'sts:SetSourceIdentity'], {
        StringEquals: { 'sts:SourceIdentity': 'ann', 'aws:SourceIdentity': 'ann' },
      }),
    )
    await create('named-2', trustOf({ AWS: arnOf('named-1') }, 'sts:AssumeRole'))
    const first = await hop(await webKeys(arnOf('named'), source), 'named-1')
    expect((await refusalOf(hop(first, 'named-2'))).code).toBe('AccessDenied')
    for (const value of ['a', 'x'.repeat(65), 'a:b', 'a/b', 7]) {
      const bad = webKeys(arnOf('named'), { 'https://aws.amazon.com/source_identity': value })
      expect((await refusalOf(bad)).code).toStartWith('InvalidIdentityToken')
    }
  })

  test('a chained session has one hour, whatever the role says', async () => {
    await create('long', trustOf({ Federated: PROVIDER }, WEB), { MaxSessionDuration: 43_200 })
    await create('longer', trustOf({ AWS: arnOf('long') }, 'sts:AssumeRole'), {
      MaxSessionDuration: 7200,
    })
    const start = await webKeys(arnOf('long'), {})
    const ask = async (DurationSeconds: number): Promise<string> =>
      (await refusalOf(assume(start, arnOf('longer'), { DurationSeconds }))).message
    expect(await ask(3601)).toContain('1 hour session limit for roles assumed by role chaining')
    expect(await ask(7201)).toContain('exceeds the MaxSessionDuration')
    expect(await ask(43_201)).toContain("Value '43201' at 'durationSeconds'")
    const { Credentials } = await assume(start, arnOf('longer'))
    const lives = (Credentials?.Expiration?.getTime() ?? 0) - fixture.clock.now()
    expect(Math.round(lives / 1000)).toBeWithin(3599, 3601)
  })
})

describe('across accounts', () => {
  test('both sides must allow the call and its tags', async () => {
    const other = fixture.clients(fixture.otherAdmin).iam
    const trust = trustOf({ AWS: arnOf('caller') }, BOTH)
    await create('caller', trustOf({ AWS: USER }, BOTH))
    await other.send(new CreateRoleCommand({ RoleName: 'far', AssumeRolePolicyDocument: trust }))
    const far = arnOf('far', OTHER_ACCOUNT)
    const keys = await hop(fixture.admin, 'caller')
    const Tags = [{ Key: 'a', Value: 'b' }]
    const denied = await refusalOf(assume(keys, far))
    expect(denied).toMatchObject({ code: 'AccessDenied', status: 403 })
    expect(denied.message).toStartWith(
      `User: arn:aws:sts::${ACCOUNT}:assumed-role/caller/test is not authorized to perform: sts:AssumeRole on resource: ${far}`,
    )
    await permit('caller', allowOf('sts:AssumeRole', far))
    await assume(keys, far)
    const untagged = await refusalOf(assume(keys, far, { Tags }))
    expect(untagged.message).toContain('is not authorized to perform: sts:TagSession')
    await permit('caller', allowOf(BOTH, far))
    await assume(keys, far, { Tags })
  })

  test('a boundary and a session policy limit a role that the trust names', async () => {
    await create('bound', trustOf({ AWS: USER }, BOTH))
    await create('trusts-bound', trustOf({ AWS: arnOf('bound') }, BOTH))
    await create(
      'trusts-session',
      trustOf({ AWS: `arn:aws:sts::${ACCOUNT}:assumed-role/bound/test` }, BOTH),
    )
    const free = await hop(fixture.admin, 'bound')
    await hop(free, 'trusts-bound')
    const narrow = await hop(fixture.admin, 'bound', { Policy: allowOf('s3:*') })
    expect((await refusalOf(hop(narrow, 'trusts-bound'))).code).toBe('AccessDenied')
    await hop(narrow, 'trusts-session')
    const policy = new CreatePolicyCommand({ PolicyName: 'b', PolicyDocument: allowOf('s3:*') })
    const PermissionsBoundary = (await admin.iam.send(policy)).Policy?.Arn ?? ''
    const put = { RoleName: 'bound', PermissionsBoundary }
    await admin.iam.send(new PutRolePermissionsBoundaryCommand(put))
    expect((await refusalOf(hop(free, 'trusts-bound'))).code).toBe('AccessDenied')
    await hop(free, 'trusts-session')
  })

  test('an account that is trusted leaves it to its own policies', async () => {
    await create('account', trustOf({ AWS: ACCOUNT }, BOTH))
    const nobody = await hop(fixture.admin, 'any')
    expect((await refusalOf(hop(nobody, 'account'))).code).toBe('AccessDenied')
    await permit('any', allowOf('sts:AssumeRole', arnOf('account')))
    await hop(nobody, 'account')
  })
})

interface Bad {
  readonly name: string
  readonly more: object
  readonly code: string
  readonly text: RegExp
}

const tag = (Key: string, Value = 'v'): object => ({ Key, Value })
const BAD: readonly Bad[] = [
  {
    name: 'the 51st tag',
    more: { Tags: Array.from({ length: 51 }, (_, index) => tag(`k${index}`)) },
    code: 'ValidationError',
    text: /'tags' failed to satisfy constraint: Member must have length less than or equal to 50/,
  },
  {
    name: 'tag keys that differ by case alone',
    more: { Tags: [tag('a'), tag('A')] },
    code: 'InvalidParameterValue',
    text: /Duplicate tag keys/,
  },
  {
    name: 'a reserved tag key',
    more: { Tags: [tag('AWS:x')] },
    code: 'InvalidParameterValue',
    text: /reserved/,
  },
  {
    name: 'a tag of wrong characters',
    more: { Tags: [tag('a', 'b*')] },
    code: 'ValidationError',
    text: /'tags.1.member.value' failed to satisfy constraint: Member must satisfy regular/,
  },
  {
    name: 'a transitive key that is no tag of the call',
    more: { Tags: [tag('a')], TransitiveTagKeys: ['b'] },
    code: 'InvalidParameterValue',
    text: /transitive tag key/,
  },
  {
    name: 'a transitive key of wrong characters',
    more: { Tags: [tag('a')], TransitiveTagKeys: ['b*'] },
    code: 'ValidationError',
    text: /'transitiveTagKeys.1.member' failed/,
  },
  {
    name: 'an external id of one character',
    more: { ExternalId: 'a' },
    code: 'ValidationError',
    text: /'externalId'.*greater than or equal to 2/,
  },
  {
    name: 'an external id of 1,225 characters',
    more: { ExternalId: 'a'.repeat(1225) },
    code: 'ValidationError',
    text: /'externalId'.*less than or equal to 1224/,
  },
  {
    name: 'a session name of 65 characters',
    more: { RoleSessionName: 'a'.repeat(65) },
    code: 'ValidationError',
    text: /'roleSessionName'.*less than or equal to 64/,
  },
  {
    name: '11 session policies by ARN',
    more: {
      PolicyArns: Array.from({ length: 11 }, () => ({
        arn: 'arn:aws:iam::aws:policy/ReadOnlyAccess',
      })),
    },
    code: 'ValidationError',
    text: /'policyArns'.*less than or equal to 10/,
  },
  {
    name: 'a session policy of 2,049 characters',
    more: { Policy: allowOf('s3:*').padEnd(2049) },
    code: 'ValidationError',
    text: /'policy'.*less than or equal to 2048/,
  },
  {
    name: 'a session policy and ARNs over 2,048 characters together',
    more: {
      Policy: allowOf('s3:*').padEnd(2020),
      PolicyArns: [{ arn: 'arn:aws:iam::aws:policy/AdministratorAccess' }],
    },
    code: 'PackedPolicyTooLarge',
    text: /2048/,
  },
  {
    name: 'a session policy with a short ARN',
    more: { Policy: allowOf('s3:*', 'arn:aws:s3') },
    code: 'MalformedPolicyDocument',
    text: /ARN/,
  },
  {
    name: 'a session policy with a principal',
    more: { Policy: trustOf({ AWS: '*' }, 's3:*') },
    code: 'MalformedPolicyDocument',
    text: /principal/,
  },
  {
    name: 'a duration of 899 seconds',
    more: { DurationSeconds: 899 },
    code: 'ValidationError',
    text: /'durationSeconds'.*greater than or equal to 900/,
  },
]

describe('AssumeRole refuses', () => {
  for (const { name, more, code, text } of BAD) {
    test(name, async () => {
      const refusal = await refusalOf(assume(fixture.admin, arnOf('any'), more))
      expect([refusal.code.replace(/Exception$/, ''), refusal.status]).toEqual([code, 400])
      expect(refusal.message).toMatch(text)
    })
  }

  test('a role that does not exist as one that does not trust the caller', async () => {
    const refusal = await refusalOf(assume(fixture.admin, arnOf('nobody')))
    expect(refusal).toMatchObject({ code: 'AccessDenied', status: 403 })
  })
})

test('a role session is authorized by the path of its role, its ARN has none', async () => {
  await create('deep', trustOf({ AWS: USER }, BOTH), { Path: '/team/a/' })
  const deep = `arn:aws:iam::${ACCOUNT}:role/team/a/deep`
  await create('by-path', trustOf({ AWS: '*' }, BOTH, { ArnEquals: { 'aws:PrincipalArn': deep } }))
  const answer = await assume(fixture.admin, deep)
  expect(answer.AssumedRoleUser?.Arn).toBe(`arn:aws:sts::${ACCOUNT}:assumed-role/deep/test`)
  await hop(keysOf(answer), 'by-path')
  expect((await refusalOf(assume(fixture.admin, arnOf('deep')))).code).toBe('AccessDenied')
})
