import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { s3Fault } from './fault.ts'

const CHECKSUMS: Readonly<Record<string, (body: Uint8Array) => string>> = {
  'x-amz-checksum-crc32': (body) => uint32(crc32(body)),
  'x-amz-checksum-crc32c': (body) => uint32(crc32c(body)),
  'x-amz-checksum-sha1': (body) => createHash('sha1').update(body).digest('base64'),
  'x-amz-checksum-sha256': (body) => createHash('sha256').update(body).digest('base64'),
}

/**
 * Compares the checksums that a writer sent, in headers or in the trailer, with the body.
 * CRC-64/NVME is taken unchecked.
 * @returns the header of the checksum that was checked, to be kept with the object
 * @throws AwsFault `BadDigest`, `InvalidDigest`
 */
export function checkChecksums(
  body: Uint8Array,
  sent: (name: string) => string | undefined,
): Readonly<Record<string, string>> {
  const md5 = sent('content-md5')
  if (md5 !== undefined) {
    if (!/^[A-Za-z0-9+/]{22}==$/.test(md5)) throw s3Fault('InvalidDigest')
    if (md5 !== createHash('md5').update(body).digest('base64')) throw s3Fault('BadDigest')
  }
  const kept: Record<string, string> = {}
  for (const [name, compute] of Object.entries(CHECKSUMS)) {
    const value = sent(name)
    if (value === undefined) continue
    if (value !== compute(body)) {
      const algorithm = name.slice('x-amz-checksum-'.length).toUpperCase()
      throw s3Fault(
        'BadDigest',
        {},
        `The ${algorithm} you specified did not match the calculated checksum.`,
      )
    }
    kept[name] = value
  }
  return kept
}

function uint32(value: number): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes.toString('base64')
}

const CRC32C = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index
  for (let bit = 0; bit < 8; bit += 1) {
    value = value & 1 ? 0x82_f6_3b_78 ^ (value >>> 1) : value >>> 1
  }
  return value >>> 0
})

function crc32c(body: Uint8Array): number {
  let crc = 0xff_ff_ff_ff
  for (const byte of body) crc = (CRC32C[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8)
  return (crc ^ 0xff_ff_ff_ff) >>> 0
}
