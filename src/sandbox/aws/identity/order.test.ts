/** Who calls comes first: nothing of a signed request is read for more before it is known. */
import { Sha256 } from '@aws-crypto/sha256-js'
import { CreateRoleCommand } from '@aws-sdk/client-iam'
import { AssumeRoleCommand } from '@aws-sdk/client-sts'
import { HttpRequest } from '@smithy/protocol-http'
import { SignatureV4 } from '@smithy/signature-v4'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  ACCOUNT,
  type AwsFixture,
  CLUSTER,
  type HandSigned,
  type Keys,
  REGION,
  startAwsFixture,
  trustOf,
} from '../aws-fixture.suite.ts'

let fixture: AwsFixture
beforeAll(async () => {
  fixture = await startAwsFixture()
})
afterAll(() => fixture.stop())

const WHO = 'Action=GetCallerIdentity&Version=2011-06-15'
const LIST = 'Action=ListRoles&Version=2010-05-08'

async function answerTo(request: Omit<HandSigned, 'keys'>): Promise<[number, string]> {
  const response = await fixture.call({ ...request, keys: fixture.admin })
  const json = response.headers.get('x-amzn-errortype')
  const text = await response.text()
  return [response.status, json ?? /<Code>(\w+)<\/Code>/.exec(text)?.[1] ?? 'none']
}

const body = (text: string): NonNullable<HandSigned['tamper']> => {
  return (request) => ({ ...request, body: text })
}
const query = (text: string): NonNullable<HandSigned['tamper']> => {
  return (request) => ({ ...request, url: `${request.url}?${text}` })
}
const at = (path: string): NonNullable<HandSigned['tamper']> => {
  return (request) => ({ ...request, url: new URL(path, request.url).href })
}

interface Case {
  readonly name: string
  readonly request: Omit<HandSigned, 'keys'>
  readonly answer: [number, string]
}

const WRONG: [number, string] = [403, 'SignatureDoesNotMatch']
const WRONG_JSON: [number, string] = [403, 'InvalidSignatureException']
const EKS = { service: 'eks', method: 'GET', path: '/clusters' }
const AUTH = {
  service: 'eks-auth',
  path: `/clusters/${CLUSTER}/assume-role-for-pod-identity`,
  body: '{"token":"a"}',
}
const S3 = { service: 's3', method: 'GET', path: '/bucket/key' }

const ALTERED: readonly Case[] = [
  {
    name: 'a body that names no operation of STS',
    request: { service: 'sts', body: WHO, tamper: body(WHO.replace('Identity', 'Nothing')) },
    answer: WRONG,
  },
  {
    name: 'a body that names no operation of IAM',
    request: { service: 'iam', body: LIST, tamper: body('Action=Nothing&Version=2010-05-08') },
    answer: WRONG,
  },
  {
    name: 'a body of another version',
    request: { service: 'sts', body: WHO, tamper: body('Action=GetCallerIdentity&Version=1') },
    answer: WRONG,
  },
  { name: 'no body', request: { service: 'sts', body: WHO, tamper: body('') }, answer: WRONG },
  {
    name: 'a body that is not UTF-8 text of a form',
    request: { service: 'sts', body: WHO, tamper: body(`${WHO}&%zz=\u0000&&=`) },
    answer: WRONG,
  },
  {
    name: 'a body that says a parameter twice',
    request: { service: 'sts', body: WHO, tamper: body(`${WHO}&${WHO}`) },
    answer: WRONG,
  },
  {
    name: 'a query that says the action again',
    request: { service: 'sts', body: WHO, tamper: query(WHO) },
    answer: WRONG,
  },
  {
    name: 'a query that says another action',
    request: { service: 'iam', body: LIST, tamper: query('Action=DeleteRole') },
    answer: WRONG,
  },
  {
    name: 'a path of EKS without an operation',
    request: { ...EKS, tamper: at('/nothing') },
    answer: WRONG_JSON,
  },
  { name: 'a body of EKS Auth', request: { ...AUTH, tamper: body('[') }, answer: WRONG_JSON },
  {
    name: 'a query of EKS',
    request: { ...EKS, tamper: query('maxResults=x') },
    answer: WRONG_JSON,
  },
  {
    name: 'a sub-resource that S3 has not',
    request: { ...S3, tamper: query('nothing') },
    answer: WRONG,
  },
]

