import { fieldFault, type Cause } from '../faults.ts'
import { checkEnvName, checkLabelName, checkSubdomainName, validateLabels } from '../names.ts'
import {
  isRecord,
  listAt,
  omit,
  recordAt,
  sameJson,
  stringAt,
  type JsonRecord,
} from '../objects.ts'
import { parseQuantity } from '../quantities.ts'
import { sourcesOf } from './pod-defaults.ts'

const RESTART_POLICIES = ['Always', 'OnFailure', 'Never']
const DNS_POLICIES = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']
const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never']
const PROTOCOLS = ['SCTP', 'TCP', 'UDP']

/** Faults of a pod spec with its defaults, at a field (`spec`, `spec.template.spec`). */
export function validatePodSpec(spec: JsonRecord, at: string): Cause[] {
  const volumes = listAt(spec, 'volumes').filter(isRecord)
  const faults = validateVolumes(volumes, `${at}.volumes`)
  const volumeNames = new Set(volumes.map((volume) => stringAt(volume, 'name')))
  const containers = listAt(spec, 'containers').filter(isRecord)
  // Kubernetes finds a name that both have at the init container.
  const own = new Set(containers.map((container) => stringAt(container, 'name')))
  if (containers.length === 0) faults.push(fieldFault.required(`${at}.containers`))
  for (const list of ['initContainers', 'containers'] as const) {
    const seen = list === 'containers' ? new Set<string>() : own
    for (const [index, container] of listAt(spec, list).entries()) {
      if (!isRecord(container)) continue
      const path = `${at}.${list}[${index}]`
      faults.push(...validateName(container, path, seen), ...validateContainer(container, path))
      faults.push(...validateMounts(container, path, volumeNames))
      faults.push(...validateRestart(container, path))
    }
  }
  faults.push(
    ...oneOf(spec, 'restartPolicy', RESTART_POLICIES, at),
    ...oneOf(spec, 'dnsPolicy', DNS_POLICIES, at),
    ...validateLabels(
      recordAt(spec, 'nodeSelector') as Record<string, string>,
      `${at}.nodeSelector`,
    ),
  )
  for (const field of ['serviceAccountName', 'nodeName']) {
    const name = stringAt(spec, field)
    if (name === '') continue
    for (const fault of checkSubdomainName(name)) {
      faults.push(fieldFault.invalid(`${at}.${field}`, name, fault))
    }
  }
  return [...faults, ...validateNumbers(spec, at)]
}

function validateNumbers(spec: JsonRecord, at: string): Cause[] {
  const faults: Cause[] = []
  const grace = spec['terminationGracePeriodSeconds']
  if (typeof grace === 'number' && grace < 0) {
    faults.push(
      fieldFault.invalid(
        `${at}.terminationGracePeriodSeconds`,
        grace,
        'must be greater than or equal to 0',
      ),
    )
  }
  const deadline = spec['activeDeadlineSeconds']
  if (typeof deadline === 'number' && (deadline < 1 || deadline > 2147483647)) {
    faults.push(
      fieldFault.invalid(
        `${at}.activeDeadlineSeconds`,
        deadline,
        'must be between 1 and 2147483647, inclusive',
      ),
    )
  }
  return faults
}

function oneOf(holder: JsonRecord, field: string, allowed: readonly string[], at: string): Cause[] {
  const value = stringAt(holder, field)
  if (value === '') return [fieldFault.required(`${at}.${field}`)]
  return allowed.includes(value) ? [] : [fieldFault.notSupported(`${at}.${field}`, value, allowed)]
}

function validateName(holder: JsonRecord, path: string, seen: Set<string>): Cause[] {
  const name = stringAt(holder, 'name')
  if (name === '') return [fieldFault.required(`${path}.name`)]
  const faults = checkLabelName(name).map((fault) =>
    fieldFault.invalid(`${path}.name`, name, fault),
  )
  if (seen.has(name)) faults.push(fieldFault.duplicate(`${path}.name`, name))
  seen.add(name)
  return faults
}

function validateContainer(container: JsonRecord, path: string): Cause[] {
  const faults: Cause[] = []
  const image = stringAt(container, 'image')
  if (image === '') faults.push(fieldFault.required(`${path}.image`))
  else if (image !== image.trim()) {
    faults.push(
      fieldFault.invalid(`${path}.image`, image, 'must not have leading or trailing whitespace'),
    )
  }
  faults.push(...oneOf(container, 'imagePullPolicy', PULL_POLICIES, path))
  for (const [at, variable] of listAt(container, 'env').entries()) {
    faults.push(...validateEnv(variable, `${path}.env[${at}]`))
  }
  const names = new Set<string>()
  for (const [at, port] of listAt(container, 'ports').entries()) {
    if (!isRecord(port)) continue
    faults.push(...validatePort(port, `${path}.ports[${at}]`, names))
  }
  return [...faults, ...validateResources(container, `${path}.resources`)]
}

