import { isIP } from 'node:net'
import { fieldFault, type Cause } from '../faults.ts'
import { checkLabelName, checkSubdomainName, type NameRule, validateDomainPath } from '../names.ts'
import { checkHostName, checkPortName, checkPortNumber, validateIp } from '../network-values.ts'
import { isRecord, listAt, recordAt, setDefault, stringAt, type ApiObject } from '../objects.ts'
import { OBJECT_VERBS, type ResourceType } from '../resource-types.ts'
import { atomic, byValue, int, keptStr, list, obj, str, valueObj } from '../schema.ts'
import { AGE_COLUMN, column, NAME_COLUMN } from './columns.ts'
import { checkImmutable, validateNames } from './metadata.ts'
import { STATUS_SUBRESOURCE } from './workloads.ts'

const KEPT = {
  group: 'networking.k8s.io',
  version: 'v1',
  verbs: OBJECT_VERBS,
  hasGeneration: true,
  nameRule: checkSubdomainName,
} as const

const BACKEND = obj({
  service: obj({ name: str, port: atomic(valueObj({ name: str, number: int })) }),
  resource: atomic(obj({ apiGroup: keptStr, kind: str, name: str })),
})

const CLASS_ANNOTATION = 'kubernetes.io/ingress.class'
const HOSTS_SHOWN = 3
const ADDRESSES_WIDTH = 16

export const INGRESSES: ResourceType = {
  ...KEPT,
  kind: 'Ingress',
  plural: 'ingresses',
  singular: 'ingress',
  shortNames: ['ing'],
  namespaced: true,
  subresources: [STATUS_SUBRESOURCE],
  schema: obj({
    spec: valueObj({
      ingressClassName: keptStr,
      defaultBackend: BACKEND,
      tls: list(obj({ hosts: list(str), secretName: str })),
      rules: list(
        obj({
          host: str,
          http: obj({
            paths: list(obj({ path: str, pathType: keptStr, backend: byValue(BACKEND) })),
          }),
        }),
      ),
    }),
    status: valueObj({
      loadBalancer: valueObj({
        ingress: list(
          obj({
            ip: str,
            hostname: str,
            ports: list(obj({ port: int, protocol: str, error: keptStr })),
          }),
        ),
      }),
    }),
  }),
  prepareCreate: (object) => {
    object['status'] = { loadBalancer: {} }
  },
  validate: validateIngress,
  validateCreate: (object) => {
    const annotation = object.metadata.annotations?.[CLASS_ANNOTATION]
    const name = recordAt(object, 'spec')['ingressClassName']
    return annotation === undefined || name === undefined || annotation === name
      ? []
      : [
          fieldFault.invalid(
            `annotations.${CLASS_ANNOTATION}`,
            annotation,
            'must match `ingressClassName` when both are specified',
          ),
        ]
  },
  validateStatus: validateIngressStatus,
  warningsOnCreate: (object) =>
    object.metadata.annotations?.[CLASS_ANNOTATION] === undefined
      ? []
      : [
          `annotation "${CLASS_ANNOTATION}" is deprecated, please use 'spec.ingressClassName' instead`,
        ],
  columns: [
    NAME_COLUMN,
    column('Class', (object) => stringAt(object['spec'], 'ingressClassName') || '<none>'),
    column('Hosts', shownHosts),
    column('Address', shownAddresses),
    column('Ports', (object) => (listAt(object['spec'], 'tls').length > 0 ? '80, 443' : '80')),
    AGE_COLUMN,
  ],
}

function shownHosts(object: ApiObject): string {
  const rules = listAt(object['spec'], 'rules')
  const hosts = rules.map((rule) => stringAt(rule, 'host')).filter((host) => host !== '')
  if (hosts.length === 0) return '*'
  const shown = hosts.slice(0, HOSTS_SHOWN).join(',')
  const isCut = hosts.length > HOSTS_SHOWN
  return isCut ? `${shown} + ${rules.length - HOSTS_SHOWN} more...` : shown
}

function shownAddresses(object: ApiObject): string {
  const points = listAt(recordAt(recordAt(object, 'status'), 'loadBalancer'), 'ingress')
  const all = points.map((point) => stringAt(point, 'ip') || stringAt(point, 'hostname'))
  const text = [...new Set(all.filter((one) => one !== ''))].sort().join(',')
  return text.length > ADDRESSES_WIDTH ? `${text.slice(0, ADDRESSES_WIDTH - 3)}...` : text
}

