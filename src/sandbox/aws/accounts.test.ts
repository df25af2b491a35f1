import { expect, test } from 'bun:test'
import { systemClock } from '../../lib/clock.ts'
import { createLog } from '../../lib/log.ts'
import { createIssuerNames } from '../../issuer/outside/issuer-names.ts'
import { State } from '../state.ts'
import { type Aws, createAws } from './aws.ts'

const FIRST = '111122223333'
const SECOND = '444455556666'

test('accounts of the state are there again, the one that was asked for is the first', () => {
  const state = new State()
  const start = (accountIds: readonly string[]): Aws =>
    createAws({
      state,
      clock: systemClock,
      log: createLog('error'),
      accountIds,
      region: 'us-east-1',
      names: createIssuerNames(),
    })
  const before = start([FIRST, SECOND])
  const after = start([SECOND])
  expect(after.accountIds).toEqual([SECOND, FIRST])
  for (const accountId of [FIRST, SECOND]) {
    expect(after.adminCredentials(accountId).accessKeyId).toBe(
      before.adminCredentials(accountId).accessKeyId,
    )
  }
  expect(after.adminCredentials()).toEqual(after.adminCredentials(SECOND))
  expect(() => after.adminCredentials('777788889999')).toThrow(
    /wanted one of 444455556666, 111122223333/,
  )
})
