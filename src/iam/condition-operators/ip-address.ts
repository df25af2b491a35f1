import type { ValueMatch } from './operand.ts'

/** An address as a number, of one of the two families. */
interface Address {
  readonly bits: bigint
  readonly size: 32 | 128
}

const OCTET = /^(?:0|[1-9][0-9]{0,2})$/
const GROUP = /^[0-9a-fA-F]{1,4}$/
const PREFIX = /^(?:0|[1-9][0-9]{0,2})$/

/**
 * Whether an address lies in a CIDR block; without a prefix the block is that one address. What is
 * no address or no block matches nothing; the families never match one another. Variables are not
 * replaced.
 */
export const matchIpAddress: ValueMatch = (wanted, actual) => isInBlock(wanted, actual)

/** Whether an address lies in a CIDR block; without a prefix the block is that one address. */
export function isInBlock(block: string, text: string): boolean {
  const slash = block.indexOf('/')
  const network = parseAddress(slash === -1 ? block : block.slice(0, slash))
  const address = parseAddress(text)
  if (network === undefined || address === undefined || network.size !== address.size) return false
  const prefix = slash === -1 ? String(network.size) : block.slice(slash + 1)
  if (!PREFIX.test(prefix) || Number(prefix) > network.size) return false
  const hostBits = BigInt(network.size - Number(prefix))
  return network.bits >> hostBits === address.bits >> hostBits
}

function parseAddress(text: string): Address | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text)
}

function parseIpv4(text: string): Address | undefined {
  const octets = text.split('.', 5)
  if (octets.length !== 4) return undefined
  let bits = 0n
  for (const octet of octets) {
    if (!OCTET.test(octet) || Number(octet) > 255) return undefined
    bits = (bits << 8n) | BigInt(octet)
  }
  return { bits, size: 32 }
}

/** RFC 4291 section 2.2: groups, one `::`, a dotted IPv4 tail. No zone. */
function parseIpv6(text: string): Address | undefined {
  const halves = text.split('::', 3)
  const [head = '', tail] = halves
  if (halves.length > 2) return undefined
  const front = parseGroups(head, tail === undefined)
  const back = tail === undefined ? [] : parseGroups(tail, true)
  if (front === undefined || back === undefined) return undefined
  const missing = 8 - front.length - back.length
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined
  const groups = [...front, ...Array.from({ length: missing }, () => 0n), ...back]
  return { bits: groups.reduce((bits, group) => (bits << 16n) | group, 0n), size: 128 }
}

function parseGroups(text: string, mayEndInIpv4: boolean): readonly bigint[] | undefined {
  if (text === '') return []
  const groups: bigint[] = []
  const parts = text.split(':', 9)
  for (const [at, part] of parts.entries()) {
    if (GROUP.test(part)) groups.push(BigInt(`0x${part}`))
    else {
      const address = mayEndInIpv4 && at === parts.length - 1 ? parseIpv4(part) : undefined
      if (address === undefined) return undefined
      groups.push(address.bits >> 16n, address.bits & 0xffffn)
    }
  }
  return groups.length > 8 ? undefined : groups
}