const faultsOf = (value: string, at: string, rule: NameRule): Cause[] =>
  rule(value).map((says) => fieldFault.invalid(at, value, says))

function validateIngress(object: ApiObject): Cause[] {
  const spec = recordAt(object, 'spec')
  const { defaultBackend: backend, ingressClassName: name } = spec
  const rules = listAt(spec, 'rules')
  const faults: Cause[] = []
  if (rules.length === 0 && backend === undefined) {
    const says = 'either `defaultBackend` or `rules` must be specified'
    faults.push(fieldFault.invalid('spec', null, says))
  }
  if (backend !== undefined) faults.push(...validateBackend(backend, 'spec.defaultBackend'))
  for (const [at, rule] of rules.entries()) faults.push(...validateRule(rule, `spec.rules[${at}]`))
  for (const [at, tls] of listAt(spec, 'tls').entries()) {
    const here = `spec.tls[${at}]`
    for (const [index, host] of listAt(tls, 'hosts').entries()) {
      faults.push(...faultsOf(String(host), `${here}.hosts[${index}]`, checkHostName))
    }
    const secret = stringAt(tls, 'secretName')
    if (secret !== '') faults.push(...faultsOf(secret, `${here}.secretName`, checkSubdomainName))
  }
  if (typeof name === 'string') {
    faults.push(...faultsOf(name, 'spec.ingressClassName', checkSubdomainName))
  }
  return faults
}

const NOT_IP = 'must be a DNS name, not an IP address'

function validateRule(rule: unknown, at: string): Cause[] {
  const host = stringAt(rule, 'host')
  const { http } = isRecord(rule) ? rule : {}
  const paths = listAt(http, 'paths')
  return [
    ...(isIP(host) === 0 ? [] : [fieldFault.invalid(`${at}.host`, host, NOT_IP)]),
    ...(host === '' ? [] : faultsOf(host, `${at}.host`, checkHostName)),
    ...(http !== undefined && paths.length === 0 ? [fieldFault.required(`${at}.http.paths`)] : []),
    ...paths.flatMap((path, index) => validatePath(path, `${at}.http.paths[${index}]`)),
  ]
}

const PATH_TYPES = ['Exact', 'ImplementationSpecific', 'Prefix']

function validatePath(value: unknown, at: string): Cause[] {
  const { pathType: type } = isRecord(value) ? value : {}
  if (typeof type !== 'string') {
    return [fieldFault.required(`${at}.pathType`, 'pathType must be specified')]
  }
  const path = stringAt(value, 'path')
  const says: string[] = []
  const isFree = type === 'ImplementationSpecific'
  if (!path.startsWith('/') && !(isFree && path === '')) says.push('must be an absolute path')
  if (!isFree) {
    const sequences = ['//', '/./', '/../', '%2f', '%2F'].filter((text) => path.includes(text))
    const endings = ['/..', '/.'].filter((text) => path.endsWith(text))
    says.push(
      ...sequences.map((text) => `must not contain '${text}'`),
      ...endings.map((text) => `cannot end with '${text}'`),
    )
  }
  const faults = PATH_TYPES.includes(type)
    ? says.map((text) => fieldFault.invalid(`${at}.path`, path, text))
    : [fieldFault.notSupported(`${at}.pathType`, type, PATH_TYPES)]
  return [...faults, ...validateBackend(recordAt(value, 'backend'), `${at}.backend`)]
}

function validateBackend(backend: unknown, at: string): Cause[] {
  const { service, resource } = isRecord(backend) ? backend : {}
  const refuse = (says: string): Cause[] => [fieldFault.invalid(at, '', says)]
  if (service !== undefined && resource !== undefined) {
    return refuse('cannot set both resource and service backends')
  }
  if (resource !== undefined) return validateReference(resource, `${at}.resource`)
  if (service === undefined) return refuse('resource or service backend is required')
  const name = stringAt(service, 'name')
  const port = recordAt(service, 'port')
  const [portName, number] = [stringAt(port, 'name'), Number(port['number'] ?? 0)]
  const faults =
    name === ''
      ? [fieldFault.required(`${at}.service.name`)]
      : faultsOf(name, `${at}.service.name`, checkLabelName)
  if (portName !== '' && number !== 0) {
    return [...faults, ...refuse('cannot set both port name & port number')]
  }
  if (portName !== '') {
    return [...faults, ...faultsOf(portName, `${at}.service.port.name`, checkPortName)]
  }
  if (number === 0) return [...faults, fieldFault.required(at, 'port name or number is required')]
  const says = checkPortNumber(number)
  const here = `${at}.service.port.number`
  return [...faults, ...says.map((text) => fieldFault.invalid(here, number, text))]
}

