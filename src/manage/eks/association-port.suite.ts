/** What every association port must do: each adapter's test calls `describeAssociationPort`. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { codeOf } from '../../lib/errors.ts'
import { type AssociationPort, describeAssociations, findAssociation } from './association-port.ts'

export interface OpenPort {
  readonly port: AssociationPort
  /** Of a cluster that is not there. */
  readonly nowhere: AssociationPort
  /** Two roles that associations may have, and one elsewhere. */
  readonly roles: readonly [string, string]
  readonly elsewhere: string
  stop(): Promise<void>
}

const POLICY = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: '*' }],
})
const GONE = 'a-00000000000000000'
/** More than a page holds. */
const MANY = 130

/** Registers the tests of one adapter. */
export function describeAssociationPort(name: string, open: () => Promise<OpenPort>): void {
  describe(`${name} has associations`, () => {
    let opened: OpenPort
    let port: AssociationPort
    let [role, other] = ['', '']
    beforeAll(async () => {
      opened = await open()
      ;({ port } = opened)
      ;[role, other] = opened.roles
    })
    afterAll(() => opened.stop())

    test('made, described, listed by filter, deleted', async () => {
      const made = await port.create({
        namespace: 'shop',
        serviceAccount: 'orders',
        roleArn: role,
        tags: { team: 'shop' },
      })
      expect(made).toMatchObject({
        namespace: 'shop',
        serviceAccount: 'orders',
        roleArn: role,
        disableSessionTags: false,
        tags: { team: 'shop' },
      })
      expect(made.associationId).toMatch(/^a-[a-z0-9]{17}$/)
      expect(made.associationArn).toEndWith(`/${made.associationId}`)
      expect(made.createdAtMs).toBeGreaterThan(Date.UTC(2025, 0, 1))
      expect(made.modifiedAtMs).toBe(made.createdAtMs)
      expect(Object.keys(made)).not.toContain('policy')
      expect(await port.describe(made.associationId)).toEqual(made)
      await port.create({ namespace: 'bank', serviceAccount: 'orders', roleArn: other })
      const names = async (filter?: Parameters<typeof port.list>[0]): Promise<string[]> =>
        (await port.list(filter)).map((one) => `${one.namespace}/${one.serviceAccount}`).sort()
      expect(await names()).toEqual(['bank/orders', 'shop/orders'])
      expect(await names({ namespace: 'shop' })).toEqual(['shop/orders'])
      expect(await names({ namespace: 'shop', serviceAccount: 'other' })).toEqual([])
      expect(await port.list({ namespace: 'shop' })).toEqual([
        {
          associationId: made.associationId,
          associationArn: made.associationArn,
          namespace: 'shop',
          serviceAccount: 'orders',
        },
      ])
      expect(await findAssociation(port, { namespace: 'shop', name: 'orders' })).toEqual(made)
      expect(await port.delete(made.associationId)).toEqual(made)
      expect(await findAssociation(port, { namespace: 'shop', name: 'orders' })).toBeUndefined()
    })

    test('changed member by member; an empty text takes one away', async () => {
      const { associationId } = await port.create({
        namespace: 'shop',
        serviceAccount: 'changing',
        roleArn: role,
        targetRoleArn: opened.elsewhere,
        disableSessionTags: true,
        policy: POLICY,
      })
      const first = await port.describe(associationId)
      expect(first).toMatchObject({ targetRoleArn: opened.elsewhere, disableSessionTags: true })
      expect(first.policy).toBe(POLICY)
      expect(first.externalId).toEndWith('/shop/changing')
      const moved = await port.update(associationId, { roleArn: other })
      expect(moved).toMatchObject({ roleArn: other, policy: POLICY, disableSessionTags: true })
      const bare = await port.update(associationId, {
        targetRoleArn: '',
        policy: '',
        disableSessionTags: false,
      })
      expect(Object.keys(bare)).not.toContain('policy')
      expect(Object.keys(bare)).not.toContain('targetRoleArn')
      expect(bare.disableSessionTags).toBe(false)
    })

    test('all pages are read, described eight at a time; who goes meanwhile is left out', async () => {
      const before = (await port.list()).length
      for (let n = 0; n < MANY; n += 1) {
        await port.create({ namespace: 'many', serviceAccount: `sa-${n}`, roleArn: role })
      }
      expect(await port.list()).toHaveLength(before + MANY)
      let [underWay, most] = [0, 0]
      const counted: AssociationPort = {
        ...port,
        describe: async (id) => {
          underWay += 1
          most = Math.max(most, underWay)
          try {
            return await port.describe(id)
          } finally {
            underWay -= 1
          }
        },
        list: async (filter) => {
          const rows = await port.list(filter)
          await port.delete(rows[3]?.associationId ?? '')
          return rows
        },
      }
      const found = await describeAssociations(counted, { namespace: 'many' })
      expect(found).toHaveLength(MANY - 1)
      expect(found.every(({ roleArn }) => roleArn === role)).toBe(true)
      expect(most).toBe(8)
    }, 60_000)

    test("what is refused has AWS's code", async () => {
      const taken = { namespace: 'shop', serviceAccount: 'taken', roleArn: role }
      await port.create(taken)
      const policy = { namespace: 'shop', serviceAccount: 'x', roleArn: role, policy: POLICY }
      const codes = await Promise.all(
        [
          port.create(taken),
          port.describe(GONE),
          port.update(GONE, { roleArn: role }),
          port.delete(GONE),
          port.create(policy),
          opened.nowhere.list(),
          opened.nowhere.create(taken),
        ].map((refused) => refused.then(() => 'done', codeOf)),
      )
      expect(codes).toEqual([
        'ResourceInUse',
        'ResourceNotFound',
        'ResourceNotFound',
        'ResourceNotFound',
        'InvalidParameter',
        'ResourceNotFound',
        'ResourceNotFound',
      ])
    })

    test('tags are changed and taken away', async () => {
      const made = await port.create({
        namespace: 'shop',
        serviceAccount: 'tagged',
        roleArn: role,
        tags: { a: '1', b: '2' },
      })
      await port.tagging.tag(made.associationArn, { a: '3', c: '4' })
      await port.tagging.untag(made.associationArn, ['b', 'none'])
      expect((await port.describe(made.associationId)).tags).toEqual({ a: '3', c: '4' })
      const refused = async (arn: string, tags: Readonly<Record<string, string>>) =>
        port.tagging.tag(arn, tags).then(() => 'done', codeOf)
      const another = made.associationArn.replace(/.$/, (last) => (last === '0' ? '1' : '0'))
      expect(await refused(another, { a: '1' })).toBe('NotFound')
      expect(await refused(made.associationArn, { 'aws:x': '1' })).toBe('BadRequest')
      const many = Array.from({ length: 49 }, (_, at) => [`k${at}`, ''] as const)
      expect(await refused(made.associationArn, Object.fromEntries(many))).toBe('BadRequest')
      expect((await port.describe(made.associationId)).tags).toEqual({ a: '3', c: '4' })
    })
  })
}
