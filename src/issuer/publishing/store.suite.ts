/** What every document store must do: each adapter's test calls `describeDocumentStore` with itself. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { DISCOVERY_PATH, JWKS_PATH } from '../documents.ts'
import { generateSigningKey, type PublicSigningKey, withKid } from '../keys.ts'
import { publish } from './publish.ts'
import type { Publication } from './plan.ts'
import type { DocumentPath, DocumentStore, PublishedDocument } from './store.ts'

/** An empty place, and what is below the port there. */
export interface StorePlace {
  readonly store: DocumentStore
  /** Puts text there past the port. */
  put(path: DocumentPath, text: string): Promise<void>
  remove(): Promise<void>
}

const documentOf = (text: string): PublishedDocument => ({
  text,
  contentType: 'application/json',
  cacheControl: 'public, max-age=60',
})

/** A store that counts what is asked of it. */
export function counted(store: DocumentStore): DocumentStore & { reads: number; writes: number } {
  const counting = {
    place: store.place,
    reads: 0,
    writes: 0,
    read: (path: DocumentPath) => {
      counting.reads += 1
      return store.read(path)
    },
    write: (...given: Parameters<DocumentStore['write']>) => {
      counting.writes += 1
      return store.write(...given)
    },
  }
  return counting
}

const [made, other] = await Promise.all([generateSigningKey('RS256'), generateSigningKey('ES256')])

/** Keys for tests, which differ in their kids alone. */
export const publishableKeys = (count: number, from = 0): readonly PublicSigningKey[] =>
  Array.from({ length: count }, (_, at) =>
    withKid({ kid: made.kid, publicJwk: made.publicJwk }, `kid-${from + at}`),
  )

export const publicationOf = (
  keys: readonly PublicSigningKey[],
  more: Partial<Publication> = {},
): Publication => ({
  issuer: 'https://s3.eu-central-1.amazonaws.com/documents/c1',
  keys,
  mayDrop: [],
  keepPublished: false,
  maxAgeSeconds: 300,
  ...more,
})

/** Registers the tests of one adapter. */
export function describeDocumentStore(name: string, makePlace: () => Promise<StorePlace>): void {
  describe(`${name} keeps documents`, () => {
    let place: StorePlace
    let store: DocumentStore
    beforeEach(async () => {
      place = await makePlace()
      ;({ store } = place)
    })
    afterEach(() => place.remove())

    test('nothing is there before something is written', async () => {
      expect(await store.read(JWKS_PATH)).toBeUndefined()
      expect(await store.read(DISCOVERY_PATH)).toBeUndefined()
    })

    test('what is written is read, each document by itself', async () => {
      const text = '{"ä€😀":1}\n'
      const version = await store.write(DISCOVERY_PATH, documentOf(text), undefined)
      const found = await store.read(DISCOVERY_PATH)
      expect(found).toMatchObject({ text, version })
      expect(found?.contentType ?? 'application/json').toBe('application/json')
      expect(found?.cacheControl ?? 'public, max-age=60').toBe('public, max-age=60')
      expect(await store.read(JWKS_PATH)).toBeUndefined()
      const next = await store.write(DISCOVERY_PATH, documentOf('{}'), version)
      expect(next).not.toBe(version)
      expect(await store.read(DISCOVERY_PATH)).toMatchObject({ text: '{}', version: next })
    })

    test('a write over what was not read is refused, and changes nothing', async () => {
      const first = await store.write(JWKS_PATH, documentOf('one'), undefined)
      const second = await store.write(JWKS_PATH, documentOf('two'), first)
      for (const stale of [undefined, first]) {
        const refused = store.write(JWKS_PATH, documentOf('three'), stale)
        await expect(refused).rejects.toMatchObject({ code: 'DocumentChanged' })
      }
      const absent = store.write(DISCOVERY_PATH, documentOf('three'), second)
      await expect(absent).rejects.toMatchObject({ code: 'DocumentChanged' })
      expect(await store.read(JWKS_PATH)).toMatchObject({ text: 'two', version: second })
      expect(await store.read(DISCOVERY_PATH)).toBeUndefined()
    })

    test('more than a megabyte is not read to its end', async () => {
      await place.put(JWKS_PATH, 'x'.repeat(1_000_001))
      await expect(store.read(JWKS_PATH)).rejects.toMatchObject({ code: 'DocumentTooLarge' })
      await place.put(JWKS_PATH, 'x'.repeat(1_000_000))
      expect((await store.read(JWKS_PATH))?.text).toHaveLength(1_000_000)
    })

    test('50 keys: 2 reads; 2 writes the first time, 1 for more keys of a type, 0 for none', async () => {
      const steps: readonly (readonly [readonly PublicSigningKey[], number])[] = [
        [publishableKeys(50), 2],
        [publishableKeys(50), 0],
        [publishableKeys(50).toReversed(), 0],
        [publishableKeys(51), 1],
        [[...publishableKeys(51), { kid: other.kid, publicJwk: other.publicJwk }], 2],
      ]
      for (const [keys, writes] of steps) {
        const counting = counted(store)
        const plan = await publish(counting, publicationOf(keys))
        expect(plan.keys).toHaveLength(keys.length)
        expect([counting.reads, counting.writes]).toEqual([2, writes])
      }
    })

    test('a refusal writes nothing', async () => {
      await publish(store, publicationOf(publishableKeys(2)))
      const counting = counted(store)
      const refused = publish(counting, publicationOf(publishableKeys(1, 7)))
      await expect(refused).rejects.toMatchObject({ code: 'KeyStillPublished' })
      expect(counting.writes).toBe(0)
    })

    test('somebody else who publishes in between is noticed, and loses nothing', async () => {
      await publish(store, publicationOf(publishableKeys(1)))
      let isFirst = true
      const disturbed: DocumentStore = {
        ...store,
        write: async (...given) => {
          if (isFirst) {
            isFirst = false
            const theirs = publicationOf(publishableKeys(1, 1), { keepPublished: true })
            await publish(store, theirs)
          }
          return store.write(...given)
        },
      }
      const plan = await publish(
        disturbed,
        publicationOf(publishableKeys(1, 2), { keepPublished: true }),
      )
      expect(plan.keys.map(({ kid }) => kid)).toEqual(['kid-0', 'kid-1', 'kid-2'])
      const text = (await store.read(JWKS_PATH))?.text ?? ''
      expect((JSON.parse(text) as { keys: unknown[] }).keys).toHaveLength(3)
    })

    test('a place that never rests is given up', async () => {
      let count = 0
      const restless: DocumentStore = {
        ...store,
        write: async (path, ...given) => {
          await place.put(path, JSON.stringify({ keys: [], count: (count += 1) }))
          return store.write(path, ...given)
        },
      }
      const given = publish(restless, publicationOf(publishableKeys(1)))
      await expect(given).rejects.toMatchObject({ code: 'DocumentChanged' })
      expect(count).toBe(8)
    })
  })
}
