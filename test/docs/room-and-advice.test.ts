/** docs/operating/quotas.md, advise.md and roles.md: their commands run as they are typed, in their order. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pageBlocks } from '../support/page-commands.ts'
import { ROLES, type ShopJourney, startShopJourney } from '../support/shop-journey.ts'

const STEP_MS = 120_000
const PAGES = ['quotas', 'advise', 'roles'] as const

let shop: ShopJourney
const asked = new Set<string>()

beforeAll(async () => {
  shop = await startShopJourney()
  await shop.makeRole('orders', ordersTrust(shop.eks.name))
  const made = await shop.desk.run(
    `association create shop/orders --cluster shop-eks --role-arn ${ROLES}/orders --create-service-account`,
  )
  expect(made).toMatchObject({ code: 0 })
  shop.desk.write('trust.json', ordersTrust('one'))
}, 60_000)
afterAll(() => shop.stop(), 60_000)

/** As hands leave it: a statement for each service account, and somebody's own. */
function ordersTrust(cluster: string): string {
  const own = ['orders', 'worker', 'batch'].map((name) => ({
    Effect: 'Allow',
    Principal: { Service: 'pods.eks.amazonaws.com' },
    Action: ['sts:AssumeRole', 'sts:TagSession'],
    Condition: {
      StringEquals: {
        'aws:RequestTag/eks-cluster-arn': `arn:aws:eks:us-east-1:111122223333:cluster/${cluster}`,
        'aws:RequestTag/kubernetes-namespace': 'shop',
        'aws:RequestTag/kubernetes-service-account': name,
      },
    },
  }))
  const admin = {
    Sid: 'Admin',
    Effect: 'Allow',
    Principal: { AWS: '111122223333' },
    Action: 'sts:AssumeRole',
  }
  return JSON.stringify({ Version: '2012-10-17', Statement: [admin, ...own] })
}

for (const page of PAGES) {
  describe(page, () => {
    const lines = pageBlocks(`operating/${page}.md`, 'sh').flatMap((block) =>
      block.split('\n').filter((line) => line !== ''),
    )

    test('it has commands, all of podrole', () => {
      expect(lines.length).toBeGreaterThan(2)
      expect(lines.filter((line) => !line.startsWith('podrole '))).toEqual([])
    })

    for (const line of lines) {
      test(
        line,
        async () => {
          const stop = shop.wired.sandbox.aws.decisions.listen(({ action, caller }) => {
            if (page === 'quotas' && /:user\/|:root$/.test(caller)) asked.add(action)
          })
          const { code, err, out } = await shop.desk.run(line.replace('podrole ', ''))
          stop()
          expect({ code, err }).toMatchObject({ code: 0 })
          expect(out).not.toBe('')
        },
        STEP_MS,
      )
    }
  })
}

test('the page on quotas has what AWS was asked for', () => {
  const page = readFileSync(join(import.meta.dir, '../../docs/operating/quotas.md'), 'utf8')
  const [text = ''] = /It asks for .*/.exec(page) ?? []
  const told = [...text.matchAll(/`([a-z]+:\w+)`/g)].map(([, action]) => action ?? '')
  expect(told.toSorted()).toEqual([...asked].toSorted())
})
