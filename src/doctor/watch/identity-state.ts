/** How the identity of a cluster does at one moment, out of the facts that doctor judges. Pure. */
import type { OutsideFacts } from '../../issuer/outside/facts.ts'
import { AGENT } from '../checks/running-parts.ts'
import { isIssuerUsed, issuerFault, missingKids } from '../checks/issuers.ts'
import type { DoctorCluster, DoctorFacts, NodeFact, PodFact } from '../facts/doctor-facts.ts'
import { valueOf } from '../facts/fact.ts'

/**
 * How a pod of a node comes to credentials by Pod Identity: `ready` and `not-ready` agents,
 * `missing` ones, `built-in` on EKS Auto Mode, `no-agent` where none can run.
 */
export const PATHS = ['ready', 'not-ready', 'missing', 'built-in', 'no-agent'] as const
export type CredentialPath = (typeof PATHS)[number]

/** What is undefined could not be read: it is neither well nor broken. */
export interface IdentityState {
  readonly cluster: string
  /** Whether STS can use the issuer, as seen from here; undefined also where nobody goes by it. */
  readonly isIssuerUp?: boolean
  /** Milliseconds until each document was there whole. */
  readonly documentMs?: Readonly<Record<'discovery' | 'jwks', number | undefined>>
  /** Of the API server, that the published JWKS lacks. */
  readonly missingKeys?: number
  readonly nodes?: Readonly<Record<CredentialPath, number>>
}

export function identityState(
  cluster: DoctorCluster,
  facts: Pick<DoctorFacts, 'providers'>,
): IdentityState {
  const { issuer, liveKeys, name, nodes, outside, pods } = cluster
  const seen = isIssuerUsed(cluster, facts) ? valueOf(outside) : undefined
  const url = valueOf(issuer)
  const live = valueOf(liveKeys)
  return {
    cluster: name,
    ...(seen !== undefined &&
      url !== undefined && {
        isIssuerUp: issuerFault(seen, url) === undefined,
        documentMs: { discovery: seen.discovery.elapsedMs, jwks: seen.jwks?.elapsedMs },
      }),
    ...(seen !== undefined &&
      live !== undefined &&
      isRead(seen.jwks) && { missingKeys: missingKids(seen, live).length }),
    ...(nodes.known && pods.known && { nodes: pathsOf(cluster, nodes.value, pods.value) }),
  }
}

const isRead = (document: OutsideFacts['jwks']): boolean =>
  document?.answer.kind === 'answer' && document.answer.status === 200

function pathsOf(
  { eks }: DoctorCluster,
  nodes: readonly NodeFact[],
  pods: readonly PodFact[],
): Readonly<Record<CredentialPath, number>> {
  const isAutoMode = valueOf(eks)?.isAutoMode === true
  const agents = pods.filter(({ name }) => AGENT.test(name))
  const ready = new Set(agents.filter(({ isReady }) => isReady).map(({ node }) => node))
  const there = new Set(agents.map(({ node }) => node))
  const pathOf = ({ compute, name }: NodeFact): CredentialPath => {
    if (compute === 'fargate' || compute === 'windows') return 'no-agent'
    if (isAutoMode && compute === 'linux') return 'built-in'
    if (ready.has(name)) return 'ready'
    return there.has(name) ? 'not-ready' : 'missing'
  }
  const counts = Object.fromEntries(PATHS.map((path) => [path, 0])) as Record<
    CredentialPath,
    number
  >
  for (const node of nodes) counts[pathOf(node)] += 1
  return counts
}
