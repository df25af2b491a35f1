/** A container's environment, as the kubelet makes it. */
import type { Container, EnvVar, Pod } from '../../kube/objects.ts'
import { PodroleError } from '../../lib/errors.ts'

/** Where values come from that are not in the pod; undefined where the object does not exist. */
export interface ValueSources {
  configMap(name: string): Promise<Readonly<Record<string, string>> | undefined>
  secret(name: string): Promise<Readonly<Record<string, string>> | undefined>
}

interface EnvFromSource {
  readonly prefix?: string
  readonly configMapRef?: { readonly name: string; readonly optional?: boolean }
  readonly secretRef?: { readonly name: string; readonly optional?: boolean }
}

type Environment = Record<string, string>

/**
 * The environment of a container: `base` first, then `envFrom`, then `env` with `$(NAME)` of what
 * came before it.
 * @throws PodroleError `CreateContainerConfigError` for what is referred to and does not exist
 */
export async function resolveEnvironment(
  pod: Pod,
  container: Container,
  base: Readonly<Environment>,
  sources: ValueSources,
): Promise<Environment> {
  const environment: Environment = { ...base }
  const from = (container as { envFrom?: readonly EnvFromSource[] }).envFrom ?? []
  for (const source of from) Object.assign(environment, await readSource(source, sources))
  for (const entry of container.env ?? []) {
    const value = await valueOf(entry, { pod, sources, environment })
    if (value !== undefined) environment[entry.name] = value
  }
  for (const [name, value] of Object.entries(environment)) {
    if (name === '' || /[=\0]/.test(name) || value.includes('\0')) {
      throw fault(`environment variable ${JSON.stringify(name)} cannot be set: it holds = or NUL`)
    }
  }
  return environment
}

/**
 * `$(NAME)` replaced by its value, `$$` by `$`; a name that is not known stays as it is (Kubernetes,
 * "Define Dependent Environment Variables").
 */
export function expandReferences(text: string, values: Readonly<Environment>): string {
  return text.replace(/\$\$|\$\(([^()]*)\)/g, (whole, name: string | undefined) => {
    if (name === undefined) return '$'
    return Object.hasOwn(values, name) ? (values[name] ?? '') : whole
  })
}

/**
 * A field of the pod by the path of the downward API.
 * @throws PodroleError `CreateContainerConfigError` for a field that has no place there
 */
export function readField(pod: Pod, fieldPath: string): string {
  const keyed = /^metadata\.(labels|annotations)\['([^']*)'\]$/.exec(fieldPath)
  if (keyed !== null) {
    const map = keyed[1] === 'labels' ? pod.metadata.labels : pod.metadata.annotations
    return map?.[keyed[2] ?? ''] ?? ''
  }
  switch (fieldPath) {
    case 'metadata.name':
      return pod.metadata.name ?? ''
    case 'metadata.namespace':
      return pod.metadata.namespace ?? ''
    case 'metadata.uid':
      return pod.metadata.uid ?? ''
    case 'metadata.labels':
      return formatMap(pod.metadata.labels)
    case 'metadata.annotations':
      return formatMap(pod.metadata.annotations)
    case 'spec.nodeName':
      return pod.spec.nodeName ?? ''
    case 'spec.serviceAccountName':
      return pod.spec.serviceAccountName ?? 'default'
    case 'status.hostIP':
    case 'status.hostIPs':
      return pod.status?.hostIP ?? ''
    case 'status.podIP':
    case 'status.podIPs':
      return pod.status?.podIP ?? ''
    default:
      throw fault(`field path ${JSON.stringify(fieldPath)} is not one of the downward API`)
  }
}

async function readSource(source: EnvFromSource, sources: ValueSources): Promise<Environment> {
  const { configMapRef, secretRef, prefix = '' } = source
  const ref = configMapRef ?? secretRef
  if (ref === undefined) return {}
  const kind = configMapRef === undefined ? 'secret' : 'configmap'
  const data = await (configMapRef === undefined
    ? sources.secret(ref.name)
    : sources.configMap(ref.name))
  if (data === undefined && ref.optional !== true) throw fault(`${kind} "${ref.name}" not found`)
  return Object.fromEntries(
    Object.entries(data ?? {}).map(([name, value]) => [`${prefix}${name}`, value]),
  )
}

async function valueOf(
  entry: EnvVar,
  at: { readonly pod: Pod; readonly sources: ValueSources; readonly environment: Environment },
): Promise<string | undefined> {
  const from = entry.valueFrom
  if (from === undefined) return expandReferences(entry.value ?? '', at.environment)
  if (from.fieldRef !== undefined) return readField(at.pod, from.fieldRef.fieldPath)
  const ref = from.configMapKeyRef ?? from.secretKeyRef
  if (ref === undefined) {
    throw fault(`environment variable ${entry.name} has a source that this node does not know`)
  }
  const isSecret = from.configMapKeyRef === undefined
  const data = await (isSecret ? at.sources.secret(ref.name) : at.sources.configMap(ref.name))
  const value = data !== undefined && Object.hasOwn(data, ref.key) ? data[ref.key] : undefined
  if (value !== undefined || ref.optional === true) return value
  const kind = isSecret ? 'secret' : 'configmap'
  throw fault(
    data === undefined
      ? `${kind} "${ref.name}" not found`
      : `couldn't find key ${ref.key} in ${kind} ${ref.name}`,
  )
}

/** `name="value"` a line, names in order: the form that the kubelet writes. */
const formatMap = (map: Readonly<Record<string, string>> = {}): string =>
  Object.entries(map)
    .sort(([first], [second]) => (first < second ? -1 : 1))
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join('\n')

const fault = (message: string): PodroleError =>
  new PodroleError('CreateContainerConfigError', message)