describe('an altered request is refused by its signature, whatever it says', () => {
  for (const { name, request, answer } of ALTERED) {
    test(name, async () => {
      expect(await answerTo(request)).toEqual(answer)
    })
  }
})

const SIGNED: readonly Case[] = [
  {
    name: 'an operation that does not exist',
    request: { service: 'sts', body: 'Action=Nothing&Version=2011-06-15' },
    answer: [400, 'InvalidAction'],
  },
  {
    name: 'no operation',
    request: { service: 'iam', body: 'Version=2010-05-08' },
    answer: [400, 'MissingAction'],
  },
  {
    name: 'a parameter twice',
    request: { service: 'sts', body: `${WHO}&${WHO}` },
    answer: [400, 'MalformedQueryString'],
  },
  {
    name: 'a path without an operation',
    request: { ...EKS, path: '/nothing' },
    answer: [404, 'UnknownOperationException'],
  },
  {
    name: 'a sub-resource that S3 has not',
    request: { ...S3, path: '/bucket/key?nothing' },
    answer: [501, 'NotImplemented'],
  },
]

describe('a good signature over what cannot be done is told so', () => {
  for (const { name, request, answer } of SIGNED) {
    test(name, async () => {
      expect(await answerTo(request)).toEqual(answer)
    })
  }
})

describe('a date an hour off, both ways', () => {
  for (const shiftMs of [-3_600_000, 3_600_000]) {
    test(`${shiftMs} ms`, async () => {
      const got: [number, string][] = []
      for (const request of [
        { service: 'sts', body: WHO },
        { service: 'iam', body: LIST },
        EKS,
        AUTH,
        S3,
      ]) {
        got.push(await answerTo({ ...request, shiftMs }))
      }
      expect(got).toEqual([WRONG, WRONG, WRONG_JSON, WRONG_JSON, [403, 'RequestTimeTooSkewed']])
    })
  }
})

test('a bad signature does not spoil the call that needs none', async () => {
  const form = `Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=aa&RoleArn=arn:aws:iam::111122223333:role/x&WebIdentityToken=a.b.c`
  const keys = { ...fixture.admin, secretAccessKey: 'wrong' }
  const response = await fixture.call({ service: 'sts', body: form, keys })
  expect(await response.text()).toContain('<Code>InvalidIdentityToken</Code>')
})

describe('of a temporary key', () => {
  const call = (keys: Keys): Promise<Response> => fixture.call({ service: 'sts', body: WHO, keys })
  const codeOf = async (keys: Keys): Promise<string> =>
    /<Code>(\w+)</.exec(await (await call(keys)).text())?.[1] ?? 'none'

  test('the token is looked at before its end, its end before the signature', async () => {
    const { iam, sts } = fixture.clients(fixture.admin)
    const AssumeRolePolicyDocument = trustOf({ AWS: ACCOUNT }, 'sts:AssumeRole')
    const created = new CreateRoleCommand({ RoleName: 'any', AssumeRolePolicyDocument })
    const RoleArn = (await iam.send(created)).Role?.Arn ?? ''
    const policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: { Effect: 'Deny', Action: '*', Resource: '*' },
    })
    const assume = new AssumeRoleCommand({ RoleArn, RoleSessionName: 'aa', Policy: policy })
    const { Credentials } = await sts.send(assume)
    const keys = {
      accessKeyId: Credentials?.AccessKeyId ?? '',
      secretAccessKey: Credentials?.SecretAccessKey ?? '',
      sessionToken: Credentials?.SessionToken ?? '',
    }
    const wrong = { ...keys, secretAccessKey: 'wrong' }
    // No policy can refuse this call, not even one that denies everything.
    expect((await call(keys)).status).toBe(200)
    expect(await codeOf(wrong)).toBe('SignatureDoesNotMatch')
    expect(await codeOf({ ...wrong, sessionToken: `${keys.sessionToken}x` })).toBe(
      'InvalidClientTokenId',
    )
    fixture.clock.advance(3_600_000)
    expect(await codeOf(keys)).toBe('ExpiredToken')
    expect(await codeOf(wrong)).toBe('ExpiredToken')
    expect(await codeOf({ ...wrong, sessionToken: `${keys.sessionToken}x` })).toBe(
      'InvalidClientTokenId',
    )
  })
})

