/**
 * A container's file system: a root of its own that holds this machine's folders read-only, with
 * `/tmp`, `/run`, `/dev` and `/proc` its own and the pod's volumes at their mount paths. Planned
 * here as a shell script that runs inside new mount and PID namespaces.
 */
import { lstatSync, readdirSync, readlinkSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { PodroleError } from '../../lib/errors.ts'

/** A folder or file of the host at a path of the container. */
export interface Bind {
  readonly source: string
  /** As the container's spec has it; symlinks of the machine are followed. */
  readonly target: string
  readonly readOnly: boolean
  readonly isFile: boolean
}

/** What the plan asks of the machine's own file system. */
export interface HostTree {
  kindOf(path: string): 'folder' | 'file' | 'link' | undefined
  linkOf(path: string): string
  namesIn(path: string): readonly string[]
}

export interface RootRequest {
  /** An empty folder of the host; the new root is mounted there, in the container's namespace. */
  readonly newRoot: string
  readonly binds: readonly Bind[]
  /** Folders of the host that stay visible even under `/tmp` and the like. */
  readonly folders: readonly string[]
  /** Folders of the host that are seen empty. */
  readonly hidden: readonly string[]
}

/** These are the container's own, whatever the machine has there. `/sys` is not there at all. */
const REPLACED = ['/proc', '/sys', '/dev', '/tmp', '/run', '/var/tmp']
const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty']
const MAX_MIRRORED = 1000
const MAX_LINKS = 40

export const hostTree: HostTree = {
  kindOf: (path) => {
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (stat === undefined) return undefined
    if (stat.isSymbolicLink()) return 'link'
    return stat.isDirectory() ? 'folder' : 'file'
  },
  linkOf: (path) => readlinkSync(path),
  namesIn: (path) => readdirSync(path),
}

/**
 * The script's lines; the last leaves the shell in the new root, with the old one gone.
 * @throws PodroleError `CreateContainerError` for a mount path that cannot be
 */
export function planRoot(request: RootRequest, tree: HostTree = hostTree): readonly string[] {
  const { newRoot } = request
  const at = (path: string): string => quote(join(newRoot, path))
  const binds = request.binds
    .map((bind) => ({ ...bind, target: resolveTarget(bind.target, tree) }))
    .sort((first, second) => depth(first.target) - depth(second.target))
  for (const { target } of binds) refuseTarget(target)
  const lines = [`mount -t tmpfs -o mode=755,nosuid tmpfs ${quote(newRoot)}`]
  lines.push(...topLevel(newRoot, tree))
  lines.push(...ownFolders(at, tree))
  for (const folder of request.folders) {
    if (isUnder(folder, REPLACED)) lines.push(...bindFolder(folder, at(folder)))
  }
  const mirrored = new Set<string>()
  for (const [index, { target }] of binds.entries()) {
    const outer = binds.slice(0, index).map((bind) => bind.target)
    const parent = mirrorOf(target, [...REPLACED, ...outer, ...mirrored], tree)
    if (parent === undefined) continue
    mirrored.add(parent)
    lines.push(...mirror(parent, newRoot, tree))
  }
  for (const folder of request.hidden) {
    if (!isUnder(folder, REPLACED) && tree.kindOf(folder) === 'folder') {
      lines.push(`mount -t tmpfs -o size=4k,mode=755 tmpfs ${at(folder)}`)
    }
  }
  for (const bind of binds) lines.push(...bindAt(bind, newRoot))
  lines.push(`cd ${quote(newRoot)}`, 'pivot_root . .', 'umount -l .', 'cd /')
  return lines
}

/**
 * A mount path with the machine's symlinks followed (`/var/run` is `/run` on most), so that
 * nothing is ever mounted through a link that leads out of the new root.
 */
export function resolveTarget(path: string, tree: HostTree = hostTree): string {
  let rest = normalize(`/${path}`).split('/').filter(Boolean)
  let done = '/'
  let links = 0
  while (rest.length > 0) {
    const next = join(done, rest[0] ?? '')
    rest = rest.slice(1)
    if (isUnder(next, REPLACED) || tree.kindOf(next) !== 'link') {
      done = next
      continue
    }
    links += 1
    if (links > MAX_LINKS) throw refusal(path, 'it has too many symbolic links')
    const link = normalize(join(done, '/'))
    const target = tree.linkOf(next)
    const whole = target.startsWith('/') ? target : join(link, target)
    rest = [...normalize(whole).split('/').filter(Boolean), ...rest]
    done = '/'
  }
  return done
}

/** A word of a shell script that means itself. */
export function quote(word: string): string {
  return /^[A-Za-z0-9_./:=@+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

function topLevel(newRoot: string, tree: HostTree): string[] {
  const folders: string[] = []
  const lines: string[] = []
  for (const name of tree.namesIn('/')) {
    const path = `/${name}`
    const kind = tree.kindOf(path)
    if (isUnder(path, REPLACED) || name === 'lost+found') continue
    const target = quote(join(newRoot, name))
    if (kind === 'link') lines.push(`ln -s ${quote(tree.linkOf(path))} ${target}`)
    if (kind !== 'folder') continue
    folders.push(target)
    lines.push(`mount -o rbind,ro ${quote(path)} ${target}`)
  }
  return [`mkdir ${folders.join(' ')}`, ...lines]
}

function ownFolders(at: (path: string) => string, tree: HostTree): string[] {
  const own = ['/proc', '/dev', '/tmp', '/run']
  const devices = DEVICES.map((name) => `/dev/${name}`).filter(
    (path) => tree.kindOf(path) !== undefined,
  )
  return [
    `mkdir ${own.map(at).join(' ')}`,
    `mount -t proc -o ro,nosuid,nodev,noexec proc ${at('/proc')}`,
    `mount -t tmpfs -o mode=755,nosuid,size=64k tmpfs ${at('/dev')}`,
    `mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs ${at('/tmp')}`,
    `mount -t tmpfs -o mode=755,nosuid,nodev tmpfs ${at('/run')}`,
    ...(tree.kindOf('/var/tmp') === 'folder'
      ? [`mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs ${at('/var/tmp')}`]
      : []),
    `mkdir -m 1777 ${at('/dev/shm')} ${at('/run/lock')}`,
    `touch ${devices.map(at).join(' ')}`,
    ...devices.map((path) => `mount --bind ${path} ${at(path)}`),
    `ln -s /proc/self/fd ${at('/dev/fd')}`,
    `ln -s /proc/self/fd/0 ${at('/dev/stdin')}`,
    `ln -s /proc/self/fd/1 ${at('/dev/stdout')}`,
    `ln -s /proc/self/fd/2 ${at('/dev/stderr')}`,
  ]
}

const bindFolder = (source: string, target: string): string[] => [
  `mkdir -p ${target}`,
  `mount -o rbind,ro ${quote(source)} ${target}`,
]

/**
 * The folder of the machine that has to be rebuilt entry by entry so that a mount point can be made
 * in it, for a mount path that the machine does not have.
 */
function mirrorOf(target: string, writable: readonly string[], tree: HostTree): string | undefined {
  if (isUnder(target, writable) || tree.kindOf(target) !== undefined) return undefined
  let parent = dirname(target)
  while (parent !== '/' && tree.kindOf(parent) === undefined) parent = dirname(parent)
  if (tree.kindOf(parent) === 'file') throw refusal(target, `${parent} is a file here`)
  // The new root itself can be written to.
  return parent === '/' ? undefined : parent
}

function mirror(folder: string, newRoot: string, tree: HostTree): string[] {
  const names = tree.namesIn(folder)
  if (names.length > MAX_MIRRORED) {
    throw refusal(folder, `${folder} holds ${names.length} entries here, more than ${MAX_MIRRORED}`)
  }
  const target = join(newRoot, folder)
  const lines = [`mount -t tmpfs -o mode=755,nosuid,nodev tmpfs ${quote(target)}`]
  for (const name of names) {
    const source = join(folder, name)
    const place = quote(join(target, name))
    const kind = tree.kindOf(source)
    if (kind === 'link') lines.push(`ln -s ${quote(tree.linkOf(source))} ${place}`)
    if (kind === 'folder') lines.push(...bindFolder(source, place))
    if (kind === 'file') lines.push(`: >${place}`, `mount -o bind,ro ${quote(source)} ${place}`)
  }
  return lines
}

function bindAt(bind: Bind, newRoot: string): string[] {
  const target = quote(join(newRoot, bind.target))
  const parent = quote(join(newRoot, dirname(bind.target)))
  const options = bind.readOnly ? 'bind,ro' : 'bind'
  return [
    ...(bind.isFile ? [`mkdir -p ${parent}`, `[ -e ${target} ] || : >${target}`] : []),
    ...(bind.isFile ? [] : [`mkdir -p ${target}`]),
    `mount -o ${options} ${quote(bind.source)} ${target}`,
  ]
}

function refuseTarget(target: string): void {
  if (target === '/' || target === '/dev' || isUnder(target, ['/proc'])) {
    throw refusal(target, 'the node keeps that path to itself')
  }
}

const refusal = (path: string, why: string): PodroleError =>
  new PodroleError('CreateContainerError', `nothing can be mounted at ${quote(path)}: ${why}`)

/** Whether a path of the machine is hidden by one of the container's own folders. */
export const isReplaced = (path: string): boolean => isUnder(path, REPLACED)

const isUnder = (path: string, folders: readonly string[]): boolean =>
  folders.some((folder) => path === folder || path.startsWith(`${folder}/`))

const depth = (path: string): number => path.split('/').length
