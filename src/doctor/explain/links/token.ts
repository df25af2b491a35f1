/** The token that the pod hands to STS, as it was given or as the cluster will make it. */
import { valueOf } from '../../facts/fact.ts'
import type { TokenFact, WorkloadFacts } from '../../facts/workload-facts.ts'
import { subjectOf } from '../../../iam/service-account-name.ts'
import { isTokenAlgorithm, TOKEN_ALGORITHMS } from '../../../token/jwks.ts'
import { outside } from '../fix.ts'
import { broken, type LinkVerdict, notApplicable, notKnown, ok } from '../verdict.ts'
import { foreignTokenVolumeOf, tokenMountOf, type Way } from '../../facts/way.ts'

export function tokenLink(facts: WorkloadFacts, way: Way): LinkVerdict {
  if (way.method === 'none') return notApplicable('token', 'no token is asked for')
  const { token } = way
  if (token === undefined) {
    const { issuer } = facts.cluster
    const why = issuer.known ? 'the cluster names no issuer' : issuer.why
    return notKnown('token', `what the cluster's tokens say is not known: ${why}`)
  }
  const fault = token.source === 'given' ? tokenFault(token, facts, way.roleArn) : undefined
  if (fault !== undefined) return fault
  const pod = valueOf(facts.pod)
  const mount = pod && way.container && tokenMountOf(pod, way.container)
  const foreign = pod && way.container && foreignTokenVolumeOf(pod, way.container)
  if (token.source === 'expected' && way.method === 'irsa' && foreign !== undefined) {
    return notKnown(
      'token',
      `the token in volume ${foreign} is none that the kubelet asked for: give it with --token`,
    )
  }
  return ok('token', `the token is for ${token.audiences.join(', ')}`, {
    evidence: [
      `iss ${token.issuer}`,
      `sub ${token.subject}`,
      `aud ${token.audiences.join(', ')}`,
      ...(token.keyId === undefined ? [] : [`kid ${token.keyId}`]),
      ...(token.expiresAt === undefined
        ? []
        : [`exp ${timeOf(token.expiresAt)}; STS takes it five minutes longer`]),
      ...(mount === undefined ? [] : [`renewed by the kubelet, each ${mount.expirationSeconds} s`]),
    ],
  })
}

/** STS takes a token five minutes past `exp`, and as long before `nbf` and `iat`. */
const LEEWAY_SECONDS = 300

function tokenFault(
  token: TokenFact,
  facts: WorkloadFacts,
  roleArn: string | undefined,
): LinkVerdict | undefined {
  const nowSeconds = facts.nowMs / 1000
  const {
    algorithm = '',
    audiences,
    authorizedParty,
    expiresAt,
    fault,
    issuedAt,
    notBefore,
  } = token
  const subject = subjectOf(facts.subject)
  if (fault !== undefined) {
    return faulty('token-malformed', fault, { found: fault, wanted: 'a JWT that STS takes' })
  }
  if (!isTokenAlgorithm(algorithm)) {
    return faulty('token-algorithm', `the token is signed with ${algorithm}`, {
      found: algorithm,
      wanted: TOKEN_ALGORITHMS.join(', '),
    })
  }
  if (expiresAt !== undefined && nowSeconds >= expiresAt + LEEWAY_SECONDS) {
    return faulty('token-expired', `the token expired at ${timeOf(expiresAt)}`, {
      found: timeOf(expiresAt),
      wanted: `later than ${timeOf(nowSeconds - LEEWAY_SECONDS)}`,
    })
  }
  const begins = Math.max(issuedAt ?? 0, notBefore ?? 0)
  if (begins > nowSeconds + LEEWAY_SECONDS) {
    return faulty('token-not-yet-valid', `the token is valid from ${timeOf(begins)}`, {
      found: timeOf(begins),
      wanted: `at most ${timeOf(nowSeconds + LEEWAY_SECONDS)}`,
    })
  }
  if (audiences.length > 1 && authorizedParty === undefined) {
    return faulty(
      'token-many-audiences',
      `the token has ${audiences.length} audiences and no azp`,
      {
        found: audiences.join(', '),
        wanted: 'one audience',
      },
    )
  }
  const roles = token.aws?.roles
  if (roles !== undefined && roleArn !== undefined && !roles.includes(roleArn)) {
    const found = roles.join(', ') || 'no role'
    return faulty('token-for-other-role', `the token is good for ${found} alone`, {
      found,
      wanted: roleArn,
    })
  }
  if (token.subject === subject || facts.subject.name === '') return undefined
  return faulty('token-of-another', `the token is for ${token.subject}`, {
    found: token.subject,
    wanted: subject,
  })
}

const faulty = (
  reason: keyof typeof MENDS,
  text: string,
  what: { readonly found: string; readonly wanted: string },
): LinkVerdict => broken('token', reason, { text, ...what, fix: outside(MENDS[reason]) })

const MENDS = {
  'token-malformed': 'take the token as the kubelet writes it, from the file that the pod mounts',
  'token-algorithm': 'sign service account tokens with RS256 or ES256',
  'token-expired':
    'read the token anew each time: the kubelet renews the file, so an SDK must not keep what it read (update the SDK), and the clocks must be right',
  'token-not-yet-valid': "set the clock of the API server's machine (NTP)",
  'token-many-audiences': 'ask for a token with one audience',
  'token-for-other-role': 'take a token that its issuer signed for the role',
  'token-of-another': 'take the token of a pod of this service account',
} as const

const timeOf = (seconds: number): string => {
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime()) ? `${seconds} s` : date.toISOString()
}
