import { follow } from '../../lib/following.ts'
import type { Log } from '../../lib/log.ts'
import type { RunningCluster } from '../../sandbox/sandbox.ts'
import type { BrokerPart } from './broker-part.ts'

/** An API server publishes a new key for half of its settle time before it signs: a second at least. */
const POLL_MS = 200

/**
 * Registers a cluster at its broker, and again whenever its API server publishes other keys, as EKS
 * follows those of its clusters: an external signer rotates them.
 */
export async function registerFollowing(
  broker: BrokerPart,
  { cluster, name }: RunningCluster,
  log: Log,
): Promise<{ stop(): Promise<void> }> {
  let registered = ''
  const register = async (): Promise<string> => {
    const { issuer } = cluster
    const jwks = cluster.jwks()
    const text = JSON.stringify(jwks)
    if (text !== registered) await broker.register({ name, issuer, jwks })
    registered = text
    return text
  }
  return follow({
    what: 'keys at the broker',
    read: register,
    current: await register(),
    isSame: (a, b) => a === b,
    // `register` has done it.
    onChange: () => undefined,
    fieldsOf: (text) => ({ jwks: text }),
    pollMs: POLL_MS,
    log,
  })
}
