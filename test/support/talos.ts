/** Talos' own code for machine configurations, which reads what podrole writes for them. */
import { join } from 'node:path'
import { findGoProgram } from './go-program.ts'
import type { Missing } from './once.ts'

/** The program of test/cluster/talos/main.go, on Talos 1.14.1. */
export async function findTalos(): Promise<
  | { readonly program: string; readonly missing?: never }
  | { readonly program?: never; readonly missing: Missing & { readonly isOptional: true } }
> {
  const found = await findGoProgram({
    module: join(import.meta.dir, '..', 'cluster', 'talos'),
    name: 'talos',
    needs: "Talos' machine configurations",
    takes: 'about a minute',
  })
  // Two modules stand in for versions that not every Go proxy has: another may have neither.
  return found.missing === undefined ? found : { missing: { ...found.missing, isOptional: true } }
}
