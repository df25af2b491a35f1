import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { crc32c, crc64nvme, uint32 } from './crc.ts'
import { s3Fault } from './fault.ts'

const PREFIX = 'x-amz-checksum-'

const hashOf =
  (algorithm: string) =>
  (body: Uint8Array): Buffer =>
    createHash(algorithm).update(body).digest()

/** Header → what it holds, in base64. Source: Amazon S3 User Guide, "Checking object integrity". */
const CHECKSUMS: Readonly<Record<string, (body: Uint8Array) => Buffer>> = {
  [`${PREFIX}crc32`]: (body) => uint32(crc32(body) >>> 0),
  [`${PREFIX}crc32c`]: crc32c,
  [`${PREFIX}crc64nvme`]: crc64nvme,
  [`${PREFIX}sha1`]: hashOf('sha1'),
  [`${PREFIX}sha256`]: hashOf('sha256'),
  [`${PREFIX}sha512`]: hashOf('sha512'),
  [`${PREFIX}md5`]: hashOf('md5'),
}

/** What S3 takes and the sandbox cannot verify: it is refused, not believed. */
const UNSERVED = ['xxhash64', 'xxhash3', 'xxhash128'].map((name) => PREFIX + name)

/**
 * Compares the checksums that a writer sent, in headers or in the trailer, with the body.
 * @returns the header of the checksum that was checked, to be kept with the object
 * @throws AwsFault `BadDigest`, `InvalidDigest`, `NotImplemented`
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
  if (UNSERVED.some((name) => sent(name) !== undefined)) throw s3Fault('NotImplemented')
  const kept: Record<string, string> = {}
  for (const [name, compute] of Object.entries(CHECKSUMS)) {
    const value = sent(name)
    if (value === undefined) continue
    if (value !== compute(body).toString('base64')) {
      const algorithm = name.slice(PREFIX.length).toUpperCase()
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

/**
 * The same for an object of several parts: a checksum of the whole is compared, one that is made of
 * the parts' own (COMPOSITE, all but CRC-64/NVME where nothing else is said) was with each part.
 */
export function checkWholeChecksums(
  body: Uint8Array,
  headers: Headers,
): Readonly<Record<string, string>> {
  const isWhole = headers.get(`${PREFIX}type`)?.toUpperCase() === 'FULL_OBJECT'
  return checkChecksums(body, (name) =>
    isWhole || name === `${PREFIX}crc64nvme` ? (headers.get(name) ?? undefined) : undefined,
  )
}
