/** Whom a bucket policy can name, and requests that are signed in their query. */
import {
  CreateBucketCommand,
  DeletePublicAccessBlockCommand,
  GetBucketPolicyCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { CreateRoleCommand, DeleteRoleCommand, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import { AssumeRoleCommand } from '@aws-sdk/client-sts'
import { Sha256 } from '@aws-crypto/sha256-js'
import { HttpRequest } from '@smithy/protocol-http'
import { SignatureV4 } from '@smithy/signature-v4'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  ACCOUNT,
  allowOf,
  type AwsFixture,
  type Keys,
  OTHER_ACCOUNT,
  REGION,
  refusalOf,
  startAwsFixture,
  trustOf,
} from '../aws-fixture.suite.ts'

const Bucket = 'principals'
const OBJECT = `arn:aws:s3:::${Bucket}/*`
const READ = new GetObjectCommand({ Bucket, Key: 'a' })
const SESSION = 'one'

let fixture: AwsFixture
let s3: S3Client

beforeAll(async () => {
  fixture = await startAwsFixture()
  s3 = fixture.clients(fixture.admin).s3
  const CreateBucketConfiguration = { LocationConstraint: REGION } as const
  await s3.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration }))
  await s3.send(new DeletePublicAccessBlockCommand({ Bucket }))
  await s3.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'text' }))
})
afterAll(() => fixture.stop())

async function createRole(RoleName: string, more: object = {}): Promise<string> {
  const trust = trustOf({ AWS: `arn:aws:iam::${ACCOUNT}:user/admin` }, 'sts:AssumeRole')
  const { iam } = fixture.clients(fixture.admin)
  const command = new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: trust, ...more })
  return (await iam.send(command)).Role?.Arn ?? ''
}

async function keysOf(RoleArn: string, more: object = {}): Promise<Keys> {
  const { sts } = fixture.clients(fixture.admin)
  const command = new AssumeRoleCommand({ RoleArn, RoleSessionName: SESSION, ...more })
  const { Credentials } = await sts.send(command)
  return {
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  }
}

async function may(keys: Keys): Promise<boolean> {
  const { s3: own } = fixture.clients(keys)
  try {
    await own.send(READ)
    return true
  } catch {
    expect((await refusalOf(own.send(READ))).code).toBe('AccessDenied')
    return false
  }
}

const allow = (principal: unknown, more: object = {}): object => ({
  Effect: 'Allow',
  Principal: principal,
  Action: 's3:GetObject',
  Resource: OBJECT,
  ...more,
})

const write = (...Statement: object[]): Promise<unknown> => {
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
  return s3.send(new PutBucketPolicyCommand({ Bucket, Policy }))
}

