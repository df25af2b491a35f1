/** The issuer, looked at as STS does: by name, from outside, without credentials. */
import type { OutsideFacts } from '../../../issuer/outside/facts.ts'
import type { OutsideCode, OutsideFinding } from '../../../issuer/outside/findings.ts'
import { judgeOutside } from '../../../issuer/outside/judge.ts'
import type { Jwk } from '../../../token/jwks.ts'
import { valueOf } from '../../facts/fact.ts'
import type { WorkloadFacts } from '../../facts/workload-facts.ts'
import { outside } from '../fix.ts'
import type { ReasonCode } from '../reasons.ts'
import { broken, type LinkVerdict, notApplicable, notKnown, ok } from '../verdict.ts'
import { hostPathOf, type Way } from '../../facts/way.ts'

/** Findings that keep STS from the key; the others are worth a warning. */
const REASON_OF: Partial<Readonly<Record<OutsideCode, ReasonCode>>> = {
  HostUnresolved: 'issuer-unreachable',
  HostUnreachable: 'issuer-unreachable',
  DocumentUnreachable: 'issuer-unreachable',
  HandshakeFailed: 'issuer-certificate',
  Tls12NotOffered: 'issuer-certificate',
  ChainOutOfOrder: 'issuer-certificate',
  ChainUnreadable: 'issuer-certificate',
  CertificateExpired: 'issuer-certificate',
  CertificateForOtherName: 'issuer-certificate',
  DocumentSlow: 'issuer-slow',
  DocumentStatus: 'issuer-document-refused',
  DocumentRedirected: 'issuer-document-refused',
  DocumentTooLarge: 'issuer-document-wrong',
  DocumentNotJson: 'issuer-document-wrong',
  IssuerDiffers: 'issuer-document-wrong',
  JwksUriDiffers: 'issuer-document-wrong',
  JwksUnusable: 'issuer-document-wrong',
  KeyMissing: 'key-not-published',
}
/** Of 5 seconds that STS waits. */
const SLOW_MS = 2000

export function issuerLink(facts: WorkloadFacts, { asksSts, method, token }: Way): LinkVerdict {
  if (!asksSts) return notApplicable('issuer', 'STS is not asked with a token of the pod')
  if (token === undefined) return notKnown('issuer', 'which issuer it is is not known')
  if (hostPathOf(token.issuer) === undefined) return wrongForm(token.issuer)
  if (!facts.outside.known) {
    return notKnown('issuer', `${token.issuer} was not looked at: ${facts.outside.why}`)
  }
  const seen = facts.outside.value
  if (seen === undefined) return notKnown('issuer', `${token.issuer} was not looked at`)
  const findings = judgeOutside(seen, {
    issuer: token.issuer,
    keys: method === 'irsa' ? keysOf(facts) : [],
  })
  const cause = findings.find(({ code }) => REASON_OF[code] !== undefined)
  if (cause !== undefined) return brokenBy(cause, token.issuer, seen)
  return ok('issuer', `${token.issuer} gives its documents to everybody`, {
    evidence: latencies(seen),
    warnings: [
      // Where there is a provider, its link tells whether a thumbprint vouches for the certificate.
      ...findings
        .filter(
          ({ code }) => code !== 'CertificateUntrusted' || valueOf(facts.provider) === undefined,
        )
        .map(({ message }) => message),
      ...[seen.discovery, seen.jwks].flatMap((document) =>
        document !== undefined && document.elapsedMs > SLOW_MS
          ? [`${document.url} took ${document.elapsedMs} ms; STS waits 5 seconds`]
          : [],
      ),
    ],
  })
}

function wrongForm(issuer: string): LinkVerdict {
  return broken('issuer', 'issuer-url-form', {
    text: `the tokens' iss is ${JSON.stringify(issuer.slice(0, 300))}, of which IAM makes no provider`,
    found: issuer.slice(0, 300),
    wanted: 'https://HOST/PATH without port, query and fragment',
    fix: outside(
      'give the API server an issuer (--service-account-issuer) that is https, without a port, and publish its documents there; podrole issuer apiserver-flags prints the flags',
    ),
  })
}

function brokenBy(cause: OutsideFinding, issuer: string, seen: OutsideFacts): LinkVerdict {
  return broken('issuer', REASON_OF[cause.code] ?? 'issuer-document-wrong', {
    text: cause.message,
    found: cause.code,
    wanted: `documents of ${issuer} that STS can use`,
    evidence: latencies(seen),
    fix: outside(cause.code === 'KeyMissing' ? `${PUBLISH} at ${issuer}` : cause.hint),
  })
}

const PUBLISH =
  'publish the keys that the API server shows under /openid/v1/jwks (podrole issuer publish, or podrole issuer rotate for what is left of a rotation)'

/** What the API server signs with must be there; which of its keys it signs with it does not say. */
function keysOf(facts: WorkloadFacts): { readonly kid: string; readonly publicJwk: Jwk }[] {
  const { token } = facts
  const keys = valueOf(facts.cluster.keys)?.keys ?? []
  const asked = token?.keyId === undefined ? keys : keys.filter(({ kid }) => kid === token.keyId)
  return asked.map((publicJwk) => ({ kid: publicJwk.kid ?? '', publicJwk }))
}

const latencies = ({ discovery, jwks }: OutsideFacts): readonly string[] =>
  [discovery, jwks].flatMap((document) =>
    document === undefined ? [] : [`${document.url}: ${document.elapsedMs} ms`],
  )
