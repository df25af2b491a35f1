/**
 * CRC-32C and CRC-64/NVME, reflected, with all bits set at the beginning and inverted at the end.
 * Sources: RFC 3720, appendix B.4; NVM Express, NVM Command Set Specification, "64b CRC Definition".
 */
const CRC32C_POLYNOMIAL = 0x82_f6_3b_78
const CRC64_POLYNOMIAL = 0x9a_6c_93_29_ac_4b_c9_b5n
const ALL = 0xff_ff_ff_ff

const CRC32C = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index
  for (let bit = 0; bit < 8; bit += 1) {
    value = value & 1 ? CRC32C_POLYNOMIAL ^ (value >>> 1) : value >>> 1
  }
  return value >>> 0
})

/** Four bytes, the most significant first. */
export function crc32c(body: Uint8Array): Buffer {
  let crc = ALL
  // By index: an iterator takes several times as long over megabytes.
  for (let index = 0; index < body.length; index += 1) {
    crc = (CRC32C[(crc ^ (body[index] ?? 0)) & 0xff] ?? 0) ^ (crc >>> 8)
  }
  return uint32((crc ^ ALL) >>> 0)
}

const CRC64 = BigUint64Array.from({ length: 256 }, (_, index) => {
  let value = BigInt(index)
  for (let bit = 0; bit < 8; bit += 1) {
    value = value & 1n ? CRC64_POLYNOMIAL ^ (value >> 1n) : value >> 1n
  }
  return value
})
/** The table in halves: arithmetic on 32 bits needs no big integers. */
const CRC64_HIGH = Uint32Array.from(CRC64, (value) => Number(value >> 32n))
const CRC64_LOW = Uint32Array.from(CRC64, (value) => Number(value & 0xff_ff_ff_ffn))

/** Eight bytes, the most significant first. */
export function crc64nvme(body: Uint8Array): Buffer {
  let high = ALL
  let low = ALL
  for (let index = 0; index < body.length; index += 1) {
    const at = (low ^ (body[index] ?? 0)) & 0xff
    low = ((low >>> 8) | (high << 24)) ^ (CRC64_LOW[at] ?? 0)
    high = (high >>> 8) ^ (CRC64_HIGH[at] ?? 0)
  }
  return Buffer.concat([uint32((high ^ ALL) >>> 0), uint32((low ^ ALL) >>> 0)])
}

/** Four bytes, the most significant first. */
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
