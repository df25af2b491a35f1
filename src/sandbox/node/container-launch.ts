import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Container, Pod } from '../../kube/objects.ts'
import { PodroleError } from '../../lib/errors.ts'
import { expandReferences, resolveEnvironment } from './environment.ts'
import { type FoundImage, wordsOf } from './images.ts'
import { isReachable } from './isolation.ts'
import {
  type ContainerInput,
  containerScript,
  type Invocation,
  type Isolation,
  type Launch,
  launchInNamespace,
  launchMapped,
  type RunAs,
  TOOL_PATH,
} from './launch.ts'
import { type Bind, isReplaced, planRoot } from './root.ts'
import type { NodeServices } from './services.ts'
import type { PodVolumes } from './volumes.ts'

/** A container that is ready to be started. */
export interface PreparedContainer {
  readonly launch: Launch
  readonly invocation: Invocation
  /** What the user should know: why it runs as another user than asked, what was mapped. */
  readonly remarks: readonly string[]
}

interface SecurityContext {
  readonly runAsUser?: number
  readonly runAsGroup?: number
  readonly supplementalGroups?: readonly number[]
  readonly fsGroup?: number
  readonly capabilities?: { readonly add?: readonly string[] }
}

/** Capabilities that reach no further than the node's own network. */
const NETWORK_CAPABILITIES = ['net_bind_service', 'net_admin', 'net_raw']

/**
 * Everything that a container needs to start, as the kubelet puts it together.
 * @throws PodroleError whose code is the reason that its status shows while it waits
 */
export async function prepareContainer(
  services: NodeServices,
  pod: Pod,
  container: Container,
  at: { readonly volumes: PodVolumes; readonly folder: string },
): Promise<PreparedContainer> {
  const { isolation, network } = services
  const image = findImage(services, container)
  const binds = at.volumes.bindsOf(pod, container)
  const isMapped = isolation.mounts === 'mapped'
  const namespace = pod.metadata.namespace ?? 'default'
  const values = at.volumes.values(namespace)
  const base = baseEnvironment(services, { pod, image, folder: at.folder })
  const resolved = await resolveEnvironment(pod, container, base, values)
  const expand = (words: readonly string[] = []): string[] =>
    words.map((word) => expandReferences(word, resolved))
  const words = wordsOf(image, { command: expand(container.command), args: expand(container.args) })
  if (words.length === 0)
    throw new PodroleError('CreateContainerConfigError', 'no command specified')
  const { user, remark } = userOf(isolation, { pod, container, image, words })
  const mapped = isMapped ? mapPaths(resolved, binds) : { environment: resolved, names: [] }
  const launch: Launch = {
    words: isMapped ? words.map((word) => mapPath(word, binds)) : words,
    environment: mapped.environment,
    input: inputOf(container),
    workingDir: isMapped
      ? mapPath(container.workingDir ?? '/', binds)
      : (container.workingDir ?? '/'),
    user,
    ...capabilitiesOf(isolation, container),
  }
  const holder = network?.holder
  const invocation = isMapped
    ? launchMapped(isolation, launch, { holder, hasSetpriv: services.hasSetpriv })
    : launchInNamespace(isolation, launch, {
        holder,
        scriptFile: writeScript(services, container, { binds, image, folder: at.folder }),
      })
  const remarks = [
    ...(remark === undefined ? [] : [remark]),
    ...(mapped.names.length === 0
      ? []
      : [`no mount namespace: paths in ${mapped.names.join(', ')} are mapped to the pod's folder`]),
  ]
  return { launch, invocation, remarks }
}

/** A path below a mount path as it is on the host; anything else as it is. */
export function mapPath(value: string, binds: readonly Pick<Bind, 'source' | 'target'>[]): string {
  const bind = [...binds]
    .sort((first, second) => second.target.length - first.target.length)
    .find(({ target }) => value === target || value.startsWith(`${target}/`))
  return bind === undefined ? value : bind.source + value.slice(bind.target.length)
}

function mapPaths(
  environment: Readonly<Record<string, string>>,
  binds: readonly Bind[],
): { environment: Record<string, string>; names: string[] } {
  const changed = Object.entries(environment).map(([name, value]) => [name, mapPath(value, binds)])
  const mapped = Object.fromEntries(changed) as Record<string, string>
  return {
    environment: mapped,
    names: Object.keys(mapped).filter((n) => mapped[n] !== environment[n]),
  }
}

function findImage(services: NodeServices, container: Container): FoundImage {
  if (container.image === undefined || container.image === '') {
    throw new PodroleError('InvalidImageName', `container ${container.name} has no image`)
  }
  const found = services.images.find(container.image)
  if ('missing' in found) throw new PodroleError('ErrImagePull', found.missing)
  return found
}

