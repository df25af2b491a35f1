/** The session that comes of it: its tags, its policy, how long it lives. */
import type { AssociationFact, WorkloadFacts } from '../../facts/workload-facts.ts'
import type { Way } from '../../facts/way.ts'
import { valueOf } from '../../facts/fact.ts'
import { sessionTags } from '../session-tags.ts'
import { type LinkVerdict, notApplicable, ok } from '../verdict.ts'

/** Of a session token as it is assembled (STS API Reference, AssumeRole). */
const TOKEN_BYTES = 4096
/** Beyond this share tags and policy are worth a word: how STS packs them is not documented. */
const SHARE = 0.5

export function sessionLink(facts: WorkloadFacts, way: Way): LinkVerdict {
  if (way.method === 'none') return notApplicable('session', 'there is no role')
  const role = valueOf(facts.role)
  if (role === undefined) return notApplicable('session', 'there is no role, or it is not known')
  const association = valueOf(facts.association)
  if (way.method === 'irsa' || association === undefined) {
    return ok('session', 'a session without tags, of the duration that the SDK asks for', {
      evidence: [`the role allows ${role.maxSessionSeconds} s`],
    })
  }
  const tags = association.disableSessionTags ? 0 : tagBytes(facts)
  const policy = Buffer.byteLength(association.policy ?? '')
  return ok('session', `a session of ${durationOf(facts, association)}`, {
    evidence: [
      `tags ${tags} bytes, session policy ${policy} bytes; the whole session token has ${TOKEN_BYTES}`,
    ],
    warnings:
      tags + policy > TOKEN_BYTES * SHARE
        ? [
            `tags and session policy take ${tags + policy} bytes: STS answers PackedPolicyTooLarge where the session token has no room`,
          ]
        : [],
  })
}

/** EKS gives six hours; a broker asks for an hour unless the association says otherwise. */
function durationOf({ cluster }: WorkloadFacts, { targetRoleArn }: AssociationFact): string {
  if (targetRoleArn !== undefined) return 'an hour at most, through a target role'
  return cluster.kind === 'broker' ? "the association's duration, an hour by default" : '6 hours'
}

function tagBytes(facts: WorkloadFacts): number {
  return Object.entries(sessionTags(facts)).reduce(
    (sum, [key, value = '']) => sum + Buffer.byteLength(key + value),
    0,
  )
}