function validateReference(reference: unknown, at: string): Cause[] {
  const { apiGroup: group, ...names } = isRecord(reference) ? reference : {}
  return [
    ...(typeof group === 'string' ? faultsOf(group, `${at}.apiGroup`, checkSubdomainName) : []),
    ...validateNames(names, at),
  ]
}

function validateIngressStatus(object: ApiObject): Cause[] {
  const points = listAt(recordAt(recordAt(object, 'status'), 'loadBalancer'), 'ingress')
  return points.flatMap((point, at) => {
    const here = `status.loadBalancer.ingress[${at}]`
    const [ip, host] = [stringAt(point, 'ip'), stringAt(point, 'hostname')]
    return [
      ...(ip === '' ? [] : validateIp(ip, `${here}.ip`)),
      ...(host === '' ? [] : faultsOf(host, `${here}.hostname`, checkSubdomainName)),
      ...(isIP(host) === 0 ? [] : [fieldFault.invalid(`${here}.hostname`, host, NOT_IP)]),
    ]
  })
}

const CONTROLLER_MAX = 250
const SCOPES = ['Cluster', 'Namespace']
const CLASS_DEFAULT = 'ingressclass.kubernetes.io/is-default-class'

export const INGRESS_CLASSES: ResourceType = {
  ...KEPT,
  kind: 'IngressClass',
  plural: 'ingressclasses',
  singular: 'ingressclass',
  shortNames: [],
  namespaced: false,
  subresources: [],
  schema: obj({
    spec: valueObj({
      controller: str,
      parameters: obj({
        apiGroup: keptStr,
        kind: str,
        name: str,
        scope: keptStr,
        namespace: keptStr,
      }),
    }),
  }),
  defaults: (object) => {
    const { parameters } = recordAt(object, 'spec')
    if (isRecord(parameters)) setDefault(parameters, 'scope', 'Cluster')
  },
  validate: (object) => {
    const { parameters } = recordAt(object, 'spec')
    return [
      ...validateController(stringAt(object['spec'], 'controller'), 'spec.controller'),
      ...(isRecord(parameters) ? validateParameters(parameters, 'spec.parameters') : []),
    ]
  },
  validateUpdate: (object, old) =>
    checkImmutable(
      stringAt(object['spec'], 'controller'),
      stringAt(old['spec'], 'controller'),
      'spec.controller',
    ),
  columns: [
    {
      ...NAME_COLUMN,
      cell: (object) => {
        const isDefault = object.metadata.annotations?.[CLASS_DEFAULT] === 'true'
        return `${object.metadata.name ?? ''}${isDefault ? ' (default)' : ''}`
      },
    },
    column('Controller', (object) => stringAt(object['spec'], 'controller')),
    column('Parameters', (object) => {
      const { parameters } = recordAt(object, 'spec')
      if (!isRecord(parameters)) return '<none>'
      const { apiGroup: group } = parameters
      const suffix = typeof group === 'string' ? `.${group}` : ''
      return `${stringAt(parameters, 'kind')}${suffix}/${stringAt(parameters, 'name')}`
    }),
    AGE_COLUMN,
  ],
}

function validateController(controller: string, at: string): Cause[] {
  const faults = controller.length > CONTROLLER_MAX ? [fieldFault.tooLong(at, CONTROLLER_MAX)] : []
  return [...faults, ...validateDomainPath(controller, at)]
}

function validateParameters(parameters: Record<string, unknown>, at: string): Cause[] {
  const faults = validateReference(parameters, at)
  const { scope, namespace } = parameters
  if (!SCOPES.includes(String(scope))) {
    return [...faults, fieldFault.notSupported(`${at}.scope`, scope, SCOPES)]
  }
  const where = `${at}.namespace`
  const says = `\`parameters.scope\` is set to '${String(scope)}'`
  if (scope === 'Cluster') {
    return namespace === undefined ? faults : [...faults, fieldFault.forbidden(where, says)]
  }
  return typeof namespace === 'string'
    ? [...faults, ...faultsOf(namespace, where, checkLabelName)]
    : [...faults, fieldFault.required(where, says)]
}
