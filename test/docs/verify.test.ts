/** docs/operating/verify.md: its commands run as they are typed, and its table has every code. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { VERIFY_CODES } from '../../src/doctor/verify/verdict.ts'
import { DEFAULT_IMAGE } from '../../src/doctor/verify/pod.ts'
import { NAMESPACES } from '../../src/kube/client.ts'
import { pageBlocks } from '../support/page-commands.ts'
import { findPython } from '../support/python.ts'
import { type ShopJourney, startShopJourney } from '../support/shop-journey.ts'
import { lacks } from '../support/tools.ts'

const PAGE = 'operating/verify.md'
const TEXT = readFileSync(join(import.meta.dir, '..', '..', 'docs', PAGE), 'utf8')
const LINES = pageBlocks(PAGE, 'sh').flatMap((block) =>
  block.split('\n').filter((line) => line !== ''),
)
const STEP_MS = 180_000
const found = await findPython()
const isSkipped = lacks('the commands of docs/operating/verify.md', found.missing)
const machinePath = process.env['PATH'] ?? ''
const asked = new Set<string>()
let shop: ShopJourney

beforeAll(async () => {
  if (isSkipped) return
  process.env['PATH'] = [found.bin, machinePath].join(delimiter)
  shop = await startShopJourney()
  await shop.eks.client.create(NAMESPACES, { metadata: { name: 'shop' } })
  for (const block of pageBlocks(PAGE, 'yaml')) {
    const [, name = ''] = /^# (\S+)/.exec(block) ?? []
    shop.desk.write(name, block)
  }
  for (const line of [
    `issuer provider create --issuer ${shop.eks.cluster.issuer}`,
    'role create --name irsa --service-account shop/irsa --cluster shop-eks --method irsa --annotate --create-service-account',
    'association create shop/orders --cluster shop-eks --role-name orders --permission-policy orders.json --create-service-account',
  ]) {
    expect(await shop.desk.run(line)).toMatchObject({ code: 0 })
  }
  shop.wired.sandbox.aws.decisions.listen(({ action, caller }) => {
    // The cluster's own parts and the pods ask too, as roles.
    if (/:user\/|:root$/.test(caller)) asked.add(action)
  })
}, STEP_MS)
afterAll(async () => {
  process.env['PATH'] = machinePath
  if (!isSkipped) await shop.stop()
}, STEP_MS)

test('it has commands, all of podrole verify', () => {
  expect(LINES.length).toBeGreaterThan(4)
  expect(LINES.filter((line) => !line.startsWith('podrole verify '))).toEqual([])
})

for (const line of LINES) {
  test.skipIf(isSkipped)(
    line,
    async () => {
      const { code, err, out } = await shop.desk.shell(line)
      expect({ code, err }).toEqual({ code: 0, err: '' })
      if (line.includes('--print-kubectl')) expect(out).toStartWith('kubectl run ')
      else if (line.includes('-o json')) expect(JSON.parse(out)).toMatchObject({ verdict: 'ok' })
      else expect(out).toContain('\nok: a pod of shop/')
    },
    STEP_MS,
  )
}

test.skipIf(isSkipped)('it names what AWS is asked for by whoever runs it', () => {
  const named = [...TEXT.matchAll(/`(eks:\w+)`/g)].map(([, action = '']) => action)
  expect([...asked].filter((action) => action !== 'sts:GetCallerIdentity').sort()).toEqual(
    named.sort(),
  )
})

test('its table has every code, and its example the image', () => {
  expect([...TEXT.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, code]) => code)).toEqual([
    ...VERIFY_CODES,
  ])
  expect(TEXT).toContain(`image             ${DEFAULT_IMAGE}\n`)
})
