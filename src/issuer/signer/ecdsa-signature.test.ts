import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { expect, test } from 'bun:test'
import { assert, property, uint8Array } from 'fast-check'
import { scaled } from '../../../test/support/tools.ts'
import { codeOf } from '../../lib/errors.ts'
import { rawSignature } from './ecdsa-signature.ts'

const CURVES = [
  ['prime256v1', 'sha256', 32],
  ['secp384r1', 'sha384', 48],
  ['secp521r1', 'sha512', 66],
] as const

test.each(CURVES)('%s: DER becomes r || s, whatever the numbers', (namedCurve, hash, size) => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve })
  // One in 128 has a number that is a byte shorter.
  for (let round = 0; round < scaled(400); round += 1) {
    const data = Buffer.from(`round ${round}`)
    const raw = rawSignature(sign(hash, data, privateKey), size)
    expect(raw.length).toBe(2 * size)
    expect(verify(hash, data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, raw)).toBe(true)
  }
})

test.each([
  ['nothing', ''],
  ['no sequence', '31060201010201 01'],
  ['no integers', '300604010104 0101'],
  ['one integer', '3003020101'],
  ['three integers', '3009020101020101020101'],
  ['more after it', '300602010102010100'],
  ['a length beyond the end', '3007020101020101'],
  ['a long form that is not needed', '30810602 0101020101'],
  ['a negative number', '3006020180020101'],
  ['a zero that is not needed', '300702020001020101'],
  ['an empty number', '30050200020101'],
  ['a number of 33 bytes', `3026022101${'00'.repeat(32)}020101`],
])('%s is refused', (_what, hex) => {
  let code: string | undefined
  try {
    rawSignature(Buffer.from(hex.replaceAll(' ', ''), 'hex'), 32)
  } catch (error) {
    code = codeOf(error)
  }
  expect(code).toBe('InvalidSignature')
})

test('any bytes give 64 bytes or InvalidSignature', () => {
  assert(
    property(uint8Array({ maxLength: 80 }), (bytes) => {
      try {
        return rawSignature(bytes, 32).length === 64
      } catch (error) {
        return codeOf(error) === 'InvalidSignature'
      }
    }),
    { numRuns: scaled(2000) },
  )
})
