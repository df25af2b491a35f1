/** Issuers as STS sees them, and the age of signing keys. */
import { issuerHostPathOf } from '../../iam/arn.ts'
import type { OutsideFinding } from '../../issuer/outside/findings.ts'
import { judgeOutside } from '../../issuer/outside/judge.ts'
import { PodroleError } from '../../lib/errors.ts'
import { type Jwks, parseJwks } from '../../token/jwks.ts'
import type { OutsideFacts } from '../../issuer/outside/facts.ts'
import type { DoctorCluster, DoctorFacts } from '../facts/doctor-facts.ts'
import { valueOf } from '../facts/fact.ts'
import { type CheckResult, type RawFinding, someOf } from './finding.ts'

/**
 * Whether anybody goes by IRSA: a provider of the account has the issuer, or a service account a
 * role. Many clusters have an issuer that only they know, and need no other.
 */
export function isIssuerUsed(
  { issuer, serviceAccounts }: DoctorCluster,
  { providers }: Pick<DoctorFacts, 'providers'>,
): boolean {
  const host = valueOf(issuer)?.replace(/^https:\/\/|\/$/g, '')
  const isTrusted = (valueOf(providers) ?? []).some((arn) => issuerHostPathOf(arn) === host)
  return isTrusted || (valueOf(serviceAccounts) ?? []).some(({ roleArn }) => roleArn !== undefined)
}

export function checkIssuer(cluster: DoctorCluster, facts: DoctorFacts): CheckResult {
  const { issuer, liveKeys, name, outside } = cluster
  const subject = `cluster ${name}`
  const what = `the issuer of ${name} from outside`
  if (!issuer.known) return { findings: [], notLookedAt: [{ what, why: issuer.why }] }
  if (!isIssuerUsed(cluster, facts)) return { findings: [], notLookedAt: [] }
  if (!outside.known) return { findings: [], notLookedAt: [{ what, why: outside.why }] }
  if (issuer.value === undefined || outside.value === undefined) {
    return { findings: [], notLookedAt: [] }
  }
  const fault = issuerFault(outside.value, issuer.value)
  const unusable: RawFinding[] =
    fault === undefined
      ? []
      : [
          {
            id: 'issuer-unusable',
            subject,
            what: fault.message,
            fix: `${fault.hint}; podrole issuer check tells all`,
          },
        ]
  const lacking = missingKids(outside.value, liveKeys.known ? liveKeys.value : undefined)
  const notLookedAt = liveKeys.known
    ? []
    : [{ what: `the keys of ${name}'s API server`, why: liveKeys.why }]
  if (lacking.length === 0) return { findings: unusable, notLookedAt }
  const told = `${outside.value.jwks?.url} lacks ${someOf(lacking)}`
  return { findings: [...unusable, { id: 'jwks-lacks-key', subject, what: told }], notLookedAt }
}

/** The first thing that STS stumbles over; undefined where it can use the issuer. */
export const issuerFault = (outside: OutsideFacts, issuer: string): OutsideFinding | undefined =>
  judgeOutside(outside, { issuer, keys: [] }).find(({ level }) => level === 'error')

/** Kids of live keys that the published JWKS lacks; none where it cannot be read at all. */
export function missingKids({ jwks }: OutsideFacts, live: Jwks | undefined): readonly string[] {
  if (live === undefined || jwks?.answer.kind !== 'answer' || jwks.answer.status !== 200) return []
  const published = kidsOf(jwks.answer.text)
  if (published === undefined) return []
  return live.keys.flatMap(({ kid }) => (kid === undefined || published.has(kid) ? [] : [kid]))
}

function kidsOf(text: string): ReadonlySet<string> | undefined {
  try {
    return new Set(parseJwks(text).keys.flatMap(({ kid }) => kid ?? []))
  } catch (error) {
    if (!(error instanceof PodroleError)) throw error
    return undefined
  }
}

const DAY_MS = 86_400_000
/** Our own measure: AWS and Kubernetes ask for none; EKS itself rotates weekly. */
const OLD_KEY_DAYS = 90
const UNFINISHED_DAYS = 14

export function checkSigningKeys({ nowMs, signingKeys }: DoctorFacts): CheckResult {
  if (!signingKeys.known) {
    return {
      findings: [],
      notLookedAt: [{ what: "the fleet issuer's signing keys", why: signingKeys.why }],
    }
  }
  const aged = (valueOf(signingKeys) ?? []).map((key) => ({
    ...key,
    days: Math.floor((nowMs - Date.parse(key.since)) / DAY_MS),
  }))
  return {
    notLookedAt: [],
    findings: aged.flatMap(({ days, kid, since, state }): RawFinding[] => {
      const subject = `signing key ${kid}`
      const what = `it is ${state} since ${since}, for ${days} days`
      if (state === 'active' && days > OLD_KEY_DAYS)
        return [{ id: 'signing-key-old', subject, what }]
      const isBetween = state === 'prepared' || state === 'retiring'
      return isBetween && days > UNFINISHED_DAYS
        ? [{ id: 'rotation-unfinished', subject, what }]
        : []
    }),
  }
}
