/** The port on plans' in-memory state, which shows writes late where it is told to; for tests. */
import { PodroleError } from '../../lib/errors.ts'
import { applyAction } from '../plan/in-memory.suite.ts'
import type { ObservedState } from '../plan/observed-state.ts'
import type { PlanAction } from '../plan/plan.ts'
import type { ActionPort, Pace } from './act.ts'
import type { Found } from './slots.ts'

export const NO_PATIENCE: Pace = { patienceMs: -1, firstDelayMs: 0, maxDelayMs: 0 }

export interface InMemoryPort extends ActionPort {
  state: ObservedState
  /** Actions that were done, in order. */
  readonly acts: PlanAction[]
  /** As after a `kill -9`: nothing is read and written any more. */
  isDead: boolean
}

/** @param staleness of each read: 0 shows the latest state, 1 the one before it, … */
export function inMemoryPort(
  start: ObservedState,
  staleness: () => number = () => 0,
): InMemoryPort {
  const history: ObservedState[] = [start]
  const acts: PlanAction[] = []
  const port: InMemoryPort = {
    get state() {
      return history.at(-1) ?? start
    },
    set state(next) {
      history.push(next)
    },
    acts,
    isDead: false,
    look: async (action) => {
      await Promise.resolve()
      if (port.isDead) throw new Error('killed')
      const shown = history.at(-1 - Math.min(staleness(), history.length - 1)) ?? start
      return { found: findIn(shown, action) }
    },
    act: async (action) => {
      await Promise.resolve()
      if (port.isDead) throw new Error('killed')
      try {
        port.state = applyAction(port.state, action)
      } catch (error) {
        throw new PodroleError('ResourceInUse', 'it contradicts what is there', { cause: error })
      }
      acts.push(action)
    },
  }
  return port
}

function findIn(state: ObservedState, action: PlanAction): Found {
  if (!('cluster' in action)) {
    if (action.do === 'create-provider' || action.do === 'delete-provider') {
      return some(
        'provider',
        state.providers.find(({ arn }) => arn === action.provider.arn),
      )
    }
    if ('clientId' in action) {
      return some(
        'provider',
        state.providers.find(({ arn }) => arn === action.arn),
      )
    }
    const name = typeof action.role === 'string' ? action.role : action.role.name
    return some(
      'role',
      state.roles.find((role) => role.name === name),
    )
  }
  const cluster = state.clusters.find(({ arn }) => arn === action.cluster)
  if (cluster === undefined) throw new Error('no cluster')
  const isOf =
    (one: { serviceAccount: { namespace: string; name: string } }) =>
    (other: { serviceAccount: { namespace: string; name: string } }): boolean =>
      Bun.deepEquals(one.serviceAccount, other.serviceAccount)
  if ('association' in action) {
    return some('association', cluster.associations.find(isOf(action.association)))
  }
  if (action.do === 'update-association') {
    return some('association', cluster.associations.find(isOf(action)))
  }
  if ('object' in action) {
    return some('serviceAccount', cluster.serviceAccounts.find(isOf(action.object)))
  }
  if (action.do === 'patch-service-account') {
    return some('serviceAccount', cluster.serviceAccounts.find(isOf(action)))
  }
  if ('entry' in action || 'principalArn' in action) {
    const arn = 'entry' in action ? action.entry.principalArn : action.principalArn
    return some(
      'entry',
      cluster.accessEntries.find((one) => one.principalArn === arn),
    )
  }
  if ('addon' in action || action.do === 'update-addon') {
    const name = 'addon' in action ? action.addon.name : action.name
    return some(
      'addon',
      cluster.addons.find((one) => one.name === name),
    )
  }
  if ('what' in action) {
    const tagged = [...cluster.associations, ...cluster.accessEntries, ...cluster.addons]
    return some('tags', tagged.find(({ arn }) => arn === action.arn)?.tags)
  }
  if ('namespace' in action) return { hasNamespace: cluster.namespaces.includes(action.namespace) }
  return {
    ...some('authenticationMode', cluster.authenticationMode),
    workloadIdentity: cluster.workloadIdentity.status,
  }
}

const some = <K extends keyof Found>(key: K, value: Found[K]): Found =>
  value === undefined ? {} : { [key]: value }
