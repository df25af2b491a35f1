/**
 * docs/operating/declare.md: its files are planned, applied and deleted by its commands as they are
 * typed, and its table has the actions that AWS was asked for while it was planned.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pageBlocks } from '../support/page-commands.ts'
import { ROLES, type ShopJourney, startShopJourney } from '../support/shop-journey.ts'

const PAGE = 'operating/declare.md'
const TEXT = readFileSync(join(import.meta.dir, '..', '..', 'docs', PAGE), 'utf8')
const LINES = pageBlocks(PAGE, 'sh').flatMap((block) =>
  block.split('\n').filter((line) => line !== ''),
)
const STEP_MS = 120_000
/** What the page has no room for, and its table does. */
const MORE = `# more.yaml
accessConfig:
  accessEntries: [{ principalARN: "${ROLES}/ci", kubernetesGroups: [ci] }]
addons: [{ name: aws-ebs-csi-driver, useDefaultPodIdentityAssociations: true }]
`

let shop: ShopJourney
const asked = new Set<string>()

beforeAll(async () => {
  shop = await startShopJourney()
  for (const block of [...pageBlocks(PAGE, 'yaml'), MORE]) {
    const [, name = ''] = /^# (\S+)/.exec(block) ?? []
    shop.desk.write(name, block)
  }
  shop.desk.write('edge.kubeconfig', shop.edge.cluster.kubeconfig())
  await shop.makeRole('ci')
  const issuer = shop.wired.brokers[0]?.issuer ?? ''
  expect((await shop.desk.run(`issuer provider create --issuer ${issuer}`)).code).toBe(0)
  await shop.desk.run(`access-entry create ${ROLES}/ci --cluster shop-eks`)
  await shop.desk.run(`association create shop/old --cluster shop-eks --role-arn ${ROLES}/ci`)
  await shop.desk.run('addon enable eks-pod-identity-agent --cluster shop-eks')
  shop.wired.sandbox.aws.decisions.listen(({ action, caller }) => {
    // The cluster's own parts ask too: nodes and agents, as roles.
    if (action !== 'sts:GetCallerIdentity' && /:user\/|:root$/.test(caller)) asked.add(action)
  })
}, STEP_MS)
afterAll(() => shop.stop(), STEP_MS)

test('it has commands, all of podrole', () => {
  expect(LINES.length).toBeGreaterThan(4)
  const isKnown = /^(?:KUBECONFIG=\S+ )?podrole (?:plan|apply|delete) /
  expect(LINES.filter((line) => !isKnown.test(line))).toEqual([])
})

const isPlan = (line: string): boolean => line.includes('podrole plan ')

for (const line of [...LINES.filter(isPlan), 'podrole plan -f more.yaml --cluster shop-eks']) {
  test(
    line,
    async () => {
      const before = shop.writes.length
      const { code, err, out } = await shop.desk.shell(line)
      expect({ code, err, out }).toMatchObject({ code: 0 })
      expect(out).toMatch(/ to add, |"do": "create-/)
      expect(shop.writes.slice(before)).toEqual([])
    },
    STEP_MS,
  )
}

test(
  'a context named by hand is for one cluster alone',
  async () => {
    const { code, err } = await shop.desk.run(
      'plan -f cluster.yaml -f edge.yaml --broker --ca-file ca.pem --context shop-eks',
    )
    expect(code).toBe(1)
    expect(err).toContain('--context shop-eks is for one cluster alone')
  },
  STEP_MS,
)

let planned: readonly string[] = []
test(
  'what comes now changes something; nobody else needs the agent',
  async () => {
    planned = [...asked].sort()
    const { code } = await shop.desk.run('association delete shop/old --cluster shop-eks')
    expect(code).toBe(0)
  },
  STEP_MS,
)

for (const line of LINES.filter((one) => !isPlan(one))) {
  test(
    line,
    async () => {
      const { code, err, out } = await shop.desk.shell(line)
      expect({ code, err, out }).toMatchObject({ code: 0 })
      expect(out).toMatch(/Nothing is left|"outcome": "nothing-to-do"/)
    },
    STEP_MS,
  )
}

test('the table has what AWS was asked for', () => {
  const told = [...TEXT.matchAll(/^\| .* \| (.*) \|$/gm)].flatMap(([, actions = '']) =>
    [...actions.matchAll(/`([a-z]+:\w+)`/g)].map(([, action]) => action ?? ''),
  )
  expect(told.sort()).toEqual([...planned])
})