function validateResources(container: JsonRecord, path: string): Cause[] {
  const { limits, requests } = recordAt(container, 'resources') as Record<string, JsonRecord>
  return Object.keys(requests ?? {}).flatMap((name) => {
    const [request, limit] = [stringAt(requests, name), stringAt(limits, name)]
    if (limit === '' || nanosOf(request) <= nanosOf(limit)) return []
    const says = `must be less than or equal to ${name} limit of ${limit}`
    return [fieldFault.invalid(`${path}.requests`, request, says)]
  })
}

const nanosOf = (quantity: string): bigint => parseQuantity(quantity)?.nanos ?? 0n

function validatePort(port: JsonRecord, path: string, names: Set<string>): Cause[] {
  const faults = oneOf(port, 'protocol', PROTOCOLS, path)
  const name = stringAt(port, 'name')
  if (name !== '') {
    if (names.has(name)) faults.push(fieldFault.duplicate(`${path}.name`, name))
    names.add(name)
  }
  const number = port['containerPort']
  if (number === undefined) faults.push(fieldFault.required(`${path}.containerPort`))
  else if (typeof number !== 'number' || number < 1 || number > 65535) {
    faults.push(
      fieldFault.invalid(`${path}.containerPort`, number, 'must be between 1 and 65535, inclusive'),
    )
  }
  return faults
}

function validateEnv(variable: unknown, path: string): Cause[] {
  const name = stringAt(variable, 'name')
  if (name === '') return [fieldFault.required(`${path}.name`)]
  const faults = checkEnvName(name).map((fault) => fieldFault.invalid(`${path}.name`, name, fault))
  if (!isRecord(variable) || variable['valueFrom'] === undefined) return faults
  const from = recordAt(variable, 'valueFrom')
  const sources = Object.keys(from)
  if (sources.length === 0) {
    faults.push(
      fieldFault.invalid(
        `${path}.valueFrom`,
        '',
        'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
      ),
    )
  } else if (stringAt(variable, 'value') !== '') {
    faults.push(
      fieldFault.invalid(`${path}.valueFrom`, '', 'may not be specified when `value` is not empty'),
    )
  } else if (sources.length > 1) {
    faults.push(
      fieldFault.invalid(
        `${path}.valueFrom`,
        '',
        'may not have more than one field specified at a time',
      ),
    )
  }
  for (const source of ['configMapKeyRef', 'secretKeyRef']) {
    if (from[source] !== undefined && stringAt(from[source], 'key') === '') {
      faults.push(fieldFault.required(`${path}.valueFrom.${source}.key`))
    }
  }
  return faults
}

function validateMounts(
  container: JsonRecord,
  path: string,
  volumes: ReadonlySet<string>,
): Cause[] {
  const faults: Cause[] = []
  const paths = new Set<string>()
  for (const [at, mount] of listAt(container, 'volumeMounts').entries()) {
    const here = `${path}.volumeMounts[${at}]`
    const name = stringAt(mount, 'name')
    const mountPath = stringAt(mount, 'mountPath')
    if (name === '') faults.push(fieldFault.required(`${here}.name`))
    if (mountPath === '') faults.push(fieldFault.required(`${here}.mountPath`))
    if (!volumes.has(name)) faults.push(fieldFault.notFound(`${here}.name`, name))
    if (paths.has(mountPath)) {
      faults.push(fieldFault.invalid(`${here}.mountPath`, mountPath, 'must be unique'))
    }
    paths.add(mountPath)
    const subPath = stringAt(mount, 'subPath')
    if (subPath.startsWith('/')) {
      faults.push(fieldFault.invalid(`${here}.subPath`, subPath, 'must be a relative path'))
    }
    if (subPath.split('/').includes('..')) {
      faults.push(fieldFault.invalid(`${here}.subPath`, subPath, "must not contain '..'"))
    }
  }
  return faults
}

function validateRestart(container: JsonRecord, path: string): Cause[] {
  const policy = stringAt(container, 'restartPolicy')
  return policy === '' || RESTART_POLICIES.includes(policy)
    ? []
    : [fieldFault.notSupported(`${path}.restartPolicy`, policy, RESTART_POLICIES)]
}

