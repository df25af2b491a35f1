import { isIP } from 'node:net'
import { fieldFault, type Cause } from '../faults.ts'
import {
  checkLabelName,
  checkLabelValue,
  checkQualifiedName,
  checkSubdomainName,
  validateLabels,
} from '../names.ts'
import { validateEndpointIp, validateIp } from '../network-values.ts'
import { isRecord, listAt, recordAt, setDefault, stringAt, type ApiObject } from '../objects.ts'
import { OBJECT_VERBS, type ResourceType } from '../resource-types.ts'
import {
  atomic,
  keptBool,
  keptInt,
  keptStr,
  list,
  map,
  obj,
  replacedSetOf,
  str,
  valueObj,
} from '../schema.ts'
import { AGE_COLUMN, column, formatSome, NAME_COLUMN } from './columns.ts'
import { checkImmutable, OBJECT_REFERENCE } from './metadata.ts'
import { textOf } from './workloads.ts'

const ADDRESS_TYPES = ['FQDN', 'IPv4', 'IPv6']
const PROTOCOLS = ['SCTP', 'TCP', 'UDP']
const ADDRESSES_MAX = 100
const ENDPOINTS_MAX = 1000
const PORTS_MAX = 20_000
const TOPOLOGY_MAX = 16
const HINTS_MAX = 8

const HINT = obj({ name: str })

export const ENDPOINT_SLICES: ResourceType = {
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  singular: 'endpointslice',
  shortNames: [],
  namespaced: true,
  verbs: OBJECT_VERBS,
  subresources: [],
  hasGeneration: true,
  schema: obj({
    addressType: str,
    endpoints: list(
      obj({
        addresses: replacedSetOf(str),
        conditions: valueObj({ ready: keptBool, serving: keptBool, terminating: keptBool }),
        hostname: keptStr,
        targetRef: OBJECT_REFERENCE,
        deprecatedTopology: map(str),
        nodeName: keptStr,
        zone: keptStr,
        hints: obj({ forZones: list(HINT), forNodes: list(HINT) }),
      }),
    ),
    ports: list(
      atomic(obj({ name: keptStr, protocol: keptStr, port: keptInt, appProtocol: keptStr })),
    ),
  }),
  nameRule: checkSubdomainName,
  defaults: (object) => {
    setDefault(object, 'endpoints', null)
    setDefault(object, 'ports', null)
    for (const endpoint of listAt(object, 'endpoints')) {
      if (isRecord(endpoint)) setDefault(endpoint, 'conditions', {})
    }
    for (const port of listAt(object, 'ports')) {
      if (!isRecord(port)) continue
      setDefault(port, 'name', '')
      setDefault(port, 'protocol', 'TCP')
    }
  },
  validate: (object) => {
    const type = stringAt(object, 'addressType')
    return [
      ...(type === '' ? [fieldFault.required('addressType')] : []),
      ...(type !== '' && !ADDRESS_TYPES.includes(type)
        ? [fieldFault.notSupported('addressType', type, ADDRESS_TYPES)]
        : []),
      ...validatePorts(listAt(object, 'ports')),
      ...validateEndpoints(listAt(object, 'endpoints'), type),
    ]
  },
  validateUpdate: (object, old) =>
    checkImmutable(object['addressType'], old['addressType'], 'addressType'),
  columns: [
    NAME_COLUMN,
    column('AddressType', (object) => stringAt(object, 'addressType')),
    column('Ports', shownPorts),
    column('Endpoints', (object) =>
      formatSome(
        listAt(object, 'endpoints').flatMap((endpoint) =>
          listAt(endpoint, 'addresses').map(String),
        ),
      ),
    ),
    AGE_COLUMN,
  ],
}

function shownPorts(object: ApiObject): string {
  const ports = listAt(object, 'ports').map((port) => (isRecord(port) ? port : {}))
  return formatSome(ports.map((port) => textOf(port['port']) || stringAt(port, 'name')))
}

function validatePorts(ports: readonly unknown[]): Cause[] {
  if (ports.length > PORTS_MAX) return [fieldFault.tooMany('ports', ports.length, PORTS_MAX)]
  const names = new Set<string>()
  return ports.flatMap((port, at) => {
    const here = `ports[${at}]`
    const [name, protocol] = [stringAt(port, 'name'), stringAt(port, 'protocol')]
    const faults =
      name === ''
        ? []
        : checkLabelName(name).map((says) => fieldFault.invalid(`${here}.name`, name, says))
    if (names.has(name)) faults.push(fieldFault.duplicate(`${here}.name`, name))
    names.add(name)
    if (!PROTOCOLS.includes(protocol)) {
      faults.push(fieldFault.notSupported(`${here}.protocol`, protocol, PROTOCOLS))
    }
    const { appProtocol } = isRecord(port) ? port : {}
    if (typeof appProtocol === 'string') {
      const at = `${here}.appProtocol`
      const says = checkQualifiedName(appProtocol)
      faults.push(...says.map((text) => fieldFault.invalid(at, appProtocol, text)))
    }
    return faults
  })
}

