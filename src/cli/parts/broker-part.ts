/** A broker for the clusters of a sandbox that are not EKS: a process without an AWS key. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readAdminKeyFile } from '../../broker/start-broker.ts'
import { codeOf, PodroleError } from '../../lib/errors.ts'
import type { LogLevel } from '../../lib/log.ts'
import { Secret } from '../../lib/secret.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import type { Jwks } from '../../token/jwks.ts'
import { callEks, type EksEndpoint } from './associations.ts'

export interface BrokerPart {
  /** Its management API, with the first admin key. */
  readonly endpoint: EksEndpoint & { readonly ca: string }
  readonly port: number
  /** The fleet issuer. */
  readonly issuer: string
  /** All that the process was given and keeps: its environment and its files, database included. */
  possessions(): string
  /** Makes a cluster known by its issuer and keys, in place of those that it had. */
  register(cluster: {
    readonly name: string
    readonly issuer: string
    readonly jwks: Jwks
  }): Promise<void>
  /** A broker key for one cluster: its agents' EKS Auth call, or its webhook's list. */
  clusterKey(kind: 'agent' | 'webhook', clusterName: string): Promise<EksEndpoint['credentials']>
  stop(): Promise<void>
}

const READY_MS = 20_000

/** Where and for whom a broker runs. */
export interface BrokerSurroundings {
  readonly sandbox: Sandbox
  /** The account that its clusters belong to. */
  readonly accountId: string
  /** Of the checkout. */
  readonly root: string
  readonly logLevel: LogLevel
}

export async function startBrokerPart(around: BrokerSurroundings): Promise<BrokerPart> {
  const { sandbox, root, logLevel } = around
  // The first account's broker has the names that it has where there is one account alone.
  const suffix = around.accountId === sandbox.accountId ? '' : `-${around.accountId}`
  const issuerHost = `fleet${suffix}.issuer.sandbox`
  const folder = join(sandbox.stateFolder, `broker${suffix}`)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const ready = join(folder, 'ready.json')
  const pidFile = join(folder, 'pid')
  await endOrphan(pidFile, folder)
  rmSync(ready, { force: true })
  const adminKeyFile = join(folder, 'admin-key.json')
  const ownPort = await sandbox.keepPort(`broker${suffix}`)
  await writeSettings(around, {
    folder,
    adminKeyFile,
    issuerHost,
    port: ownPort,
    metricsPort: await sandbox.keepPort(`broker-metrics${suffix}`),
  })
  const environment = environmentOf(around, { folder, issuerHost, port: ownPort })
  const child = Bun.spawn(
    [
      // A sandbox that is killed takes its broker with it, where the machine can do that.
      ...(Bun.which('setpriv') === null ? [] : ['setpriv', '--pdeathsig', 'KILL']),
      join(root, 'bin', 'podrole'),
      'broker',
      `--log-level=${logLevel}`,
      `--config=${join(folder, 'broker.yaml')}`,
      `--ready-file=${ready}`,
    ],
    { stdio: ['ignore', 'inherit', 'inherit'], env: environment },
  )
  writeFileSync(pidFile, `${child.pid}\n`, { mode: 0o600 })
  const port = await waitForPort(child, ready)
  sandbox.names.add(`${issuerHost}=127.0.0.1:${port}`)
  const endpoint = {
    url: `https://127.0.0.1:${port}`,
    region: sandbox.region,
    credentials: await readAdminKeyFile(adminKeyFile),
    ca: sandbox.authority.cert,
  }
  return {
    endpoint,
    port,
    issuer: `https://${issuerHost}`,
    possessions: () => possessionsOf(child.pid, folder),
    register: async ({ name, ...keys }) => {
      await callEks(endpoint, 'PUT', `/podrole/v1/clusters/${encodeURIComponent(name)}`, keys)
    },
    clusterKey: async (kind, clusterName) => {
      const scope = { kind, clusterName }
      const key = await callEks(endpoint, 'POST', '/podrole/v1/keys', { scope })
      return {
        accessKeyId: String(key['accessKeyId']),
        secretAccessKey: new Secret(String(key['secretAccessKey'])),
      }
    },
    stop: async () => {
      child.kill('SIGTERM')
      await child.exited
      rmSync(pidFile, { force: true })
    },
  }
}