function validateVolumes(volumes: readonly JsonRecord[], path: string): Cause[] {
  const faults: Cause[] = []
  const seen = new Set<string>()
  for (const [at, volume] of volumes.entries()) {
    const here = `${path}[${at}]`
    faults.push(...validateName(volume, here, seen))
    const [first, ...more] = sourcesOf(volume)
    for (const source of more) {
      faults.push(
        fieldFault.forbidden(`${here}.${source}`, 'may not specify more than 1 volume type'),
      )
    }
    if (first === 'projected') faults.push(...validateProjected(volume, `${here}.projected`))
    if (first === 'secret' && stringAt(volume['secret'], 'secretName') === '') {
      faults.push(fieldFault.required(`${here}.secret.secretName`))
    }
    if (first === 'configMap' && stringAt(volume['configMap'], 'name') === '') {
      faults.push(fieldFault.required(`${here}.configMap.name`))
    }
    if (first === 'hostPath' && stringAt(volume['hostPath'], 'path') === '') {
      faults.push(fieldFault.required(`${here}.hostPath.path`))
    }
  }
  return faults
}

function validateProjected(volume: JsonRecord, path: string): Cause[] {
  const faults: Cause[] = []
  const paths = new Set<string>()
  for (const [at, source] of listAt(volume['projected'], 'sources').entries()) {
    const here = `${path}.sources[${at}]`
    if (!isRecord(source)) continue
    if (Object.keys(source).length > 1) {
      faults.push(fieldFault.forbidden(here, 'may not specify more than 1 volume type per source'))
    }
    for (const used of pathsOf(source)) {
      if (paths.has(used)) {
        faults.push(fieldFault.invalid(path, used, `conflicting duplicate paths`))
      }
      paths.add(used)
    }
    if (source['serviceAccountToken'] !== undefined) {
      faults.push(...validateToken(source['serviceAccountToken'], `${here}.serviceAccountToken`))
    }
  }
  return faults
}

function pathsOf(source: JsonRecord): string[] {
  const token = stringAt(source['serviceAccountToken'], 'path')
  const items = ['configMap', 'secret', 'downwardAPI'].flatMap((name) =>
    listAt(source[name], 'items').map((item) => stringAt(item, 'path')),
  )
  return [...(token === '' ? [] : [token]), ...items]
}

function validateToken(token: unknown, path: string): Cause[] {
  const faults: Cause[] = []
  const file = stringAt(token, 'path')
  if (file === '') faults.push(fieldFault.required(`${path}.path`))
  else if (file.startsWith('/')) {
    faults.push(fieldFault.invalid(`${path}.path`, file, 'must be a relative path'))
  } else if (file.split('/').includes('..')) {
    faults.push(fieldFault.invalid(`${path}.path`, file, "must not contain '..'"))
  }
  const seconds = isRecord(token) ? token['expirationSeconds'] : undefined
  if (typeof seconds === 'number') faults.push(...validateTokenSeconds(seconds, path))
  return faults
}

/** The bounds of a service account token's life, with Kubernetes' own messages. */
export function validateTokenSeconds(seconds: number, path: string): Cause[] {
  const field = `${path}.expirationSeconds`
  if (seconds < 600) {
    return [fieldFault.invalid(field, seconds, 'may not specify a duration less than 10 minutes')]
  }
  return seconds > 2 ** 32
    ? [fieldFault.invalid(field, seconds, 'may not specify a duration larger than 2^32 seconds')]
    : []
}

const POD_UPDATE_SAYS =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'

/** A pod's spec hardly changes once it is made. */
export function validatePodUpdate(spec: JsonRecord, old: JsonRecord): Cause[] {
  const resized = (['containers', 'initContainers'] as const).filter(
    (list) => listAt(spec, list).length !== listAt(old, list).length,
  )
  if (resized.length > 0) {
    return resized.map((list) =>
      fieldFault.forbidden(`spec.${list}`, 'pod updates may not add or remove containers'),
    )
  }
  const kept = listAt(old, 'tolerations').every((toleration) =>
    listAt(spec, 'tolerations').some((other) => sameJson(toleration, other)),
  )
  const faults = validateDeadlineUpdate(spec, old)
  if (kept && sameJson(mutableMasked(spec), mutableMasked(old))) return faults
  return [...faults, fieldFault.forbidden('spec', POD_UPDATE_SAYS)]
}

/** A deadline may be set once, and then only come nearer. */
function validateDeadlineUpdate(spec: JsonRecord, old: JsonRecord): Cause[] {
  const field = 'spec.activeDeadlineSeconds'
  const [wanted, had] = [spec['activeDeadlineSeconds'], old['activeDeadlineSeconds']]
  if (typeof had !== 'number') return []
  if (typeof wanted !== 'number') {
    return [fieldFault.invalid(field, null, 'must not update from a positive integer to nil value')]
  }
  return wanted <= had
    ? []
    : [fieldFault.invalid(field, wanted, 'must be less than or equal to previous value')]
}

function mutableMasked(spec: JsonRecord): JsonRecord {
  const mask = (container: unknown): unknown =>
    isRecord(container) ? { ...container, image: '' } : container
  return {
    ...omit(spec, 'tolerations', 'activeDeadlineSeconds'),
    containers: listAt(spec, 'containers').map(mask),
    initContainers: listAt(spec, 'initContainers').map(mask),
  }
}
