import { fieldFault, type Cause } from '../faults.ts'
import { checkSubdomainName } from '../names.ts'
import {
  checkPortName,
  checkPortNumber,
  isStrictlyWithin,
  validateCidr,
} from '../network-values.ts'
import { isRecord, listAt, recordAt, setDefault, stringAt, type ApiObject } from '../objects.ts'
import { OBJECT_VERBS, type ResourceType } from '../resource-types.ts'
import { byValue, intOrString, keptInt, keptStr, list, obj, str, valueObj } from '../schema.ts'
import { validateLabelSelector } from '../selectors.ts'
import { AGE_COLUMN, column, NAME_COLUMN } from './columns.ts'
import { LABEL_SELECTOR } from './metadata.ts'
import { formatLabelSelector } from './workload-columns.ts'

const PEER = obj({
  podSelector: LABEL_SELECTOR,
  namespaceSelector: LABEL_SELECTOR,
  ipBlock: obj({ cidr: str, except: list(str) }),
})
const PORTS = list(obj({ protocol: keptStr, port: intOrString, endPort: keptInt }))

export const NETWORK_POLICIES: ResourceType = {
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'NetworkPolicy',
  plural: 'networkpolicies',
  singular: 'networkpolicy',
  shortNames: ['netpol'],
  namespaced: true,
  verbs: OBJECT_VERBS,
  subresources: [],
  hasGeneration: true,
  nameRule: checkSubdomainName,
  schema: obj({
    spec: valueObj({
      podSelector: byValue(LABEL_SELECTOR),
      ingress: list(obj({ from: list(PEER), ports: PORTS })),
      egress: list(obj({ to: list(PEER), ports: PORTS })),
      policyTypes: list(str),
    }),
  }),
  defaults: (object) => {
    setDefault(object, 'spec', {})
    const spec = recordAt(object, 'spec')
    setDefault(spec, 'podSelector', {})
    const types = listAt(spec, 'egress').length > 0 ? ['Ingress', 'Egress'] : ['Ingress']
    setDefault(spec, 'policyTypes', types)
    for (const rule of [...listAt(spec, 'ingress'), ...listAt(spec, 'egress')]) {
      for (const port of listAt(rule, 'ports'))
        if (isRecord(port)) setDefault(port, 'protocol', 'TCP')
    }
  },
  validate: validateNetworkPolicy,
  columns: [
    NAME_COLUMN,
    column('Pod-Selector', (object) =>
      formatLabelSelector(recordAt(recordAt(object, 'spec'), 'podSelector')),
    ),
    AGE_COLUMN,
  ],
}

const TYPES = ['Ingress', 'Egress']

function validateNetworkPolicy(object: ApiObject): Cause[] {
  const spec = recordAt(object, 'spec')
  const faults = validateLabelSelector(spec['podSelector'], 'spec.podSelector')
  for (const [direction, side] of [
    ['ingress', 'from'],
    ['egress', 'to'],
  ] as const) {
    for (const [at, rule] of listAt(spec, direction).entries()) {
      const here = `spec.${direction}[${at}]`
      for (const [index, port] of listAt(rule, 'ports').entries()) {
        faults.push(...validatePort(port, `${here}.ports[${index}]`))
      }
      for (const [index, peer] of listAt(rule, side).entries()) {
        faults.push(...validatePeer(peer, `${here}.${side}[${index}]`))
      }
    }
  }
  const types = listAt(spec, 'policyTypes')
  if (types.length > TYPES.length) {
    const says = 'may not specify more than two policyTypes'
    return [...faults, fieldFault.invalid('spec.policyTypes', types, says)]
  }
  for (const [at, type] of types.entries()) {
    if (TYPES.includes(String(type))) continue
    faults.push(fieldFault.notSupported(`spec.policyTypes[${at}]`, type, TYPES))
  }
  return faults
}

const PROTOCOLS = ['TCP', 'UDP', 'SCTP']

function validatePort(value: unknown, at: string): Cause[] {
  const protocol = stringAt(value, 'protocol')
  const { port, endPort } = isRecord(value) ? value : {}
  const faults = PROTOCOLS.includes(protocol)
    ? []
    : [fieldFault.notSupported(`${at}.protocol`, protocol, PROTOCOLS)]
  const refuse = (field: string, shown: unknown, says: readonly string[]): void => {
    faults.push(...says.map((text) => fieldFault.invalid(`${at}.${field}`, shown, text)))
  }
  if (typeof port === 'number') refuse('port', port, checkPortNumber(port))
  if (typeof port === 'number' && typeof endPort === 'number') {
    // What is shown is not the value that is wrong: so does kube-apiserver.
    if (endPort < port) refuse('endPort', port, ['must be greater than or equal to `port`'])
    refuse('endPort', endPort, checkPortNumber(endPort))
  } else if (typeof endPort === 'number') {
    const why = port === undefined ? 'not specified' : 'non-numeric'
    refuse('endPort', endPort, [`may not be specified when \`port\` is ${why}`])
  }
  if (typeof port === 'string') refuse('port', port, checkPortName(port))
  return faults
}

function validatePeer(peer: unknown, at: string): Cause[] {
  const { podSelector, namespaceSelector, ipBlock } = isRecord(peer) ? peer : {}
  const faults = [
    ...validateLabelSelector(podSelector, `${at}.podSelector`),
    ...validateLabelSelector(namespaceSelector, `${at}.namespaceSelector`),
    ...(ipBlock === undefined ? [] : validateBlock(ipBlock, `${at}.ipBlock`)),
  ]
  const hasSelector = podSelector !== undefined || namespaceSelector !== undefined
  if (hasSelector && ipBlock !== undefined) {
    faults.push(fieldFault.forbidden(at, 'may not specify both ipBlock and another peer'))
  } else if (!hasSelector && ipBlock === undefined) {
    faults.push(fieldFault.required(at, 'must specify a peer'))
  }
  return faults
}

function validateBlock(block: unknown, at: string): Cause[] {
  const cidr = stringAt(block, 'cidr')
  if (cidr === '') return [fieldFault.required(`${at}.cidr`)]
  const faults = validateCidr(cidr, `${at}.cidr`)
  for (const [index, item] of listAt(block, 'except').entries()) {
    const here = `${at}.except[${index}]`
    const wrong = validateCidr(String(item), here)
    if (wrong.length === 0 && !isStrictlyWithin(String(item), cidr)) {
      wrong.push(fieldFault.invalid(here, item, 'must be a strict subset of `cidr`'))
    }
    faults.push(...wrong)
  }
  return faults
}