describe('in a bucket policy', () => {
  test('a role, its session, its account and everybody', async () => {
    const role = await createRole('app', { Path: '/team/' })
    const session = `arn:aws:sts::${ACCOUNT}:assumed-role/app/${SESSION}`
    const free = await keysOf(role)
    const narrow = await keysOf(role, { Policy: allowOf('s3:ListBucket') })
    const second = await keysOf(role, { RoleSessionName: 'two' })
    // free, limited by a session policy, another session of the role
    const seen: [principal: unknown, more: object, answers: boolean[]][] = [
      [{ AWS: role }, {}, [true, false, true]],
      [{ AWS: session }, {}, [true, true, false]],
      [{ AWS: [session.replace(/one$/, 'two')] }, {}, [false, false, true]],
      [{ AWS: ACCOUNT }, {}, [false, false, false]],
      [{ AWS: `arn:aws:iam::${ACCOUNT}:root` }, {}, [false, false, false]],
      [{ AWS: OTHER_ACCOUNT }, {}, [false, false, false]],
      ['*', { Condition: { ArnEquals: { 'aws:PrincipalArn': role } } }, [true, true, true]],
      ['*', { Condition: { ArnLike: { 'aws:PrincipalArn': session } } }, [false, false, false]],
      [
        { AWS: '*' },
        { Condition: { StringLike: { 'aws:userid': `*:${SESSION}` } } },
        [true, true, false],
      ],
    ]
    for (const [principal, more, answers] of seen) {
      await write(allow(principal, more))
      const got = [await may(free), await may(narrow), await may(second)]
      expect([principal, got]).toEqual([principal, answers])
    }
    const { iam } = fixture.clients(fixture.admin)
    const own = { RoleName: 'app', PolicyName: 'own', PolicyDocument: allowOf('s3:GetObject') }
    await iam.send(new PutRolePolicyCommand(own))
    await write({ ...allow({ AWS: ACCOUNT }), Effect: 'Deny', Action: 's3:PutObject' })
    expect([await may(free), await may(narrow)]).toEqual([true, false])
    for (const principal of [{ AWS: session }, { AWS: role }, { AWS: ACCOUNT }, '*']) {
      await write({ ...allow(principal), Effect: 'Deny' })
      expect(await may(free)).toBe(false)
    }
    await write({ ...allow({ AWS: session }), Effect: 'Deny' })
    expect(await may(second)).toBe(true)
  })

  test('a role that was made again is nobody; its place shows the old id', async () => {
    const role = await createRole('again')
    await write(allow({ AWS: role }))
    expect(await may(await keysOf(role))).toBe(true)
    const { iam } = fixture.clients(fixture.admin)
    await iam.send(new DeleteRoleCommand({ RoleName: 'again' }))
    await createRole('again')
    expect(await may(await keysOf(role))).toBe(false)
    const { Policy } = await s3.send(new GetBucketPolicyCommand({ Bucket }))
    expect(Policy).toMatch(/"AWS":"AROA[A-Z2-7]{17}"/)
    await write(allow({ AWS: role }))
    expect(await may(await keysOf(role))).toBe(true)
  })

  test('nobody who does not exist, nor a part of a name', async () => {
    for (const AWS of [
      `arn:aws:iam::${ACCOUNT}:role/nobody`,
      `arn:aws:iam::${ACCOUNT}:role/app`,
      `arn:aws:iam::${ACCOUNT}:role/team/*`,
      `arn:aws:sts::${ACCOUNT}:assumed-role/app/*`,
    ]) {
      const refusal = await refusalOf(write(allow({ AWS })))
      expect(refusal).toMatchObject({ code: 'MalformedPolicy', status: 400 })
      expect(refusal.message).toContain('Invalid principal in policy')
    }
  })

  test('a service is nobody who calls', async () => {
    await write(allow({ Service: 'cloudfront.amazonaws.com' }))
    expect(await may(await keysOf(await createRole('plain')))).toBe(false)
  })

  test('a role of another account needs its own permission too', async () => {
    const other = fixture.clients(fixture.otherAdmin)
    const trust = trustOf({ AWS: `arn:aws:iam::${OTHER_ACCOUNT}:user/admin` }, 'sts:AssumeRole')
    const made = await other.iam.send(
      new CreateRoleCommand({ RoleName: 'far', AssumeRolePolicyDocument: trust }),
    )
    const RoleArn = made.Role?.Arn ?? ''
    const begun = await other.sts.send(new AssumeRoleCommand({ RoleArn, RoleSessionName: 'aa' }))
    const keys = {
      accessKeyId: begun.Credentials?.AccessKeyId ?? '',
      secretAccessKey: begun.Credentials?.SecretAccessKey ?? '',
      sessionToken: begun.Credentials?.SessionToken ?? '',
    }
    await write(allow({ AWS: RoleArn }))
    expect(await may(keys)).toBe(false)
    const own = { RoleName: 'far', PolicyName: 'own', PolicyDocument: allowOf('s3:GetObject') }
    await other.iam.send(new PutRolePolicyCommand(own))
    expect(await may(keys)).toBe(true)
    await write(allow({ AWS: ACCOUNT }))
    expect(await may(keys)).toBe(false)
  })
})

describe('a missing key', () => {
  test('is told to who may list, by any policy; a missing bucket to everybody', async () => {
    const keys = await keysOf(await createRole('lister'))
    const { s3: own } = fixture.clients(keys)
    const missing = new GetObjectCommand({ Bucket, Key: 'missing' })
    const list = { Action: 's3:ListBucket', Resource: `arn:aws:s3:::${Bucket}` }
    const role = { AWS: `arn:aws:iam::${ACCOUNT}:role/lister` }
    await write(allow(role))
    expect(await refusalOf(own.send(missing))).toMatchObject({ code: 'AccessDenied', status: 403 })
    await write(allow(role), allow(role, list))
    expect(await refusalOf(own.send(missing))).toMatchObject({ code: 'NoSuchKey', status: 404 })
    // Who may list but not read is not told either.
    await write(allow(role, list))
    expect((await refusalOf(own.send(missing))).code).toBe('AccessDenied')
    const narrow = { Condition: { StringLike: { 's3:prefix': 'open/*' } } }
    await write(allow(role, { ...list, ...narrow }))
    await own.send(new ListObjectsV2Command({ Bucket, Prefix: 'open/a' }))
    expect((await refusalOf(own.send(new ListObjectsV2Command({ Bucket })))).code).toBe(
      'AccessDenied',
    )
    const nowhere = own.send(new GetObjectCommand({ Bucket: 'nowhere', Key: 'a' }))
    expect(await refusalOf(nowhere)).toMatchObject({ code: 'NoSuchBucket', status: 404 })
  })

  test('to nobody in particular', async () => {
    const get = async (key: string): Promise<[number, string]> => {
      const options = { proxy: false, signal: AbortSignal.timeout(5000) } as const
      const response = await fetch(`${fixture.endpoint}/${Bucket}/${key}`, options)
      return [response.status, /<Code>(\w+)/.exec(await response.text())?.[1] ?? '']
    }
    await write(allow({ AWS: ACCOUNT }))
    expect(await get('a')).toEqual([403, 'AccessDenied'])
    await write(allow('*'))
    expect(await get('a')).toEqual([200, ''])
    expect(await get('missing')).toEqual([403, 'AccessDenied'])
  })
})