test('an error is JSON to who accepts JSON', async () => {
  const response = await fixture.call({
    service: 'sts',
    body: WHO,
    keys: { ...fixture.admin, secretAccessKey: 'wrong' },
    headers: { accept: 'application/json' },
  })
  expect(response.status).toBe(403)
  expect((await response.json()) as object).toMatchObject({
    Error: { Type: 'Sender', Code: 'SignatureDoesNotMatch' },
    RequestId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
  })
})

describe('GetCallerIdentity signed in its query, as EKS tokens are', () => {
  const HEADER = { 'x-k8s-aws-id': CLUSTER }
  async function presign(expiresIn: number): Promise<string> {
    const { host, hostname, port } = new URL(fixture.endpoint)
    const signer = new SignatureV4({
      service: 'sts',
      region: REGION,
      sha256: Sha256,
      credentials: fixture.admin,
    })
    const request = new HttpRequest({
      protocol: 'http:',
      hostname,
      port: Number(port),
      path: '/',
      query: { Action: 'GetCallerIdentity', Version: '2011-06-15' },
      headers: { host, ...HEADER },
    })
    const signed = await signer.presign(request, {
      expiresIn,
      signingDate: new Date(fixture.clock.now()),
      unhoistableHeaders: new Set(Object.keys(HEADER)),
    })
    return new URLSearchParams(signed.query as Record<string, string>).toString()
  }
  async function get(
    text: string,
    headers: Readonly<Record<string, string>> = HEADER,
  ): Promise<[number, string]> {
    const options = { headers, proxy: false, signal: AbortSignal.timeout(5000) } as const
    const response = await fetch(`${fixture.endpoint}/?${text}`, options)
    return [response.status, /<Code>(\w+)</.exec(await response.text())?.[1] ?? '']
  }

  test('holds for 15 minutes, whatever it says, and for the one cluster that it names', async () => {
    const good = await presign(60)
    expect(await get(good)).toEqual([200, ''])
    expect(await get(good, {})).toEqual(WRONG)
    expect(await get(good, { 'x-k8s-aws-id': 'other' })).toEqual(WRONG)
    expect(await get(`${good}&Note=1`)).toEqual(WRONG)
    expect(await get(good.replace('X-Amz-Expires=60', 'X-Amz-Expires=900'))).toEqual(WRONG)
    expect(await get(good.replace('GetCallerIdentity', 'Nothing'))).toEqual(WRONG)
    expect(await get(good.replace(/X-Amz-Signature=\w+/, ''))).toEqual([400, 'IncompleteSignature'])
    fixture.clock.advance(899_000)
    expect(await get(good)).toEqual([200, ''])
    fixture.clock.advance(2000)
    expect(await get(good)).toEqual(WRONG)
  })
})

test('the region of the scope is part of what is signed', async () => {
  const tamper: NonNullable<HandSigned['tamper']> = (request) => ({
    ...request,
    headers: Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [
        name,
        value.replace(`/${REGION}/`, '/us-east-1/'),
      ]),
    ),
  })
  expect(await answerTo({ service: 'sts', body: WHO, tamper })).toEqual(WRONG)
})
