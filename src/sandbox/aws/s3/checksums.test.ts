import { expect, test } from 'bun:test'
import { checkChecksums } from './checksums.ts'
import { crc32c, crc64nvme } from './crc.ts'

/** The published check values: what each makes of "123456789". */
test('CRC-32C and CRC-64/NVME', () => {
  const check = Buffer.from('123456789')
  expect(crc32c(check).toString('hex')).toBe('e3069283')
  expect(crc64nvme(check).toString('hex')).toBe('ae8b14860a799888')
  expect(crc64nvme(new Uint8Array(0)).toString('hex')).toBe('0'.repeat(16))
  expect(crc64nvme(Buffer.alloc(4096)).toString('hex')).toBe('6482d367eb22b64e')
})

const GOOD: Readonly<Record<string, string>> = {
  crc32: 'NSRBwg==',
  crc32c: 'Nks/tw==',
  crc64nvme: 'BeXKuz/B+us=',
  sha1: 'qZk+NkcGgWq6PiVxeFDCbJzQ2J0=',
  sha256: 'ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=',
  md5: 'kAFQmDzST7DWlj99KOF/cg==',
}

test.each(Object.entries(GOOD))('%s of "abc" is checked', (algorithm, value) => {
  const name = `x-amz-checksum-${algorithm}`
  const check = (body: string, sent = value): unknown =>
    checkChecksums(Buffer.from(body), (header) => (header === name ? sent : undefined))
  expect(check('abc')).toEqual({ [name]: value })
  expect(() => check('abd')).toThrow(`The ${algorithm.toUpperCase()} you specified did not match`)
  expect(() => check('abc', `${value} `)).toThrow('did not match')
})

test('what cannot be checked is not believed', () => {
  const check = (): unknown =>
    checkChecksums(Buffer.from('abc'), (name) =>
      name === 'x-amz-checksum-xxhash64' ? 'x' : undefined,
    )
  expect(check).toThrow('not implemented')
})