/** Without an AWS key. */
function environmentOf(
  { sandbox }: BrokerSurroundings,
  own: { readonly folder: string; readonly issuerHost: string; readonly port: number },
): Readonly<Record<string, string>> {
  const caFile = join(own.folder, 'ca.pem')
  writeFileSync(caFile, sandbox.authority.cert)
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: own.folder,
    // To see its own documents from outside, as STS does.
    AWS_ENDPOINT_URL: sandbox.endpoint,
    PODROLE_RESOLVE: `${own.issuerHost}=127.0.0.1:${own.port}`,
    PODROLE_CA_FILE: caFile,
  }
}

async function waitForPort(child: Bun.Subprocess, ready: string): Promise<number> {
  const until = Date.now() + READY_MS
  let port = readPort(ready)
  while (port === undefined) {
    if (child.exitCode !== null || Date.now() > until) {
      child.kill()
      throw new PodroleError(
        'BrokerNotReady',
        `the broker did not start (${String(child.exitCode)})`,
      )
    }
    await Bun.sleep(20)
    port = readPort(ready)
  }
  return port
}

/** Undefined as long as the file is not there, or not whole. */
function readPort(file: string): number | undefined {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
  return text.endsWith('}') ? (JSON.parse(text) as { port: number }).port : undefined
}

/** Where no setpriv is, the broker of a sandbox that was killed lives on, with the database open. */
async function endOrphan(pidFile: string, folder: string): Promise<void> {
  if (!existsSync(pidFile)) return
  const pid = Number.parseInt(readFileSync(pidFile, 'utf8'), 10)
  const commandLine = `/proc/${pid}/cmdline`
  const until = Date.now() + READY_MS
  // The number may be another program's by now.
  while (Date.now() < until) {
    const words = existsSync(commandLine) ? readFileSync(commandLine, 'utf8') : ''
    if (!words.includes(join(folder, 'broker.yaml'))) break
    try {
      process.kill(pid, 'SIGKILL')
    } catch (error) {
      if (codeOf(error) !== 'ESRCH') throw error
    }
    await Bun.sleep(20)
  }
  rmSync(pidFile, { force: true })
}

function possessionsOf(pid: number, folder: string): string {
  const environment = `/proc/${pid}/environ`
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
  return [...files, ...(existsSync(environment) ? [environment] : [])]
    .map((file) => readFileSync(file, 'latin1'))
    .join('\n')
}

async function writeSettings(
  { sandbox, accountId }: BrokerSurroundings,
  own: {
    readonly folder: string
    readonly adminKeyFile: string
    readonly issuerHost: string
    readonly port: number
    readonly metricsPort: number
  },
): Promise<void> {
  const { folder, adminKeyFile, issuerHost, port, metricsPort } = own
  const certificate = await sandbox.authority.issue({ names: [issuerHost, '127.0.0.1'] })
  const certificateFile = join(folder, 'tls.crt')
  const keyFile = join(folder, 'tls.key')
  writeFileSync(certificateFile, certificate.cert)
  writeFileSync(keyFile, certificate.key, { mode: 0o600 })
  const settings = {
    hostname: '127.0.0.1',
    port,
    metrics: { hostname: '127.0.0.1', port: metricsPort },
    certificateFile,
    keyFile,
    databaseFile: join(folder, 'broker.sqlite'),
    issuer: `https://${issuerHost}`,
    region: sandbox.region,
    accountId,
    stsEndpoint: sandbox.endpoint,
    adminKeyFile,
  }
  // JSON is YAML.
  writeFileSync(join(folder, 'broker.yaml'), JSON.stringify(settings))
}
