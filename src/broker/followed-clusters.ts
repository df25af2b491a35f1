/** Clusters whose keys are those that their issuer publishes, through every rotation. */
import type { Clock } from '../lib/clock.ts'
import { PodroleError } from '../lib/errors.ts'
import { faultFields, type Log, type LogFields } from '../lib/log.ts'
import { mapLimited } from '../lib/map-limited.ts'
import type { Jwks } from '../token/jwks.ts'
import { indistinguishableFrom, storedKeys } from './cluster-registration.ts'
import type { BrokerStore, RegisteredCluster } from './store.ts'

/** Reads an issuer's published keys from outside, as STS does. */
export type ReadIssuerKeys = (issuer: string) => Promise<Jwks>

export interface FollowedClusters {
  /** Looks at each of them once; what cannot be read stays as it is, and is told of once. */
  look(): Promise<void>
  /** How many were read well at the last look, and how many not. */
  counts(): { readonly read: number; readonly failed: number }
}

const ISSUERS_AT_ONCE = 8

/** Several brokers may look at one store: whoever comes first writes. */
export function createFollowedClusters({
  clock,
  log,
  readIssuerKeys,
  store,
}: {
  readonly store: Pick<BrokerStore, 'listClusters' | 'replaceClusterKeys'>
  readonly readIssuerKeys: ReadIssuerKeys
  readonly clock: Clock
  readonly log: Log
}): FollowedClusters {
  let faults: ReadonlyMap<string, string> = new Map()
  let read = 0
  const replace = async (cluster: RegisteredCluster): Promise<void> => {
    const keys = await readIssuerKeys(cluster.issuer)
    const jwks = storedKeys(keys)
    if (jwks === cluster.jwks) return
    // Others may have changed while the issuer was asked.
    const others = (await store.listClusters()).filter(({ name }) => name !== cluster.name)
    refuseTwin({ ...cluster, jwks }, others)
    const isReplaced = await store.replaceClusterKeys(cluster, { jwks, modifiedAtMs: clock.now() })
    if (!isReplaced) return
    log.info('cluster keys replaced', {
      cluster: cluster.name,
      kids: keys.keys.map(({ kid }) => kid),
    })
  }
  return {
    counts: () => ({ read, failed: faults.size }),
    look: async () => {
      const clusters = (await store.listClusters()).filter(({ followsIssuer }) => followsIssuer)
      const failed = new Map<string, string>()
      await mapLimited(clusters, ISSUERS_AT_ONCE, async (cluster) => {
        try {
          await replace(cluster)
        } catch (error) {
          const fields: LogFields = { cluster: cluster.name, ...faultFields(error) }
          const fault = JSON.stringify(fields)
          failed.set(cluster.name, fault)
          if (faults.get(cluster.name) !== fault) log.warn('cluster keys not replaced', fields)
        }
      })
      faults = failed
      read = clusters.length - failed.size
    },
  }
}

function refuseTwin(cluster: RegisteredCluster, others: readonly RegisteredCluster[]): void {
  const twin = indistinguishableFrom(cluster, others)
  if (twin === undefined) return
  throw new PodroleError(
    'IndistinguishableClusters',
    `issuer ${cluster.issuer} publishes a key that cluster ${twin.name} has under the same issuer: tokens of the one would be good for the other`,
  )
}
