/** Judges how an issuer's host answers and the certificates that it sends. Pure. */
import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { HostFacts } from './facts.ts'
import { finding, type OutsideFinding } from './findings.ts'

/** The host by itself; what it serves is judged elsewhere. */
export function judgeHost(facts: HostFacts, atMs: number): readonly OutsideFinding[] {
  const { host, addresses, unreachable, handshakeFault, tls12Fault, chain } = facts
  if (addresses.length === 0) {
    return [
      finding(
        'HostUnresolved',
        `the name ${host} has no address`,
        'make the DNS record; a new one takes its time',
      ),
    ]
  }
  if (unreachable !== undefined) {
    return [
      finding(
        'HostUnreachable',
        `${host} takes no connection: ${unreachable}`,
        'STS comes from the internet: no firewall and no private address in front of the issuer',
      ),
    ]
  }
  if (handshakeFault !== undefined) {
    const message = `${host} makes no TLS connection: ${handshakeFault}`
    return [finding('HandshakeFailed', message, 'is it HTTPS that is served there?')]
  }
  const tls12 =
    tls12Fault === undefined
      ? []
      : [
          finding(
            'Tls12NotOffered',
            `${host} does not speak TLS 1.2: ${tls12Fault}`,
            'let the server offer TLS 1.2 beside 1.3: IAM asks for it',
          ),
        ]
  return [...tls12, ...judgeChain(host, chain, atMs)]
}

/**
 * Leaf, intermediates, root: in that order, each once, nothing else ("Create an OpenID Connect (OIDC)
 * identity provider in IAM"). The root may be left out.
 */
function judgeChain(
  host: string,
  chain: readonly Uint8Array[],
  atMs: number,
): readonly OutsideFinding[] {
  const certificates = chain.map(parse)
  const [leaf] = certificates
  if (leaf === undefined || certificates.includes(undefined)) {
    const message =
      chain.length === 0
        ? `${host} shows no certificate`
        : `${host} sends a certificate that cannot be read`
    return [finding('ChainUnreadable', message, 'look at it with openssl s_client -showcerts')]
  }
  const all = certificates.filter((one) => one !== undefined)
  return [...judgeOrder(host, all), ...judgeLeaf(host, leaf, atMs)]
}

function parse(der: Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(der)
  } catch {
    return undefined
  }
}

function judgeOrder(host: string, chain: readonly X509Certificate[]): readonly OutsideFinding[] {
  const found: OutsideFinding[] = []
  const once = [...new Map(chain.map((one) => [one.fingerprint256, one])).values()]
  if (once.length < chain.length) {
    found.push(
      finding(
        'ChainDuplicate',
        `${host} sends ${chain.length - once.length} certificate(s) of its chain twice: ${namesOf(chain)}`,
        'put leaf, intermediates and root into the file once each',
      ),
    )
  }
  const path = pathOf(once)
  const extras = once.filter((one) => !path.includes(one))
  if (extras.length > 0) {
    found.push(
      finding(
        'ChainExtra',
        `${host} sends certificates that its own does not come from: ${namesOf(extras)}`,
        'take them out of the file',
      ),
    )
  }
  const sent = once.filter((one) => path.includes(one))
  if (sent.some((one, at) => one !== path[at])) {
    found.push(
      finding(
        'ChainOutOfOrder',
        `${host} sends its chain as ${namesOf(sent)}: wanted ${namesOf(path)}`,
        'put the leaf first, then each certificate that signed the one before it',
      ),
    )
  }
  return found
}

/** From the leaf up to what nobody of the others signed. */
function pathOf([leaf, ...others]: readonly X509Certificate[]): readonly X509Certificate[] {
  const path = leaf === undefined ? [] : [leaf]
  for (let at = path[0]; at !== undefined;) {
    const below = at
    at = others.find((one) => !path.includes(one) && signed(one, below))
    if (at !== undefined) path.push(at)
  }
  return path
}

function signed(issuer: X509Certificate, subject: X509Certificate): boolean {
  try {
    return subject.issuer === issuer.subject && subject.verify(issuer.publicKey)
  } catch {
    return false
  }
}

function judgeLeaf(host: string, leaf: X509Certificate, atMs: number): readonly OutsideFinding[] {
  const found: OutsideFinding[] = []
  const name = host.replace(/^\[|\]$/g, '')
  if ((isIP(name) === 0 ? leaf.checkHost(name) : leaf.checkIP(name)) === undefined) {
    found.push(
      finding(
        'CertificateForOtherName',
        `the certificate of ${host} is for ${leaf.subjectAltName ?? leaf.subject}`,
        'get one with the name of the host among its subject alternative names',
      ),
    )
  }
  if (leaf.validToDate.getTime() <= atMs || leaf.validFromDate.getTime() > atMs) {
    found.push(
      finding(
        'CertificateExpired',
        `the certificate of ${host} is good from ${leaf.validFromDate.toISOString()} to ${leaf.validToDate.toISOString()}`,
        'renew it; see that the server reads the new one',
      ),
    )
  }
  return found
}

/** The last line of a subject is the most particular one. */
const namesOf = (chain: readonly X509Certificate[]): string =>
  chain.map(({ subject }) => (subject ?? '').split('\n').at(-1)?.slice(0, 100)).join(', ')
