/** What the tests of KMS ask with. */
import type { AwsFixture, Keys } from '../aws-fixture.suite.ts'

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
