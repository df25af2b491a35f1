import { type ClusterCore, systemOperation } from '../core.ts'
import { createObject } from '../creating.ts'
import { formatTime, stringAt, type ApiObject } from '../objects.ts'
import { EVENTS } from '../types/events.ts'
import { systemUser } from '../users.ts'

/** What happened to an object. */
export interface Happening {
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly message: string
  readonly component: string
}

const OPERATION = systemOperation(systemUser('kube-controller-manager'))

/** Records an Event of an object; the same one again counts up. */
export async function recordEvent(
  core: ClusterCore,
  object: ApiObject,
  happening: Happening,
): Promise<void> {
  const { type, reason, message, component } = happening
  const { name = '', namespace = 'default', uid = '', resourceVersion = '' } = object.metadata
  const now = formatTime(core.clock.now())
  const known = core.store
    .list(EVENTS, namespace)
    .find(
      (event) =>
        stringAt(event['involvedObject'], 'uid') === uid &&
        event['reason'] === reason &&
        event['message'] === message,
    )
  if (known !== undefined) {
    core.store.put(EVENTS, { ...known, lastTimestamp: now, count: Number(known['count'] ?? 1) + 1 })
    return
  }
  const value = {
    metadata: { name: `${name}.${stampOf(core)}` },
    involvedObject: {
      kind: object.kind,
      ...(object.metadata.namespace !== undefined && { namespace }),
      name,
      uid,
      apiVersion: object.apiVersion,
      resourceVersion,
    },
    reason,
    message,
    type,
    source: { component },
    reportingComponent: component,
    reportingInstance: '',
    firstTimestamp: now,
    lastTimestamp: now,
    count: 1,
  }
  await createObject(core, { type: EVENTS, namespace }, value, OPERATION)
}

const NANOS_PER_MS = 1_000_000n

/** Nanoseconds in hexadecimal, as client-go names events: their order is that of their names. */
function stampOf(core: ClusterCore): string {
  const within = BigInt(core.store.revision) % NANOS_PER_MS
  return (BigInt(core.clock.now()) * NANOS_PER_MS + within).toString(16)
}
