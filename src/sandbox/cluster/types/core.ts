import { fieldFault, type Cause } from '../faults.ts'
import { checkConfigKey, checkLabelName, checkSubdomainName } from '../names.ts'
import { isRecord, listAt, recordAt, setDefault, stringAt, type ApiObject } from '../objects.ts'
import { OBJECT_VERBS, type ResourceType } from '../resource-types.ts'
import {
  any,
  atomic,
  bool,
  bytes,
  int,
  intOrString,
  keptBool,
  keptInt,
  keptStr,
  keyInt,
  keyStr,
  list,
  map,
  mergeList,
  obj,
  protocolKey,
  quantity,
  setOf,
  str,
  time,
  valueObj,
} from '../schema.ts'
import { AGE_COLUMN, column, NAME_COLUMN } from './columns.ts'
import { NODE_COLUMNS, SERVICE_COLUMNS } from './kubectl-columns.ts'
import { checkImmutable, CONDITION, NAME_REFERENCE, OBJECT_REFERENCE } from './metadata.ts'

const STATUS_SUBRESOURCE = {
  name: 'status',
  verbs: ['get', 'patch', 'update'],
} as const

const CORE = { group: '', version: 'v1', verbs: OBJECT_VERBS, subresources: [] } as const

/** Keeps a namespace until it is empty. */
export const NAMESPACE_FINALIZER = 'kubernetes'

export const NAMESPACES: ResourceType = {
  ...CORE,
  kind: 'Namespace',
  plural: 'namespaces',
  singular: 'namespace',
  shortNames: ['ns'],
  namespaced: false,
  verbs: OBJECT_VERBS.filter((verb) => verb !== 'deletecollection'),
  subresources: [STATUS_SUBRESOURCE, { name: 'finalize', verbs: ['update'] }],
  schema: obj({
    spec: valueObj({ finalizers: list(str) }),
    status: valueObj({ phase: str, conditions: mergeList('type', CONDITION) }),
  }),
  nameRule: checkLabelName,
  returnsDeleted: true,
  defaults: (object) => {
    setDefault(object, 'spec', {})
    const name = object.metadata.name
    if (name !== undefined) {
      object.metadata.labels = { ...object.metadata.labels, 'kubernetes.io/metadata.name': name }
    }
  },
  prepareCreate: (object) => {
    const finalizers = listAt(object['spec'], 'finalizers')
    const isThere = finalizers.includes(NAMESPACE_FINALIZER)
    object['spec'] = { finalizers: isThere ? finalizers : [...finalizers, NAMESPACE_FINALIZER] }
    object['status'] = { phase: 'Active' }
  },
  prepareDelete: (object) => {
    object['status'] = { ...recordAt(object, 'status'), phase: 'Terminating' }
  },
  selectableFields: (object) => ({ 'status.phase': stringAt(object['status'], 'phase') }),
  columns: [
    NAME_COLUMN,
    column('Status', (object) => stringAt(object['status'], 'phase')),
    AGE_COLUMN,
  ],
}

/** The status of a node's Ready condition: True, False or Unknown; '' before it reports. */
export function nodeReadiness(object: ApiObject): string {
  const conditions = listAt(object['status'], 'conditions')
  return stringAt(
    conditions.find((condition) => stringAt(condition, 'type') === 'Ready'),
    'status',
  )
}

const NODE_INFO = valueObj({
  machineID: keptStr,
  systemUUID: keptStr,
  bootID: keptStr,
  kernelVersion: keptStr,
  osImage: keptStr,
  containerRuntimeVersion: keptStr,
  kubeletVersion: keptStr,
  kubeProxyVersion: keptStr,
  operatingSystem: keptStr,
  architecture: keptStr,
  swap: obj({ capacity: keptInt }),
})

