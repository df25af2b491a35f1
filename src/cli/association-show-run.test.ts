import { expect, test } from 'bun:test'
import type { Association } from '../associations/association.ts'
import { shownOf } from './association-show-run.ts'

const roleArn = 'arn:aws:iam::111122223333:role/orders'
const association: Association = {
  associationId: 'a-00000000000000001',
  associationArn: 'arn:aws:eks:eu-west-1:111122223333:podidentityassociation/prod/a-1',
  clusterName: 'prod',
  namespace: 'shop',
  serviceAccount: 'orders',
  roleArn,
  targetRoleArn: 'arn:aws:iam::444455556666:role/target',
  externalId: 'eu-west-1/111122223333/prod/shop/orders',
  disableSessionTags: true,
  policy: '{"Version":"2012-10-17","Statement":[]}',
  ownerArn: 'arn:aws:eks:eu-west-1:111122223333:addon/prod/x/1',
  tags: { team: 'shop' },
  createdAtMs: Date.UTC(2026, 0, 1),
  modifiedAtMs: Date.UTC(2026, 0, 2),
}

test('all that an association has is shown, with its own names', () => {
  const { createdAtMs: _created, modifiedAtMs: _modified, ...rest } = association
  expect(shownOf(association)).toEqual({
    ...rest,
    createdAt: '2026-01-01T00:00:00.000Z',
    modifiedAt: '2026-01-02T00:00:00.000Z',
  })
})
