/** Every operation of EKS, S3 and the JSON 1.1 services refuses who may not, and whom nobody knows. */
import { CreateRoleCommand, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import { CreateBucketCommand } from '@aws-sdk/client-s3'
import { AssumeRoleCommand } from '@aws-sdk/client-sts'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import {
  ACCOUNT,
  allowOf,
  type AwsFixture,
  CLUSTER,
  type Keys,
  REGION,
  startAwsFixture,
  trustOf,
} from './aws-fixture.suite.ts'
import { EKS_ROUTES } from './eks/eks.ts'
import { S3_ROUTES } from './s3/s3.ts'
import { TARGET_SERVICES } from './target-service.ts'

const Bucket = 'closed-bucket'

let fixture: AwsFixture
let stranger: Keys
beforeAll(async () => {
  fixture = await startAwsFixture()
  const { iam, s3, sts } = fixture.clients(fixture.admin)
  const RoleName = 'stranger'
  const AssumeRolePolicyDocument = trustOf({ AWS: ACCOUNT }, 'sts:AssumeRole')
  await iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }))
  const CreateBucketConfiguration = { LocationConstraint: REGION } as const
  await s3.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration }))
  const put = { RoleName, PolicyName: 'own', PolicyDocument: allowOf('ssm:GetParameter') }
  await iam.send(new PutRolePolicyCommand(put))
  const RoleArn = `arn:aws:iam::${ACCOUNT}:role/${RoleName}`
  const ask = { RoleArn, RoleSessionName: 'stranger' }
  const { Credentials } = await sts.send(new AssumeRoleCommand(ask))
  stranger = {
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  }
})
afterAll(() => fixture.stop())

const PRINCIPAL = encodeURIComponent(`arn:aws:iam::${ACCOUNT}:user/admin`)
const POLICY = encodeURIComponent('arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy')
const TAGGED = encodeURIComponent(`arn:aws:eks:eu-central-1:${ACCOUNT}:cluster/${CLUSTER}`)

/** A path whose labels name something of its kind. */
function pathOf(pattern: string): string {
  const labels = pattern.startsWith('/tags')
    ? [TAGGED]
    : pattern.includes('access-entries')
      ? [CLUSTER, PRINCIPAL, POLICY]
      : [CLUSTER, 'some-thing']
  let index = 0
  return pattern.replaceAll('*', () => labels[index++] ?? 'x')
}

/** What must be in the query. */
const QUERIES: Readonly<Record<string, string>> = {
  UntagResource: '?tagKeys=a',
  DescribeAddonConfiguration: '?addonName=vpc-cni&addonVersion=v1.20.4-eksbuild.1',
}

const GOOD_BODY = JSON.stringify({
  name: 'made',
  roleArn: `arn:aws:iam::${ACCOUNT}:role/stranger`,
  resourcesVpcConfig: {},
  connectorConfig: { roleArn: `arn:aws:iam::${ACCOUNT}:role/stranger`, provider: 'OTHER' },
  tags: { a: 'b' },
})

test.each(EKS_ROUTES.map((route) => [route.operation, route] as const))(
  'EKS %s',
  async (name, { method, path }) => {
    const ask = async (keys: Keys): Promise<{ status: number; error: string | null }> => {
      const body = method === 'POST' ? { body: GOOD_BODY } : {}
      const response = await fixture.call({
        keys,
        service: 'eks',
        method,
        path: pathOf(path) + (QUERIES[name] ?? ''),
        ...body,
      })
      await response.arrayBuffer()
      return { status: response.status, error: response.headers.get('x-amzn-errortype') }
    }
    expect(await ask(stranger)).toEqual({ status: 403, error: 'AccessDeniedException' })
    const forged = { ...fixture.admin, secretAccessKey: 'x'.repeat(40) }
    expect(await ask(forged)).toEqual({ status: 403, error: 'InvalidSignatureException' })
    const unknown = { ...fixture.admin, accessKeyId: 'AKIAAAAAAAAAAAAAAAAA' }
    expect((await ask(unknown)).error).toBe('UnrecognizedClientException')
  },
)

