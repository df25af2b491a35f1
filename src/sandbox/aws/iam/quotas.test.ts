/** IAM's default quotas (IAM User Guide, "IAM and AWS STS quotas") and what trust may not say. */
import {
  AddClientIDToOpenIDConnectProviderCommand,
  AttachRolePolicyCommand,
  CreateOpenIDConnectProviderCommand,
  CreatePolicyCommand,
  CreateRoleCommand,
  type IAMClient,
  PutRolePolicyCommand,
  TagOpenIDConnectProviderCommand,
  UpdateAssumeRolePolicyCommand,
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
  await create('role')
})
afterAll(() => fixture.stop())

const create = (RoleName: string, more: object = {}): Promise<unknown> =>
  iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: EC2, ...more }))

const tags = (count: number): { Key: string; Value: string }[] =>
  Array.from({ length: count }, (_, index) => ({ Key: `k${index}`, Value: 'v' }))

/** Code without its suffix, and status. */
async function faultOf(call: Promise<unknown>): Promise<[string, number | undefined]> {
  const { code, status } = await refusalOf(call)
  return [code.replace(/Exception$/, ''), status]
}

describe('over its quota is', () => {
  test('the 51st tag of a new role or provider', async () => {
    await create('tags-50', { Tags: tags(50) })
    expect(await faultOf(create('tags-51', { Tags: tags(51) }))).toEqual(['ValidationError', 400])
    const made = await iam.send(
      new CreateOpenIDConnectProviderCommand({ Url: 'https://a.example', Tags: tags(50) }),
    )
    const { OpenIDConnectProviderArn } = made
    const more = { OpenIDConnectProviderArn, Tags: [{ Key: 'k50', Value: 'v' }] }
    expect(await faultOf(iam.send(new TagOpenIDConnectProviderCommand(more)))).toEqual([
      'LimitExceeded',
      409,
    ])
  })

  test('the 2,049th character of a changed trust policy', async () => {
    const update = (PolicyDocument: string): Promise<unknown> =>
      iam.send(new UpdateAssumeRolePolicyCommand({ RoleName: 'role', PolicyDocument }))
    await update(EC2.padEnd(2048))
    expect(await faultOf(update(EC2.padEnd(2049)))).toEqual(['LimitExceeded', 409])
  })

  test('the 21st managed policy of a role, and 6,145 characters of one', async () => {
    const make = async (PolicyName: string, PolicyDocument: string): Promise<string> => {
      const { Policy } = await iam.send(new CreatePolicyCommand({ PolicyName, PolicyDocument }))
      return Policy?.Arn ?? ''
    }
    const attach = (PolicyArn: string): Promise<unknown> =>
      iam.send(new AttachRolePolicyCommand({ RoleName: 'role', PolicyArn }))
    for (let index = 0; index < 20; index += 1) {
      await attach(await make(`p-${index}`, allowOf('s3:GetObject')))
    }
    const last = await make('p-20', allowOf('s3:GetObject'))
    expect(await faultOf(attach(last))).toEqual(['LimitExceeded', 409])
    const least = allowOf('s3:GetObject', ['']).length
    const sized = (length: number): string =>
      allowOf('s3:GetObject', [`arn:aws:s3:::${'x'.repeat(length - least - 13)}`])
    expect(sized(6144)).toHaveLength(6144)
    await make('big', sized(6144) + ' '.repeat(500))
    expect(await faultOf(make('bigger', sized(6145)))).toEqual(['LimitExceeded', 409])
  })

  test('the 10,241st character of all inline policies of a role', async () => {
    const put = (PolicyName: string, length: number): Promise<unknown> => {
      const least = allowOf('s3:GetObject', ['']).length
      const resource = `arn:aws:s3:::${'x'.repeat(length - least - 13)}`
      const PolicyDocument = allowOf('s3:GetObject', [resource])
      const command = { RoleName: 'role', PolicyName, PolicyDocument }
      return iam.send(new PutRolePolicyCommand(command))
    }
    await put('a', 5120)
    await put('b', 5120)
    await put('b', 5119)
    expect(await faultOf(put('b', 5121))).toEqual(['LimitExceeded', 409])
  })

  test('the 101st client id and the sixth thumbprint of a provider', async () => {
    const make = (Url: string, more: object): Promise<{ OpenIDConnectProviderArn?: string }> =>
      iam.send(new CreateOpenIDConnectProviderCommand({ Url, ...more })) as never
    const ids = Array.from({ length: 101 }, (_, index) => `client-${index}`)
    expect(await faultOf(make('https://b.example', { ClientIDList: ids }))).toEqual([
      'LimitExceeded',
      409,
    ])
    const { OpenIDConnectProviderArn } = await make('https://b.example', {
      ClientIDList: ids.slice(0, 100),
    })
    const add = { OpenIDConnectProviderArn, ClientID: 'client-100' }
    expect(await faultOf(iam.send(new AddClientIDToOpenIDConnectProviderCommand(add)))).toEqual([
      'LimitExceeded',
      409,
    ])
    const prints = Array.from({ length: 6 }, (_, index) => `${index}`.repeat(40))
    const [code] = await faultOf(make('https://c.example', { ThumbprintList: prints }))
    expect(code).toBe('InvalidInput')
    await make('https://c.example', { ThumbprintList: prints.slice(0, 5) })
  })

  test('a provider URL of 256 characters, a role name of 65, a path of 513', async () => {
    const url = (length: number): Promise<unknown> =>
      iam.send(
        new CreateOpenIDConnectProviderCommand({ Url: 'https://d.example/'.padEnd(length, 'x') }),
      )
    await url(255)
    expect(await faultOf(url(256))).toEqual(['ValidationError', 400])
    await create('n'.repeat(64))
    expect(await faultOf(create('n'.repeat(65)))).toEqual(['ValidationError', 400])
    await create('path', { Path: `/${'p'.repeat(510)}/` })
    const long = create('path-2', { Path: `/${'p'.repeat(511)}/` })
    expect(await faultOf(long)).toEqual(['ValidationError', 400])
  })
})

