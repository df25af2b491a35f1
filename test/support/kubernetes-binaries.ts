/** Kubernetes' own programs, built as Go tools of test/cluster/tools and kept between runs. */
import { createHash } from 'node:crypto'
import { readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { missingGo, runGo } from './go.ts'
import { cacheFolder, isMade, makeOnce, type Missing } from './once.ts'

/** Where the programs are, or what is missing and how to get it (for `lacks`). */
export type KubernetesFound =
  | { readonly folder: string; readonly missing?: never }
  | { readonly folder?: never; readonly missing: Missing }

const VERSION = '1.36.3'
const MODULE = join(import.meta.dir, '..', 'cluster', 'tools')
const PROGRAMS = {
  etcd: 'go.etcd.io/etcd/server/v3',
  'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
  'kube-controller-manager': 'k8s.io/kubernetes/cmd/kube-controller-manager',
  kubectl: 'k8s.io/kubernetes/cmd/kubectl',
  kubeadm: 'k8s.io/kubernetes/cmd/kubeadm',
} as const
/** What `/version` and `kubectl version` answer. */
const LINKER_FLAGS = [`gitVersion=v${VERSION}`, 'gitMajor=1', 'gitMinor=36', 'gitTreeState=clean']
  .map((setting) => `-X k8s.io/component-base/version.${setting}`)
  .join(' ')

/**
 * The folder of etcd, kube-apiserver, kube-controller-manager, kubectl and kubeadm: built at first use in
 * `$XDG_CACHE_HOME/podrole/kubernetes-1.36.3` (`~/.cache` without it), and again when go.mod,
 * go.sum or this list change. One process builds, others wait.
 */
export async function findKubernetes(): Promise<KubernetesFound> {
  const folder = cacheFolder(`kubernetes-${VERSION}`)
  const stamp = `complete-${moduleHash()}`
  if (isMade(folder, stamp)) {
    process.stderr.write(`Kubernetes ${VERSION} is reused from ${folder}\n`)
    return { folder }
  }
  const missing = missingGo() ?? (await makeOnce(folder, stamp, () => buildPrograms(folder)))
  return missing === undefined ? { folder } : { missing }
}

function moduleHash(): string {
  const hash = createHash('sha256').update(LINKER_FLAGS).update(JSON.stringify(PROGRAMS))
  for (const file of ['go.mod', 'go.sum']) hash.update(readFileSync(join(MODULE, file)))
  return hash.digest('hex').slice(0, 16)
}

/** One after the other, gently: what a program shares with the one before is built once. */
async function buildPrograms(folder: string): Promise<Missing | undefined> {
  process.stderr.write(
    `building Kubernetes ${VERSION} from source into ${folder}, once: about ten minutes on two cores\n`,
  )
  const started = performance.now()
  for (const [name, path] of Object.entries(PROGRAMS)) {
    const half = join(folder, `${name}.half`)
    const fault = await runGo(MODULE, ['build', '-ldflags', LINKER_FLAGS, '-o', half, path])
    if (fault !== undefined) {
      return { tool: `Kubernetes ${VERSION}`, get: `go build ${path} failed: ${fault}` }
    }
    renameSync(half, join(folder, name))
  }
  const minutes = ((performance.now() - started) / 60_000).toFixed(1)
  process.stderr.write(`Kubernetes ${VERSION} is built, in ${minutes} minutes\n`)
  return undefined
}
