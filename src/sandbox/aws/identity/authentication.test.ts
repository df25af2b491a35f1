import { CreateRoleCommand } from '@aws-sdk/client-iam'
import { AssumeRoleCommand } from '@aws-sdk/client-sts'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  ACCOUNT,
  type AwsFixture,
  CLUSTER,
  type HandSigned,
  type Keys,
  startAwsFixture,
  trustOf,
} from '../aws-fixture.suite.ts'

let fixture: AwsFixture
let session: Keys
let other: Keys

beforeAll(async () => {
  fixture = await startAwsFixture()
  const { iam, sts } = fixture.clients(fixture.admin)
  const RoleArn = `arn:aws:iam::${ACCOUNT}:role/any`
  const trust = trustOf({ AWS: `arn:aws:iam::${ACCOUNT}:user/admin` }, 'sts:AssumeRole')
  await iam.send(new CreateRoleCommand({ RoleName: 'any', AssumeRolePolicyDocument: trust }))
  const begin = async (): Promise<Keys> => {
    const { Credentials } = await sts.send(
      new AssumeRoleCommand({ RoleArn, RoleSessionName: 'aa' }),
    )
    return {
      accessKeyId: Credentials?.AccessKeyId ?? '',
      secretAccessKey: Credentials?.SecretAccessKey ?? '',
      sessionToken: Credentials?.SessionToken ?? '',
    }
  }
  session = await begin()
  other = await begin()
})
afterAll(() => fixture.stop())

/** The same bad signature on each of the three protocols. */
type Bad = Pick<HandSigned, 'shiftMs' | 'tamper'> & { keys?: () => Keys }

interface Case {
  readonly name: string
  readonly bad: Bad
  /** Code of STS, of EKS, of S3. */
  readonly codes: readonly [sts: string, eks: string, s3: string]
}

const withHeader =
  (name: string, value: string | undefined): NonNullable<HandSigned['tamper']> =>
  (request) => {
    const headers = { ...request.headers }
    const known = Object.keys(headers).find((one) => one.toLowerCase() === name)
    if (known !== undefined) delete headers[known]
    if (value !== undefined) headers[name] = value
    return { ...request, headers }
  }

const CASES: readonly Case[] = [
  {
    name: 'a wrong secret',
    bad: { keys: () => ({ ...fixture.admin, secretAccessKey: 'wrong' }) },
    codes: ['SignatureDoesNotMatch', 'InvalidSignatureException', 'SignatureDoesNotMatch'],
  },
  {
    name: 'an unknown key',
    bad: { keys: () => ({ ...fixture.admin, accessKeyId: 'AKIAAAAAAAAAAAAAAAAA' }) },
    codes: ['InvalidClientTokenId', 'UnrecognizedClientException', 'InvalidAccessKeyId'],
  },
  {
    name: "another key's session token",
    bad: { keys: () => ({ ...session, sessionToken: other.sessionToken ?? '' }) },
    codes: ['InvalidClientTokenId', 'UnrecognizedClientException', 'InvalidToken'],
  },
  {
    name: 'a temporary key without its token',
    bad: {
      keys: () => ({
        accessKeyId: session.accessKeyId,
        secretAccessKey: session.secretAccessKey,
      }),
    },
    codes: ['InvalidClientTokenId', 'UnrecognizedClientException', 'InvalidToken'],
  },
  {
    name: 'a session token beside a long-term key',
    bad: { keys: () => ({ ...fixture.admin, sessionToken: other.sessionToken ?? '' }) },
    codes: ['InvalidClientTokenId', 'UnrecognizedClientException', 'InvalidToken'],
  },
  {
    name: 'an altered header',
    bad: { tamper: withHeader('content-type', 'application/x-www-form-urlencoded; a=b') },
    codes: ['SignatureDoesNotMatch', 'InvalidSignatureException', 'SignatureDoesNotMatch'],
  },
  {
    name: 'an altered query',
    bad: { tamper: (request) => ({ ...request, url: `${request.url}?x=1` }) },
    codes: ['SignatureDoesNotMatch', 'InvalidSignatureException', 'SignatureDoesNotMatch'],
  },
  {
    name: 'a date an hour off',
    bad: { shiftMs: -3_600_000 },
    codes: ['SignatureDoesNotMatch', 'InvalidSignatureException', 'RequestTimeTooSkewed'],
  },
  {
    name: 'half a signature',
    bad: { tamper: withHeader('authorization', 'AWS4-HMAC-SHA256 Credential=x') },
    codes: ['IncompleteSignature', 'IncompleteSignatureException', 'AuthorizationHeaderMalformed'],
  },
]