function validateEndpoints(endpoints: readonly unknown[], type: string): Cause[] {
  if (endpoints.length > ENDPOINTS_MAX) {
    return [fieldFault.tooMany('endpoints', endpoints.length, ENDPOINTS_MAX)]
  }
  return endpoints.flatMap((endpoint, at) => validateEndpoint(endpoint, type, `endpoints[${at}]`))
}

function validateEndpoint(endpoint: unknown, type: string, at: string): Cause[] {
  const { nodeName, hostname } = isRecord(endpoint) ? endpoint : {}
  const addresses = listAt(endpoint, 'addresses')
  const here = `${at}.addresses`
  const faults: Cause[] = []
  if (addresses.length === 0) {
    faults.push(fieldFault.required(here, 'must contain at least 1 address'))
  }
  if (addresses.length > ADDRESSES_MAX) {
    faults.push(fieldFault.tooMany(here, addresses.length, ADDRESSES_MAX))
  }
  for (const [index, address] of addresses.entries()) {
    faults.push(...validateAddress(String(address), { type, list: here, at: `${here}[${index}]` }))
  }
  const refuse = (field: string, value: unknown, says: readonly string[]): void => {
    faults.push(...says.map((text) => fieldFault.invalid(`${at}.${field}`, value, text)))
  }
  if (typeof nodeName === 'string') refuse('nodeName', nodeName, checkSubdomainName(nodeName))
  const topology = recordAt(endpoint, 'deprecatedTopology') as Record<string, string>
  const keys = Object.keys(topology).length
  const there = `${at}.deprecatedTopology`
  if (keys > TOPOLOGY_MAX) faults.push(fieldFault.tooMany(there, keys, TOPOLOGY_MAX))
  faults.push(...validateLabels(topology, there))
  if (typeof hostname === 'string') refuse('hostname', hostname, checkLabelName(hostname))
  return [...faults, ...validateHints(recordAt(endpoint, 'hints'), `${at}.hints`)]
}

function validateAddress(
  address: string,
  { type, list, at }: { readonly type: string; readonly list: string; readonly at: string },
): Cause[] {
  if (type === 'FQDN') return validateDomain(address, at)
  const version = { IPv4: 4, IPv6: 6 }[type]
  if (version === undefined) return []
  const faults = validateIp(address, at, type === 'IPv6')
  if (faults.length > 0) return faults
  return [
    ...(isIP(address) === version
      ? []
      : [fieldFault.invalid(list, address, `must be an ${type} address`)]),
    ...validateEndpointIp(address, at),
  ]
}

/** A name of two labels or more, which may end in a dot. */
function validateDomain(text: string, at: string): Cause[] {
  if (text === '') return [fieldFault.required(at)]
  const name = text.replace(/\.$/, '')
  const refuse = (value: string, says: string): Cause[] => [fieldFault.invalid(at, value, says)]
  const wrong = checkSubdomainName(name)
  if (wrong.length > 0) return refuse(name, wrong.join(','))
  const labels = name.split('.')
  if (labels.length < 2) {
    return refuse(name, 'should be a domain with at least two segments separated by dots')
  }
  const bad = labels.find((label) => checkLabelName(label).length > 0)
  return bad === undefined ? [] : refuse(bad, checkLabelName(bad).join(','))
}

function validateHints(hints: Record<string, unknown>, at: string): Cause[] {
  const faults: Cause[] = []
  for (const field of ['forZones', 'forNodes'] as const) {
    const items = listAt(hints, field)
    const here = `${at}.${field}`
    if (items.length > HINTS_MAX) {
      return [...faults, fieldFault.tooMany(here, items.length, HINTS_MAX)]
    }
    const rule = field === 'forZones' ? checkLabelValue : checkSubdomainName
    const names = items.map((item) => stringAt(item, 'name'))
    for (const [index, name] of names.entries()) {
      const where = `${here}[${index}].name`
      if (names.indexOf(name) < index) faults.push(fieldFault.duplicate(where, name))
      faults.push(...rule(name).map((says) => fieldFault.invalid(where, name, says)))
    }
  }
  return faults
}
