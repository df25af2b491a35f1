import type { ClusterCore } from '../core.ts'
import { createObject } from '../creating.ts'
import { deleteObject } from '../deleting.ts'
import {
  isRecord,
  listAt,
  recordAt,
  stringAt,
  type ApiObject,
  type JsonRecord,
} from '../objects.ts'
import type { ResourceType } from '../resource-types.ts'
import { NODES, SERVICES } from '../types/core.ts'
import { ENDPOINTS } from '../types/endpoints.ts'
import { ENDPOINT_SLICES } from '../types/endpoint-slices.ts'
import { isPodReady } from '../types/pod-columns.ts'
import { asPod, PODS } from '../types/pods.ts'
import { updateObject } from '../updating.ts'
import { isOwnedBy, OPERATION, ownerKeys, ownerReferenceOf, ownKey } from './owned-pods.ts'
import { splitKey, type Controller } from './work-queue.ts'

const SERVICE_LABEL = 'kubernetes.io/service-name'
const OWNER_LABEL = 'endpointslice.kubernetes.io/managed-by'
const OWNER = 'endpointslice-controller.k8s.io'
const SLICE_MAX = 100
/** An Endpoints object holds no more; kube-controller-manager cuts it off too. */
const ENDPOINTS_MAX = 1000

/** Keeps the EndpointSlices and Endpoints of services with a selector. */
export const endpoints: Controller = {
  name: 'endpoints',
  keysOf: (core, { resource, type, object, previous }) => {
    if (resource === SERVICES) return [ownKey(object)]
    if (resource === ENDPOINT_SLICES && type !== 'ADDED') return ownerKeys(object, 'Service')
    if (resource !== PODS) return []
    return core.store
      .list(SERVICES, object.metadata.namespace)
      .filter((service) => selects(service, object) || (previous && selects(service, previous)))
      .map(ownKey)
  },
  reconcile: async (core, key) => {
    const { namespace, name } = splitKey(key)
    const service = core.store.get(SERVICES, namespace, name)
    if (service === undefined) return dropEndpoints(core, namespace, name)
    if (service.metadata.deletionTimestamp !== undefined || selectorOf(service).length === 0) return
    const pods = core.store
      .list(PODS, namespace)
      .filter((pod) => selects(service, pod) && isUp(pod))
    const groups = Map.groupBy(pods, (pod) => JSON.stringify(portsFor(service, pod)))
    await keepSlices(core, service, groups)
    await keepEndpoints(core, service, groups)
  },
}

const selectorOf = (service: ApiObject): [string, unknown][] =>
  Object.entries(recordAt(recordAt(service, 'spec'), 'selector'))

function selects(service: ApiObject, pod: ApiObject): boolean {
  const selector = selectorOf(service)
  const labels = pod.metadata.labels ?? {}
  return selector.length > 0 && selector.every(([name, value]) => labels[name] === value)
}

function isUp(pod: ApiObject): boolean {
  const { status } = asPod(pod)
  return status?.podIP !== undefined && status.phase !== 'Succeeded' && status.phase !== 'Failed'
}

/** The service's ports as one pod serves them: a port's name is looked up in its containers. */
function portsFor(service: ApiObject, pod: ApiObject): JsonRecord[] {
  return listAt(service['spec'], 'ports').flatMap((port) => {
    if (!isRecord(port)) return []
    const protocol = stringAt(port, 'protocol') || 'TCP'
    const target = port['targetPort'] ?? port['port']
    const number =
      typeof target === 'number' ? target : containerPort(pod, String(target), protocol)
    if (number === undefined) return []
    const appProtocol = stringAt(port, 'appProtocol')
    return [
      {
        name: stringAt(port, 'name'),
        port: number,
        protocol,
        ...(appProtocol !== '' && { appProtocol }),
      },
    ]
  })
}

function containerPort(pod: ApiObject, name: string, protocol: string): number | undefined {
  for (const container of listAt(pod['spec'], 'containers')) {
    for (const port of listAt(container, 'ports')) {
      const isSame =
        stringAt(port, 'name') === name && (stringAt(port, 'protocol') || 'TCP') === protocol
      if (isSame && isRecord(port)) return Number(port['containerPort'])
    }
  }
  return undefined
}

type Groups = ReadonlyMap<string, readonly ApiObject[]>

const reference = (pod: ApiObject): JsonRecord => ({
  kind: 'Pod',
  namespace: pod.metadata.namespace,
  name: pod.metadata.name,
  uid: pod.metadata.uid,
})

const servesEarly = (service: ApiObject): boolean =>
  recordAt(service, 'spec')['publishNotReadyAddresses'] === true

