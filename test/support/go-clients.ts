/** The program of test/clients/go on aws-sdk-go-v2, built once and kept between runs. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { missingGo, runGo } from './go.ts'
import { cacheFolder, isMade, makeOnce, type Missing } from './once.ts'

/** Where the program is, or what is missing and how to get it (for `lacks`). */
export type GoClientsFound =
  | { readonly program: string; readonly missing?: never }
  | { readonly program?: never; readonly missing: Missing }

/** The folder of the Go module. */
export const GO_CLIENTS: string = join(import.meta.dir, '..', 'clients', 'go')
const FLAGS = ['-trimpath', '-buildvcs=false', '-ldflags=-s -w'] as const
const STAMP = 'complete'

/**
 * The program, built at first use in `$XDG_CACHE_HOME/podrole/clients-go/HASH` (`~/.cache` without
 * it), the hash being that of the module's sources. One process builds, others wait.
 * @throws Error where the sources do not compile
 */
export async function findGoClients(): Promise<GoClientsFound> {
  const folder = cacheFolder(join('clients-go', sourcesHash()))
  const found = { program: join(folder, 'clients') }
  if (isMade(folder, STAMP)) return found
  const missing = missingGo() ?? (await makeOnce(folder, STAMP, () => buildProgram(found.program)))
  return missing === undefined ? found : { missing }
}

function sourcesHash(): string {
  const hash = createHash('sha256').update(FLAGS.join(' '))
  const sources = readdirSync(GO_CLIENTS).filter((name) => /\.(?:go|mod|sum)$/.test(name))
  for (const name of sources.sort()) hash.update(name).update(readFileSync(join(GO_CLIENTS, name)))
  return hash.digest('hex').slice(0, 16)
}

async function buildProgram(program: string): Promise<Missing | undefined> {
  process.stderr.write(
    `building the clients on aws-sdk-go-v2 as ${program}, once: about three minutes on two cores, seconds where Go has the SDK built\n`,
  )
  const started = performance.now()
  const half = `${program}.half`
  const unreached = await runGo(GO_CLIENTS, ['mod', 'download'])
  if (unreached !== undefined) {
    return { tool: 'aws-sdk-go-v2', get: `run it once where Go reaches its modules: ${unreached}` }
  }
  const fault = await runGo(GO_CLIENTS, ['build', ...FLAGS, '-o', half, '.'])
  if (fault !== undefined) throw new Error(`go build of the clients failed: ${fault}`)
  renameSync(half, program)
  const seconds = ((performance.now() - started) / 1000).toFixed(0)
  process.stderr.write(`the clients on aws-sdk-go-v2 are built, in ${seconds} s\n`)
  return undefined
}
