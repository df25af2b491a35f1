/** The AWS CLI 2, which PyPI has not, as an image of the sandbox. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { messageOf } from '../../src/lib/errors.ts'
import type { ImageEntry } from '../../src/sandbox/node/images.ts'
import { cacheFolder, makeOnce, type Missing } from './once.ts'

export type AwsCli2Found =
  | { readonly program: string; readonly version: string; readonly missing?: never }
  | { readonly program?: never; readonly version?: never; readonly missing: Missing }

/**
 * The first `aws` of version 2 on the PATH, which may have others before it; else Debian's, out of
 * its packages, in `$XDG_CACHE_HOME/podrole/aws-cli-2` and nowhere else: an `aws` in /usr/bin is in
 * every container of the sandbox.
 */
export async function findAwsCli2(): Promise<AwsCli2Found> {
  for (const folder of new Set((process.env['PATH'] ?? '').split(delimiter))) {
    const program = Bun.which('aws', { PATH: folder })
    const version = program === null ? undefined : versionOf(program)
    if (program !== null && version !== undefined) return { program, version }
  }
  const folder = cacheFolder('aws-cli-2')
  const program = join(folder, 'bin', 'aws')
  const missing = await makeOnce(folder, 'complete', async () => unpackDebian(folder, program))
  return missing === undefined ? { program, version: versionOf(program) ?? '' } : { missing }
}

function versionOf(program: string): string | undefined {
  const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' })
  return /^aws-cli\/(2\.[\d.]+)/.exec(stdout)?.[1]
}

/** What apt would install for the package `awscli`, fetched and unpacked: seconds. */
function unpackDebian(folder: string, program: string): Missing | undefined {
  const root = join(folder, 'root')
  rmSync(root, { recursive: true, force: true })
  mkdirSync(dirname(program), { recursive: true })
  const run = (command: string, ...words: readonly string[]): string => {
    const { status, stderr, stdout } = spawnSync(command, words, { cwd: folder, encoding: 'utf8' })
    if (status === 0) return stdout
    throw new Error(stderr?.trim().split('\n').at(-1) ?? `no ${command}`)
  }
  try {
    const plan = run('apt-get', 'install', '--simulate', '--no-install-recommends', 'awscli')
    const packages = [...plan.matchAll(/^Inst (\S+) \((\S+) /gm)].map(
      ([, name, at]) => `${name}=${at}`,
    )
    run('apt-get', 'download', '--quiet', ...packages)
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.deb'))) {
      run('dpkg', '--extract', file, root)
      rmSync(join(folder, file))
    }
    const python = `PYTHONPATH=${root}/usr/lib/python3/dist-packages exec /usr/bin/python3`
    writeFileSync(program, `#!/bin/sh\n${python} ${root}/usr/bin/aws "$@"\n`, { mode: 0o755 })
    run(program, '--version')
    return undefined
  } catch (error) {
    const why = messageOf(error)
    return { tool: 'the AWS CLI 2', get: `on Debian: apt-get update, once; apt-get said: ${why}` }
  }
}

/** The image, of which STS is where `writeEndpoint` says. */
export const awsCli2Image = (program: string, dataFolder: string): ImageEntry => ({
  entrypoint: [program],
  path: [dirname(program)],
  folders: [dataFolder, dirname(dirname(program))],
  environment: { AWS_DATA_PATH: dataFolder },
})

/**
 * The AWS CLI reads no AWS_ENDPOINT_URL before 2.13, but endpoint rules from AWS_DATA_PATH in place
 * of its own.
 */
export function writeEndpoint(dataFolder: string, url: string, region: string): void {
  const folder = join(dataFolder, 'sts', '2011-06-15')
  const authSchemes = [{ name: 'sigv4', signingName: 'sts', signingRegion: region }]
  const rule = { conditions: [], endpoint: { url, properties: { authSchemes } }, type: 'endpoint' }
  const parameters = { Region: { type: 'String', builtIn: 'AWS::Region', required: false } }
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(folder, 'endpoint-rule-set-1.json'),
    JSON.stringify({ version: '1.0', parameters, rules: [rule] }),
  )
}
