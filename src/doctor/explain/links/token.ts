/** The token that the pod hands to STS, as it was given or as the cluster will make it. */
import { valueOf } from '../../facts/fact.ts'
import type { WorkloadFacts } from '../../facts/workload-facts.ts'
import { type LinkVerdict, notApplicable, notKnown, ok } from '../verdict.ts'
import { tokenMountOf, type Way } from '../../facts/way.ts'

export function tokenLink(facts: WorkloadFacts, way: Way): LinkVerdict {
  if (way.method === 'none') return notApplicable('token', 'no token is asked for')
  const { token } = way
  if (token === undefined) {
    const { issuer } = facts.cluster
    const why = issuer.known ? 'the cluster names no issuer' : issuer.why
    return notKnown('token', `what the cluster's tokens say is not known: ${why}`)
  }
  const pod = valueOf(facts.pod)
  const mount = pod && way.container && tokenMountOf(pod, way.container)
  return ok('token', `the token is for ${token.audiences.join(', ')}`, {
    evidence: [
      `iss ${token.issuer}`,
      `sub ${token.subject}`,
      `aud ${token.audiences.join(', ')}`,
      ...(mount === undefined ? [] : [`renewed by the kubelet, each ${mount.expirationSeconds} s`]),
    ],
  })
}
