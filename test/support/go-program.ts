/** Programs of the tests' own Go modules, built once and kept between runs. */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { missingGo, runGo } from './go.ts'
import { cacheFolder, isMade, makeOnce, type Missing } from './once.ts'

/** Where the program is, or what is missing and how to get it (for `lacks`). */
export type GoProgramFound =
  | { readonly program: string; readonly missing?: never }
  | { readonly program?: never; readonly missing: Missing }

export interface GoProgramSource {
  /** The folder of its module; all of its sources are in it. */
  readonly module: string
  /** Of its folder in the cache. */
  readonly name: string
  /** What it needs of others, for messages. */
  readonly needs: string
  /** How long that takes. */
  readonly takes: string
  readonly flags?: readonly string[]
}

const STAMP = 'complete'

/**
 * The program, built at first use in `$XDG_CACHE_HOME/podrole/NAME/HASH` (`~/.cache` without it),
 * the hash being that of the module's sources. One process builds, others wait.
 * @throws Error where the sources do not compile
 */
export async function findGoProgram(source: GoProgramSource): Promise<GoProgramFound> {
  const folder = cacheFolder(join(source.name, sourcesHash(source)))
  const found = { program: join(folder, basename(source.name)) }
  if (isMade(folder, STAMP)) return found
  const build = (): Promise<Missing | undefined> => buildProgram(source, found.program)
  const missing = missingGo() ?? (await makeOnce(folder, STAMP, build))
  return missing === undefined ? found : { missing }
}

function sourcesHash({ flags = [], module }: GoProgramSource): string {
  const hash = createHash('sha256').update(flags.join(' '))
  const sources = readdirSync(module).filter((name) => /\.(?:go|mod|sum)$/.test(name))
  for (const name of sources.sort()) hash.update(name).update(readFileSync(join(module, name)))
  return hash.digest('hex').slice(0, 16)
}

async function buildProgram(
  source: GoProgramSource,
  program: string,
): Promise<Missing | undefined> {
  const { flags = [], module, needs, takes } = source
  process.stderr.write(`building ${needs} as ${program}, once: ${takes}\n`)
  const started = performance.now()
  mkdirSync(dirname(program), { recursive: true })
  const half = `${program}.half`
  const unreached = await runGo(module, ['mod', 'download'])
  if (unreached !== undefined) {
    return { tool: needs, get: `run it once where Go reaches its modules: ${unreached}` }
  }
  const fault = await runGo(module, ['build', ...flags, '-o', half, '.'])
  if (fault !== undefined) throw new Error(`go build of ${needs} failed: ${fault}`)
  renameSync(half, program)
  const seconds = ((performance.now() - started) / 1000).toFixed(0)
  process.stderr.write(`built ${needs}, in ${seconds} s\n`)
  return undefined
}
