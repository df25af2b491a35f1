import { expect, test } from 'bun:test'
import { addTrust, EMPTY_TRUST } from './trust-edit.ts'
import { irsa, ISSUER_A } from './trust-edit.suite.ts'
import { trustRoom } from './trust-size.ts'

test('as many more service accounts fit as it says, and not one more', () => {
  let text = addTrust(EMPTY_TRUST, irsa(ISSUER_A, 'shop/orders-00', 'shop/orders-01')).after
  const valueCharacters = 'system:serviceaccount:shop:orders-00'.length
  const room = trustRoom(text, { quota: 2048, valueCharacters })
  expect(room.characters).toBe(text.length)
  for (let count = 0; count < room.moreServiceAccounts; count += 1) {
    text = addTrust(text, irsa(ISSUER_A, `shop/orders-${count + 10}`)).after
  }
  const full = trustRoom(text, { quota: 2048, valueCharacters })
  expect(full).toMatchObject({ moreServiceAccounts: 0 })
  expect(full.left).toBeGreaterThanOrEqual(0)
  expect(full.left).toBeLessThan(valueCharacters + 3)
  const over = addTrust(text, irsa(ISSUER_A, 'shop/orders-99')).after
  expect(trustRoom(over, { quota: 2048, valueCharacters })).toMatchObject({
    left: full.left - valueCharacters - 3,
    moreServiceAccounts: 0,
  })
})
