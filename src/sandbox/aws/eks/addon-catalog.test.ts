import { GetPolicyCommand } from '@aws-sdk/client-iam'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { type AwsFixture, startAwsFixture } from '../aws-fixture.suite.ts'
import catalog from './addon-catalog.json'

let fixture: AwsFixture
beforeAll(async () => {
  fixture = await startAwsFixture()
})
afterAll(() => fixture.stop())

test('IAM has every policy that EKS recommends for an add-on', async () => {
  const { iam } = fixture.clients(fixture.admin)
  const policies = catalog.flatMap(({ podIdentity }) => podIdentity.flatMap((one) => one.policies))
  expect(policies.length).toBeGreaterThan(3)
  for (const policy of policies) {
    const PolicyArn = `arn:aws:iam::aws:policy/${policy}`
    const found = await iam.send(new GetPolicyCommand({ PolicyArn })).catch(String)
    expect([policy, found]).toEqual([policy, expect.objectContaining({})])
  }
})
