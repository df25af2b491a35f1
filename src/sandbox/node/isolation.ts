import { existsSync, mkdirSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { messageOf } from '../../lib/errors.ts'
import { containerScript, type Isolation, launchInNamespace, TOOL_PATH } from './launch.ts'
import { type NodeNetwork, openNetwork } from './network.ts'
import { startContainerProcess } from './process.ts'
import { isReplaced, planRoot } from './root.ts'

export const NOBODY = 65_534

/** What this machine allows, found by trying. */
export interface MachineIsolation {
  readonly isolation: Isolation
  readonly hasSetpriv: boolean
}

/** The same, with the network that was tried. */
export interface FoundIsolation extends MachineIsolation {
  readonly network: NodeNetwork | undefined
}

export interface IsolationRequest {
  readonly folder: string
  readonly network: 'auto' | 'namespace' | 'loopback'
  readonly mounts: 'auto' | 'mapped'
}

const TOOLS = ['unshare', 'nsenter', 'setpriv', 'mount', 'umount', 'pivot_root', 'sh', 'env']

/**
 * Tries what a node is made of: a network namespace, a container with a root of its own, another
 * user; first with root's rights, then inside a user namespace.
 * @throws PodroleError `NetworkNamespaceUnavailable` where one was required
 */
export async function findIsolation(request: IsolationRequest): Promise<FoundIsolation> {
  const missing = missingTools()
  const hasSetpriv = !missing.includes('setpriv')
  const styles = process.getuid?.() === 0 ? [false, true] : [true]
  const reasons: string[] = []
  const network = await findNetwork(request, { styles, missing, reasons })
  const usable = network === undefined ? styles : [network.userNamespace]
  const style = await findMounts(request, {
    styles: usable,
    missing,
    reasons,
    holder: network?.opened,
  })
  const userNamespace = style ?? network?.userNamespace ?? false
  const mappedFolder = style === undefined ? request.folder : undefined
  const user = findUser({ userNamespace, hasSetpriv, mappedFolder }, reasons)
  const why = reasons.join('; ')
  return {
    hasSetpriv,
    network: network?.opened,
    isolation: {
      network: network === undefined ? 'loopback' : 'namespace',
      mounts: style === undefined ? 'mapped' : 'namespace',
      user,
      userNamespace,
      ...(why !== '' && { why }),
    },
  }
}

/** What any node of this machine may have: tried once, in a folder that is made. */
export async function probeMachine(request: IsolationRequest): Promise<MachineIsolation> {
  mkdirSync(request.folder, { recursive: true, mode: 0o755 })
  const { isolation, hasSetpriv, network } = await findIsolation(request)
  await network?.stop()
  return { isolation, hasSetpriv }
}

/** Whether a user other than the files' owners gets at a path through the container's root. */
export function isReachable(path: string, visible: readonly string[]): boolean {
  if (!existsSync(path)) return false
  for (const whole of new Set([path, realpathSync(path)])) {
    // What is made visible under a folder of the container's own has new parents.
    const top = visible.find((one) => isReplaced(one) && isWithin(whole, one))
    for (let at = whole; ; at = dirname(at)) {
      const { mode } = statSync(at)
      const wanted = at !== whole || statSync(at).isDirectory() ? 0o001 : 0o004
      if ((mode & wanted) === 0) return false
      if (at === top || at === '/') break
    }
  }
  return true
}

interface Found {
  readonly styles: readonly boolean[]
  readonly missing: readonly string[]
  readonly reasons: string[]
}

function missingTools(): string[] {
  if (process.platform !== 'linux') return [...TOOLS, 'ip']
  return [...TOOLS, 'ip'].filter((name) => Bun.which(name, { PATH: TOOL_PATH }) === null)
}

async function findNetwork(
  request: IsolationRequest,
  { styles, missing, reasons }: Found,
): Promise<{ opened: NodeNetwork; userNamespace: boolean } | undefined> {
  if (request.network === 'loopback') {
    reasons.push('network: the loopback was asked for')
    return undefined
  }
  let fault: unknown
  for (const userNamespace of styles) {
    try {
      return { opened: await openNetwork({ folder: request.folder, userNamespace }), userNamespace }
    } catch (error) {
      fault ??= error
    }
  }
  if (request.network === 'namespace') throw fault
  const lacks = lacking(missing, ['unshare', 'nsenter', 'setpriv', 'ip'])
  reasons.push(`network: ${lacks ?? messageOf(fault)}`)
  return undefined
}

async function findMounts(
  request: IsolationRequest,
  found: Found & { readonly holder: NodeNetwork | undefined },
): Promise<boolean | undefined> {
  const { reasons } = found
  if (request.mounts === 'mapped') {
    reasons.push('mounts: mapped paths were asked for')
    return undefined
  }
  const lacks = lacking(found.missing, TOOLS)
  if (lacks !== undefined) {
    reasons.push(`mounts: ${lacks}`)
    return undefined
  }
  let why = ''
  for (const userNamespace of found.styles) {
    const fault = await tryContainer(request.folder, userNamespace, found.holder?.holder)
    if (fault === undefined) return userNamespace
    why ||= fault
  }
  reasons.push(`mounts: ${why}`)
  return undefined
}

/** What was wrong with the simplest container there is, or undefined where it ran. */
async function tryContainer(
  folder: string,
  userNamespace: boolean,
  holder: number | undefined,
): Promise<string | undefined> {
  const isolation: Isolation = {
    network: holder === undefined ? 'loopback' : 'namespace',
    mounts: 'namespace',
    user: undefined,
    userNamespace,
  }
  const newRoot = join(folder, 'root-of-containers')
  const scriptFile = join(folder, 'probe.sh')
  mkdirSync(newRoot, { recursive: true })
  try {
    const root = planRoot({ newRoot, binds: [], folders: [], hidden: [] })
    writeFileSync(scriptFile, containerScript(root, 'none'))
    const launch = {
      input: 'none' as const,
      words: ['true'],
      environment: { PATH: TOOL_PATH },
      workingDir: '/',
      user: userNamespace ? undefined : { uid: NOBODY, gid: NOBODY, groups: [] },
      capabilities: ['net_bind_service'],
    }
    let said = ''
    const tried = startContainerProcess(
      launchInNamespace(isolation, launch, { holder, scriptFile }),
      (_stream, chunk) => (said += new TextDecoder().decode(chunk)),
    )
    await tried.ready
    const code = await tried.exited
    return code === 0 ? undefined : `a container ended with ${code} ${said.trim()}`
  } catch (error) {
    return messageOf(error)
  } finally {
    rmSync(scriptFile, { force: true })
  }
}

function findUser(
  at: { userNamespace: boolean; hasSetpriv: boolean; mappedFolder: string | undefined },
  reasons: string[],
): number | undefined {
  if (process.getuid?.() !== 0) {
    reasons.push("user: containers run as the node's own, which is not root")
    return undefined
  }
  if (at.mappedFolder !== undefined && !isReachable(at.mappedFolder, [])) {
    reasons.push("user: no other than the node's own gets through to the node's folder")
    return undefined
  }
  if (at.userNamespace || !at.hasSetpriv) {
    reasons.push("user: root's rights are not enough to run as another")
    return undefined
  }
  return NOBODY
}

const lacking = (missing: readonly string[], wanted: readonly string[]): string | undefined => {
  const lacks = wanted.filter((name) => missing.includes(name))
  return lacks.length === 0 ? undefined : `this machine has no ${lacks.join(', ')}`
}

const isWithin = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(`${folder}/`)
