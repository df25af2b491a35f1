import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import {
  CreatePodIdentityAssociationCommand,
  DescribeAccessEntryCommand,
  EKSClient,
} from '@aws-sdk/client-eks'
import { CreateRoleCommand, IAMClient } from '@aws-sdk/client-iam'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { type Listening, serveHttp } from '../lib/serve.ts'
import { readSignature } from './sigv4-verify.ts'
import {
  ACCESS_KEY_ID,
  type Captured,
  componentOf,
  isClaims,
  REGION,
  SECRET,
  SESSION_TOKEN,
  verdictOf,
  wireOf,
} from './sigv4-requests.suite.ts'
import oddKeys from './testdata/odd-keys.json'

const captured: Captured[] = []
let server: Listening

beforeAll(() => {
  server = serveHttp({
    hostname: '127.0.0.1',
    port: 0,
    handler: async (request) => {
      captured.push({ wire: wireOf(request), body: await request.bytes() })
      return new Response(null, { status: 204 })
    },
  })
})
afterAll(() => server.stop(100))
beforeEach(() => {
  captured.length = 0
})

/** The one request that a client sent; the empty answer may be more than it can bear. */
async function capture(call: Promise<unknown>): Promise<Captured> {
  await call.catch(() => undefined)
  expect(captured).not.toBeEmpty()
  return captured[0]!
}

const clientOptions = () => ({
  endpoint: server.url,
  region: REGION,
  maxAttempts: 1,
  credentials: { accessKeyId: ACCESS_KEY_ID, secretAccessKey: SECRET, sessionToken: SESSION_TOKEN },
})

describe("the AWS SDK's own requests verify", () => {
  test('STS', async () => {
    const sts = new STSClient(clientOptions())
    const identity = await capture(sts.send(new GetCallerIdentityCommand({})))
    expect(verdictOf(identity, { service: 'sts', region: REGION })).toBe('ok')
    const claims = readSignature(identity.wire)
    isClaims(claims)
    expect(claims).toMatchObject({
      accessKeyId: ACCESS_KEY_ID,
      sessionToken: SESSION_TOKEN,
      presigned: false,
      region: REGION,
      service: 'sts',
    })
    captured.length = 0
    const policy = JSON.stringify({ Statement: [{ Sid: 'ä +%/' }] })
    const command = new AssumeRoleCommand({
      RoleArn: 'arn:aws:iam::1:role/a',
      RoleSessionName: 's',
      Policy: policy,
    })
    expect(verdictOf(await capture(sts.send(command)), { service: 'sts' })).toBe('ok')
  })

  test('IAM', async () => {
    const iam = new IAMClient(clientOptions())
    const command = new CreateRoleCommand({
      RoleName: 'r',
      AssumeRolePolicyDocument: '{"a": "b c+d"}',
    })
    // IAM's region in the scope is us-east-1 only at its own endpoint.
    expect(verdictOf(await capture(iam.send(command)), { service: 'iam' })).toBe('ok')
  })

  test('EKS, with an ARN in its path', async () => {
    const eks = new EKSClient(clientOptions())
    const entry = new DescribeAccessEntryCommand({
      clusterName: 'c1',
      principalArn: 'arn:aws:iam::111122223333:role/path/name',
    })
    const sent = await capture(eks.send(entry))
    expect(sent.wire.path).toContain('arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fpath%2Fname')
    expect(verdictOf(sent, { service: 'eks', region: REGION })).toBe('ok')
    captured.length = 0
    const create = new CreatePodIdentityAssociationCommand({
      clusterName: 'c1',
      namespace: 'shop',
      serviceAccount: 'cart',
      roleArn: 'arn:aws:iam::1:role/a',
    })
    expect(verdictOf(await capture(eks.send(create)), { service: 'eks' })).toBe('ok')
  })

  test.each(oddKeys)('S3 key %j', async (key) => {
    const s3 = new S3Client({ ...clientOptions(), forcePathStyle: true })
    const Bucket = 'bucket'
    const verify = async (call: Promise<unknown>): Promise<void> => {
      captured.length = 0
      expect(verdictOf(await capture(call), { service: 's3', region: REGION })).toBe('ok')
    }
    await verify(
      s3.send(new PutObjectCommand({ Bucket, Key: key, Body: 'hällo', Metadata: { a: 'b  c' } })),
    )
    await verify(s3.send(new GetObjectCommand({ Bucket, Key: key })))
    await verify(s3.send(new DeleteObjectCommand({ Bucket, Key: key, VersionId: 'a+b/c=' })))
    await verify(s3.send(new ListObjectsV2Command({ Bucket, Prefix: key, Delimiter: '/' })))
  })
})

