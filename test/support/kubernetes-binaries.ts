/** Kubernetes' own programs, built as Go tools of test/cluster/tools and kept between runs. */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** Where the programs are, or what is missing and how to get it (for `lacks`). */
export type KubernetesFound =
  | { readonly folder: string; readonly missing?: never }
  | { readonly folder?: never; readonly missing: { readonly tool: string; readonly get: string } }

const GO = 'go'
const VERSION = '1.36.3'
const MODULE = join(import.meta.dir, '..', 'cluster', 'tools')
const PROGRAMS = {
  etcd: 'go.etcd.io/etcd/server/v3',
  'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
  'kube-controller-manager': 'k8s.io/kubernetes/cmd/kube-controller-manager',
  kubectl: 'k8s.io/kubernetes/cmd/kubectl',
} as const
/** What `/version` and `kubectl version` answer. */
const LINKER_FLAGS = [`gitVersion=v${VERSION}`, 'gitMajor=1', 'gitMinor=36', 'gitTreeState=clean']
  .map((setting) => `-X k8s.io/component-base/version.${setting}`)
  .join(' ')
const UNSIGNED_LOCK_MS = 10_000

/**
 * The folder of etcd, kube-apiserver, kube-controller-manager and kubectl: built at first use in
 * `$XDG_CACHE_HOME/podrole/kubernetes-1.36.3` (`~/.cache` without it), and again when go.mod or
 * go.sum change. One process builds, others wait.
 */
export async function findKubernetes(): Promise<KubernetesFound> {
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  const folder = join(cache, 'podrole', `kubernetes-${VERSION}`)
  const complete = join(folder, `complete-${moduleHash()}`)
  if (existsSync(complete)) {
    process.stderr.write(`Kubernetes ${VERSION} is reused from ${folder}\n`)
    return { folder }
  }
  if (spawnSync(GO, ['version']).status !== 0) {
    return { missing: { tool: 'Go', get: 'https://go.dev/dl, 1.26 or later' } }
  }
  mkdirSync(folder, { recursive: true })
  const lock = `${folder}.lock`
  while (!existsSync(complete)) {
    if (!takeLock(lock)) {
      await Bun.sleep(500)
      continue
    }
    try {
      const fault = existsSync(complete) ? undefined : await buildPrograms(folder)
      if (fault !== undefined) return { missing: { tool: `Kubernetes ${VERSION}`, get: fault } }
      writeFileSync(complete, '')
    } finally {
      rmSync(lock, { recursive: true, force: true })
    }
  }
  return { folder }
}

function moduleHash(): string {
  const hash = createHash('sha256').update(LINKER_FLAGS)
  for (const file of ['go.mod', 'go.sum']) hash.update(readFileSync(join(MODULE, file)))
  return hash.digest('hex').slice(0, 16)
}

/** A lock whose owner is gone was left by a killed one. */
function takeLock(lock: string): boolean {
  const owner = join(lock, 'pid')
  try {
    mkdirSync(lock)
    writeFileSync(owner, String(process.pid))
    return true
  } catch {
    const made = statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()
    const isUnsigned = !existsSync(owner) && Date.now() - made > UNSIGNED_LOCK_MS
    if (isUnsigned || (existsSync(owner) && !isRunning(readFileSync(owner, 'utf8')))) {
      rmSync(lock, { recursive: true, force: true })
    }
    return false
  }
}

function isRunning(pid: string): boolean {
  if (!/^\d+$/.test(pid)) return true
  try {
    process.kill(Number(pid), 0)
    return true
  } catch {
    return false
  }
}

/** One after the other, gently: what a program shares with the one before is built once. */
async function buildPrograms(folder: string): Promise<string | undefined> {
  process.stderr.write(
    `building Kubernetes ${VERSION} from source into ${folder}, once: about ten minutes on two cores\n`,
  )
  const started = performance.now()
  for (const [name, path] of Object.entries(PROGRAMS)) {
    const half = join(folder, `${name}.half`)
    const fault = await runGo(['build', '-ldflags', LINKER_FLAGS, '-o', half, path])
    if (fault !== undefined) return `go build ${path} failed: ${fault}`
    renameSync(half, join(folder, name))
  }
  const minutes = ((performance.now() - started) / 60_000).toFixed(1)
  process.stderr.write(`Kubernetes ${VERSION} is built, in ${minutes} minutes\n`)
  return undefined
}

/** The last line that Go wrote where it failed. */
async function runGo(args: readonly string[]): Promise<string | undefined> {
  const child = spawn('nice', ['-n', '19', GO, ...args], {
    cwd: MODULE,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000)
  })
  const code = await new Promise((resolve) => {
    child.on('error', () => resolve(-1))
    child.on('close', resolve)
  })
  return code === 0 ? undefined : (said.trim().split('\n').at(-1) ?? `exit code ${String(code)}`)
}