const INPUTS: Readonly<Record<string, object>> = {
  kms: {
    KeyId: '00000000-0000-0000-0000-000000000000',
    NumberOfBytes: 16,
    KeyUsage: 'SIGN_VERIFY',
    Message: 'YQ==',
    Signature: 'YQ==',
    Plaintext: 'YQ==',
    CiphertextBlob: 'YQ==',
    SigningAlgorithm: 'ECDSA_SHA_256',
    AliasName: 'alias/x',
    Policy: '{}',
    Tags: [{ TagKey: 'a', TagValue: 'b' }],
    TagKeys: ['a'],
    Description: 'a',
  },
  servicequotas: {
    ServiceCode: 'eks',
    QuotaCode: 'L-1194D53C',
    DesiredValue: 200,
    RequestId: '0123456789abcdef0123456789abcdef',
  },
  cloudtrail: {},
}

test.each(
  TARGET_SERVICES.flatMap(({ name, prefixes: [prefix = ''], operations }) =>
    Object.keys(operations).map((operation) => [name, operation, prefix] as const),
  ),
)('%s %s', async (service, operation, prefix) => {
  const ask = async (keys: Keys): Promise<unknown> => {
    const headers = {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': `${prefix}.${operation}`,
    }
    const body = JSON.stringify(INPUTS[service])
    const response = await fixture.call({ keys, service, headers, body })
    expect(response.status).toBe(400)
    return ((await response.json()) as Record<string, unknown>)['__type']
  }
  expect(await ask(stranger)).toBe('AccessDeniedException')
  const forged = { ...fixture.admin, secretAccessKey: 'x'.repeat(40) }
  expect(await ask(forged)).toBe('InvalidSignatureException')
})

/** `LEVEL METHOD NAME…` as a request; a name is a query parameter or the header of a copy. */
function s3Request(route: string): {
  method: string
  path: string
  headers: Record<string, string>
} {
  const [level = '', method = '', ...names] = route.split(' ')
  const path = { service: '/', bucket: `/${Bucket}`, object: `/${Bucket}/some/key` }[level] ?? '/'
  const isCopy = names.includes('x-amz-copy-source')
  const query = names.filter((name) => name !== 'x-amz-copy-source').map((name) => `${name}=1`)
  return {
    method,
    path: query.length === 0 ? path : `${path}?${query.join('&')}`,
    headers: isCopy ? { 'x-amz-copy-source': `/${Bucket}/other` } : {},
  }
}

const S3_BODIES: Readonly<Record<string, string>> = {
  'bucket PUT': `<CreateBucketConfiguration><LocationConstraint>${REGION}</LocationConstraint></CreateBucketConfiguration>`,
  'object PUT tagging': '<Tagging><TagSet/></Tagging>',
  'object PUT tagging versionId': '<Tagging><TagSet/></Tagging>',
  'bucket POST delete': '<Delete><Object><Key>some/key</Key></Object></Delete>',
}

test.each(S3_ROUTES)('S3 %s', async (route) => {
  const ask = async (keys: Keys): Promise<string> => {
    const body = S3_BODIES[route]
    const made = { keys, service: 's3', ...s3Request(route) }
    const response = await fixture.call(body === undefined ? made : { ...made, body })
    const text = await response.text()
    return `${response.status} ${/<Code>(\w+)</.exec(text)?.[1] ?? ''}`
  }
  const head = route.includes(' HEAD')
  // DeleteObjects answers for each key.
  const refused = route === 'bucket POST delete' ? '200 AccessDenied' : '403 AccessDenied'
  expect(await ask(stranger)).toBe(head ? '403 ' : refused)
  const forged = { ...fixture.admin, secretAccessKey: 'x'.repeat(40) }
  expect(await ask(forged)).toBe(head ? '403 ' : '403 SignatureDoesNotMatch')
})
