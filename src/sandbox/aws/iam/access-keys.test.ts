import {
  CreateAccessKeyCommand,
  CreateUserCommand,
  GetAccessKeyLastUsedCommand,
  type IAMClient,
} from '@aws-sdk/client-iam'
import { GetCallerIdentityCommand, GetSessionTokenCommand } from '@aws-sdk/client-sts'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import {
  type AwsFixture,
  type Keys,
  refusalOf,
  REGION,
  startAwsFixture,
} from '../aws-fixture.suite.ts'

let fixture: AwsFixture
let iam: IAMClient
let keys: Keys

beforeAll(async () => {
  fixture = await startAwsFixture()
  iam = fixture.clients(fixture.admin).iam
  await iam.send(new CreateUserCommand({ UserName: 'u' }))
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: 'u' }))
  keys = {
    accessKeyId: AccessKey?.AccessKeyId ?? '',
    secretAccessKey: AccessKey?.SecretAccessKey ?? '',
  }
})
afterAll(() => fixture.stop())

async function lastUse(AccessKeyId = keys.accessKeyId): Promise<unknown> {
  const { AccessKeyLastUsed } = await iam.send(new GetAccessKeyLastUsedCommand({ AccessKeyId }))
  return AccessKeyLastUsed
}

/** XML's times have whole seconds. */
const now = (): Date => new Date(Math.floor(fixture.clock.now() / 1000) * 1000)

test('a key that was never used has no date', async () => {
  expect(await lastUse()).toEqual({ ServiceName: 'N/A', Region: 'N/A' })
})

test('a key tells when, for what and where it was last used', async () => {
  const { sts } = fixture.clients(keys)
  const first = now()
  await sts.send(new GetCallerIdentityCommand({}))
  expect(await lastUse()).toEqual({ LastUsedDate: first, ServiceName: 'sts', Region: REGION })
  fixture.clock.advance(59_000)
  await sts.send(new GetCallerIdentityCommand({}))
  expect(await lastUse()).toMatchObject({ LastUsedDate: first })
  await fixture.clients(keys, 'us-east-1').sts.send(new GetCallerIdentityCommand({}))
  const moved = now()
  expect(await lastUse()).toEqual({ LastUsedDate: moved, ServiceName: 'sts', Region: 'us-east-1' })
  fixture.clock.advance(60_000)
  await refusalOf(fixture.clients(keys).iam.send(new CreateUserCommand({ UserName: 'more' })))
  expect(await lastUse()).toEqual({ LastUsedDate: now(), ServiceName: 'iam', Region: REGION })
})

test('a wrong signature and a temporary key are no use of it', async () => {
  fixture.clock.advance(60_000)
  const { Credentials } = await fixture.clients(keys).sts.send(new GetSessionTokenCommand({}))
  const asked = { LastUsedDate: now(), ServiceName: 'sts', Region: REGION }
  expect(await lastUse()).toEqual(asked)
  fixture.clock.advance(60_000)
  const wrong = { ...keys, secretAccessKey: 'x'.repeat(40) }
  await refusalOf(fixture.clients(wrong).sts.send(new GetCallerIdentityCommand({})))
  const temporary = {
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  }
  await fixture.clients(temporary).sts.send(new GetCallerIdentityCommand({}))
  expect(await lastUse()).toEqual(asked)
})
