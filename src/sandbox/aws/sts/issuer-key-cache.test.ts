import { afterAll, beforeAll, expect, test } from 'bun:test'
import { jwksOf } from '../../../issuer/documents.ts'
import { issuerApp } from '../../../issuer/issuer-app.ts'
import { generateSigningKey } from '../../../issuer/keys.ts'
import { type AwsFixture, ISSUER, startAwsFixture } from '../aws-fixture.suite.ts'
import { createIssuerKeys } from './issuer-key-cache.ts'

let fixture: AwsFixture
beforeAll(async () => {
  fixture = await startAwsFixture()
})
afterAll(() => fixture.stop())

test("an issuer's keys are kept for the time that was set, and what failed is not", async () => {
  const { names, clock, aws } = fixture
  const kept = createIssuerKeys(names, clock, 60_000)
  const fresh = createIssuerKeys(names, clock, 0)
  const unknown = 'https://later.issuer.sandbox'
  await expect(kept(unknown)).rejects.toThrow()
  const [before, old] = [await kept(ISSUER), await fresh(ISSUER)]
  const next = await generateSigningKey()
  aws.addIssuer('green', issuerApp({ issuer: ISSUER, jwks: () => jwksOf([next]) }))
  aws.addIssuer('later', issuerApp({ issuer: unknown, jwks: () => jwksOf([next]) }))
  await kept(unknown)
  expect(await kept(ISSUER)).toBe(before)
  expect(await fresh(ISSUER)).not.toBe(old)
  clock.advance(60_000)
  expect(await kept(ISSUER)).not.toBe(before)
})
