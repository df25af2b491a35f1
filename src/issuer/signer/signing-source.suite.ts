/** What every source of signing keys holds to. */
import { createPublicKey, verify } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { codeOf, messageOf } from '../../lib/errors.ts'
import type { SigningSource } from './signing-source.ts'

/** A source with two keys, either of which can be the active one. */
export interface SourceUnderTest {
  readonly source: SigningSource
  readonly kids: readonly [string, string]
  /** Makes one active and leaves the other published. */
  readonly activate: (index: 0 | 1) => Promise<void>
  /** Nothing good can be read any more. */
  readonly damage: () => Promise<void>
  /** The active key's private half is another key's; undefined where nothing tells them apart. */
  readonly swapHalves?: () => Promise<void>
  /** Tokens may live so many seconds. */
  readonly limitTokens: (seconds: number) => Promise<void>
  readonly stop: () => Promise<void>
}

export function describeSigningSource(name: string, open: () => Promise<SourceUnderTest>): void {
  describe(name, () => {
    let under: SourceUnderTest
    beforeAll(async () => {
      under = await open()
    })
    afterAll(() => under.stop())

    test('gives the keys to publish, and signs with the active one', async () => {
      await under.activate(0)
      const { active, published } = await under.source.read()
      expect(active.kid).toBe(under.kids[0])
      expect(new Set(published.map(({ kid }) => kid))).toEqual(new Set(under.kids))
      const data = Buffer.from(`${'header'.repeat(1000)}.claims`)
      const { publicJwk } = published.find(({ kid }) => kid === active.kid) ?? {}
      const key = createPublicKey({ key: { ...publicJwk }, format: 'jwk' })
      const signature = await active.sign(data)
      expect(publicJwk?.alg).toBe(active.algorithm)
      const isGood = verify(
        `sha${active.algorithm.slice(-3)}`,
        data,
        { key, dsaEncoding: 'ieee-p1363' },
        signature,
      )
      expect(isGood).toBe(true)
    })

    test('a rotation is seen at the next reading; a set that was read stays as it was', async () => {
      await under.activate(0)
      const before = await under.source.read()
      await under.activate(1)
      const after = await under.source.read()
      expect([before.active.kid, after.active.kid]).toEqual([...under.kids])
      expect(after.published.map(({ kid }) => kid).sort()).toEqual([...under.kids].sort())
      expect((await before.active.sign(Buffer.from('a.b'))).length).toBeGreaterThan(63)
    })

    test('what is damaged is a fault that quotes no key, and is over when it is mended', async () => {
      await under.damage()
      const fault: unknown = await under.source.read().catch((error: unknown) => error)
      expect(codeOf(fault)).toMatch(/^[A-Z]\w+$/)
      expect(messageOf(fault)).not.toMatch(/PRIVATE KEY-|MI[GI]/)
      await under.activate(0)
      expect((await under.source.read()).active.kid).toBe(under.kids[0])
    })

    test('a private half that does not belong to the published key never signs', async () => {
      if (under.swapHalves === undefined) return
      await under.swapHalves()
      expect(await under.source.read().catch(codeOf)).toBeOneOf([
        'SigningKeyMismatch',
        'WrongKeyInFile',
      ])
      await under.activate(0)
      await under.source.read()
    })

    test('says how long a token may live, which an API server must be able to take', async () => {
      await under.limitTokens(600)
      expect((await under.source.read()).maxTokenSeconds).toBe(600)
      await under.limitTokens(599)
      expect(await under.source.read().catch(codeOf)).toBe('TokenLifeTooShort')
    })
  })
}
