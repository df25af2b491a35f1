/** Facts → which way to credentials a workload should go, and why. */
import { isEks } from './cluster-kind.ts'
import type { AdviceFacts, Way } from './facts.ts'
import {
  type Argument,
  areProvidersNear,
  argumentsOf,
  isReused,
  isTrustNear,
  subjectOf,
} from './rules.ts'

export interface Advice {
  readonly cluster: string
  readonly kind: AdviceFacts['cluster']['kind']
  /** `shop/orders` */
  readonly serviceAccount: string
  /** Undefined where every way is ruled out. */
  readonly way?: Way
  /** A second one that may stand beside it. */
  readonly second?: Way
  /** By which it has a role now. */
  readonly current: readonly Way[]
  /** `new`: it has no role yet; `stay`: it goes that way already; `move`: by another. */
  readonly change: 'new' | 'stay' | 'move'
  /** One sentence, without its full stop. */
  readonly why: string
  readonly arguments: readonly Argument[]
}

/** The ways from the best to the last, and what makes that order. */
interface Preference {
  readonly order: readonly Way[]
  readonly why: string
}

/**
 * On EKS Pod Identity comes first, unless the workload is to run elsewhere in the same way. Off EKS
 * IRSA does, unless something asks for what only a broker has. What is ruled out is passed over.
 */
export function advise(facts: AdviceFacts): Advice {
  const { cluster, current, needs } = facts
  const found = argumentsOf(facts)
  const blocked = found.filter(({ side }) => side === 'blocker')
  const isFree = (way: Way): boolean => !blocked.some((one) => one.way === way)
  const { order, why } = preferenceOf(facts)
  const way = order.find(isFree)
  const passed = order.slice(0, way === undefined ? order.length : order.indexOf(way))
  const reasons = passed.map((one) => {
    const first = blocked.find((argument) => argument.way === one)
    return `not ${NAMES[one]}: ${first?.text ?? ''}`
  })
  const second = needs.includes('second-way') && way === 'pod-identity' && isFree('irsa')
  return {
    cluster: cluster.name,
    kind: cluster.kind,
    serviceAccount: subjectOf(facts),
    ...(way !== undefined && { way }),
    ...(second && { second: 'irsa' }),
    current,
    change:
      current.length === 0 ? 'new' : way !== undefined && current.includes(way) ? 'stay' : 'move',
    why: reasons.length === 0 ? why : reasons.join('; '),
    arguments: found,
  }
}

/** For people. */
export const NAMES: Readonly<Record<Way, string>> = {
  'pod-identity': 'Pod Identity',
  irsa: 'IRSA',
  broker: 'broker',
}

function preferenceOf(facts: AdviceFacts): Preference {
  const { cluster, needs } = facts
  if (isEks(cluster.kind)) {
    return needs.includes('portable')
      ? { order: ['irsa', 'pod-identity', 'broker'], why: 'the same way is wanted outside EKS' }
      : {
          order: ['pod-identity', 'irsa', 'broker'],
          why: 'on EKS new workloads go by Pod Identity',
        }
  }
  const wanted = [
    ...(needs.includes('session-tags') ? ['session tags'] : []),
    ...(needs.includes('role-before-cluster') ? ['roles before the cluster'] : []),
    ...(areProvidersNear(facts) ? ['one OIDC provider for all clusters'] : []),
    ...(isTrustNear(facts) || isReused(facts) ? ['one role for several clusters'] : []),
  ]
  if (wanted.length > 0) {
    return {
      order: ['broker', 'irsa', 'pod-identity'],
      why: `off EKS a broker alone gives ${wanted.join(' and ')}`,
    }
  }
  return cluster.hasBroker === true
    ? { order: ['broker', 'irsa', 'pod-identity'], why: 'a broker knows the cluster already' }
    : {
        order: ['irsa', 'broker', 'pod-identity'],
        why: 'off EKS IRSA needs nothing that must run beside the issuer and the webhook',
      }
}
