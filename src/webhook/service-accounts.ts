import { formatServiceAccountName, type ServiceAccountName } from '../iam/service-account-name.ts'
import { type KubeClient, SERVICE_ACCOUNTS } from '../kube/client.ts'
import type { ServiceAccount } from '../kube/objects.ts'
import { followResources } from '../kube/watch.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { codeOf, PodroleError } from '../lib/errors.ts'
import { faultFields, type Log } from '../lib/log.ts'
import { TokenBucket, withinMs } from './lookup-limits.ts'

export interface ServiceAccountsOptions {
  readonly client: KubeClient
  /** Only annotations of this domain are kept: a cluster may hold 100,000 service accounts. */
  readonly annotationPrefix: string
  /** Milliseconds that an admission waits for the API server. */
  readonly lookupMs: number
  readonly log: Log
  readonly clock?: Clock
}

/** Service accounts of the whole cluster, as of now. */
export interface ServiceAccounts {
  /** Resolves when all were listed once. */
  readonly ready: Promise<void>
  /** What the watch told, without asking. */
  peek(name: ServiceAccountName): ServiceAccount | undefined
  /**
   * What the API server says now; undefined where there is none. Calls at the same time share
   * one request.
   * @throws PodroleError `LookupTimeout`, `TooManyLookups`, or the API server's fault
   */
  ask(name: ServiceAccountName): Promise<ServiceAccount | undefined>
  stop(): Promise<void>
}

const LOOKUPS = { perSecond: 50, burst: 200 }

/** Follows the service accounts of all namespaces (get, list and watch are needed). */
export function followServiceAccounts(options: ServiceAccountsOptions): ServiceAccounts {
  const clock = options.clock ?? systemClock
  const stopped = new AbortController()
  const { promise: ready, resolve: setReady } = Promise.withResolvers<void>()
  const known = new Map<string, ServiceAccount>()
  const keep = (object: ServiceAccount): ServiceAccount =>
    stripped(object, options.annotationPrefix)
  const following = followResources<ServiceAccount>(options.client, SERVICE_ACCOUNTS, {
    signal: stopped.signal,
    clock,
    log: options.log,
    onSync: (items) => {
      known.clear()
      for (const item of items) known.set(keyOf(item), keep(item))
      options.log.info('service accounts listed', { serviceAccounts: known.size })
      setReady()
    },
    onEvent: ({ type, object }) => {
      if (type === 'DELETED') known.delete(keyOf(object))
      else known.set(keyOf(object), keep(object))
    },
  }).catch((error: unknown) => {
    options.log.error('service accounts are no longer followed', faultFields(error))
  })
  const bucket = new TokenBucket(LOOKUPS, clock)
  const asking = new Map<string, Promise<ServiceAccount | undefined>>()
  const get = (name: ServiceAccountName): Promise<ServiceAccount | undefined> =>
    options.client.get<ServiceAccount>(SERVICE_ACCOUNTS, name).then(keep, (error: unknown) => {
      if (codeOf(error) === 'NotFound') return undefined
      throw error
    })
  return {
    ready,
    peek: (name) => known.get(formatServiceAccountName(name)),
    ask: async (name) => {
      const key = formatServiceAccountName(name)
      let answer = asking.get(key)
      if (answer === undefined) {
        if (!bucket.take()) {
          throw new PodroleError('TooManyLookups', 'too many service accounts are being looked up')
        }
        answer = get(name).finally(() => asking.delete(key))
        asking.set(key, answer)
      }
      return withinMs(answer, options.lookupMs)
    },
    stop: async () => {
      stopped.abort()
      setReady()
      await following
    },
  }
}

const keyOf = ({ metadata }: ServiceAccount): string =>
  formatServiceAccountName({ namespace: metadata.namespace ?? '', name: metadata.name ?? '' })

function stripped({ metadata }: ServiceAccount, prefix: string): ServiceAccount {
  const annotations = Object.entries(metadata.annotations ?? {}).filter(([key]) =>
    key.startsWith(`${prefix}/`),
  )
  return {
    metadata: {
      name: metadata.name ?? '',
      namespace: metadata.namespace ?? '',
      ...(annotations.length > 0 && { annotations: Object.fromEntries(annotations) }),
    },
  }
}
