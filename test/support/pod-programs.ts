/**
 * Programs that pods of the cases of `podrole explain` run beside the sandbox's own: the same
 * reading with other SDKs, made once and kept between runs. A machine may lack what some need.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DEMO_IMAGE } from '../../src/cli/demo/pods.ts'
import type { PodProgram } from '../../src/doctor/explain/cases.suite.ts'
import type { ImageEntry } from '../../src/sandbox/node/images.ts'
import { findGoClients } from './go-clients.ts'
import { cacheFolder, makeOnce, type Missing } from './once.ts'
import { findPython, pythonEnvironment } from './python.ts'

export interface PodPrograms {
  /** For the sandbox's table of images. */
  readonly images: Readonly<Record<string, ImageEntry>>
  readonly missing: ReadonlyMap<PodProgram, Missing & { readonly isOptional?: boolean }>
}

/** The image that stands for a program; without one, for the sandbox's own. */
export const imageOf = (program: PodProgram | undefined): string =>
  program === undefined ? DEMO_IMAGE : `podrole/${program.replace('@', '-')}`

/** Makes those that are wanted. */
export async function findPodPrograms(wanted: readonly PodProgram[]): Promise<PodPrograms> {
  const images: Record<string, ImageEntry> = {}
  const missing = new Map<PodProgram, Missing>()
  for (const program of new Set(wanted)) {
    const found = await find(program)
    if ('tool' in found) missing.set(program, found)
    else images[imageOf(program)] = found
  }
  return { images, missing }
}

const find = (program: PodProgram): Promise<ImageEntry | Missing> =>
  program === 'go-v2' ? findGo() : findBoto3(program.slice('boto3@'.length))

async function findGo(): Promise<ImageEntry | Missing> {
  const { missing, program } = await findGoClients()
  return missing ?? { entrypoint: [program], folders: [dirname(program)] }
}

const CLIENTS = join(import.meta.dir, '..', 'clients')
const POD_CHECK = join(CLIENTS, 'pod_check.py')
const TEN_MINUTES_MS = 600_000

/** `boto3/VERSION.txt` has what pip installs, in `$XDG_CACHE_HOME/podrole/boto3/VERSION-HASH`. */
async function findBoto3(version: string): Promise<ImageEntry | Missing> {
  const { bin, missing: noPython } = await findPython()
  if (noPython !== undefined) return noPython
  const requirements = join(CLIENTS, 'boto3', `${version}.txt`)
  // Its folder's name tells the Python that it is for.
  const hash = createHash('sha256').update(bin).update(readFileSync(requirements))
  const folder = cacheFolder(join('boto3', `${version}-${hash.digest('hex').slice(0, 16)}`))
  const python = join(bin, 'python')
  const missing = await makeOnce(folder, 'complete', async () =>
    installBoto3({ python, requirements, folder, version }),
  )
  return (
    missing ?? {
      entrypoint: [python, POD_CHECK],
      folders: [folder, bin, CLIENTS],
      environment: { PYTHONPATH: folder },
    }
  )
}

function installBoto3(at: {
  readonly python: string
  readonly requirements: string
  readonly folder: string
  readonly version: string
}): (Missing & { readonly isOptional?: boolean }) | undefined {
  const { folder, python, requirements, version } = at
  rmSync(folder, { recursive: true, force: true })
  process.stderr.write(`installing boto3 ${version} in ${folder}, once: about ten seconds\n`)
  const pip = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', folder]
  const installed = spawnSync(python, [...pip, '--requirement', requirements], {
    encoding: 'utf8',
    timeout: TEN_MINUTES_MS,
  })
  const last = installed.stderr.trim().split('\n').at(-1) ?? ''
  if (installed.status !== 0) {
    return {
      tool: `boto3 ${version} from PyPI`,
      get: `run it once where pip reaches PyPI; pip said: ${last}`,
    }
  }
  const env = { ...pythonEnvironment(undefined, folder), PYTHONPATH: folder }
  const tried = spawnSync(python, [POD_CHECK, 'version'], { encoding: 'utf8', env })
  if (tried.stdout.trim() === version) return undefined
  const fault = tried.stderr.trim().split('\n').at(-1) ?? ''
  return {
    tool: `a Python that runs boto3 ${version}`,
    get: `Python 3.11 runs each; this one said: ${fault}`,
    // No registry has an older Python than the machine's.
    isOptional: true,
  }
}
