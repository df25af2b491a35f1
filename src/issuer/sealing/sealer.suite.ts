/** What every sealer must do: each adapter's test calls `describeSealer` with itself. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { codeOf } from '../../lib/errors.ts'
import { Secret } from '../../lib/secret.ts'
import { exportSigningKey, generateSigningKey, loadSigningKey } from '../keys.ts'
import { isUnsealed, type KeySealer } from './sealer.ts'

export interface SealerPlace {
  readonly sealer: KeySealer
  /** One of the same kind that has other keys. */
  readonly stranger: KeySealer
  stop(): Promise<void>
}

export function describeSealer(name: string, start: () => Promise<SealerPlace>): void {
  describe(`${name} as a sealer`, () => {
    let place: SealerPlace
    beforeAll(async () => {
      place = await start()
    })
    afterAll(() => place.stop())

    const of = { issuer: 'https://issuer.example/fleet', kid: 'k1' }
    const codeOfOpening = (text: string, how = of, by = place.sealer): Promise<unknown> =>
      by.open(text, how).then(
        () => 'opened',
        (error: unknown) => codeOf(error),
      )

    test.each([
      ['ES256', 0],
      ['ES512', 0],
      ['RS256', 4096],
    ] as const)('gives a key back whole: %s', async (algorithm, bits) => {
      const key = await generateSigningKey(algorithm, bits || undefined)
      const sealed = await place.sealer.seal(exportSigningKey(key), of)
      expect(isUnsealed(sealed)).toBe(false)
      expect(place.sealer.seals(sealed)).toBe(true)
      expect(loadSigningKey((await place.sealer.open(sealed, of)).reveal()).kid).toBe(key.kid)
    })

    test('seals the same key into another text each time, which does not hold it', async () => {
      const secret = new Secret('-----BEGIN PRIVATE KEY-----')
      const first = await place.sealer.seal(secret, of)
      expect(await place.sealer.seal(secret, of)).not.toBe(first)
      const bytes = Buffer.from(first.replace(/^.*[.:]/, ''), 'base64').toString('latin1')
      expect(bytes + first).not.toContain('PRIVATE')
    })

    test('opens nothing that was sealed for another kid or issuer', async () => {
      const sealed = await place.sealer.seal(new Secret('x'), of)
      expect(await codeOfOpening(sealed)).toBe('opened')
      expect(await codeOfOpening(sealed, { ...of, kid: 'k2' })).toBe('SealedKeyUnreadable')
      const other = 'https://issuer.example/'
      expect(await codeOfOpening(sealed, { ...of, issuer: other })).toBe('SealedKeyUnreadable')
    })

    test('opens nothing that was sealed with another key', async () => {
      const sealed = await place.stranger.seal(new Secret('x'), of)
      expect(await codeOfOpening(sealed, of, place.stranger)).toBe('opened')
      expect(await codeOfOpening(sealed)).toBe('SealedKeyUnreadable')
    })

    test('opens nothing that was changed or cut', async () => {
      const sealed = await place.sealer.seal(new Secret('a secret'), of)
      const at = sealed.length - 6
      const swapped = sealed[at] === 'A' ? 'B' : 'A'
      for (const text of [
        sealed.slice(0, at) + swapped + sealed.slice(at + 1),
        sealed.slice(0, -8),
        sealed.slice(0, 20),
        '',
        '-----BEGIN PRIVATE KEY-----',
      ]) {
        expect(await codeOfOpening(text)).toBe('SealedKeyUnreadable')
      }
    })

    test('knows nothing that nobody sealed as its own', () => {
      expect(place.sealer.seals('-----BEGIN PRIVATE KEY-----\nAAAA')).toBe(false)
      expect(place.sealer.seals('')).toBe(false)
    })
  })
}