test('provider URLs differ by case and by a trailing slash', async () => {
  const make = async (Url: string): Promise<string | undefined> =>
    (await iam.send(new CreateOpenIDConnectProviderCommand({ Url }))).OpenIDConnectProviderArn
  const made = [
    await make('https://e.example/id/A'),
    await make('https://e.example/id/a'),
    await make('https://e.example/id/A/'),
  ]
  const arn = `arn:aws:iam::${ACCOUNT}:oidc-provider/e.example/id`
  expect(made).toEqual([`${arn}/A`, `${arn}/a`, `${arn}/A/`])
})

const providerOf = (url: string): object => ({
  Federated: `arn:aws:iam::${ACCOUNT}:oidc-provider/${url}`,
})
const WEB = 'sts:AssumeRoleWithWebIdentity'
const GITHUB = 'token.actions.githubusercontent.com'

/** Source: IAM User Guide, "Identity-provider controls for shared OIDC providers". */
describe('trust in an issuer that many share', () => {
  const open: [name: string, trust: string][] = [
    ['nothing', trustOf(providerOf(GITHUB), WEB)],
    ['aud alone', trustOf(providerOf(GITHUB), WEB, { StringEquals: { [`${GITHUB}:aud`]: 'a' } })],
    ['any sub', trustOf(providerOf(GITHUB), WEB, { StringLike: { [`${GITHUB}:sub`]: '*' } })],
    [
      'a sub or none',
      trustOf(providerOf(GITHUB), WEB, { StringLikeIfExists: { [`${GITHUB}:sub`]: 'repo:a/*' } }),
    ],
    [
      'not that sub',
      trustOf(providerOf(GITHUB), WEB, { StringNotLike: { [`${GITHUB}:sub`]: 'repo:a/*' } }),
    ],
    ['nothing, GitLab', trustOf(providerOf('gitlab.com'), WEB)],
    ['nothing, HCP Terraform', trustOf(providerOf('app.terraform.io'), WEB)],
  ]
  for (const [name, trust] of open) {
    test(`is refused when it asks for ${name}`, async () => {
      const bad = create('shared', { AssumeRolePolicyDocument: trust })
      expect(await faultOf(bad)).toEqual(['MalformedPolicyDocument', 400])
    })
  }

  test('is taken when it is narrow, and a private issuer in any way', async () => {
    const narrow = { StringLike: { [`${GITHUB}:SUB`]: 'repo:org/*' } }
    await create('github', { AssumeRolePolicyDocument: trustOf(providerOf(GITHUB), WEB, narrow) })
    const own = trustOf(providerOf('own.example/gitlab.com'), WEB)
    await create('private', { AssumeRolePolicyDocument: own })
  })
})

const malformed: [name: string, trust: string, text: RegExp][] = [
  ['NotPrincipal', trustOf(undefined, WEB).replace('"Effect"', '"NotPrincipal":"*","Effect"'), /./],
  ['no principal', trustOf(undefined, WEB), /^Missing required field Principal$/],
  [
    'part of a principal',
    trustOf({ AWS: `arn:aws:iam::${ACCOUNT}:role/app-*` }, 'sts:AssumeRole'),
    /^Invalid principal in policy: "AWS":"arn:aws:iam::\d+:role\/app-\*"$/,
  ],
  [
    'a user that does not exist',
    trustOf({ AWS: `arn:aws:iam::${ACCOUNT}:user/nobody` }, 'sts:AssumeRole'),
    /^Invalid principal in policy/,
  ],
  ['any service', trustOf({ Service: '*' }, 'sts:AssumeRole'), /^Invalid principal in policy/],
  ['the same key twice', trustOf('*', WEB, { StringEquals: { 'a:b': '1', 'A:B': '2' } }), /./],
  ['an effect in lower case', EC2.replace('Allow', 'allow'), /^Invalid effect: allow$/],
  ['no version that exists', EC2.replace('2012-10-17', '2012-10-18'), /valid version string/],
  ['a Sid with a dash', EC2.replace('"Effect"', '"Sid":"a-b","Effect"'), /alpha-numeric/],
]
describe('a trust policy is malformed with', () => {
  for (const [name, trust, text] of malformed) {
    test(name, async () => {
      const refusal = await refusalOf(create('bad', { AssumeRolePolicyDocument: trust }))
      expect(refusal.code).toStartWith('MalformedPolicyDocument')
      expect(refusal.status).toBe(400)
      expect(refusal.message).toMatch(text)
    })
  }
})