export const NODES: ResourceType = {
  ...CORE,
  kind: 'Node',
  plural: 'nodes',
  singular: 'node',
  shortNames: ['no'],
  namespaced: false,
  subresources: [STATUS_SUBRESOURCE],
  schema: obj({
    spec: valueObj({
      podCIDR: str,
      podCIDRs: setOf(str),
      providerID: str,
      unschedulable: bool,
      taints: list(obj({ key: str, value: str, effect: str, timeAdded: time })),
    }),
    status: valueObj({
      capacity: map(quantity),
      allocatable: map(quantity),
      phase: str,
      conditions: mergeList('type', CONDITION),
      addresses: mergeList('type', obj({ type: keyStr, address: str })),
      daemonEndpoints: valueObj({ kubeletEndpoint: valueObj({ Port: keptInt }) }),
      nodeInfo: NODE_INFO,
      images: list(obj({ names: list(str), sizeBytes: int })),
      volumesInUse: list(str),
      volumesAttached: list(any),
      runtimeHandlers: list(any),
      features: obj({ supplementalGroupsPolicy: keptBool }),
    }),
  }),
  nameRule: checkSubdomainName,
  defaults: (object) => setDefault(object, 'spec', {}),
  validate: validateTaints,
  selectableFields: (object) => ({
    'spec.unschedulable': String(recordAt(object, 'spec')['unschedulable'] === true),
  }),
  columns: NODE_COLUMNS,
}

const TAINT_EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']

function validateTaints(object: ApiObject): Cause[] {
  return listAt(object['spec'], 'taints').flatMap((taint, index) => {
    const at = `metadata.taints[${index}]`
    const [key, effect] = [stringAt(taint, 'key'), stringAt(taint, 'effect')]
    const faults = key === '' ? [fieldFault.required(`${at}.key`)] : []
    if (effect === '') return [...faults, fieldFault.required(`${at}.effect`)]
    return TAINT_EFFECTS.includes(effect)
      ? faults
      : [...faults, fieldFault.notSupported(`${at}.effect`, effect, TAINT_EFFECTS)]
  })
}

export const SERVICE_ACCOUNTS: ResourceType = {
  ...CORE,
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  singular: 'serviceaccount',
  shortNames: ['sa'],
  namespaced: true,
  subresources: [
    {
      name: 'token',
      kind: 'TokenRequest',
      group: 'authentication.k8s.io',
      version: 'v1',
      verbs: ['create'],
    },
  ],
  schema: obj({
    secrets: mergeList('name', OBJECT_REFERENCE),
    imagePullSecrets: list(NAME_REFERENCE),
    automountServiceAccountToken: keptBool,
  }),
  nameRule: checkSubdomainName,
  returnsDeleted: true,
  columns: [NAME_COLUMN, AGE_COLUMN],
}

const DATA_BYTES_MAX = 1024 * 1024

/** Faults of the keys and sizes of a config map's or secret's data. */
function validateData(object: ApiObject, fields: readonly string[]): Cause[] {
  const faults: Cause[] = []
  const seen = new Set<string>()
  let size = 0
  for (const field of fields) {
    for (const [key, value] of Object.entries(recordAt(object, field))) {
      for (const fault of checkConfigKey(key)) {
        faults.push(fieldFault.invalid(`${field}[${key}]`, key, fault))
      }
      if (seen.has(key)) {
        faults.push(fieldFault.invalid(`${field}[${key}]`, key, 'duplicate of key present in data'))
      }
      seen.add(key)
      size += Buffer.byteLength(String(value))
    }
  }
  return size > DATA_BYTES_MAX ? [...faults, fieldFault.tooLong('', DATA_BYTES_MAX)] : faults
}

function validateFrozen(object: ApiObject, old: ApiObject, fields: readonly string[]): Cause[] {
  if (old['immutable'] !== true) return []
  const faults: Cause[] = []
  const says = 'field is immutable when `immutable` is set'
  if (object['immutable'] !== true) faults.push(fieldFault.forbidden('immutable', says))
  for (const field of fields) {
    if (!Bun.deepEquals(object[field], old[field], true)) {
      faults.push(fieldFault.forbidden(field, says))
    }
  }
  return faults
}

