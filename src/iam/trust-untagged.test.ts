import { expect, test } from 'bun:test'
import { addTrust, EMPTY_TRUST, removeTrust } from './trust-edit.ts'
import { ACCOUNT, podIdentity } from './trust-edit.suite.ts'
import type { TrustGrant } from './trust-grant.ts'

interface PlainStatement {
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

const statementsOf = (text: string): readonly PlainStatement[] =>
  (JSON.parse(text) as { Statement: PlainStatement[] }).Statement

const policyOf = (...statements: readonly unknown[]): string =>
  JSON.stringify({ Version: '2012-10-17', Statement: statements })

test('without session tags a statement of its own asks for the account alone', () => {
  const tagged = addTrust(EMPTY_TRUST, podIdentity('shop/orders')).after
  const [statement] = statementsOf(tagged)
  // Narrowed further by hand: it admits nobody whose session has no tags.
  const narrowed = policyOf({
    ...statement,
    Condition: {
      StringEquals: { ...statement?.Condition?.['StringEquals'], 'aws:SourceAccount': ACCOUNT },
    },
  })
  const untagged = { ...podIdentity('shop/orders'), disableSessionTags: true } as TrustGrant
  const { after } = addTrust(narrowed, untagged)
  expect(statementsOf(after)).toHaveLength(2)
  expect(statementsOf(after)[1]).toMatchObject({
    Sid: expect.stringMatching(/^PodrolePodIdentityUntagged[0-9a-f]{8}$/),
    Condition: { StringEquals: { 'aws:SourceAccount': ACCOUNT } },
  })
  expect(addTrust(after, untagged).after).toBe(after)
  expect(removeTrust(after, untagged).after).toBe(narrowed)
})
