/** What the tests of KMS ask with. */
import { CreateRoleCommand, PutRolePolicyCommand } from '@aws-sdk/client-iam'
import { AssumeRoleCommand } from '@aws-sdk/client-sts'
import { ACCOUNT, type AwsFixture, type Keys, trustOf } from '../aws-fixture.suite.ts'

export type Answer = Record<string, unknown>

/** Calls an operation of KMS over the wire, the fixture's administrator by default. */
export async function callKms(
  fixture: AwsFixture,
  operation: string,
  input: object,
  keys: Keys = fixture.admin,
): Promise<{ status: number; body: Answer }> {
  const response = await fixture.call({
    keys,
    service: 'kms',
    headers: {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': `TrentService.${operation}`,
    },
    body: JSON.stringify(input),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Answer) }
}

/** Keys of a new role that has this one policy. */
export async function roleKeys(fixture: AwsFixture, name: string, policy: string): Promise<Keys> {
  const { iam, sts } = fixture.clients(fixture.admin)
  const AssumeRolePolicyDocument = trustOf({ AWS: ACCOUNT }, 'sts:AssumeRole')
  await iam.send(new CreateRoleCommand({ RoleName: name, AssumeRolePolicyDocument }))
  await iam.send(
    new PutRolePolicyCommand({ RoleName: name, PolicyName: 'own', PolicyDocument: policy }),
  )
  const RoleArn = `arn:aws:iam::${ACCOUNT}:role/${name}`
  const { Credentials } = await sts.send(
    new AssumeRoleCommand({ RoleArn, RoleSessionName: 'signing' }),
  )
  return {
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  }
}
