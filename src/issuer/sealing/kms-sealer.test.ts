import * as sdk from '@aws-sdk/client-kms'
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { messageOf } from '../../lib/errors.ts'
import { Secret } from '../../lib/secret.ts'
import { type AwsFixture, REGION, startAwsFixture } from '../../sandbox/aws/aws-fixture.suite.ts'
import { createKmsSealer } from './kms-sealer.ts'
import type { KeySealer } from './sealer.ts'
import { describeSealer } from './sealer.suite.ts'

let fixture: AwsFixture
let client: sdk.KMSClient
beforeAll(async () => {
  fixture = await startAwsFixture()
  const { endpoint, admin: credentials } = fixture
  client = new sdk.KMSClient({ region: REGION, endpoint, credentials })
})
afterAll(async () => {
  client.destroy()
  await fixture.stop()
})

async function newSealer(): Promise<KeySealer & { readonly arn: string }> {
  const { KeyMetadata } = await client.send(new sdk.CreateKeyCommand({}))
  const arn = KeyMetadata?.Arn ?? ''
  return { ...createKmsSealer({ sdk, client }, arn), arn }
}

describeSealer('KMS', async () => ({
  sealer: await newSealer(),
  stranger: await newSealer(),
  stop: async () => undefined,
}))

test('a key that is disabled opens nothing, and says so', async () => {
  const sealer = await newSealer()
  const of = { issuer: 'https://issuer.example', kid: 'k1' }
  const sealed = await sealer.seal(new Secret('one'), of)
  await client.send(new sdk.DisableKeyCommand({ KeyId: sealer.arn }))
  expect(await sealer.open(sealed, of).catch(messageOf)).toContain('DisabledException')
  expect(await sealer.seal(new Secret('two'), of).catch(messageOf)).toBe(
    `key k1 of https://issuer.example is not sealed: KMS says ${sealer.arn} is disabled.`,
  )
})
