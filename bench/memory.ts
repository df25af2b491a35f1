/** Resident memory of podrole's processes, from Linux' /proc, beside a bare Bun.serve's. */
import {
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
  openSync,
  closeSync,
  existsSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readAdminKeyFile } from '../src/broker/start-broker.ts'
import { generateSigningKey } from '../src/issuer/keys.ts'
import {
  CLUSTER,
  credentialRequests,
  exchangeRequests,
  REGION,
  registerCluster,
  reviewRequests,
  startEksAuth,
  startKubeApi,
  startSts,
} from './fixtures.ts'
import { type Bench, type PlainRequest, requestText } from './measure.ts'
import { writeBrokerConfig } from './servers.ts'

/** Megabytes (10^6 bytes) of resident memory. */
export interface Memory {
  readonly name: string
  readonly idleMb: number
  readonly afterLoadMb: number
  readonly peakMb: number
  /** Requests that were answered in between. */
  readonly requests: number
}

interface Started {
  readonly port: number
  readonly pid: number
  stop(): Promise<void>
}

const BIN = join(import.meta.dir, '..', 'bin', 'podrole')
/** As many pods as a node can have, and the service accounts of a cluster of some size. */
const PODS = 250
const ACCOUNTS = 1000
const SETTLE_MS = 2000
const LOAD_SECONDS = 5

export async function measureMemory(bench: Bench): Promise<Memory[]> {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-bench-'))
  try {
    return [
      await measureBare(bench, folder),
      await measureAgent(bench, folder),
      await measureWebhook(bench, folder),
      await measureBroker(bench, folder),
    ]
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function measureBare(bench: Bench, folder: string): Promise<Memory> {
  const script = `const s = Bun.serve({ hostname: '127.0.0.1', port: 0, development: false,
    fetch: () => new Response('ok') })
    console.error('"url":"' + s.url.origin + '"')`
  const child = await start(folder, [process.execPath, '--no-env-file', '-e', script])
  const request: PlainRequest = { method: 'GET', path: '/', headers: {} }
  return observe(bench, child, { name: 'bare Bun.serve', requests: [request] })
}

async function measureAgent(bench: Bench, folder: string): Promise<Memory> {
  const upstream = startEksAuth()
  const where = ['--bind-hosts', '127.0.0.1', '--port', '0', '--probe-port', '0']
  const child = await start(
    folder,
    [BIN, 'agent', '-c', CLUSTER, '--region', REGION, '--endpoint', upstream.url, ...where],
    { AWS_ACCESS_KEY_ID: 'AKIAEXAMPLEEXAMPLE00', AWS_SECRET_ACCESS_KEY: 'x' },
  )
  const requests = await credentialRequests(await generateSigningKey('RS256'), PODS)
  const memory = await observe(bench, child, { name: `podrole agent, ${PODS} pods`, requests })
  await upstream.stop(0)
  return memory
}

async function measureWebhook(bench: Bench, folder: string): Promise<Memory> {
  const api = await startKubeApi(bench, ACCOUNTS)
  const { cert, key } = await bench.authority.issue({ names: ['127.0.0.1'] })
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text, { mode: 0o600 })
    return join(folder, name)
  }
  const ca = Buffer.from(bench.authority.cert).toString('base64')
  const kubeconfig = file(
    'kubeconfig',
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'c',
      clusters: [{ name: 'c', cluster: { server: api.url, 'certificate-authority-data': ca } }],
      users: [{ name: 'u', user: { token: 't' } }],
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
    }),
  )
  const files = ['--tls-cert', file('webhook.crt', cert), '--tls-key', file('webhook.key', key)]
  const child = await start(folder, [
    BIN,
    'webhook',
    '--kubeconfig',
    kubeconfig,
    '--port',
    '0',
    ...files,
  ])
  const memory = await observe(bench, child, {
    name: `podrole webhook, ${ACCOUNTS} service accounts`,
    requests: reviewRequests(ACCOUNTS),
    tls: true,
  })
  await api.stop(0)
  return memory
}

async function measureBroker(bench: Bench, folder: string): Promise<Memory> {
  const sts = startSts()
  const settings = { ...(await writeBrokerConfig(bench, folder)), stsEndpoint: sts.url }
  const config = join(folder, 'broker.yaml')
  writeFileSync(config, JSON.stringify(settings))
  const child = await start(folder, [BIN, 'broker', '--config', config])
  const signingKey = await generateSigningKey('RS256')
  const credentials = await readAdminKeyFile(settings.adminKeyFile)
  await registerCluster(bench, { url: `https://127.0.0.1:${child.port}`, credentials }, signingKey)
  const memory = await observe(bench, child, {
    name: `podrole broker, ${PODS} pods, STS over HTTP`,
    requests: await exchangeRequests(signingKey, PODS),
    tls: true,
  })
  await sts.stop(0)
  return memory
}

/** Starts a process whose log tells its URL; nothing of this process' environment reaches it. */
async function start(
  folder: string,
  command: string[],
  environment: Record<string, string> = {},
): Promise<Started> {
  const logFile = join(folder, 'log')
  const log = openSync(logFile, 'w')
  const child = Bun.spawn(command, {
    cwd: folder,
    env: { PATH: process.env['PATH'] ?? '', HOME: folder, ...environment },
    stdio: ['ignore', 'ignore', log],
  })
  closeSync(log)
  const stop = async (): Promise<void> => {
    child.kill()
    await child.exited
  }
  const deadline = Date.now() + 15_000
  for (;;) {
    const text = existsSync(logFile) ? readFileSync(logFile, 'utf8') : ''
    const port = /"urls?":\[?"https?:\/\/[^"]*:(\d+)"/.exec(text)?.[1]
    if (port !== undefined) return { port: Number(port), pid: child.pid, stop }
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop()
      throw new Error(`${command.slice(0, 2).join(' ')} did not start: ${text.slice(0, 1000)}`)
    }
    await Bun.sleep(20)
  }
}

/** Idle, under load, and when the load has gone. */
async function observe(
  bench: Bench,
  child: Started,
  what: {
    readonly name: string
    readonly requests: readonly PlainRequest[]
    readonly tls?: boolean
  },
): Promise<Memory> {
  try {
    await Bun.sleep(SETTLE_MS)
    const idleMb = residentMb(child.pid, 'VmRSS')
    const { requests } = await bench.load({
      port: child.port,
      requests: what.requests.map((request) => requestText(request)),
      connections: 16,
      seconds: LOAD_SECONDS,
      ...(what.tls === true && { ca: bench.authority.cert }),
    })
    await Bun.sleep(SETTLE_MS)
    return {
      name: what.name,
      idleMb,
      afterLoadMb: residentMb(child.pid, 'VmRSS'),
      peakMb: residentMb(child.pid, 'VmHWM'),
      requests,
    }
  } finally {
    await child.stop()
  }
}

export function residentMb(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const kib = new RegExp(`^${field}:\\s*(\\d+) kB`, 'm').exec(status)?.[1]
  return (Number(kib) * 1024) / 1e6
}
