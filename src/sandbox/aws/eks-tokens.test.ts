import { afterAll, beforeAll, expect, test } from 'bun:test'
import { Sha256 } from '@aws-crypto/sha256-js'
import { CreateAccessEntryCommand } from '@aws-sdk/client-eks'
import { CreateRoleCommand, DeleteRoleCommand } from '@aws-sdk/client-iam'
import { AssumeRoleCommand } from '@aws-sdk/client-sts'
import { HttpRequest } from '@smithy/protocol-http'
import { SignatureV4 } from '@smithy/signature-v4'
import {
  ACCOUNT,
  type AwsFixture,
  CLUSTER,
  type Keys,
  REGION,
  startAwsFixture,
} from './aws-fixture.suite.ts'

let fixture: AwsFixture

beforeAll(async () => {
  fixture = await startAwsFixture()
})
afterAll(() => fixture.stop())

const access = (name = CLUSTER): ReturnType<AwsFixture['aws']['eksAccess']> =>
  fixture.aws.eksAccess({ accountId: ACCOUNT, region: REGION, name })

interface Wish {
  readonly cluster?: string
  readonly host?: string
  readonly service?: string
  readonly query?: Record<string, string>
  readonly expiresIn?: number
  readonly headers?: Record<string, string>
}

/** A token as `aws eks get-token` makes it: presigned for 60 seconds, which STS takes for 900. */
async function tokenOf(keys: Keys, wish: Wish = {}): Promise<string> {
  const hostname = wish.host ?? `sts.${REGION}.amazonaws.com`
  const signer = new SignatureV4({
    service: wish.service ?? 'sts',
    region: REGION,
    sha256: Sha256,
    credentials: keys,
  })
  const request = new HttpRequest({
    method: 'GET',
    protocol: 'https:',
    hostname,
    path: '/',
    query: wish.query ?? { Action: 'GetCallerIdentity', Version: '2011-06-15' },
    headers: wish.headers ?? { host: hostname, 'x-k8s-aws-id': wish.cluster ?? CLUSTER },
  })
  const { query } = await signer.presign(request, {
    expiresIn: wish.expiresIn ?? 60,
    signingDate: new Date(fixture.clock.now()),
    unhoistableHeaders: new Set(['x-k8s-aws-id']),
  })
  const text = Object.entries(query ?? {})
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`)
    .join('&')
  return `k8s-aws-v1.${Buffer.from(`https://${hostname}/?${text}`).toString('base64url')}`
}

test('a user is who signed', async () => {
  expect(await access().eksTokens(await tokenOf(fixture.admin))).toEqual({
    accountId: ACCOUNT,
    arn: `arn:aws:iam::${ACCOUNT}:user/admin`,
    principalArn: `arn:aws:iam::${ACCOUNT}:user/admin`,
    uniqueId: expect.stringMatching(/^AIDA/),
    accessKeyId: fixture.admin.accessKeyId,
  })
})

test('a role counts with its path, and its entry until it is made again', async () => {
  const { iam, sts, eks } = fixture.clients(fixture.admin)
  const RoleName = 'reader'
  const create = async (): Promise<string> => {
    const { Role } = await iam.send(
      new CreateRoleCommand({
        RoleName,
        Path: '/team/',
        AssumeRolePolicyDocument: JSON.stringify({
          Version: '2012-10-17',
          Statement: [{ Effect: 'Allow', Principal: { AWS: ACCOUNT }, Action: 'sts:AssumeRole' }],
        }),
      }),
    )
    return Role?.Arn ?? ''
  }
  const session = async (): Promise<Keys> => {
    const { Credentials: found } = await sts.send(
      new AssumeRoleCommand({ RoleArn: roleArn, RoleSessionName: 'jane' }),
    )
    return {
      accessKeyId: found?.AccessKeyId ?? '',
      secretAccessKey: found?.SecretAccessKey ?? '',
      sessionToken: found?.SessionToken ?? '',
    }
  }
  const roleArn = await create()
  const identity = await access().eksTokens(await tokenOf(await session()))
  expect(identity).toMatchObject({
    arn: `arn:aws:sts::${ACCOUNT}:assumed-role/reader/jane`,
    principalArn: `arn:aws:iam::${ACCOUNT}:role/team/reader`,
    sessionName: 'jane',
  })
  await eks.send(new CreateAccessEntryCommand({ clusterName: CLUSTER, principalArn: roleArn }))
  if (identity === undefined) throw new Error('no identity')
  expect(access().entries.find(identity)?.username).toBe(
    `arn:aws:sts::${ACCOUNT}:assumed-role/reader/{{SessionName}}`,
  )
  await iam.send(new DeleteRoleCommand({ RoleName }))
  await create()
  const again = await access().eksTokens(await tokenOf(await session()))
  expect(again?.uniqueId).not.toBe(identity.uniqueId)
  expect(again && access().entries.find(again)).toBeUndefined()
})

test('is good for 15 minutes', async () => {
  const token = await tokenOf(fixture.admin)
  fixture.clock.advance(14 * 60_000)
  expect(await access().eksTokens(token)).toBeDefined()
  fixture.clock.advance(90_000)
  expect(await access().eksTokens(token)).toBeUndefined()
})

test('aws-iam-authenticator says that it is to live for no second', async () => {
  expect(await access().eksTokens(await tokenOf(fixture.admin, { expiresIn: 0 }))).toBeDefined()
})

test('the sandbox’s own endpoint may be the signed host', async () => {
  const token = await tokenOf(fixture.admin, { host: '127.0.0.1' })
  expect(await access().eksTokens(token)).toBeDefined()
})

const refusals: readonly (readonly [string, Wish])[] = [
  ['of another cluster', { cluster: 'green' }],
  ['without the cluster in its signature', { headers: { host: `sts.${REGION}.amazonaws.com` } }],
  ['for another host', { host: 'sts.example.com' }],
  ['for another service', { service: 's3' }],
  ['that is to live longer', { expiresIn: 901 }],
  ['of another action', { query: { Action: 'GetSessionToken', Version: '2011-06-15' } }],
  [
    'with a parameter more',
    { query: { Action: 'GetCallerIdentity', Version: '2011-06-15', X: '1' } },
  ],
  ['with a parameter twice', { query: { Action: 'GetCallerIdentity', action: 'x' } }],
]
for (const [name, wish] of refusals) {
  test(`a token ${name} is refused`, async () => {
    expect(await access().eksTokens(await tokenOf(fixture.admin, wish))).toBeUndefined()
  })
}

test('a wrong key, a changed token and noise are refused', async () => {
  const wrong = await tokenOf({ ...fixture.admin, secretAccessKey: 'wrong' })
  const good = await tokenOf(fixture.admin)
  const noise = [
    'k8s-aws-v1.',
    'k8s-aws-v1.!',
    'k8s-aws-v1.aHR0cA',
    'x',
    `${good}=`,
    `k8s-aws-v1.${'a'.repeat(5000)}`,
  ]
  for (const token of [wrong, `${good.slice(0, -4)}AAAA`, ...noise]) {
    expect(await access().eksTokens(token)).toBeUndefined()
  }
})
