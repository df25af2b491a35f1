/** Whether a provider's thumbprints vouch for an issuer that no public authority vouches for. Pure. */
import { createHash } from 'node:crypto'
import type { OutsideFacts } from '../../issuer/outside/facts.ts'
import { UNTRUSTED_CODE } from '../../lib/untrusted.ts'

/** Of the last certificate that a host sends, as IAM wants it. */
export interface TopCertificate {
  readonly host: string
  /** SHA-1, 40 hexadecimal digits. */
  readonly thumbprint: string
}

/**
 * The hosts whose certificates come from no public authority: for those STS falls back to the
 * provider's thumbprints, and the keys' host counts beside the issuer's. AWS's library of
 * authorities is not published: one that is public here is taken as known there. For all others
 * thumbprints are not looked at. Source: IAM User Guide, "Create an OpenID Connect (OIDC) identity
 * provider in IAM".
 */
export function privateHosts({ discovery, hosts, jwks }: OutsideFacts): readonly TopCertificate[] {
  const found = [discovery, jwks].flatMap((document) => {
    if (document?.distrust === undefined || !UNTRUSTED_CODE.test(document.distrust)) return []
    const { host } = new URL(document.url)
    const last = hosts.find((one) => one.host === host)?.chain.at(-1)
    return last === undefined
      ? []
      : [{ host, thumbprint: createHash('sha1').update(last).digest('hex') }]
  })
  return found.filter((one, at) => found.findIndex(({ host }) => host === one.host) === at)
}