export const CONFIG_MAPS: ResourceType = {
  ...CORE,
  kind: 'ConfigMap',
  plural: 'configmaps',
  singular: 'configmap',
  shortNames: ['cm'],
  namespaced: true,
  schema: obj({ data: map(keptStr), binaryData: map(bytes), immutable: keptBool }),
  nameRule: checkSubdomainName,
  validate: (object) => validateData(object, ['data', 'binaryData']),
  validateUpdate: (object, old) => validateFrozen(object, old, ['data', 'binaryData']),
  columns: [NAME_COLUMN, column('Data', countData), AGE_COLUMN],
}

function countData(object: ApiObject): number {
  return (
    Object.keys(recordAt(object, 'data')).length +
    Object.keys(recordAt(object, 'binaryData')).length
  )
}

export const SECRETS: ResourceType = {
  ...CORE,
  kind: 'Secret',
  plural: 'secrets',
  singular: 'secret',
  shortNames: [],
  namespaced: true,
  schema: obj({ data: map(bytes), stringData: map(keptStr), type: str, immutable: keptBool }),
  nameRule: checkSubdomainName,
  defaults: (object) => {
    setDefault(object, 'type', 'Opaque')
    const text = recordAt(object, 'stringData')
    const added = Object.entries(text).map(([key, value]) => [
      key,
      Buffer.from(String(value)).toString('base64'),
    ])
    if (added.length > 0) {
      object['data'] = { ...recordAt(object, 'data'), ...Object.fromEntries(added) }
    }
    delete object['stringData']
  },
  validate: (object) => [...validateData(object, ['data']), ...validateSecretKeys(object)],
  validateUpdate: (object, old) => [
    ...checkImmutable(object['type'], old['type'], 'type'),
    ...validateFrozen(object, old, ['data']),
  ],
  selectableFields: (object) => ({ type: stringAt(object, 'type') }),
  columns: [
    NAME_COLUMN,
    column('Type', (object) => stringAt(object, 'type')),
    column('Data', countData),
    AGE_COLUMN,
  ],
}

const SECRET_KEYS: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/dockercfg': ['.dockercfg'],
}

/** The keys without which a secret of its type is of no use. */
function validateSecretKeys(object: ApiObject): Cause[] {
  const data = recordAt(object, 'data')
  const keys = SECRET_KEYS[stringAt(object, 'type')] ?? []
  return keys
    .filter((key) => data[key] === undefined)
    .map((key) => fieldFault.required(`data[${key}]`))
}

const SERVICE_TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']

