/** podrole as typed, beside a sandbox that runs in this process. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import type { RunningCluster } from '../../src/sandbox/sandbox.ts'
import type { WiredSandbox } from '../../src/cli/parts/wired-sandbox.ts'

const PODROLE = join(import.meta.dir, '..', '..', 'bin', 'podrole')

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** A folder with what a user of the sandbox has on their machine, and podrole run from there. */
export interface Desk {
  readonly folder: string
  readonly environment: Readonly<Record<string, string>>
  /** Runs `podrole` with the words of a line, which are parted by spaces, and with further words. */
  run(line: string, ...words: readonly string[]): Promise<Ran>
  /** Runs a script in `sh -eu`, with `podrole` among its programs. */
  shell(script: string): Promise<Ran>
  /** Writes a file there; its path. */
  write(name: string, text: string): string
  remove(): void
}

/**
 * A desk beside a sandbox: an AWS profile of an administrator for each account, the first as
 * AWS_PROFILE; the kubeconfig of a cluster, if one is named; issuers found as the sandbox's STS finds them.
 */
export function openDesk(
  { brokers: [broker], sandbox }: Pick<WiredSandbox, 'brokers' | 'sandbox'>,
  options: {
    readonly profiles: Readonly<Record<string, string>>
    readonly cluster?: RunningCluster
    readonly issuers: readonly string[]
  },
): Desk {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-desk-'))
  const write = (name: string, text: string): string => {
    const file = join(folder, name)
    writeFileSync(file, text, { mode: 0o600 })
    return file
  }
  const credentials = Object.entries(options.profiles).map(([profile, accountId]) => {
    const { accessKeyId, secretAccessKey } = sandbox.aws.adminCredentials(accountId)
    return `[${profile}]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey.reveal()}\n`
  })
  const places = options.issuers.flatMap((issuer) => {
    const { hostname } = new URL(issuer)
    const place = sandbox.names.resolve(hostname)
    return place === undefined ? [] : [`${hostname}=${place.address}:${place.port}`]
  })
  const environment = {
    PATH: [dirname(PODROLE), process.env['PATH'] ?? ''].join(delimiter),
    HOME: folder,
    XDG_STATE_HOME: join(folder, 'state'),
    AWS_ENDPOINT_URL: sandbox.endpoint,
    AWS_REGION: sandbox.region,
    // The AWS CLI's first version reads no AWS_REGION.
    AWS_DEFAULT_REGION: sandbox.region,
    AWS_PROFILE: Object.keys(options.profiles)[0] ?? '',
    AWS_SHARED_CREDENTIALS_FILE: write('credentials', credentials.join('\n')),
    AWS_CONFIG_FILE: write('config', ''),
    ...(options.cluster !== undefined && {
      KUBECONFIG: write('kubeconfig', options.cluster.cluster.kubeconfig()),
    }),
    PODROLE_RESOLVE: places.join(','),
    PODROLE_CA_FILE: write('ca.pem', sandbox.authority.cert),
    ...(broker !== undefined && {
      PODROLE_BROKER_URL: broker.endpoint.url,
      PODROLE_BROKER_KEY_FILE: join(sandbox.stateFolder, 'broker', 'admin-key.json'),
    }),
  }
  const spawn = async (command: readonly string[]): Promise<Ran> => {
    const child = Bun.spawn([...command], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: environment,
    })
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
    return { code: await child.exited, out, err }
  }
  return {
    folder,
    environment,
    write,
    run: (line, ...words) => spawn([PODROLE, ...line.split(' '), ...words]),
    shell: (script) => spawn(['sh', '-eu', '-c', script]),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
