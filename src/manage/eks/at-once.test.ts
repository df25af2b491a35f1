import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'bun:test'
import { type AccessEntryPort, describeAccessEntries } from './access-entry-port.ts'
import { type AddonPort, describeAddons } from './addon-port.ts'
import { type AssociationPort, describeAssociations } from './association-port.ts'

const NAMES = Array.from({ length: 30 }, (_, at) => `n-${at}`)

/** A description that takes a moment, and how many were under way at most. */
function slowly(): { readonly describe: (name: string) => Promise<never>; most: () => number } {
  let [underWay, most] = [0, 0]
  return {
    describe: async (name) => {
      underWay += 1
      most = Math.max(most, underWay)
      await sleep(1)
      underWay -= 1
      // Only its name is looked at.
      return { name } as never
    },
    most: () => most,
  }
}

type Describe = (name: string) => Promise<never>
const listed = <T>(rows: readonly T[]): { readonly list: () => Promise<readonly T[]> } => ({
  list: () => Promise.resolve(rows),
})
const rows = NAMES.map((associationId) => ({ associationId }))
const noPolicies = { policiesOf: () => Promise.resolve([]) }

test.each<[string, (describe: Describe) => Promise<readonly unknown[]>]>([
  [
    'associations',
    (describe) => describeAssociations({ ...listed(rows), describe } as unknown as AssociationPort),
  ],
  [
    'access entries',
    (describe) =>
      describeAccessEntries({
        ...listed(NAMES),
        ...noPolicies,
        describe,
      } as unknown as AccessEntryPort),
  ],
  ['add-ons', (describe) => describeAddons({ ...listed(NAMES), describe } as unknown as AddonPort)],
])('%s are described eight at a time, in the order of the list', async (_what, describeAll) => {
  const { describe, most } = slowly()
  expect(await describeAll(describe)).toMatchObject(NAMES.map((name) => ({ name })))
  expect(most()).toBe(8)
})