/** Nothing of this process' own environment reaches a container. */
function baseEnvironment(
  services: NodeServices,
  at: { readonly pod: Pod; readonly image: FoundImage; readonly folder: string },
): Record<string, string> {
  const api = new URL(services.client.server)
  const host = api.hostname.replace(/^\[|\]$/g, '')
  const port = api.port || (api.protocol === 'http:' ? '80' : '443')
  const isMapped = services.isolation.mounts === 'mapped'
  const temporary = join(at.folder, 'tmp')
  return {
    PATH: [...new Set([...at.image.path, ...TOOL_PATH.split(':')])].join(':'),
    HOME: isMapped ? temporary : '/tmp',
    ...(isMapped && { TMPDIR: temporary }),
    HOSTNAME: at.pod.spec.hostNetwork === true ? services.name : (at.pod.metadata.name ?? ''),
    KUBERNETES_SERVICE_HOST: host,
    KUBERNETES_SERVICE_PORT: port,
    KUBERNETES_SERVICE_PORT_HTTPS: port,
    AWS_EC2_METADATA_DISABLED: 'true',
    ...at.image.environment,
    ...services.environment,
  }
}

/** `runAsUser` where this node can, else 65534, else the node's own user, with the reason. */
function userOf(
  isolation: Isolation,
  at: {
    readonly pod: Pod
    readonly container: Container
    readonly image: FoundImage
    readonly words: readonly string[]
  },
): { user: RunAs | undefined; remark?: string } {
  const whole = securityOf(at.pod.spec)
  const own = securityOf(at.container)
  const asked = own.runAsUser ?? whole.runAsUser
  if (isolation.user === undefined) {
    return asked === undefined
      ? { user: undefined }
      : { user: undefined, remark: `runAsUser ${asked} needs root: runs as the node's own user` }
  }
  const uid = asked ?? isolation.user
  const group = own.runAsGroup ?? whole.runAsGroup
  const gid = group ?? (asked === undefined ? isolation.user : 0)
  const groups = [
    ...(whole.supplementalGroups ?? []),
    ...(whole.fsGroup === undefined ? [] : [whole.fsGroup]),
  ]
  const user = { uid, gid, groups }
  const unreachable =
    uid === 0 ? undefined : firstUnreachable(at.image, at.words, isolation.mounts === 'mapped')
  if (unreachable === undefined) return { user }
  return {
    user: undefined,
    remark: `${unreachable} cannot be read by user ${uid}: runs as the node's own user`,
  }
}

/** Of the image's programs and what the command names of them, what others may not read. */
function firstUnreachable(
  image: FoundImage,
  words: readonly string[],
  isMapped: boolean,
): string | undefined {
  const programs = [...image.entrypoint, ...image.cmd].filter((word) => word.startsWith('/'))
  // A bare name is found in the image's path: `aws` is the program that stands for the image, by
  // itself and in a script that a shell is given.
  const named = new Set(words.flatMap((word) => word.split(/[^\w.+-]+/)))
  const used = programs.filter((path) => words.includes(path) || named.has(basename(path)))
  const visible = isMapped ? [] : image.folders
  return used.find((path) => !isReachable(path, visible))
}

function capabilitiesOf(isolation: Isolation, container: Container): { capabilities: string[] } {
  const allowed = isolation.network === 'namespace' ? NETWORK_CAPABILITIES : ['net_bind_service']
  const asked = securityOf(container).capabilities?.add ?? []
  const names = asked.map((name) => name.toLowerCase().replace(/^cap_/, ''))
  return { capabilities: allowed.filter((name) => names.includes(name)) }
}

function writeScript(
  services: NodeServices,
  container: Container,
  at: { readonly binds: readonly Bind[]; readonly image: FoundImage; readonly folder: string },
): string {
  const newRoot = join(services.folder, 'root-of-containers')
  mkdirSync(newRoot, { recursive: true })
  const folders = at.image.folders.filter((one) => isReplaced(one))
  const hidden = [services.folder]
  const lines = planRoot({ newRoot, binds: at.binds, folders, hidden })
  const file = join(at.folder, `${container.name}.sh`)
  writeFileSync(file, containerScript(lines, inputOf(container)), { mode: 0o600 })
  return file
}

const inputOf = ({ stdin, tty }: Container): ContainerInput =>
  tty === true ? 'terminal' : stdin === true ? 'pipe' : 'none'

const securityOf = (holder: {
  securityContext?: Record<string, unknown> | undefined
}): SecurityContext => holder.securityContext ?? {}
