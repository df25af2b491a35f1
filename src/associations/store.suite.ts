/** What every association store must do: each adapter's test calls `describeStore` with itself. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import type { Association } from './association.ts'
import { AssociationExists, type AssociationStore } from './store.ts'

export interface OpenStore {
  readonly store: AssociationStore
  close(): Promise<void>
}

/** An empty place to keep associations in; it can be opened several times, also at once. */
export interface StorePlace {
  open(): Promise<OpenStore>
  remove(): Promise<void>
}

const ID_DIGITS = 17
const idOf = (n: number): string => `a-${String(n).padStart(ID_DIGITS, '0')}`

/** A good association, number `n` of its cluster. */
export function associationFixture(n: number, changes: Partial<Association> = {}): Association {
  const clusterName = changes.clusterName ?? 'prod'
  const associationId = changes.associationId ?? idOf(n)
  return {
    associationId,
    associationArn: `arn:aws:eks:eu-west-1:111122223333:podidentityassociation/${clusterName}/${associationId}`,
    clusterName,
    namespace: 'shop',
    serviceAccount: `worker-${n}`,
    roleArn: 'arn:aws:iam::111122223333:role/worker',
    disableSessionTags: false,
    tags: {},
    createdAtMs: 1_767_225_600_123,
    modifiedAtMs: 1_767_225_600_123,
    ...changes,
  }
}

