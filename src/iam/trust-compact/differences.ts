import { parsePolicy } from '../policy.ts'
import { describeCaller } from '../principal.ts'
import { PodroleError } from '../../lib/errors.ts'
import { admits, type Probe, probesOf } from './probes.ts'

/** How the equality of what two sets of policies admit was shown. */
export interface EqualityProof {
  /** Requests that the evaluator was asked about, of one policy and of the others. */
  readonly asked: number
  /** How many of them are admitted, by both. */
  readonly admitted: number
}

/**
 * Proves by the evaluator that the policies of `after` together admit what `before` admits, on the
 * members of all of them and on near misses.
 * @throws PodroleError `NotTheSameTrust`, with the first request that makes the difference
 */
export function proveSame(before: string, after: readonly string[]): EqualityProof {
  const old = parsePolicy(before, 'trust')
  const made = after.map((text) => parsePolicy(text, 'trust'))
  const probes = probesOf([old, ...made])
  let admitted = 0
  for (const probe of probes) {
    const was = admits(old, probe)
    const is = made.some((document) => admits(document, probe))
    if (was !== is) throw notTheSame(probe, was)
    if (was) admitted += 1
  }
  return { asked: probes.length, admitted }
}

function notTheSame({ action, caller, context }: Probe, was: boolean): PodroleError {
  const asked = `${describeCaller(caller)} calling ${action} with ${JSON.stringify(context)}`
  return new PodroleError(
    'NotTheSameTrust',
    `the policy as compacted ${was ? 'refuses' : 'admits'} ${asked}, which the policy as it is ${was ? 'admits' : 'refuses'}: nothing is written`,
    { hint: 'This is a fault of podrole; please report it with the policy.' },
  )
}
