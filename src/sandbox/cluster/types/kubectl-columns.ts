/** The columns that kubectl shows of nodes and services, `-o wide` ones among them. */
import { isRecord, listAt, recordAt, stringAt, type ApiObject } from '../objects.ts'
import type { Column } from '../resource-types.ts'
import { AGE_COLUMN, column, NAME_COLUMN } from './columns.ts'

const NONE = '<none>'
const ROLE_LABEL = 'node-role.kubernetes.io/'

function nodeStatus(object: ApiObject): string {
  const ready = listAt(object['status'], 'conditions').find(
    (condition) => stringAt(condition, 'type') === 'Ready',
  )
  const shown = { True: 'Ready', False: 'NotReady' }[stringAt(ready, 'status')] ?? 'NotReady'
  const isCordoned = recordAt(object, 'spec')['unschedulable'] === true
  return isCordoned ? `${shown},SchedulingDisabled` : shown
}

function nodeRoles({ metadata }: ApiObject): string {
  const roles = Object.keys(metadata.labels ?? {})
    .filter((key) => key.startsWith(ROLE_LABEL))
    .map((key) => key.slice(ROLE_LABEL.length))
  return roles.length === 0 ? NONE : roles.sort().join(',')
}

const addressOf =
  (type: string) =>
  (object: ApiObject): string => {
    const addresses = listAt(object['status'], 'addresses')
    const found = addresses.find((address) => stringAt(address, 'type') === type)
    return stringAt(found, 'address') || NONE
  }

const nodeInfo = (field: string, missing: string) => (object: ApiObject) =>
  stringAt(recordAt(object['status'], 'nodeInfo'), field) || missing

export const NODE_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  column('Status', nodeStatus),
  column('Roles', nodeRoles),
  AGE_COLUMN,
  column('Version', nodeInfo('kubeletVersion', '')),
  column('Internal-IP', addressOf('InternalIP'), { isWide: true }),
  column('External-IP', addressOf('ExternalIP'), { isWide: true }),
  column('OS-Image', nodeInfo('osImage', '<unknown>'), { isWide: true }),
  column('Kernel-Version', nodeInfo('kernelVersion', '<unknown>'), { isWide: true }),
  column('Container-Runtime', nodeInfo('containerRuntimeVersion', '<unknown>'), { isWide: true }),
]

function externalAddress(object: ApiObject): string {
  const spec = recordAt(object, 'spec')
  const type = stringAt(spec, 'type')
  if (type === 'ExternalName') return stringAt(spec, 'externalName')
  const balancer = recordAt(recordAt(object, 'status'), 'loadBalancer')
  const given = listAt(balancer, 'ingress').map(
    (ingress) => stringAt(ingress, 'ip') || stringAt(ingress, 'hostname'),
  )
  const all = [
    ...(type === 'LoadBalancer' ? given : []),
    ...listAt(spec, 'externalIPs').map(String),
  ]
  if (all.length > 0) return all.join(',')
  return type === 'LoadBalancer' ? '<pending>' : NONE
}

function portsOf(object: ApiObject): string {
  const ports = listAt(object['spec'], 'ports').filter(isRecord)
  const shown = ports.map((port) => {
    const node = Number(port['nodePort'] ?? 0)
    const number = node > 0 ? `${Number(port['port'])}:${node}` : String(port['port'])
    return `${number}/${stringAt(port, 'protocol')}`
  })
  return shown.length === 0 ? NONE : shown.join(',')
}

function pairs(labels: unknown): string {
  const shown = Object.entries(isRecord(labels) ? labels : {}).map(
    ([key, value]) => `${key}=${String(value)}`,
  )
  return shown.length === 0 ? NONE : shown.sort().join(',')
}

export const SERVICE_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  column('Type', (object) => stringAt(object['spec'], 'type')),
  column('Cluster-IP', (object) => stringAt(object['spec'], 'clusterIP') || NONE),
  column('External-IP', externalAddress),
  column('Port(s)', portsOf),
  AGE_COLUMN,
  column('Selector', (object) => pairs(recordAt(object, 'spec')['selector']), { isWide: true }),
]
