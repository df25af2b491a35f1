/** A broker's keys: `POST|GET /podrole/v1/keys`, `DELETE /podrole/v1/keys/ID`. */
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { ManagementRoutes } from './authentication.ts'
import { EksFault, eksJson, pathSegments, readJsonBody } from './eks-wire.ts'
import { createBrokerKey, describeKey, readKeyRequest } from './keys.ts'
import type { BrokerKey, BrokerStore } from './store.ts'

interface KeyApiOptions {
  readonly store: BrokerStore
  readonly clock: Clock
  readonly log: Log
}

/** The operations on keys; the caller has been authenticated as an admin. */
export function keyRoutes(options: KeyApiOptions): ManagementRoutes {
  return async (request, caller) => {
    const [root, version, collection, id, ...more] = pathSegments(request) ?? []
    if (root !== 'podrole' || version !== 'v1' || collection !== 'keys') return undefined
    if (more.length > 0) return undefined
    const { method } = request
    if (id === undefined && method === 'POST') return create(options, await readJsonBody(request))
    if (id === undefined && method === 'GET') {
      return eksJson({ keys: (await options.store.listKeys()).map(describeKey) })
    }
    return id !== undefined && method === 'DELETE' ? revoke(options, id, caller) : undefined
  }
}

async function create(options: KeyApiOptions, body: unknown): Promise<Response> {
  const { clock, log, store } = options
  const { scope, description } = readKeyRequest(body)
  if (scope.kind !== 'admin' && (await store.getCluster(scope.clusterName)) === undefined) {
    const message = `No cluster found for name: ${scope.clusterName}.`
    throw new EksFault('ResourceNotFoundException', message)
  }
  const key = createBrokerKey(scope, {
    nowMs: clock.now(),
    ...(description !== undefined && { description }),
  })
  await store.addKey(key)
  log.info('broker key created', describeKey(key))
  // The only time that the secret is told.
  const told = { ...describeKey(key), secretAccessKey: key.secretAccessKey.reveal() }
  return eksJson(told, 201, { 'cache-control': 'no-store' })
}

async function revoke(options: KeyApiOptions, id: string, caller: BrokerKey): Promise<Response> {
  if (id === caller.accessKeyId) {
    throw new EksFault('InvalidRequestException', `key ${id} signed this very request: use another`)
  }
  if (!(await options.store.deleteKey(id))) {
    const told = JSON.stringify(id.slice(0, 100))
    throw new EksFault('ResourceNotFoundException', `No broker key ${told} was found`)
  }
  options.log.info('broker key revoked', { accessKeyId: id })
  return eksJson({})
}
