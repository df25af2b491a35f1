/** Answers are dated by the sandbox's clock: an SDK whose clock differs corrects its signatures by them. */
import { EKSClient, ListAccessEntriesCommand } from '@aws-sdk/client-eks'
import { IAMClient, ListRolesCommand } from '@aws-sdk/client-iam'
import { ListBucketsCommand, S3Client } from '@aws-sdk/client-s3'
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts'
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { type AwsFixture, CLUSTER, REGION, startAwsFixture } from './aws-fixture.suite.ts'

let fixture: AwsFixture
beforeEach(async () => {
  fixture = await startAwsFixture()
})
afterEach(() => fixture.stop())

const HOUR_MS = 3_600_000

test.each([-HOUR_MS, HOUR_MS])('SDKs find a clock that is %i ms away', async (aheadMs) => {
  fixture.clock.advance(aheadMs)
  const config = { endpoint: fixture.endpoint, region: REGION, credentials: fixture.admin }
  await new S3Client({ ...config, forcePathStyle: true }).send(new ListBucketsCommand({}))
  await new STSClient(config).send(new GetCallerIdentityCommand({}))
  await new IAMClient(config).send(new ListRolesCommand({}))
  await new EKSClient(config).send(new ListAccessEntriesCommand({ clusterName: CLUSTER }))
})

test('what is open to everybody is dated so too', async () => {
  fixture.clock.advance(HOUR_MS)
  const response = await fetch(`${fixture.endpoint}/`, { proxy: false })
  await response.arrayBuffer()
  const dated = new Date(fixture.clock.now()).toUTCString()
  expect(response.headers.get('date')).toBe(dated)
})
