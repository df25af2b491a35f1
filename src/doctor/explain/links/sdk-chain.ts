/** Which provider of the SDK's default chain answers in the container. */
import { valueOf } from '../../facts/fact.ts'
import type { WorkloadFacts } from '../../facts/workload-facts.ts'
import { outside } from '../fix.ts'
import { broken, type LinkVerdict, notApplicable, ok } from '../verdict.ts'
import { isNewEnough, minimumOf } from '../../facts/sdk.ts'
import { hasEnv, type Way } from '../../facts/way.ts'

const KEYS = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']

export function sdkChainLink(facts: WorkloadFacts, way: Way): LinkVerdict {
  const { container, method } = way
  if (container === undefined || method === 'none') {
    return notApplicable('sdk-chain', 'no container was looked at')
  }
  if (KEYS.every((name) => hasEnv(container, name))) {
    return broken('sdk-chain', 'environment-keys-win', {
      text: `container ${container.name} has ${KEYS.join(' and ')} in its environment, which every SDK takes first`,
      found: KEYS.join(', '),
      wanted: 'neither of them in the environment',
      fix: outside(
        `take ${KEYS.join(', ')} and AWS_SESSION_TOKEN out of the environment of container ${container.name}, and make the pod again`,
      ),
    })
  }
  const fault = oldSdk(facts, way) ?? otherRole(facts, way)
  if (fault !== undefined) return fault
  const wins = method === 'irsa' ? 'the web identity token' : 'the container credentials'
  return ok('sdk-chain', `the SDK takes ${wins}`, {
    warnings: (container.envFrom ?? []).map(
      () => 'the container has envFrom: keys in there would go before everything',
    ),
  })
}

/** Older than the first version that knows the way: it goes on to the node's role. */
function oldSdk({ error, sdk = error?.sdk }: WorkloadFacts, way: Way): LinkVerdict | undefined {
  const { container, method } = way
  if (sdk === undefined || method === 'none' || isNewEnough(sdk, method)) return undefined
  const minimum = minimumOf(sdk, method) ?? ''
  const what = method === 'irsa' ? 'a web identity' : "Pod Identity's address"
  return broken('sdk-chain', 'sdk-too-old', {
    text: `${sdk.name} ${sdk.version} in container ${container?.name} does not know ${what}; ${minimum} is the first that does`,
    found: `${sdk.name}@${sdk.version}`,
    wanted: `${sdk.name}@${minimum} or later`,
    fix: outside(
      `build the image of container ${container?.name} with ${sdk.name} ${minimum} or later`,
    ),
  })
}

/** The message names a session of another role: the container does not use what it was given. */
function otherRole(facts: WorkloadFacts, { container, roleArn }: Way): LinkVerdict | undefined {
  const asked = facts.error?.role
  const target = valueOf(facts.association)?.targetRoleArn
  const names = [roleArn, target].flatMap((arn) => arn?.split('/').at(-1) ?? [])
  if (asked === undefined || names.length === 0 || names.includes(asked)) return undefined
  return broken('sdk-chain', 'another-role-answered', {
    text: `the call was made by a session of role ${asked}, not of ${names.join(' or ')}`,
    found: asked,
    wanted: names.join(' or '),
    fix: outside(
      `see that the program in container ${container?.name} takes the SDK's default chain, with an SDK that knows this way (a newer version, if it is old), and has no keys or profile of its own; ${asked} may be the node's role, which SDKs fall back to`,
    ),
  })
}
