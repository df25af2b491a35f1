/** Budgets, network policies, ingresses, autoscalers, quotas and priorities. */
import { isCidr } from '../custom/formats.ts'
import { fieldFault, type Cause } from '../faults.ts'
import { checkPathSegmentName, checkSubdomainName } from '../names.ts'
import { isRecord, listAt, recordAt, setDefault, stringAt, type ApiObject } from '../objects.ts'
import { OBJECT_VERBS, type ResourceType } from '../resource-types.ts'
import {
  any,
  bool,
  int,
  intOrString,
  keptInt,
  keptStr,
  list,
  map,
  mergeList,
  obj,
  str,
  time,
} from '../schema.ts'
import { validateLabelSelector } from '../selectors.ts'
import { AGE_COLUMN, column, NAME_COLUMN } from './columns.ts'
import { checkImmutable, LABEL_SELECTOR, META_CONDITION } from './metadata.ts'
import { countOf, STATUS_SUBRESOURCE, textOf, validateCountOrPercent } from './workloads.ts'

const KEPT = {
  version: 'v1',
  namespaced: true,
  shortNames: [],
  verbs: OBJECT_VERBS,
  subresources: [],
  nameRule: checkSubdomainName,
} as const

export const POD_DISRUPTION_BUDGETS: ResourceType = {
  ...KEPT,
  group: 'policy',
  kind: 'PodDisruptionBudget',
  nameRule: checkPathSegmentName,
  plural: 'poddisruptionbudgets',
  singular: 'poddisruptionbudget',
  shortNames: ['pdb'],
  subresources: [STATUS_SUBRESOURCE],
  hasGeneration: true,
  schema: obj({
    spec: obj({
      minAvailable: intOrString,
      maxUnavailable: intOrString,
      selector: LABEL_SELECTOR,
      unhealthyPodEvictionPolicy: keptStr,
    }),
    status: obj({
      observedGeneration: int,
      disruptedPods: map(time),
      disruptionsAllowed: keptInt,
      currentHealthy: keptInt,
      desiredHealthy: keptInt,
      expectedPods: keptInt,
      conditions: mergeList('type', META_CONDITION),
    }),
  }),
  defaults: (object) => setDefault(object, 'spec', {}),
  prepareCreate: (object) => {
    object['status'] = {
      disruptionsAllowed: 0,
      currentHealthy: 0,
      desiredHealthy: 0,
      expectedPods: 0,
    }
  },
  validate: (object) => {
    const spec = recordAt(object, 'spec')
    const { minAvailable, maxUnavailable, unhealthyPodEvictionPolicy: policy } = spec
    const policies = ['AlwaysAllow', 'IfHealthyBudget']
    return [
      ...(minAvailable !== undefined && maxUnavailable !== undefined
        ? [fieldFault.invalid('spec', spec, 'minAvailable and maxUnavailable cannot be both set')]
        : []),
      ...validateCountOrPercent(minAvailable, 'spec.minAvailable'),
      ...validateCountOrPercent(maxUnavailable, 'spec.maxUnavailable'),
      ...validateLabelSelector(spec['selector'], 'spec.selector'),
      ...(policy === undefined || policies.includes(textOf(policy))
        ? []
        : [fieldFault.notSupported('spec.unhealthyPodEvictionPolicy', policy, policies)]),
    ]
  },
  validateStatus: (object) =>
    ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'].flatMap((field) => {
      const count = countOf(object, 'status', field)
      const says = 'must be greater than or equal to 0'
      return count < 0 ? [fieldFault.invalid(`status.${field}`, count, says)] : []
    }),
  columns: [
    NAME_COLUMN,
    column('Min Available', (object) => textOf(recordAt(object, 'spec')['minAvailable']) || 'N/A'),
    column(
      'Max Unavailable',
      (object) => textOf(recordAt(object, 'spec')['maxUnavailable']) || 'N/A',
    ),
    column('Allowed Disruptions', (object) => countOf(object, 'status', 'disruptionsAllowed'), {
      type: 'integer',
    }),
    AGE_COLUMN,
  ],
}

