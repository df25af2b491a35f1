/** `podrole association` as typed on EKS: what it makes, changes and deletes, and whose it leaves. */
import {
  CreateAddonCommand,
  CreatePodIdentityAssociationCommand,
  DescribePodIdentityAssociationCommand,
} from '@aws-sdk/client-eks'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import type { ServiceAccount } from '../../src/kube/objects.ts'
import { OTHER, ROLES, type ShopJourney, startShopJourney } from '../support/shop-journey.ts'

const STEP_MS = 120_000
let shop: ShopJourney

beforeAll(async () => {
  shop = await startShopJourney()
}, 60_000)
afterEach(() => shop.wired.sandbox.aws.faults.replace([]))
afterAll(() => shop.stop(), 60_000)

const step = (name: string, run: () => Promise<void>): void => test(name, run, STEP_MS)

describe('a role made for a service account on EKS', () => {
  const create =
    'association create shop/orders --cluster shop-eks --permission-policy orders.json --permission-policy-arns arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess --tags team=shop,tier=gold --create-service-account'
  let roleName = ''

  step('role, namespace, service account and association; a pod gets credentials', async () => {
    const { code, err, out } = await shop.desk.run(create)
    expect({ code, err }).toMatchObject({ code: 0 })
    expect(out).toMatch(/^arn:aws:eks:us-east-1:111122223333:podidentityassociation\/shop-eks\/a-/)
    expect(err).toMatch(/role podrole-shop-eks-[0-9a-f]{12} made/)
    expect(err).toContain('namespace shop made')
    expect(err).toContain('service account shop/orders made')
    expect(err).toContain('has no add-on eks-pod-identity-agent')
    expect(await shop.readAs(shop.eks, 'orders')).toMatchObject({ ok: true, content: 'tea' })
    const shown = await shop.describeAssociation('shop/orders')
    roleName = shown.roleArn.split('/').at(-1) ?? ''
    expect(shown.tags).toEqual({ team: 'shop', tier: 'gold', 'podrole.dev/managed-by': 'podrole' })
    const state = (await shop.roleState(roleName)) as { readonly AssumeRolePolicyDocument: string }
    expect(state).toMatchObject({
      AttachedPolicies: [{ PolicyName: 'AmazonS3ReadOnlyAccess' }],
      PolicyNames: ['podrole'],
    })
    const trust = JSON.parse(decodeURIComponent(state.AssumeRolePolicyDocument)) as object
    expect(trust).toMatchObject({
      Statement: [
        {
          Condition: {
            StringEquals: {
              'aws:RequestTag/eks-cluster-arn': expect.stringContaining(':cluster/shop-eks'),
              'aws:RequestTag/kubernetes-namespace': 'shop',
              'aws:RequestTag/kubernetes-service-account': 'orders',
            },
          },
        },
      ],
    })
    const { annotations } = (await shop.serviceAccountOf(shop.eks, 'orders'))?.metadata ?? {}
    expect(annotations).toEqual({ 'podrole.dev/managed-by': 'podrole' })
  })

  step('the same again does nothing; another wish names the update', async () => {
    const before = shop.writes.length
    const again = await shop.desk.run(create)
    expect(again).toMatchObject({ code: 0 })
    expect(again.err).toContain('is there as asked for: nothing was done')
    const other = await shop.desk.run(`${create} --disable-session-tags`)
    expect(other.code).toBe(1)
    expect(other.err).toContain('it differs: its session tags are on, not off')
    expect(other.err).toContain(
      'podrole association update shop/orders --cluster shop-eks --disable-session-tags',
    )
    const less = await shop.desk.run(create.replace(',tier=gold', ',tier=silver'))
    expect(less.err).toContain('its tag tier is "gold", not "silver"')
    expect(less.err).toContain('--tags tier=silver')
    expect(shop.writes.slice(before)).toEqual([])
  })

  step('a service account that was deleted by hand is made again', async () => {
    await shop.eks.client.delete(SERVICE_ACCOUNTS, { namespace: 'shop', name: 'orders' })
    const { code, err } = await shop.desk.run(create)
    expect(code).toBe(0)
    expect(err).toContain('service account shop/orders made')
    expect(await shop.serviceAccountOf(shop.eks, 'orders')).toBeDefined()
  })

  step(
    'an update leaves all of the role as it is; its trust goes along with the tags',
    async () => {
      const before = await shop.roleState(roleName)
      const target = `arn:aws:iam::${OTHER}:role/target`
      const moved = await shop.desk.run(
        `association update shop/orders --cluster shop-eks --role-arn ${ROLES}/${roleName} --target-role-arn ${target} --tags tier=silver --remove-tags team`,
      )
      expect({ code: moved.code, err: moved.err }).toMatchObject({ code: 0 })
      expect(await shop.roleState(roleName)).toEqual(before)
      expect(await shop.describeAssociation('shop/orders')).toMatchObject({
        targetRoleArn: target,
        tags: { tier: 'silver', 'podrole.dev/managed-by': 'podrole' },
      })
      const listed = await shop.desk.run('association list --cluster shop-eks -o json')
      expect(JSON.parse(listed.out)).toMatchObject([
        {
          serviceAccount: 'orders',
          targetRoleArn: target,
          disableSessionTags: false,
          tags: { tier: 'silver' },
        },
      ])
      await shop.desk.run('association update shop/orders --cluster shop-eks --no-target-role')
      const untagged = await shop.desk.run(
        'association update --service-account shop/orders --cluster shop-eks --disable-session-tags',
      )
      expect(untagged.err).toContain(`trust policy of role ${roleName} written`)
      expect(await shop.readAs(shop.eks, 'orders')).toMatchObject({ ok: true, content: 'tea' })
      const policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}]}`
      await shop.desk.run(`association update shop/orders --cluster shop-eks --policy ${policy}`)
      expect(await shop.readAs(shop.eks, 'orders')).toMatchObject({ ok: false })
      const both = await shop.desk.run(
        'association update shop/orders --cluster shop-eks --no-disable-session-tags',
      )
      expect(both.code).toBe(1)
      expect(both.err).toContain('policy needs disableSessionTags: true')
      const back = await shop.desk.run(
        'association update shop/orders --cluster shop-eks --no-policy --disable-session-tags=false',
      )
      expect(back.code).toBe(0)
      expect(await shop.describeAssociation('shop/orders')).toMatchObject({
        disableSessionTags: false,
      })
      expect(await shop.readAs(shop.eks, 'orders')).toMatchObject({ ok: true, content: 'tea' })
    },
  )

  step('deleted: what podrole made goes, unless others use it', async () => {
    // It was written for sessions without tags too, which admits others.
    const kept = await shop.desk.run('association delete shop/orders --cluster shop-eks')
    expect(kept.code).toBe(0)
    expect(kept.out).toContain(`role ${roleName} stays: its trust policy admits others too`)
  })
})

describe('deleting', () => {
  const made = (name: string): string =>
    `association create shop/${name} --cluster shop-eks --permission-policy orders.json --role-name for-${name}`

  step('the role and the service account that podrole made go with it', async () => {
    expect((await shop.desk.run(`${made('gone')} --create-service-account`)).code).toBe(0)
    const { code, out } = await shop.desk.run(
      'association delete shop/gone --cluster shop-eks --delete-service-account',
    )
    expect(code).toBe(0)
    expect(out).toMatch(
      /^association a-\w{17} of shop\/gone deleted\nrole for-gone deleted\nservice account shop\/gone deleted\n$/,
    )
    expect(await shop.hasRole('for-gone')).toBe(false)
    expect(await shop.serviceAccountOf(shop.eks, 'gone')).toBeUndefined()
    const again = await shop.desk.run('association delete shop/gone --cluster shop-eks')
    expect(again.code).toBe(1)
    expect(again.err).toContain('service account shop/gone has no association in cluster shop-eks')
    expect(again.err).toContain('podrole association create shop/gone --cluster shop-eks')
    const fine = 'association delete shop/gone --cluster shop-eks --ignore-not-found'
    expect((await shop.desk.run(fine)).code).toBe(0)
  })

  step('permissions of a well-known workload, and then nothing more', async () => {
    const create =
      'association create cert-manager/cert-manager --cluster shop-eks --well-known-policies certmanager,externalDNS --permission-policy orders.json --role-name certs'
    expect((await shop.desk.run(create)).code).toBe(0)
    expect(await shop.roleState('certs')).toMatchObject({
      PolicyNames: ['podrole'],
    })
    expect((await shop.desk.run(create)).err).toContain('nothing was done')
    const wrong = await shop.desk.run(create.replace('certmanager', 'dns'))
    expect(wrong.err).toContain('"dns" is no well-known policy: wanted imageBuilder')
  })

  step('what podrole did not make stays', async () => {
    const roleArn = await shop.makeRole('theirs')
    await shop.eks.client.create<ServiceAccount>(SERVICE_ACCOUNTS, {
      metadata: { namespace: 'shop', name: 'theirs' },
      imagePullSecrets: [{ name: 'registry' }],
    })
    const before = await shop.serviceAccountOf(shop.eks, 'theirs')
    expect(
      await shop.desk.run(
        `association create shop/theirs --cluster shop-eks --role-arn ${roleArn} --create-service-account`,
      ),
    ).toMatchObject({ code: 0 })
    expect(await shop.serviceAccountOf(shop.eks, 'theirs')).toEqual(before)
    const { code, out } = await shop.desk.run(
      'association delete shop/theirs --cluster shop-eks --delete-service-account',
    )
    expect(code).toBe(0)
    expect(out).toContain('role theirs stays: podrole did not make it')
    expect(out).toContain('service account shop/theirs stays: podrole did not make it')
    expect(await shop.hasRole('theirs')).toBe(true)
    expect(await shop.serviceAccountOf(shop.eks, 'theirs')).toEqual(before)
  })

  step('a role that another association has, or that is asked to stay, stays', async () => {
    await shop.desk.run(made('first'))
    const arn = `${ROLES}/for-first`
    const input = { clusterName: 'shop-eks', namespace: 'shop', serviceAccount: 'second' }
    await shop.eksApi.send(new CreatePodIdentityAssociationCommand({ ...input, roleArn: arn }))
    const { out } = await shop.desk.run('association delete shop/first --cluster shop-eks')
    expect(out).toContain('role for-first stays: 1 other association(s) have it: shop/second')
    const other = await shop.desk.run('association delete shop/second --cluster shop-eks --adopt')
    expect(other.out).toContain('role for-first stays: podrole did not make it for this')
    await shop.desk.run(made('kept'))
    await shop.desk.run('association delete shop/kept --cluster shop-eks --keep-role')
    expect(await shop.hasRole('for-kept')).toBe(true)
  })

  step(
    'who may not read roles deletes the association, and is told that the role stays',
    async () => {
      await shop.desk.run(made('unread'))
      shop.wired.sandbox.aws.faults.replace(['iam:GetRole=error:AccessDenied:403'])
      const { code, out } = await shop.desk.run('association delete shop/unread --cluster shop-eks')
      expect(code).toBe(0)
      expect(out).toContain('its role stays: GetRole for-unread: AccessDenied')
      const again = await shop.desk.run('association delete shop/unread --cluster shop-eks')
      expect(again.err).toContain('service account shop/unread has no association')
      shop.wired.sandbox.aws.faults.replace([])
      expect(await shop.hasRole('for-unread')).toBe(true)
      await shop.desk.run(made('stuck'))
      shop.wired.sandbox.aws.faults.replace(['iam:DeleteRole=error:ServiceFailure:500'])
      const stuck = await shop.desk.run('association delete shop/stuck --cluster shop-eks')
      expect(stuck.code).toBe(1)
      expect(stuck.err).toContain('of shop/stuck deleted; then its role could not be deleted')
      expect(stuck.err).toContain('aws iam delete-role --role-name for-stuck')
    },
  )

  step('one that was cut short before its role went is ended by the same command', async () => {
    await shop.desk.run(
      'association create shop/half --cluster shop-eks --permission-policy orders.json',
    )
    const { associationId, roleArn } = await shop.describeAssociation('shop/half')
    await shop.desk.run('association delete shop/half --cluster shop-eks --keep-role')
    const { code, out } = await shop.desk.run('association delete shop/half --cluster shop-eks')
    expect(code).toBe(0)
    expect(out).toBe(`role ${roleArn.split('/').at(-1)} deleted\n`)
    const input = { clusterName: 'shop-eks', associationId }
    const left = shop.eksApi.send(new DescribePodIdentityAssociationCommand(input))
    await expect(left).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
  })
})

describe('whose an association is', () => {
  step("an add-on's is refused with the add-on's command", async () => {
    const roleArn = await shop.makeRole('ebs')
    const podIdentityAssociations = [{ serviceAccount: 'ebs-csi-controller-sa', roleArn }]
    const addonName = 'aws-ebs-csi-driver'
    const input = { clusterName: 'shop-eks', addonName, podIdentityAssociations }
    await shop.eksApi.send(new CreateAddonCommand(input))
    const who = 'kube-system/ebs-csi-controller-sa --cluster shop-eks'
    for (const line of [
      `association update ${who} --role-arn ${roleArn} --adopt`,
      `association delete ${who} --adopt`,
    ]) {
      const { code, err } = await shop.desk.run(line)
      expect(code).toBe(1)
      expect(err).toContain('belongs to add-on aws-ebs-csi-driver of cluster shop-eks')
      expect(err).toContain(
        'aws eks update-addon --cluster-name shop-eks --addon-name aws-ebs-csi-driver --pod-identity-associations',
      )
    }
    const { out } = await shop.desk.run(
      'association list --cluster shop-eks --namespace kube-system',
    )
    expect(out).toContain('addon aws-ebs-csi-driver')
  })

  step("somebody else's is changed and deleted with --adopt alone", async () => {
    const input = { clusterName: 'shop-eks', namespace: 'shop', serviceAccount: 'foreign' }
    await shop.eksApi.send(
      new CreatePodIdentityAssociationCommand({ ...input, roleArn: `${ROLES}/theirs` }),
    )
    const differs = 'association create shop/foreign --cluster shop-eks --role-arn'
    expect((await shop.desk.run(`${differs} ${ROLES}/for-kept`)).err).toContain(
      `podrole association update shop/foreign --cluster shop-eks --role-arn ${ROLES}/for-kept --adopt`,
    )
    const change = 'association update shop/foreign --cluster shop-eks --tags a=b'
    const { code, err } = await shop.desk.run(change)
    expect(code).toBe(1)
    expect(err).toContain('was not made by podrole: cannot update it')
    expect((await shop.desk.run('association delete shop/foreign --cluster shop-eks')).code).toBe(1)
    expect((await shop.desk.run(`${change} --adopt`)).code).toBe(0)
    expect(await shop.describeAssociation('shop/foreign')).toMatchObject({
      tags: { a: 'b', 'podrole.dev/managed-by': 'podrole' },
    })
    expect((await shop.desk.run('association delete shop/foreign --cluster shop-eks')).code).toBe(0)
  })
})
