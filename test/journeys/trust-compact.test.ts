/** A role whose trust policy grew by hand, with pods that use it before and after it is compacted. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CreatePodIdentityAssociationCommand } from '@aws-sdk/client-eks'
import { GetRoleCommand } from '@aws-sdk/client-iam'
import { NAMESPACES, SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import {
  ACCOUNT,
  REGION,
  ROLES,
  type ShopJourney,
  startShopJourney,
} from '../support/shop-journey.ts'

const STEP_MS = 120_000
const CLUSTER = `arn:aws:eks:${REGION}:${ACCOUNT}:cluster/shop-eks`
const GONE = `arn:aws:eks:${REGION}:${ACCOUNT}:cluster/shop-blue`

let shop: ShopJourney

const statement = (cluster: string, name: string): object => ({
  Effect: 'Allow',
  Principal: { Service: 'pods.eks.amazonaws.com' },
  Action: ['sts:AssumeRole', 'sts:TagSession'],
  Condition: {
    StringEquals: {
      'aws:RequestTag/eks-cluster-arn': cluster,
      'aws:RequestTag/kubernetes-namespace': 'shop',
      'aws:RequestTag/kubernetes-service-account': name,
    },
  },
})
const admin =
  '{ "Sid":"Admin", "Effect" : "Allow", "Principal":{"AWS":"111122223333"}, "Action":"sts:AssumeRole" }'
const names = ['orders', 'worker']
const grown = `{"Version":"2012-10-17","Statement":[${[
  admin,
  ...[CLUSTER, GONE].flatMap((cluster) =>
    names.map((name) => JSON.stringify(statement(cluster, name))),
  ),
].join(', ')}]}`

const trustOf = async (RoleName: string): Promise<string> => {
  const { Role } = await shop.iam.send(new GetRoleCommand({ RoleName }))
  return decodeURIComponent(Role?.AssumeRolePolicyDocument ?? '')
}

beforeAll(async () => {
  shop = await startShopJourney()
  await shop.makeRole('orders', grown)
  await shop.eks.client.create(NAMESPACES, { metadata: { name: 'shop' } })
  // As EKS takes it, which does not look at whom the trust policy lets in.
  for (const serviceAccount of ['orders', 'stranger']) {
    await shop.eksApi.send(
      new CreatePodIdentityAssociationCommand({
        clusterName: 'shop-eks',
        namespace: 'shop',
        serviceAccount,
        roleArn: `${ROLES}/orders`,
      }),
    )
    await shop.eks.client.create(SERVICE_ACCOUNTS, {
      metadata: { namespace: 'shop', name: serviceAccount },
    })
  }
}, 60_000)
afterAll(() => shop.stop(), 60_000)

const step = (name: string, run: () => Promise<void>): void => test(name, run, STEP_MS)

describe('role trust compact', () => {
  step(
    'shows what it would write, with size, proof and what is kept, and writes nothing',
    async () => {
      expect(await shop.readAs(shop.eks, 'orders')).toMatchObject({ ok: true, content: 'tea' })
      const writes = shop.writes.length
      const { code, out } = await shop.desk.run('role trust compact orders')
      expect(code).toBe(0)
      expect(out).toContain('statements #2, #3, #4, #5: 1 in their place')
      expect(out).toContain('statement Admin is kept to the last character: its Principal is AWS')
      expect(out).toMatch(
        new RegExp(
          `^${grown.length} characters before, \\d+ after, quota 2048 \\(Service Quotas L-C07B4B0D\\)`,
          'm',
        ),
      )
      expect(out).toMatch(
        /^proved by the evaluator on \d+ requests, of which both admit [1-9]\d*$/m,
      )
      expect(out).toContain('nothing was written (--apply writes it)')
      expect(shop.writes.length).toBe(writes)
      expect(await trustOf('orders')).toBe(grown)
    },
  )

  step('asks before it writes: where nobody can be asked it does not', async () => {
    const { code, err } = await shop.desk.run('role trust compact orders --apply')
    expect(code).toBe(1)
    expect(err).toContain('there is nobody to ask')
    expect(await trustOf('orders')).toBe(grown)
  })

  step('where one role has not room, it shows several and writes none', async () => {
    const { code, err, out } = await shop.desk.run(
      'role trust compact orders --limit 480 --apply --yes',
    )
    expect(code).toBe(1)
    expect(out).toContain('role orders, ')
    expect(out).toContain('role orders-2, ')
    expect(err).toContain('roles are needed, and nothing was written')
    expect(await trustOf('orders')).toBe(grown)
  })

  step(
    'writes it: the pod has the role, a stranger has not, and the old text is kept',
    async () => {
      const { code, err } = await shop.desk.run('role trust compact orders --apply --yes')
      expect(code).toBe(0)
      const written = await trustOf('orders')
      expect(written).toContain(admin)
      expect(written.length).toBeLessThan(grown.length / 2)
      expect(await shop.readAs(shop.eks, 'orders')).toMatchObject({ ok: true, content: 'tea' })
      expect(await shop.readAs(shop.eks, 'stranger')).toMatchObject({ ok: false })
      const folder = join(shop.desk.folder, 'state', 'podrole', 'trust')
      const [file = ''] = readdirSync(folder)
      expect(readFileSync(join(folder, file), 'utf8')).toBe(grown)
      expect(err).toContain(
        `put back with: aws iam update-assume-role-policy --role-name orders --policy-document file://`,
      )
    },
  )

  step('a second time there is nothing to do', async () => {
    const writes = shop.writes.length
    const { code, out } = await shop.desk.run('role trust compact orders --apply --yes')
    expect(code).toBe(0)
    expect(out).toContain('nothing to do: no smaller policy was found that admits the same')
    expect(shop.writes.length).toBe(writes)
  })

  step('a policy that IAM would not take is refused, not guessed at', async () => {
    shop.desk.write('twice.json', '{"Version":"2012-10-17","Statement":[],"Statement":[]}')
    const { code, err } = await shop.desk.run('role trust compact --file twice.json')
    expect(code).toBe(1)
    expect(err).toContain('multiple instances of the same key')
  })
})