const STS = { service: 'sts', body: 'Action=GetCallerIdentity&Version=2011-06-15' }
const EKS = { service: 'eks', method: 'GET', path: '/clusters' }
const S3 = { service: 's3', method: 'PUT', path: '/some-bucket/key', body: 'hello' }

/** Where a signature cannot be read, the path tells EKS and S3 apart. */
const PATHS: Readonly<Record<string, string>> = {
  eks: `/clusters/${CLUSTER}/pod-identity-associations`,
}

async function codeOf(response: Response): Promise<string> {
  const json = response.headers.get('x-amzn-errortype')
  if (json !== null) return json
  return /<Code>(\w+)<\/Code>/.exec(await response.text())?.[1] ?? 'none'
}

describe('a signed call is refused for', () => {
  for (const { name, bad, codes } of CASES) {
    test(name, async () => {
      const got: string[] = []
      for (const target of [STS, EKS, S3]) {
        const path = name === 'half a signature' ? PATHS[target.service] : undefined
        const { keys, ...change } = bad
        const response = await fixture.call({
          ...target,
          ...(path !== undefined && { path }),
          ...change,
          keys: keys?.() ?? session,
        })
        expect(response.status).toBeGreaterThanOrEqual(400)
        got.push(await codeOf(response))
      }
      expect(got).toEqual([...codes])
    })
  }

  test('an altered body', async () => {
    const change: Pick<HandSigned, 'tamper'> = {
      tamper: (request) => ({ ...request, body: `${request.body ?? ''}&x=1` }),
    }
    const sts = await fixture.call({ ...STS, ...change, keys: session })
    expect(await codeOf(sts)).toBe('SignatureDoesNotMatch')
    const s3 = await fixture.call({ ...S3, ...change, keys: session })
    expect(await codeOf(s3)).toBe('XAmzContentSHA256Mismatch')
    const auth = { service: 'eks-auth', path: `/clusters/${CLUSTER}/assume-role-for-pod-identity` }
    const eks = await fixture.call({ ...auth, body: '{}', ...change, keys: session })
    expect(await codeOf(eks)).toBe('InvalidSignatureException')
  })

  test('no signature at all', async () => {
    const options = { proxy: false, signal: AbortSignal.timeout(5000) } as const
    const form = { ...options, method: 'POST', body: new URLSearchParams(STS.body) }
    const sts = await fetch(fixture.endpoint, form)
    expect([sts.status, await codeOf(sts)]).toEqual([403, 'MissingAuthenticationToken'])
    const eks = await fetch(`${fixture.endpoint}${PATHS['eks']}`, options)
    expect([eks.status, await codeOf(eks)]).toEqual([403, 'MissingAuthenticationTokenException'])
    const s3 = await fetch(fixture.endpoint, options)
    expect([s3.status, await codeOf(s3)]).toEqual([403, 'AccessDenied'])
  })

  test('a temporary key past its end', async () => {
    fixture.clock.advance(3_599_000)
    expect((await fixture.call({ ...STS, keys: session })).status).toBe(200)
    fixture.clock.advance(1000)
    const got: string[] = []
    const iam = { service: 'iam', body: 'Action=ListRoles&Version=2010-05-08' }
    const path = `/clusters/${CLUSTER}/assume-role-for-pod-identity`
    const auth = { service: 'eks-auth', path, body: '{"token":"a"}' }
    for (const target of [STS, iam, EKS, auth, S3]) {
      const response = await fixture.call({ ...target, keys: session })
      got.push(`${response.status} ${await codeOf(response)}`)
    }
    expect(got).toEqual([
      '403 ExpiredToken',
      '403 ExpiredToken',
      '403 ExpiredTokenException',
      '403 ExpiredTokenException',
      '400 ExpiredToken',
    ])
  })
})

test('good signatures are taken on each protocol', async () => {
  for (const target of [STS, EKS]) {
    const response = await fixture.call({ ...target, keys: fixture.admin })
    expect(response.status).toBe(200)
  }
  const s3 = await fixture.call({ ...S3, keys: fixture.admin })
  expect(await codeOf(s3)).toBe('NoSuchBucket')
})

test('a body over the limit is answered with 413', async () => {
  const body = `Action=GetCallerIdentity&Version=2011-06-15&x=${'a'.repeat(10_000_000)}`
  const response = await fixture.call({ keys: fixture.admin, service: 'sts', body })
  expect(response.status).toBe(413)
})
