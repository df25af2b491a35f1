/** The code of distributions of Kubernetes that reads what podrole writes for them. */
import { join } from 'node:path'
import { findGoProgram, type GoProgramFound } from './go-program.ts'
import type { Missing } from './once.ts'

const CLUSTER = join(import.meta.dir, '..', 'cluster')

/** kubeadm 1.36.3. */
export const findKubeadm = (): Promise<GoProgramFound> =>
  findGoProgram({
    module: join(CLUSTER, 'tools'),
    package: 'k8s.io/kubernetes/cmd/kubeadm',
    name: 'kubeadm',
    needs: 'kubeadm',
    takes: 'half a minute where Kubernetes is built, five where it is not',
  })

/** Talos 1.14.1's machine configurations (test/cluster/talos/main.go). */
export async function findTalos(): Promise<
  | { readonly program: string; readonly missing?: never }
  | { readonly program?: never; readonly missing: Missing & { readonly isOptional: true } }
> {
  const found = await findGoProgram({
    module: join(CLUSTER, 'talos'),
    name: 'talos',
    needs: "Talos' machine configurations",
    takes: 'about a minute',
  })
  // Two modules stand in for versions that not every Go proxy has: another may have neither.
  return found.missing === undefined ? found : { missing: { ...found.missing, isOptional: true } }
}