export const SERVICES: ResourceType = {
  ...CORE,
  kind: 'Service',
  plural: 'services',
  singular: 'service',
  shortNames: ['svc'],
  categories: ['all'],
  namespaced: true,
  subresources: [STATUS_SUBRESOURCE],
  returnsDeleted: true,
  schema: obj({
    spec: valueObj({
      ports: mergeList(
        'port',
        obj({
          name: str,
          protocol: protocolKey,
          appProtocol: keptStr,
          port: keyInt,
          targetPort: intOrString,
          nodePort: int,
        }),
        ['port', 'protocol'],
      ),
      selector: atomic(map(str)),
      clusterIP: str,
      clusterIPs: list(str),
      type: str,
      externalIPs: list(str),
      sessionAffinity: str,
      sessionAffinityConfig: obj({ clientIP: obj({ timeoutSeconds: keptInt }) }),
      loadBalancerIP: str,
      loadBalancerSourceRanges: list(str),
      loadBalancerClass: keptStr,
      externalName: str,
      externalTrafficPolicy: str,
      internalTrafficPolicy: str,
      healthCheckNodePort: int,
      publishNotReadyAddresses: bool,
      ipFamilies: list(str),
      ipFamilyPolicy: str,
      allocateLoadBalancerNodePorts: keptBool,
      trafficDistribution: keptStr,
    }),
    status: valueObj({
      loadBalancer: valueObj({ ingress: list(any) }),
      conditions: mergeList('type', CONDITION),
    }),
  }),
  nameRule: checkLabelName,
  defaults: (object) => {
    setDefault(object, 'spec', {})
    const spec = recordAt(object, 'spec')
    setDefault(spec, 'type', 'ClusterIP')
    setDefault(spec, 'sessionAffinity', 'None')
    if (spec['type'] !== 'ExternalName') setDefault(spec, 'internalTrafficPolicy', 'Cluster')
    for (const port of listAt(spec, 'ports')) {
      if (!isRecord(port)) continue
      setDefault(port, 'protocol', 'TCP')
      setDefault(port, 'targetPort', port['port'])
    }
  },
  prepareCreate: (object, others) => {
    object['status'] = { loadBalancer: {} }
    const spec = recordAt(object, 'spec')
    if (spec['type'] === 'ExternalName') return
    setDefault(spec, 'clusterIP', freeAddress(others()))
    spec['clusterIPs'] = [spec['clusterIP']]
    setDefault(spec, 'ipFamilies', ['IPv4'])
    setDefault(spec, 'ipFamilyPolicy', 'SingleStack')
  },
  prepareUpdate: (object, old) => {
    const spec = recordAt(object, 'spec')
    if (spec['type'] === 'ExternalName') return
    for (const field of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy']) {
      const value = recordAt(old, 'spec')[field]
      if (value !== undefined) setDefault(spec, field, value)
    }
  },
  validateUpdate: (object, old) => {
    const [now, before] = [recordAt(object, 'spec'), recordAt(old, 'spec')]
    const isSameType = now['type'] !== 'ExternalName' && before['type'] !== 'ExternalName'
    return isSameType ? checkImmutable(now['clusterIP'], before['clusterIP'], 'spec.clusterIP') : []
  },
  validate: validateService,
  columns: SERVICE_COLUMNS,
}

/** The first address of 10.96.0.0/16 that no service has; 10.96.0.1 is the API's own. */
function freeAddress(services: readonly ApiObject[]): string {
  const taken = new Set(services.map((service) => stringAt(service['spec'], 'clusterIP')))
  for (let number = 1; number < 65_535; number += 1) {
    const address = `10.96.${number >> 8}.${number & 255}`
    if (!taken.has(address)) return address
  }
  return 'None'
}

function validateService(object: ApiObject): Cause[] {
  const spec = recordAt(object, 'spec')
  const type = stringAt(spec, 'type')
  const faults: Cause[] = []
  if (!SERVICE_TYPES.includes(type)) {
    faults.push(fieldFault.notSupported('spec.type', type, SERVICE_TYPES))
  }
  const ports = listAt(spec, 'ports')
  const isHeadless = stringAt(spec, 'clusterIP') === 'None'
  if (type === 'ExternalName') {
    const name = stringAt(spec, 'externalName')
    if (name === '') faults.push(fieldFault.required('spec.externalName'))
    else {
      for (const fault of checkSubdomainName(name)) {
        faults.push(fieldFault.invalid('spec.externalName', name, fault))
      }
    }
  } else if (ports.length === 0 && !isHeadless) faults.push(fieldFault.required('spec.ports'))
  const names = new Set<string>()
  for (const [at, port] of ports.entries()) {
    const number = isRecord(port) ? port['port'] : undefined
    if (typeof number !== 'number' || number < 1 || number > 65535) {
      faults.push(
        fieldFault.invalid(
          `spec.ports[${at}].port`,
          number ?? 0,
          'must be between 1 and 65535, inclusive',
        ),
      )
    }
    const name = stringAt(port, 'name')
    if (name === '' && ports.length > 1) faults.push(fieldFault.required(`spec.ports[${at}].name`))
    if (name !== '' && names.has(name)) {
      faults.push(fieldFault.duplicate(`spec.ports[${at}].name`, name))
    }
    names.add(name)
  }
  return faults
}