describe('a presigned request', () => {
  async function presign(keys: Keys, expiresIn = 60, region = REGION): Promise<string> {
    const signer = new SignatureV4({
      service: 's3',
      region,
      sha256: Sha256,
      uriEscapePath: false,
      credentials: keys,
    })
    const endpoint = new URL(fixture.endpoint)
    const request = new HttpRequest({
      method: 'GET',
      protocol: 'http:',
      hostname: endpoint.hostname,
      port: Number(endpoint.port),
      path: `/${Bucket}/a`,
      headers: { host: endpoint.host, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
    })
    const signingDate = new Date(fixture.clock.now())
    const signed = await signer.presign(request, { expiresIn, signingDate })
    const query = new URLSearchParams(signed.query as Record<string, string>)
    return `${fixture.endpoint}${signed.path}?${query.toString().replaceAll('+', '%20')}`
  }
  async function get(
    url: string,
    method = 'GET',
    authorization?: string,
  ): Promise<[number, string]> {
    const headers = authorization === undefined ? {} : { authorization }
    const options = { method, headers, proxy: false, signal: AbortSignal.timeout(5000) } as const
    const response = await fetch(url, options)
    return [response.status, /<Code>(\w+)/.exec(await response.text())?.[1] ?? '']
  }

  test('is taken until it ends, with a session too', async () => {
    await write(allow({ AWS: `arn:aws:iam::${ACCOUNT}:role/team/app` }))
    const session = await keysOf(`arn:aws:iam::${ACCOUNT}:role/team/app`)
    for (const keys of [fixture.admin, session]) {
      const url = await presign(keys)
      expect(await get(url)).toEqual([200, ''])
      fixture.clock.advance(61_000)
      expect(await get(url)).toEqual([403, 'AccessDenied'])
    }
    const wrong = await presign({ ...session, secretAccessKey: 'wrong' })
    expect(await get(wrong)).toEqual([403, 'SignatureDoesNotMatch'])
    const week = await presign(session, 604_800)
    fixture.clock.advance(3_600_000)
    expect(await get(week)).toEqual([400, 'ExpiredToken'])
  })

  test('is refused in Signature Version 2, as is a signed one', async () => {
    const at = `${fixture.endpoint}/${Bucket}/a`
    const { accessKeyId } = fixture.admin
    const old = `${at}?AWSAccessKeyId=${accessKeyId}&Signature=c2lnbmF0dXJl&Expires=1900000000`
    expect(await get(old)).toEqual([400, 'InvalidRequest'])
    expect(await get(old, 'PUT')).toEqual([400, 'InvalidRequest'])
    expect(await get(at, 'GET', `AWS ${accessKeyId}:c2lnbmF0dXJl`)).toEqual([400, 'InvalidRequest'])
  })

  test('is refused where anything of it was altered', async () => {
    const url = await presign(fixture.admin)
    const altered: [string, [number, string]][] = [
      [url.replace('/a?', '/b?'), [403, 'SignatureDoesNotMatch']],
      [`${url}&x=1`, [403, 'SignatureDoesNotMatch']],
      [url.replace('X-Amz-Expires=60', 'X-Amz-Expires=600'), [403, 'SignatureDoesNotMatch']],
      [
        url.replace('X-Amz-Expires=60', 'X-Amz-Expires=604801'),
        [400, 'AuthorizationQueryParametersError'],
      ],
      [url.replace(/X-Amz-Signature=[^&]+/, ''), [400, 'AuthorizationQueryParametersError']],
      [await presign(fixture.admin, 60, 'us-west-2'), [400, 'AuthorizationQueryParametersError']],
    ]
    for (const [bad, answer] of altered) expect([bad, await get(bad)]).toEqual([bad, answer])
    expect(await get(url, 'DELETE')).toEqual([403, 'SignatureDoesNotMatch'])
    expect(await get(url)).toEqual([200, ''])
  })
})
