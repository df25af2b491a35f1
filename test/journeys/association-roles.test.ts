/** `podrole association` as typed: roles that are there, brokers, services that are late, and wrong wishes. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import {
  ACCOUNT,
  OTHER,
  podsTrust,
  REGION,
  ROLES,
  type ShopJourney,
  startShopJourney,
} from '../support/shop-journey.ts'

const STEP_MS = 120_000
const CLUSTER_ARN = `arn:aws:eks:${REGION}:${ACCOUNT}:cluster/shop-eks`
let shop: ShopJourney

beforeAll(async () => {
  shop = await startShopJourney()
  await shop.makeRole('theirs')
}, 60_000)
afterEach(() => shop.wired.sandbox.aws.faults.replace([]))
afterAll(() => shop.stop(), 60_000)

const step = (name: string, run: () => Promise<void>): void => test(name, run, STEP_MS)

describe('a role that is there', () => {
  step('is judged before: who would be kept out is told, with the command', async () => {
    const closed = await shop.makeRole(
      'closed',
      podsTrust({ StringEquals: { 'aws:RequestTag/kubernetes-namespace': 'bank' } }),
    )
    const create = `association create shop/judged --cluster shop-eks --role-arn ${closed} --create-service-account`
    const before = shop.writes.length
    const { code, err } = await shop.desk.run(create)
    expect(code).toBe(1)
    expect(err).toContain(
      `role ${closed} would not admit service account shop/judged: the conditions of statement #1 keep it out`,
    )
    expect(shop.writes.slice(before)).toEqual([])
    const [, command = ''] = /Let it in: podrole (.*)/.exec(err) ?? []
    expect((await shop.desk.run(command)).code).toBe(0)
    expect((await shop.desk.run(create)).code).toBe(0)
    expect(await shop.readAs(shop.eks, 'judged')).toMatchObject({ ok: true, content: 'tea' })
    const off = await shop.desk.run(
      'association update shop/judged --cluster shop-eks --disable-session-tags',
    )
    expect(off.code).toBe(1)
    expect(off.err).toContain('asks for session tags, which the association disables')
    const [, open = ''] = /all of the account's clusters: podrole (.*)/.exec(off.err) ?? []
    expect((await shop.desk.run(open)).out).toContain(`"aws:SourceAccount": "${ACCOUNT}"`)
    const again = await shop.desk.run(
      'association update shop/judged --cluster shop-eks --disable-session-tags',
    )
    expect(again.code).toBe(0)
    expect(await shop.readAs(shop.eks, 'judged')).toMatchObject({ ok: true, content: 'tea' })
  })

  step('what only AWS knows is a note, not a refusal', async () => {
    const arn = await shop.makeRole(
      'by-source',
      podsTrust({ ArnEquals: { 'aws:SourceArn': CLUSTER_ARN } }),
    )
    const { code, err } = await shop.desk.run(
      `association create shop/by-source --cluster shop-eks --role-arn ${arn}`,
    )
    expect(code).toBe(0)
    expect(err).toContain('hangs on aws:SourceArn, which only AWS knows')
  })

  step('no such role, another account, another path', async () => {
    const before = shop.writes.length
    const create = 'association create shop/wrong --cluster shop-eks --role-arn'
    expect((await shop.desk.run(`${create} ${ROLES}/nobody`)).err).toContain(
      `there is no role ${ROLES}/nobody`,
    )
    expect((await shop.desk.run(`${create} ${ROLES}/team/theirs`)).err).toContain(
      `There is one of that name with another path: ${ROLES}/theirs`,
    )
    const foreign = await shop.desk.run(`${create} arn:aws:iam::${OTHER}:role/x`)
    expect(foreign.err).toContain('is in another account than the cluster')
    expect(foreign.err).toContain('can be the targetRoleArn')
    // EKS would refuse them too, in its own words.
    expect(shop.writes.slice(before)).toEqual([])
  })
})

describe('a broker', () => {
  const at = '--cluster shop-edge --broker --ca-file ca.pem'

  step('role, association, pod; changed, listed and deleted by the same commands', async () => {
    const [broker] = shop.wired.brokers
    const kubeconfig = shop.desk.write('kubeconfig-edge', shop.edge.cluster.kubeconfig())
    const create = `association create shop/orders ${at} --permission-policy orders.json --tags team=shop --create-service-account --kubeconfig ${kubeconfig}`
    const missing = await shop.desk.run(create)
    expect(missing.err).toContain(`podrole issuer provider create --issuer ${broker?.issuer ?? ''}`)
    await shop.desk.run(`issuer provider create --issuer ${broker?.issuer ?? ''}`)
    const made = await shop.desk.run(create)
    expect({ code: made.code, err: made.err }).toMatchObject({ code: 0 })
    expect(made.out).toStartWith('arn:aws:podrole:us-east-1:111122223333:podidentityassociation/')
    expect(await shop.readAs(shop.edge, 'orders')).toMatchObject({ ok: true, content: 'tea' })
    const shown = await shop.describeAssociation('shop/orders', at)
    expect(shown.roleArn).toMatch(/role\/podrole-shop-edge-[0-9a-f]{12}$/)
    const off = await shop.desk.run(`association update shop/orders ${at} --disable-session-tags`)
    expect(off.code).toBe(0)
    expect(await shop.readAs(shop.edge, 'orders')).toMatchObject({ ok: true, content: 'tea' })
    const tags = await shop.desk.run(
      `association update shop/orders ${at} --tags tier=gold --remove-tags team`,
    )
    expect(tags).toMatchObject({ code: 0 })
    const { out } = await shop.desk.run(`association list ${at} -o json`)
    expect(JSON.parse(out)).toMatchObject([{ serviceAccount: 'orders', disableSessionTags: true }])
    expect((JSON.parse(out) as [{ readonly tags: object }])[0].tags).toEqual({
      tier: 'gold',
      'podrole.dev/managed-by': 'podrole',
    })
    const gone = await shop.desk.run(
      `association delete shop/orders ${at} --delete-service-account --kubeconfig ${kubeconfig}`,
    )
    expect(gone.out).toMatch(
      /deleted\nrole podrole-shop-edge-[0-9a-f]{12} deleted\nservice account shop\/orders deleted\n$/,
    )
  })

  step(
    'without AWS credentials a role that is there does; a role of no trust is told',
    async () => {
      const theirs = `${ROLES}/theirs`
      const refused = await shop.desk.run(
        `association create shop/by-hand ${at} --role-arn ${theirs}`,
      )
      expect(refused.code).toBe(1)
      expect(refused.err).toContain(
        'would not admit service account shop/by-hand: no statement trusts',
      )
      expect(refused.err).toContain(
        'podrole role trust add theirs --service-account shop/by-hand --fleet --clusters shop-edge',
      )
      const nobody = await shop.desk.run(
        `association create shop/by-hand ${at} --role-arn ${theirs} --profile empty`,
      )
      expect({ code: nobody.code, err: nobody.err }).toMatchObject({ code: 0 })
      expect(nobody.err).toContain('there are no AWS credentials')
      const none = await shop.desk.run(
        'association list --cluster nobody --broker --ca-file ca.pem',
      )
      expect(none.err).toContain('ResourceNotFound: No cluster found for name: nobody')
    },
  )
})

describe('while IAM and EKS show their writes late', () => {
  step('a role and its association are made all the same, by two at once too', async () => {
    shop.wired.sandbox.aws.faults.replace(['iam:*=eventual:1s', 'eks:*=eventual:1s'])
    const create = 'association create shop/late --cluster shop-eks --permission-policy orders.json'
    const both = await Promise.all([shop.desk.run(create), shop.desk.run(create)])
    expect(both.map(({ code, err }) => ({ code, err }))).toMatchObject([{ code: 0 }, { code: 0 }])
    expect(new Set(both.map(({ out }) => out)).size).toBe(1)
    shop.wired.sandbox.aws.faults.replace([])
    expect((await shop.desk.run(create)).err).toContain('nothing was done')
  })

  step('what fails half way says so, and goes on when it is run again', async () => {
    shop.wired.sandbox.aws.faults.replace([
      'eks:CreatePodIdentityAssociation=error:ServerException:500@3',
    ])
    const create =
      'association create shop/half --cluster shop-eks --permission-policy orders.json --create-service-account'
    const failed = await shop.desk.run(create)
    expect(failed.code).toBe(1)
    expect(failed.err).toMatch(/role podrole-shop-eks-[0-9a-f]{12} made; inline policy written; /)
    expect(failed.err).toContain('service account shop/half made; then it failed')
    const went = await shop.desk.run(create)
    expect(went.code).toBe(0)
    expect(went.err).not.toContain('role podrole')
    expect(went.err).toContain('of shop/half made')
  })

  step('throttling is waited out', async () => {
    shop.wired.sandbox.aws.faults.replace(['eks:DescribePodIdentityAssociation=throttle:5'])
    const { code, out } = await shop.desk.run('association list --cluster shop-eks')
    expect(code).toBe(0)
    expect(out).toContain('shop/late')
  })
})

describe('what is wrong is told before anything is written', () => {
  test.each([
    ['create --cluster c --role-arn x', 'no service account is given'],
    ['create a/b --service-account a/c --cluster c --role-arn x', 'two service accounts are given'],
    ['create a/b --cluster c', 'neither a role nor permissions for a new one are given'],
    [
      `create a/b --cluster c --role-arn ${ROLES}/x --role-name y --permission-policy-arns z`,
      '--role-name, --permission-policy-arns are for a role that is made',
    ],
    [
      `create a --cluster c! --role-arn nonsense --tags x --policy {"Version":"2012-10-17"}`,
      '5 things are wrong:',
    ],
    [
      `create a/b --cluster c --role-arn ${ROLES}/x --policy {} --disable-session-tags=false`,
      'policy needs disableSessionTags: true',
    ],
    [
      `create a/b --cluster c --role-arn ${ROLES}/x --disable-session-tags=maybe`,
      'wanted true or false',
    ],
    [
      `create a/b --cluster c --role-arn ${ROLES}/x --policy {"Version":"2012-10-17"} --disable-session-tags`,
      'policy is not a session policy',
    ],
    ['create a/b --cluster c --permission-policy nowhere.json', 'cannot read nowhere.json'],
    [
      'create a/b --cluster c --permission-policy {"Version":"2012-10-17"}',
      'The policy holds no Statement',
    ],
    [
      'create a/b --cluster c --permission-policy-arns arn:aws:iam::aws:policy/P,arn:aws:iam::aws:policy/P',
      'policy arn:aws:iam::aws:policy/P is given twice',
    ],
    [
      'create a/b --cluster c! --role-name ? --permission-policy-arns z --permission-policy {} --tags x',
      '5 things are wrong:',
    ],
    ['update a/b --cluster shop-eks', 'nothing is named that is to be changed'],
    ['update a/b --cluster shop-eks --role-arn x', 'has no association in cluster shop-eks'],
    ['list --cluster c --broker nonsense', '"nonsense" is no URL'],
    ['list --cluster nobody', 'ResourceNotFound'],
    ['describe a/b --cluster shop-eks', 'service account a/b has no association'],
  ])(
    '%s',
    async (line, message) => {
      const before = shop.writes.length
      const { code, err } = await shop.desk.run(`association ${line}`)
      expect(code).toBe(1)
      expect(err).toContain(message)
      expect(shop.writes.slice(before)).toEqual([])
    },
    STEP_MS,
  )
})
