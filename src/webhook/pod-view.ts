/**
 * Reads of a pod what the mutation looks at, out of JSON that nobody has checked: admission runs
 * before the API server's validation.
 */

export type JsonObject = Readonly<Record<string, unknown>>

export interface ContainerView {
  /** Where it is in the pod: `['containers', 0]`. */
  readonly place: readonly ['containers' | 'initContainers', number]
  readonly name: string
  /** Undefined where the field is absent or null. */
  readonly env: readonly string[] | undefined
  readonly mounts: readonly MountView[] | undefined
}

export interface MountView {
  readonly name: string
  readonly path: string
}

export interface PodView {
  readonly labels: JsonObject | undefined
  readonly annotations: JsonObject
  readonly windows: boolean
  readonly volumes: readonly JsonObject[] | undefined
  /** Containers, then init containers (sidecars are among them). */
  readonly containers: readonly ContainerView[]
}

/** Where and how a pod is not one, for people: `spec.containers is not an array`. */
export class UnreadablePod extends Error {}

/** @throws UnreadablePod */
export function viewPod(pod: unknown): PodView {
  const root = objectAt(pod, 'the pod')
  const metadata = objectAt(root['metadata'], 'metadata')
  const spec = objectAt(root['spec'], 'spec')
  const containers = viewContainers(spec, 'containers')
  if (containers.length === 0) throw new UnreadablePod('spec.containers is empty')
  return {
    labels: optional(metadata['labels'], 'metadata.labels', objectAt),
    annotations: optional(metadata['annotations'], 'metadata.annotations', objectAt) ?? {},
    windows: isWindows(spec),
    volumes: optional(spec['volumes'], 'spec.volumes', objectsAt),
    containers: [...containers, ...viewContainers(spec, 'initContainers')],
  }
}

function viewContainers(spec: JsonObject, field: 'containers' | 'initContainers'): ContainerView[] {
  const items = optional(spec[field], `spec.${field}`, objectsAt) ?? []
  return items.map((item, at) => {
    const where = `spec.${field}[${at}]`
    const env = optional(item['env'], `${where}.env`, objectsAt)
    const mounts = optional(item['volumeMounts'], `${where}.volumeMounts`, objectsAt)
    return {
      place: [field, at],
      name: textOf(item['name']),
      env: env?.map((entry) => textOf(entry['name'])),
      mounts: mounts?.map((mount) => ({
        name: textOf(mount['name']),
        path: trimSlashes(textOf(mount['mountPath'])),
      })),
    }
  })
}

/** The node selector in both spellings, and the field that Kubernetes 1.25 added for it. */
function isWindows(spec: JsonObject): boolean {
  const selector = optional(spec['nodeSelector'], 'spec.nodeSelector', objectAt) ?? {}
  const os = optional(spec['os'], 'spec.os', objectAt) ?? {}
  return [selector['beta.kubernetes.io/os'], selector['kubernetes.io/os'], os['name']].includes(
    'windows',
  )
}

function optional<T>(
  value: unknown,
  where: string,
  read: (value: unknown, where: string) => T,
): T | undefined {
  return value === undefined || value === null ? undefined : read(value, where)
}

function objectAt(value: unknown, where: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as JsonObject
  }
  throw new UnreadablePod(`${where} is not an object`)
}

function objectsAt(value: unknown, where: string): JsonObject[] {
  if (!Array.isArray(value)) throw new UnreadablePod(`${where} is not an array`)
  return value.map((item: unknown, at) => objectAt(item, `${where}[${at}]`))
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/**
 * A path without the slashes at its end, to compare by. No regular expression: those try again at
 * each slash, and a hostile path may hold a million of them.
 */
function trimSlashes(path: string): string {
  let end = path.length
  while (end > 1 && path[end - 1] === '/') end -= 1
  return path.slice(0, end)
}