interface BotocoreRequest {
  readonly service: string
  readonly kind: string
  readonly method: string
  readonly region: string
  readonly url: string
  readonly body?: string
  readonly headers?: Record<string, string>
}

const BOTOCORE = `
import sys, json, datetime
from botocore.auth import SigV4Auth, S3SigV4Auth, SigV4QueryAuth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
case = json.load(sys.stdin)
credentials = Credentials(*case['credentials'])
out = []
for c in case['requests']:
    request = AWSRequest(method=c['method'], url=c['url'], data=c.get('body', ''), headers=c.get('headers', {}))
    signer = {'header': SigV4Auth, 's3': S3SigV4Auth, 'query': SigV4QueryAuth, 's3-query': S3SigV4QueryAuth}[c['kind']]
    signer(credentials, c['service'], c['region']).add_auth(request)
    prepared = request.prepare()
    out.append({'url': prepared.url, 'headers': {k: (v.decode() if isinstance(v, bytes) else v) for k, v in prepared.headers.items()}})
print(json.dumps(out))
`
const python = Bun.which('python3')
const botocore =
  python !== null && Bun.spawnSync([python, '-c', 'import botocore'], { stderr: 'ignore' }).success

test.skipIf(!botocore)(
  "botocore's requests verify (needs python3 with botocore: pip install boto3)",
  () => {
    const base = { method: 'POST', region: REGION, kind: 'header' }
    const requests: BotocoreRequest[] = [
      {
        ...base,
        service: 'sts',
        url: 'https://sts.example/',
        body: 'Action=GetCallerIdentity',
        headers: { 'X-Spaces': ' a   b ' },
      },
      {
        ...base,
        service: 'eks',
        url: `https://eks.example/clusters/c1/access-entries/${encodeURIComponent('arn:aws:iam::1:role/a b')}`,
        method: 'GET',
      },
      {
        ...base,
        service: 'eks',
        url: 'https://eks.example:8443/a/../b//c/?z=1&a=%20%2B&a=1',
        method: 'GET',
      },
      {
        ...base,
        service: 's3',
        kind: 's3',
        url: `https://s3.example/bucket/${oddKeys.map(componentOf).join('/')}`,
        body: 'text',
        method: 'PUT',
      },
      {
        ...base,
        service: 'sts',
        kind: 'query',
        url: 'https://sts.example/?Action=GetCallerIdentity&Version=2011-06-15',
        method: 'GET',
        headers: { 'x-k8s-aws-id': 'c1' },
      },
      {
        ...base,
        service: 's3',
        kind: 's3-query',
        url: 'https://s3.example/bucket/a%20b',
        method: 'GET',
      },
    ]
    const run = Bun.spawnSync([python ?? '', '-c', BOTOCORE], {
      stdin: Buffer.from(
        JSON.stringify({ credentials: [ACCESS_KEY_ID, SECRET, SESSION_TOKEN], requests }),
      ),
    })
    expect(run.stderr.toString()).toBe('')
    const out = JSON.parse(run.stdout.toString()) as {
      url: string
      headers: Record<string, string>
    }[]
    expect(out).toHaveLength(requests.length)
    out.forEach(({ url, headers }, at) => {
      const { method, body = '', service } = requests[at]!
      const [, host = '', path = '', query = ''] =
        /^https:\/\/([^/]+)([^?]*)\??(.*)$/.exec(url) ?? []
      const wire = { method, path, query, headers: new Headers({ ...headers, host }) }
      const request = { wire, body: Buffer.from(body) }
      expect([url, verdictOf(request, { service })]).toEqual([url, 'ok'])
      expect(verdictOf(request, { service, secret: 'other' })).toBe('SignatureDoesNotMatch')
    })
  },
)
