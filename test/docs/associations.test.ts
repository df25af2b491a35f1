/**
 * docs/operating/associations.md: its commands run as they are typed, in its order, and its table
 * has the actions that AWS was asked for meanwhile.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import catalog from '../../src/sandbox/aws/eks/addon-catalog.json'
import { type ShopJourney, startShopJourney } from '../support/shop-journey.ts'

const PAGE = readFileSync(
  join(import.meta.dir, '..', '..', 'docs', 'operating', 'associations.md'),
  'utf8',
)
const LINES = [...PAGE.matchAll(/^```sh\n([^]*?)^```$/gm)].flatMap(([, block = '']) =>
  block.split('\n').filter((line) => line !== ''),
)
const STEP_MS = 120_000
const AGENT = 'eks-pod-identity-agent'
const older = catalog.find(({ addonName }) => addonName === AGENT)?.versions.at(-1) ?? ''
const CI = 'arn:aws:iam::111122223333:role/ci'
const READ = 'arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess'
/** What the page has no room for, and its table does. */
const MORE = [
  `podrole addon enable ${AGENT} --cluster shop-eks`,
  `podrole addon update ${AGENT} --cluster shop-eks --addon-version ${older}`,
  'podrole addon list --cluster shop-eks',
  `podrole association create shop/more --cluster shop-eks --permission-policy-arns ${READ}`,
  'podrole association update shop/more --cluster shop-eks --tags a=b',
  'podrole association update shop/more --cluster shop-eks --remove-tags a --disable-session-tags',
  'podrole association delete shop/more --cluster shop-eks',
  `podrole association create shop/end --cluster shop-eks --permission-policy-arns ${READ}`,
  `podrole association create shop/end --cluster shop-eks --permission-policy-arns ${READ}`,
  'podrole association delete shop/end --cluster shop-eks',
  `podrole access-entry create ${CI} --cluster shop-eks --tags a=b`,
  `podrole access-entry describe ${CI} --cluster shop-eks`,
  `podrole access-entry update ${CI} --cluster shop-eks --tags c=d --remove-tags a`,
]

let shop: ShopJourney
const asked = new Map<string, Set<string>>()
let command = ''

beforeAll(async () => {
  shop = await startShopJourney()
  for (const name of ['stock', 'stock-v2', 'ci']) await shop.makeRole(name)
  const made = await shop.desk.run(
    `issuer provider create --issuer ${shop.wired.brokers[0]?.issuer ?? ''}`,
  )
  expect(made.code).toBe(0)
  shop.wired.sandbox.aws.decisions.listen(({ action, caller }) => {
    // The cluster's own parts ask too: nodes and agents, as roles.
    if (command === '' || action === 'sts:GetCallerIdentity' || !/:user\/|:root$/.test(caller))
      return
    asked.set(command, (asked.get(command) ?? new Set()).add(action))
  })
}, 60_000)
afterAll(() => shop.stop(), 60_000)

test('it has commands, all of podrole', () => {
  expect(LINES.length).toBeGreaterThan(15)
  expect(LINES.filter((line) => !line.startsWith('podrole '))).toEqual([])
})

for (const line of [...LINES, ...MORE]) {
  test(
    line,
    async () => {
      const [, noun = '', verb = ''] = line.split(' ')
      command = `${noun} ${verb}`
      const { code, err } = await shop.desk.run(line.replace('podrole ', ''))
      command = ''
      expect({ code, err }).toMatchObject({ code: 0 })
    },
    STEP_MS,
  )
}

test('the table has what AWS was asked for', () => {
  const table = [...PAGE.matchAll(/^\| `([a-z -]+)` \| (.*) \|$/gm)].map(
    ([, name, actions = '']) => [
      name,
      [...actions.matchAll(/`([a-z]+:\w+)`/g)].map(([, action]) => action ?? '').sort(),
    ],
  )
  const seen = [...asked].map(([name, actions]) => [name, [...actions].sort()])
  expect(Object.fromEntries(table)).toEqual(Object.fromEntries(seen))
  expect(table.length).toBe(seen.length)
})
