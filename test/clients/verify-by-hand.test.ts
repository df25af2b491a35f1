/** What `podrole verify --print-kubectl` prints, run by an unmodified kubectl with the AWS CLI in the pod. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { delimiter } from 'node:path'
import { NAMESPACES, PODS } from '../../src/kube/client.ts'
import { findKubernetes } from '../support/kubernetes-binaries.ts'
import { findPython } from '../support/python.ts'
import { ACCOUNT, type ShopJourney, startShopJourney } from '../support/shop-journey.ts'
import { lacks } from '../support/tools.ts'

const WHAT = 'podrole verify by hand'
const [kubernetes, python] = [await findKubernetes(), await findPython()]
const isSkipped = [lacks(WHAT, kubernetes.missing), lacks(WHAT, python.missing)].includes(true)
const machinePath = process.env['PATH'] ?? ''
let shop: ShopJourney

setDefaultTimeout(180_000)

beforeAll(async () => {
  if (isSkipped) return
  process.env['PATH'] = [python.bin, kubernetes.folder, machinePath].join(delimiter)
  shop = await startShopJourney()
  await shop.eks.client.create(NAMESPACES, { metadata: { name: 'shop' } })
  const made = await shop.desk.run(
    'association create shop/orders --cluster shop-eks --permission-policy orders.json --role-name orders --create-service-account',
  )
  expect(made).toMatchObject({ code: 0 })
  shop.desk.write(
    'checks.yaml',
    `checks:
  - { name: reads, command: [s3, cp, s3://shop-orders/today.txt, '-'], expect: { output: tea } }
  - { name: "it's odd", command: [s3, ls, "s3://shop-$(HOME)'$$"], expect: access-denied }
`,
  )
})
afterAll(async () => {
  process.env['PATH'] = machinePath
  if (!isSkipped) await shop.stop()
})

test.skipIf(isSkipped)('kubectl run shows what the pod says, and removes it', async () => {
  const { code, out } = await shop.desk.run(
    'verify shop/orders --checks checks.yaml --print-kubectl',
  )
  expect(code).toBe(0)
  expect(out).toStartWith("kubectl run podrole-verify-by-hand --namespace 'shop' \\\n")
  const ran = await shop.desk.shell(out)
  const lines = ran.out.split('\n').filter((line) => line.startsWith('podrole: '))
  expect({ code: ran.code, err: ran.err }).toEqual({ code: 0, err: '' })
  const [variable, provider, identity = '', first, second = '', ...rest] = lines
  expect([variable, provider, first, rest]).toEqual([
    'podrole: variable AWS_CONTAINER_CREDENTIALS_FULL_URI',
    'podrole: provider container-role',
    'podrole: check 1 succeeded, with the text',
    ['podrole: end'],
  ])
  expect(identity).toStartWith(
    `podrole: identity arn:aws:sts::${ACCOUNT}:assumed-role/orders/eks-shop-eks-podrole-ve-`,
  )
  // What Kubernetes would replace reaches the AWS CLI as it was written.
  expect(second).toStartWith(`podrole: check 2 failed: Invalid bucket name "shop-$(HOME)'$$"`)
  expect(ran.out + ran.err).not.toMatch(/ASIA|eyJ/)
  const { items } = await shop.eks.client.list(PODS, {
    namespace: 'shop',
    labelSelector: 'podrole.dev/verify=true',
  })
  expect(items.filter(({ metadata }) => metadata.deletionTimestamp === undefined)).toEqual([])
})