const PEER = obj({
  podSelector: LABEL_SELECTOR,
  namespaceSelector: LABEL_SELECTOR,
  ipBlock: obj({ cidr: str, except: list(str) }),
})
const POLICY_PORTS = list(obj({ protocol: keptStr, port: intOrString, endPort: keptInt }))

export const NETWORK_POLICIES: ResourceType = {
  ...KEPT,
  group: 'networking.k8s.io',
  kind: 'NetworkPolicy',
  plural: 'networkpolicies',
  singular: 'networkpolicy',
  shortNames: ['netpol'],
  hasGeneration: true,
  schema: obj({
    spec: obj({
      podSelector: LABEL_SELECTOR,
      ingress: list(obj({ from: list(PEER), ports: POLICY_PORTS })),
      egress: list(obj({ to: list(PEER), ports: POLICY_PORTS })),
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
    column('Pod-Selector', (object) => {
      const labels = recordAt(recordAt(recordAt(object, 'spec'), 'podSelector'), 'matchLabels')
      const pairs = Object.entries(labels).map(([key, value]) => `${key}=${String(value)}`)
      return pairs.join(',') || '<none>'
    }),
    AGE_COLUMN,
  ],
}

function validateNetworkPolicy(object: ApiObject): Cause[] {
  const spec = recordAt(object, 'spec')
  const faults = validateLabelSelector(spec['podSelector'], 'spec.podSelector')
  const types = ['Egress', 'Ingress']
  for (const [at, type] of listAt(spec, 'policyTypes').entries()) {
    if (types.includes(String(type))) continue
    faults.push(fieldFault.notSupported(`spec.policyTypes[${at}]`, type, types))
  }
  for (const [direction, side] of [
    ['ingress', 'from'],
    ['egress', 'to'],
  ] as const) {
    for (const [at, rule] of listAt(spec, direction).entries()) {
      const here = `spec.${direction}[${at}]`
      for (const [index, port] of listAt(rule, 'ports').entries()) {
        faults.push(...validatePolicyPort(port, `${here}.ports[${index}]`))
      }
      for (const [index, peer] of listAt(rule, side).entries()) {
        faults.push(...validatePeer(peer, `${here}.${side}[${index}]`))
      }
    }
  }
  return faults
}

function validatePolicyPort(value: unknown, at: string): Cause[] {
  const protocols = ['SCTP', 'TCP', 'UDP']
  const protocol = stringAt(value, 'protocol')
  const { port, endPort } = isRecord(value) ? value : {}
  const says = 'must be between 1 and 65535, inclusive'
  const isBad = (number: unknown): boolean =>
    typeof number === 'number' && (number < 1 || number > 65535)
  return [
    ...(protocols.includes(protocol)
      ? []
      : [fieldFault.notSupported(`${at}.protocol`, protocol, protocols)]),
    ...(isBad(port) ? [fieldFault.invalid(`${at}.port`, port, says)] : []),
    ...(typeof endPort === 'number' && typeof port !== 'number'
      ? [
          fieldFault.invalid(
            `${at}.endPort`,
            endPort,
            'may not be specified when `port` is non-numeric',
          ),
        ]
      : []),
    ...(typeof endPort === 'number' && typeof port === 'number' && endPort < port
      ? [fieldFault.invalid(`${at}.endPort`, endPort, 'must be greater than or equal to `port`')]
      : []),
  ]
}

function validatePeer(peer: unknown, at: string): Cause[] {
  const { podSelector, namespaceSelector, ipBlock } = isRecord(peer) ? peer : {}
  const hasSelector = podSelector !== undefined || namespaceSelector !== undefined
  if (!hasSelector && ipBlock === undefined) {
    return [fieldFault.required(at, 'must specify a peer')]
  }
  if (hasSelector && ipBlock !== undefined) {
    return [fieldFault.forbidden(at, 'may not specify both ipBlock and another peer')]
  }
  if (ipBlock === undefined) {
    return [
      ...validateLabelSelector(podSelector, `${at}.podSelector`),
      ...validateLabelSelector(namespaceSelector, `${at}.namespaceSelector`),
    ]
  }
  const cidr = stringAt(ipBlock, 'cidr')
  if (cidr === '') return [fieldFault.required(`${at}.ipBlock.cidr`)]
  return isCidr(cidr)
    ? []
    : [
        fieldFault.invalid(
          `${at}.ipBlock.cidr`,
          cidr,
          'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
        ),
      ]
}

const PATH_TYPES = ['Exact', 'ImplementationSpecific', 'Prefix']
const BACKEND = obj({
  service: obj({ name: str, port: obj({ name: str, number: int }) }),
  resource: obj({ apiGroup: keptStr, kind: str, name: str }),
})

export const INGRESSES: ResourceType = {
  ...KEPT,
  group: 'networking.k8s.io',
  kind: 'Ingress',
  plural: 'ingresses',
  singular: 'ingress',
  shortNames: ['ing'],
  subresources: [STATUS_SUBRESOURCE],
  hasGeneration: true,
  schema: obj({
    spec: obj({
      ingressClassName: keptStr,
      defaultBackend: BACKEND,
      tls: list(obj({ hosts: list(str), secretName: str })),
      rules: list(
        obj({
          host: str,
          http: obj({ paths: list(obj({ path: str, pathType: keptStr, backend: BACKEND })) }),
        }),
      ),
    }),
    status: obj({ loadBalancer: obj({ ingress: list(any) }) }),
  }),
  prepareCreate: (object) => {
    object['status'] = { loadBalancer: {} }
  },
  validate: validateIngress,
  columns: [
    NAME_COLUMN,
    column('Class', (object) => stringAt(object['spec'], 'ingressClassName') || '<none>'),
    column('Hosts', (object) => {
      const hosts = listAt(object['spec'], 'rules').map((rule) => stringAt(rule, 'host'))
      return hosts.filter((host) => host !== '').join(',') || '*'
    }),
    AGE_COLUMN,
  ],
}

function validateIngress(object: ApiObject): Cause[] {
  const spec = recordAt(object, 'spec')
  const rules = listAt(spec, 'rules')
  if (rules.length === 0 && spec['defaultBackend'] === undefined) {
    return [
      fieldFault.invalid('spec', rules, 'either `defaultBackend` or `rules` must be specified'),
    ]
  }
  return rules.flatMap((rule, at) =>
    listAt(recordAt(rule, 'http'), 'paths').flatMap((path, index) => {
      const here = `spec.rules[${at}].http.paths[${index}]`
      const type = stringAt(path, 'pathType')
      const text = stringAt(path, 'path')
      const backend = recordAt(path, 'backend')
      return [
        ...(type === ''
          ? [fieldFault.required(`${here}.pathType`, 'pathType must be specified')]
          : []),
        ...(type !== '' && !PATH_TYPES.includes(type)
          ? [fieldFault.notSupported(`${here}.pathType`, type, PATH_TYPES)]
          : []),
        ...((type === 'Exact' || type === 'Prefix') && !text.startsWith('/')
          ? [fieldFault.invalid(`${here}.path`, text, 'must be an absolute path')]
          : []),
        ...(backend['service'] === undefined && backend['resource'] === undefined
          ? [fieldFault.required(`${here}.backend`, 'resource or service backend is required')]
          : []),
      ]
    }),
  )
}

export const INGRESS_CLASSES: ResourceType = {
  ...KEPT,
  group: 'networking.k8s.io',
  kind: 'IngressClass',
  plural: 'ingressclasses',
  singular: 'ingressclass',
  namespaced: false,
  hasGeneration: true,
  schema: obj({ spec: obj({ controller: str, parameters: any }) }),
  validate: (object) =>
    stringAt(object['spec'], 'controller') === '' ? [fieldFault.required('spec.controller')] : [],
  columns: [
    NAME_COLUMN,
    column('Controller', (object) => stringAt(object['spec'], 'controller')),
    AGE_COLUMN,
  ],
}

export const HORIZONTAL_POD_AUTOSCALERS: ResourceType = {
  ...KEPT,
  group: 'autoscaling',
  version: 'v2',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  singular: 'horizontalpodautoscaler',
  shortNames: ['hpa'],
  categories: ['all'],
  subresources: [STATUS_SUBRESOURCE],
  schema: obj({
    spec: obj({
      scaleTargetRef: obj({ kind: str, name: str, apiVersion: str }),
      minReplicas: keptInt,
      maxReplicas: keptInt,
      metrics: list(any),
      behavior: any,
    }),
    status: any,
  }),
  defaults: (object) => {
    setDefault(object, 'spec', {})
    setDefault(recordAt(object, 'spec'), 'minReplicas', 1)
  },
  prepareCreate: (object) => {
    object['status'] = { currentReplicas: 0, desiredReplicas: 0, currentMetrics: null }
  },
  validate: (object) => {
    const spec = recordAt(object, 'spec')
    const min = Number(spec['minReplicas'])
    const max = Number(spec['maxReplicas'] ?? 0)
    const target = recordAt(spec, 'scaleTargetRef')
    return [
      ...['kind', 'name']
        .filter((field) => stringAt(target, field) === '')
        .map((field) => fieldFault.required(`spec.scaleTargetRef.${field}`)),
      ...(min < 1
        ? [fieldFault.invalid('spec.minReplicas', min, 'must be greater than or equal to 1')]
        : []),
      ...(max < 1 ? [fieldFault.invalid('spec.maxReplicas', max, 'must be greater than 0')] : []),
      ...(max >= 1 && max < min
        ? [
            fieldFault.invalid(
              'spec.maxReplicas',
              max,
              'must be greater than or equal to `minReplicas`',
            ),
          ]
        : []),
    ]
  },
  columns: [
    NAME_COLUMN,
    column('Reference', (object) => {
      const target = recordAt(recordAt(object, 'spec'), 'scaleTargetRef')
      return `${stringAt(target, 'kind')}/${stringAt(target, 'name')}`
    }),
    column('MinPods', (object) => String(countOf(object, 'spec', 'minReplicas'))),
    column('MaxPods', (object) => countOf(object, 'spec', 'maxReplicas'), { type: 'integer' }),
    AGE_COLUMN,
  ],
}

/** Above it are the classes that the cluster itself makes. */
const PRIORITY_MAX = 1_000_000_000
export const SYSTEM_PRIORITY_CLASSES: Readonly<Record<string, number>> = {
  'system-cluster-critical': 2_000_000_000,
  'system-node-critical': 2_000_001_000,
}

export const PRIORITY_CLASSES: ResourceType = {
  ...KEPT,
  group: 'scheduling.k8s.io',
  kind: 'PriorityClass',
  plural: 'priorityclasses',
  singular: 'priorityclass',
  shortNames: ['pc'],
  namespaced: false,
  hasGeneration: true,
  schema: obj({
    value: keptInt,
    globalDefault: bool,
    description: str,
    preemptionPolicy: keptStr,
  }),
  defaults: (object) => {
    setDefault(object, 'value', 0)
    setDefault(object, 'preemptionPolicy', 'PreemptLowerPriority')
  },
  validate: (object) => {
    const { name = '' } = object.metadata
    const value = Number(object['value'])
    const policies = ['Never', 'PreemptLowerPriority']
    const policy = stringAt(object, 'preemptionPolicy')
    const isSystem = SYSTEM_PRIORITY_CLASSES[name] === value
    return [
      ...(!isSystem && name.startsWith('system-')
        ? [
            fieldFault.forbidden(
              'metadata.name',
              "priority class names with 'system-' prefix are reserved for system use only. error: the value of the class is not the system's own",
            ),
          ]
        : []),
      ...(!isSystem && value > PRIORITY_MAX
        ? [
            fieldFault.forbidden(
              'value',
              `maximum allowed value of a user defined priority is ${PRIORITY_MAX}`,
            ),
          ]
        : []),
      ...(policies.includes(policy)
        ? []
        : [fieldFault.notSupported('preemptionPolicy', policy, policies)]),
    ]
  },
  validateUpdate: (object, old) => [
    ...checkImmutable(object['value'], old['value'], 'value'),
    ...checkImmutable(object['preemptionPolicy'], old['preemptionPolicy'], 'preemptionPolicy'),
  ],
  columns: [
    NAME_COLUMN,
    column('Value', (object) => Number(object['value']), { type: 'integer' }),
    column('Global-Default', (object) => String(object['globalDefault'] === true)),
    AGE_COLUMN,
    column('PreemptionPolicy', (object) => stringAt(object, 'preemptionPolicy')),
  ],
}