function endpointOf(core: ClusterCore, service: ApiObject, pod: ApiObject): JsonRecord {
  const { spec, status } = asPod(pod)
  const isTerminating = pod.metadata.deletionTimestamp !== undefined
  const serving = isPodReady(pod) || servesEarly(service)
  const node = spec.nodeName && core.store.get(NODES, undefined, spec.nodeName)
  const zone = node ? node.metadata.labels?.['topology.kubernetes.io/zone'] : undefined
  const hostname = stringAt(pod['spec'], 'hostname')
  const isNamed = stringAt(pod['spec'], 'subdomain') === service.metadata.name && hostname !== ''
  return {
    addresses: [status?.podIP],
    conditions: {
      ready: serving && (!isTerminating || servesEarly(service)),
      serving,
      terminating: isTerminating,
    },
    ...(isNamed && { hostname }),
    ...(spec.nodeName !== undefined && { nodeName: spec.nodeName }),
    ...(zone !== undefined && { zone }),
    targetRef: reference(pod),
  }
}

async function keepSlices(core: ClusterCore, service: ApiObject, groups: Groups): Promise<void> {
  const { name = '', namespace = '', labels } = service.metadata
  const wanted: JsonRecord[] = []
  for (const [ports, pods] of groups.size === 0 ? [['[]', []] as const] : groups) {
    for (let at = 0; at === 0 || at < pods.length; at += SLICE_MAX) {
      const own = pods.slice(at, at + SLICE_MAX).map((pod) => endpointOf(core, service, pod))
      wanted.push({ addressType: 'IPv4', endpoints: own, ports: JSON.parse(ports) as unknown })
    }
  }
  const known = core.store
    .list(ENDPOINT_SLICES, namespace)
    .filter((slice) => isOwnedBy(slice, service) && slice.metadata.deletionTimestamp === undefined)
  const isHeadless = stringAt(service['spec'], 'clusterIP') === 'None'
  const metadata = {
    labels: {
      ...labels,
      [SERVICE_LABEL]: name,
      [OWNER_LABEL]: OWNER,
      ...(isHeadless && { 'service.kubernetes.io/headless': '' }),
    },
    ownerReferences: [ownerReferenceOf(service)],
  }
  for (const [at, slice] of wanted.entries()) {
    const old = known[at]
    if (old === undefined) {
      const value = { metadata: { ...metadata, generateName: `${name}-` }, ...slice }
      await createObject(core, { type: ENDPOINT_SLICES, namespace }, value, OPERATION)
    } else await replace(core, ENDPOINT_SLICES, old, { labels: metadata.labels, content: slice })
  }
  for (const { metadata: left } of known.slice(wanted.length)) {
    const target = { type: ENDPOINT_SLICES, namespace, name: left.name ?? '' }
    await deleteObject(core, target, {}, OPERATION)
  }
}

async function replace(
  core: ClusterCore,
  type: ResourceType,
  old: ApiObject,
  { labels, content }: { readonly labels: Record<string, string>; readonly content: JsonRecord },
): Promise<void> {
  const { name = '', namespace = '' } = old.metadata
  const change = (stored: ApiObject): JsonRecord => ({
    ...stored,
    metadata: { ...stored.metadata, labels },
    ...content,
  })
  await updateObject(core, { type, namespace, name }, change, OPERATION)
}

async function keepEndpoints(core: ClusterCore, service: ApiObject, groups: Groups): Promise<void> {
  const { name = '', namespace = '', labels } = service.metadata
  const subsets = [...groups].map(([ports, pods]) => {
    const addressOf = (pod: ApiObject): JsonRecord => {
      const { spec, status } = asPod(pod)
      return {
        ip: status?.podIP,
        ...(spec.nodeName !== undefined && { nodeName: spec.nodeName }),
        targetRef: reference(pod),
      }
    }
    const live = pods
      .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
      .slice(0, ENDPOINTS_MAX)
    const isReady = (pod: ApiObject): boolean => isPodReady(pod) || servesEarly(service)
    return {
      addresses: live.filter(isReady).map(addressOf),
      notReadyAddresses: live.filter((pod) => !isReady(pod)).map(addressOf),
      ports: JSON.parse(ports) as unknown,
    }
  })
  const content = {
    subsets: subsets.filter((each) => each.addresses.length + each.notReadyAddresses.length > 0),
  }
  const own = { ...labels, 'endpoints.kubernetes.io/managed-by': 'endpoint-controller' }
  const old = core.store.get(ENDPOINTS, namespace, name)
  if (old !== undefined) return replace(core, ENDPOINTS, old, { labels: own, content })
  const value = { metadata: { name, labels: own }, ...content }
  await createObject(core, { type: ENDPOINTS, namespace }, value, OPERATION)
}

async function dropEndpoints(core: ClusterCore, namespace: string, name: string): Promise<void> {
  const found = core.store.get(ENDPOINTS, namespace, name)
  const mark = found?.metadata.labels?.['endpoints.kubernetes.io/managed-by']
  if (mark !== 'endpoint-controller') return
  await deleteObject(core, { type: ENDPOINTS, namespace, name }, {}, OPERATION)
}
