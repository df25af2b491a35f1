/** A Python with the packages of test/clients/requirements.txt, kept from one run to the next. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { cacheFolder, makeOnce, type Missing } from './once.ts'

/** Where the programs are, or what is missing and how to get it (for `lacks`). */
export type PythonFound =
  | { readonly bin: string; readonly missing?: never }
  | { readonly bin?: never; readonly missing: Missing }

const REQUIREMENTS = join(import.meta.dir, '..', 'clients', 'requirements.txt')
const TEN_MINUTES_MS = 600_000

/**
 * The `bin` folder of a virtual environment with the required packages: made by `python3 -m venv`
 * and `pip` at first use, in `$XDG_CACHE_HOME/podrole/python/HASH` (`~/.cache` without it).
 */
export async function findPython(): Promise<PythonFound> {
  const version = spawnSync('python3', ['--version'], { encoding: 'utf8' })
  if (version.status !== 0) {
    return { missing: { tool: 'python3', get: 'apt-get install python3 python3-venv' } }
  }
  const requirements = readFileSync(REQUIREMENTS, 'utf8')
  const hash = createHash('sha256').update(requirements).update(version.stdout).digest('hex')
  const folder = cacheFolder(join('python', hash.slice(0, 16)))
  const missing = await makeOnce(folder, 'complete', async () => makeEnvironment(folder))
  return missing === undefined ? { bin: join(folder, 'bin') } : { missing }
}

/** What a program sees: none of the machine's AWS, proxy, CA or pip settings. */
export function pythonEnvironment(bin: string | undefined, home: string): Record<string, string> {
  return {
    PATH: [bin, process.env['PATH']].filter(Boolean).join(delimiter),
    HOME: home,
    TMPDIR: process.env['TMPDIR'] ?? tmpdir(),
    LANG: 'C.UTF-8',
    PYTHONDONTWRITEBYTECODE: '1',
    AWS_EC2_METADATA_DISABLED: 'true',
  }
}

function makeEnvironment(folder: string): Missing | undefined {
  rmSync(folder, { recursive: true, force: true })
  process.stderr.write(`making a Python environment in ${folder}, once: about a minute\n`)
  const made = spawnSync('python3', ['-m', 'venv', folder], { encoding: 'utf8' })
  if (made.status !== 0) {
    return { tool: "Python's venv module", get: 'apt-get install python3-venv' }
  }
  const installed = spawnSync(
    join(folder, 'bin', 'python'),
    ['-m', 'pip', 'install', '--quiet', '--no-deps', '--requirement', REQUIREMENTS],
    { encoding: 'utf8', timeout: TEN_MINUTES_MS },
  )
  if (installed.status === 0) return undefined
  const last = installed.stderr.trim().split('\n').at(-1) ?? ''
  return {
    tool: 'boto3 and awscli from PyPI',
    get: `run it once where pip reaches PyPI; pip said: ${last}`,
  }
}
