/** Which provider of the SDK's default chain answers in the container. */
import type { WorkloadFacts } from '../../facts/workload-facts.ts'
import { outside } from '../fix.ts'
import { broken, type LinkVerdict, notApplicable, ok } from '../verdict.ts'
import { hasEnv, type Way } from '../../facts/way.ts'

const KEYS = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']

export function sdkChainLink(_facts: WorkloadFacts, { container, method }: Way): LinkVerdict {
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
  const wins = method === 'irsa' ? 'the web identity token' : 'the container credentials'
  return ok('sdk-chain', `the SDK takes ${wins}`, {
    warnings: (container.envFrom ?? []).map(
      () => 'the container has envFrom: keys in there would go before everything',
    ),
  })
}
