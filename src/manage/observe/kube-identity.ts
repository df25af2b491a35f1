/** Whether a kubeconfig leads to the cluster that is meant. */
import { codeOf, messageOf } from '../../lib/errors.ts'
import type { KubeIdentity } from '../plan/observed-state.ts'
import type { ClusterFacts } from './ports.ts'

/** The API server that a kubeconfig leads to. */
export interface ReachedServer {
  readonly server: string
  /** Of its service accounts' tokens, as its own discovery document names it. */
  issuer(): Promise<string>
}

/** The caller may not ask, or the server has nothing to say. */
const NOT_TOLD = /^(?:Forbidden|Unauthorized|NotFound|AccessDenied|InvalidServerAnswer)$/

/**
 * A server under the address that EKS names is the cluster, for its certificate is. Another address
 * may be a proxy's or a tunnel's: then the issuer tells, which no two clusters have in common.
 * @throws what the server's unreachability throws
 */
export async function kubeIdentity(
  facts: Pick<ClusterFacts, 'endpoint' | 'issuer'>,
  reached: ReachedServer,
): Promise<KubeIdentity> {
  const { endpoint, issuer } = facts
  const { server } = reached
  if (endpoint !== undefined && isSameHost(server, endpoint)) return { kind: 'same' }
  if (issuer === undefined) {
    // Nobody else knows anything of the cluster.
    if (endpoint === undefined) return { kind: 'same' }
    return { kind: 'unknown', server, why: 'EKS names no issuer of the cluster yet' }
  }
  try {
    const found = await reached.issuer()
    if (bare(found) === bare(issuer)) return { kind: 'same' }
    return { kind: 'other', server, issuer: found, wanted: issuer }
  } catch (error) {
    if (!NOT_TOLD.test(codeOf(error) ?? '')) throw error
    // A broker's cluster has no address to compare.
    if (endpoint === undefined) return { kind: 'same' }
    return { kind: 'unknown', server, why: messageOf(error) }
  }
}

const bare = (issuer: string): string => issuer.replace(/\/$/, '')

const isSameHost = (one: string, other: string): boolean =>
  URL.canParse(one) && URL.canParse(other) && new URL(one).host === new URL(other).host

/** What is wrong with it, in words; undefined where nothing is. */
export function identityFault(identity: KubeIdentity, name: string): string | undefined {
  switch (identity.kind) {
    case 'same':
      return undefined
    case 'other':
      return `the kubeconfig leads to another cluster than ${name}: ${identity.server} has the issuer ${identity.issuer}, not ${identity.wanted}`
    case 'unknown':
      return `whether the kubeconfig leads to ${name} is not known: its server is ${identity.server}, and ${identity.why}`
    default:
      return identity satisfies never
  }
}
