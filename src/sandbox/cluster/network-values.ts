/** Addresses, ranges and ports, judged as apimachinery's validation package judges them. */
import { isIPv4, isIPv6 } from 'node:net'
import { fieldFault, type Cause } from './faults.ts'
import { checkSubdomainName } from './names.ts'

/** An address as a number of its family's length. */
interface Address {
  readonly bits: 32 | 128
  readonly value: bigint
}

function readAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { bits: 32, value: readParts(text.split('.'), 8, 10) }
  if (!isIPv6(text) || text.includes('%')) return undefined
  const [head = [], tail] = canonicalIpv6(text)
    .split('::')
    .map((side) => (side === '' ? [] : side.split(':')))
  const zeros = tail === undefined ? 0 : 8 - head.length - tail.length
  const groups = [...head, ...Array.from({ length: zeros }, () => '0'), ...(tail ?? [])]
  return { bits: 128, value: readParts(groups, 16, 16) }
}

const readParts = (parts: readonly string[], width: number, radix: number): bigint =>
  parts.reduce((value, text) => (value << BigInt(width)) | BigInt(Number.parseInt(text, radix)), 0n)

/** RFC 5952's form, which the URL standard's is but for IPv4-mapped addresses. */
const canonicalIpv6 = (text: string): string => new URL(`http://[${text}]`).hostname.slice(1, -1)

const isMapped = ({ bits, value }: Address): boolean => bits === 128 && value >> 32n === 0xffffn

/** Faults of an address at a field. `isStrict`: only the canonical form of an IPv6 address. */
export function validateIp(text: string, field: string, isStrict = false): Cause[] {
  const refuse = (says: string): Cause[] => [fieldFault.invalid(field, text, says)]
  const address = readAddress(text)
  if (address === undefined) {
    return isIPv4(text.replace(/(^|\.)0+(?=\d)/g, '$1'))
      ? refuse('must not have leading 0s')
      : refuse('must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')
  }
  if (isMapped(address)) return refuse('must not be an IPv4-mapped IPv6 address')
  const canonical = address.bits === 128 ? canonicalIpv6(text) : text
  return isStrict && canonical !== text ? refuse(`must be in canonical form ("${canonical}")`) : []
}

/**
 * Ranges that no endpoint of a service may be in, and what is said. Kubernetes has loopback
 * addresses among them; here they are what the pods of the sandbox's node have.
 */
const NOT_ENDPOINTS = [
  {
    ranges: ['169.254.0.0/16', 'fe80::/10'],
    says: 'may not be in the link-local range (169.254.0.0/16, fe80::/10)',
  },
  {
    ranges: ['224.0.0.0/24', 'ff02::/16'],
    says: 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)',
  },
] as const

/** Faults of a valid address that a service is to send its connections to. */
export function validateEndpointIp(text: string, field: string): Cause[] {
  const isUnspecified = readAddress(text)?.value === 0n
  const within = NOT_ENDPOINTS.filter(({ ranges }) => ranges.some((range) => isWithin(text, range)))
  return [
    ...(isUnspecified ? [`may not be unspecified (${text})`] : []),
    ...within.map(({ says }) => says),
  ].map((says) => fieldFault.invalid(field, text, says))
}

interface Range extends Address {
  readonly length: number
}

function readRange(cidr: string): Range | undefined {
  const [text = '', length = '', ...rest] = cidr.split('/')
  const address = readAddress(text)
  if (address === undefined || rest.length > 0 || !/^(?:0|[1-9]\d{0,2})$/.test(length)) {
    return undefined
  }
  return Number(length) > address.bits ? undefined : { ...address, length: Number(length) }
}

const network = ({ bits, length }: Range, value: bigint): bigint => value >> BigInt(bits - length)

function isWithin(text: string, cidr: string): boolean {
  const [address, range] = [readAddress(text), readRange(cidr)]
  if (address === undefined || range === undefined || address.bits !== range.bits) return false
  return network(range, address.value) === network(range, range.value)
}

/** Faults of a range of addresses at a field. */
export function validateCidr(cidr: string, field: string): Cause[] {
  const refuse = (says: string): Cause[] => [fieldFault.invalid(field, cidr, says)]
  const range = readRange(cidr)
  if (range === undefined) {
    return readRange(cidr.replace(/(^|[./])0+(?=\d)/g, '$1')) === undefined
      ? refuse('must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)')
      : refuse('must not have leading 0s in IP or prefix length')
  }
  if (isMapped(range)) return refuse('must not have an IPv4-mapped IPv6 address')
  const first = network(range, range.value) << BigInt(range.bits - range.length)
  return first === range.value ? [] : refuse('must not have bits set beyond the prefix length')
}

/** Whether every address of a range, and not the range itself, is in another one. */
export function isStrictlyWithin(inner: string, outer: string): boolean {
  const [small, large] = [readRange(inner), readRange(outer)]
  if (small === undefined || large === undefined || small.bits !== large.bits) return false
  return small.length > large.length && network(large, small.value) === network(large, large.value)
}

/** What is wrong with a port's number; empty when nothing is. */
export const checkPortNumber = (port: unknown): string[] =>
  typeof port === 'number' && port >= 1 && port <= 65535
    ? []
    : ['must be between 1 and 65535, inclusive']

/** What is wrong with a port's name (RFC 6335 and more), in apimachinery's words. */
export function checkPortName(name: string): string[] {
  return [
    ...(name.length > 15 ? ['must be no more than 15 characters'] : []),
    ...(/^[-a-z0-9]+$/.test(name)
      ? []
      : ['must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)']),
    ...(/[a-z]/.test(name) ? [] : ['must contain at least one letter (a-z)']),
    ...(name.includes('--') ? ['must not contain consecutive hyphens'] : []),
    ...(/^-|-$/.test(name) ? ['must not begin or end with a hyphen'] : []),
  ]
}

const WILDCARD = /^\*\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/
const WILDCARD_SAYS =
  "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"

/** What is wrong with a host's name that may start with `*.`; empty when nothing is. */
export function checkHostName(host: string): string[] {
  if (!host.includes('*')) return checkSubdomainName(host)
  return [
    ...(host.length > 253 ? ['must be no more than 253 characters'] : []),
    ...(WILDCARD.test(host) ? [] : [WILDCARD_SAYS]),
  ]
}