/** Registers the tests of one adapter. */
export function describeStore(name: string, makePlace: () => Promise<StorePlace>): void {
  describe(`${name} keeps associations`, () => {
    let place: StorePlace
    let opened: OpenStore[] = []
    const open = async (): Promise<AssociationStore> => {
      const one = await place.open()
      opened.push(one)
      return one.store
    }
    const closeAll = async (): Promise<void> => {
      for (const one of opened) await one.close()
      opened = []
    }

    beforeEach(async () => {
      place = await makePlace()
    })
    afterEach(async () => {
      await closeAll()
      await place.remove()
    })

    test('gives back every value that was stored, by key and by id', async () => {
      const store = await open()
      const full = associationFixture(1, {
        targetRoleArn: 'arn:aws:iam::444455556666:role/target',
        disableSessionTags: true,
        policy: '{"Version":"2012-10-17","Statement":[]}',
        externalId: "eu-west-1/111122223333/prod/shop/worker-1; drop table 'x'",
        ownerArn: 'arn:aws:eks:eu-west-1:111122223333:addon/prod/x/1',
        tags: { team: 'søk', empty: '' },
        modifiedAtMs: 1_767_225_600_456,
      })
      await store.create(full)
      expect(await store.get('prod', full.associationId)).toEqual(full)
      expect(await store.find(full)).toEqual(full)
      const plain = associationFixture(2)
      await store.create(plain)
      expect(await store.find(plain)).toEqual(plain)
    })

    test('finds nothing under another cluster, namespace, service account or id', async () => {
      const store = await open()
      const one = associationFixture(1)
      await store.create(one)
      expect(await store.get('test', one.associationId)).toBeUndefined()
      expect(await store.get('prod', idOf(2))).toBeUndefined()
      expect(await store.find({ ...one, clusterName: 'test' })).toBeUndefined()
      expect(await store.find({ ...one, namespace: 'Shop' })).toBeUndefined()
      expect(await store.find({ ...one, serviceAccount: 'worker_1' })).toBeUndefined()
    })

    test('has one association for a service account of a cluster and names it', async () => {
      const store = await open()
      const first = associationFixture(1)
      await store.create(first)
      const again = store.create({ ...first, associationId: idOf(2) })
      const error = await again.catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(AssociationExists)
      expect(error).toMatchObject({ code: 'AssociationExists', existing: idOf(1) })
      await store.create({ ...first, associationId: idOf(3), clusterName: 'test' })
      await store.create({ ...first, associationId: idOf(4), namespace: 'other' })
    })

    test('refuses an id that is taken', async () => {
      const store = await open()
      await store.create(associationFixture(1))
      const error = await store
        .create(associationFixture(2, { associationId: idOf(1) }))
        .catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'AssociationExists', existing: idOf(1) })
    })

    test('creates a key once out of 20 attempts at once', async () => {
      const store = await open()
      const attempts = Array.from({ length: 20 }, (_, n) =>
        store.create(associationFixture(1, { associationId: idOf(n) })),
      )
      const results = await Promise.allSettled(attempts)
      expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1)
      expect(await store.list({ clusterName: 'prod', limit: 100 })).toHaveLength(1)
    })

    test('lists pages in the order of ids, each association once', async () => {
      const store = await open()
      for (const n of [5, 3, 9, 1, 7, 2, 8, 4, 6]) await store.create(associationFixture(n))
      await store.create(associationFixture(10, { clusterName: 'test' }))
      const seen: string[] = []
      let after: string | undefined
      for (;;) {
        const page = await store.list({
          clusterName: 'prod',
          limit: 4,
          ...(after !== undefined && { after }),
        })
        if (page.length === 0) break
        expect(page.length).toBeLessThanOrEqual(4)
        seen.push(...page.map((one) => one.associationId))
        after = page.at(-1)?.associationId
      }
      expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9].map(idOf))
    })

    test('goes on after a page whose last association is gone', async () => {
      const store = await open()
      for (const n of [1, 2, 3]) await store.create(associationFixture(n))
      await store.delete('prod', idOf(2))
      const page = await store.list({ clusterName: 'prod', limit: 10, after: idOf(2) })
      expect(page.map((one) => one.associationId)).toEqual([idOf(3)])
    })

    test('lists by namespace and by service account', async () => {
      const store = await open()
      await store.create(associationFixture(1, { namespace: 'a', serviceAccount: 'x' }))
      await store.create(associationFixture(2, { namespace: 'a', serviceAccount: 'y' }))
      await store.create(associationFixture(3, { namespace: 'b', serviceAccount: 'x' }))
      const ids = async (filter: object): Promise<string[]> =>
        (await store.list({ clusterName: 'prod', limit: 100, ...filter })).map(
          (one) => one.associationId,
        )
      expect(await ids({ namespace: 'a' })).toEqual([idOf(1), idOf(2)])
      expect(await ids({ serviceAccount: 'x' })).toEqual([idOf(1), idOf(3)])
      expect(await ids({ namespace: 'b', serviceAccount: 'x' })).toEqual([idOf(3)])
      expect(await ids({ namespace: 'c' })).toEqual([])
    })

    test('replaces what is there and says so where it is gone', async () => {
      const store = await open()
      const one = associationFixture(1, { targetRoleArn: 'arn:aws:iam::444455556666:role/b' })
      expect(await store.replace(one)).toBe(false)
      await store.create(one)
      const { targetRoleArn: _gone, ...rest } = one
      const changed = { ...rest, roleArn: 'arn:aws:iam::111122223333:role/other', modifiedAtMs: 2 }
      expect(await store.replace(changed)).toBe(true)
      expect(await store.get('prod', one.associationId)).toEqual(changed)
      expect(await store.replace({ ...changed, clusterName: 'test' })).toBe(false)
    })

    test('deletes once and gives back what it deleted; the key is free again', async () => {
      const store = await open()
      const one = associationFixture(1)
      await store.create(one)
      expect(await store.delete('test', one.associationId)).toBeUndefined()
      expect(await store.delete('prod', one.associationId)).toEqual(one)
      expect(await store.delete('prod', one.associationId)).toBeUndefined()
      expect(await store.find(one)).toBeUndefined()
      await store.create({ ...one, associationId: idOf(2) })
    })

    test('shows a write to a second connection at once', async () => {
      const [first, second] = [await open(), await open()]
      const one = associationFixture(1)
      await first.create(one)
      expect(await second.find(one)).toEqual(one)
      await second.delete('prod', one.associationId)
      expect(await first.find(one)).toBeUndefined()
    })

    test('loses nothing when two connections write at once', async () => {
      const [first, second] = [await open(), await open()]
      const writes = Array.from({ length: 60 }, (_, n) =>
        (n % 2 === 0 ? first : second).create(associationFixture(n)),
      )
      await Promise.all(writes)
      expect(await first.list({ clusterName: 'prod', limit: 100 })).toHaveLength(60)
    })

    test('has everything after it was closed and opened again', async () => {
      const store = await open()
      const many = [1, 2, 3].map((n) => associationFixture(n))
      for (const one of many) await store.create(one)
      await closeAll()
      const again = await open()
      expect(await again.list({ clusterName: 'prod', limit: 10 })).toEqual(many)
    })
  })
}
