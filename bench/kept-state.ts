/**
 * How long a sandbox takes to start on a state of some size, and what memory it has then: beside a
 * bare Bun process that reads the same file and serves.
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { type KubeClient, PODS, SERVICE_ACCOUNTS } from '../src/kube/client.ts'
import { loadKubeAccess } from '../src/kube/kubeconfig.ts'
import type { Pod } from '../src/kube/objects.ts'
import { createKubeClient } from '../src/kube/transport.ts'
import { systemClock } from '../src/lib/clock.ts'
import { Secret } from '../src/lib/secret.ts'
import { startSandbox } from '../src/sandbox/sandbox.ts'
import { ACCOUNT, REGION } from './fixtures.ts'
import { callIam, roleParameters, ROLES } from './iam-calls.ts'
import { type Bench, droppingLog, median } from './measure.ts'
import { residentMb } from './memory.ts'

/** One line of the report. Milliseconds, and megabytes (10^6 bytes) of resident memory. */
export interface Start {
  readonly name: string
  /** From the start of the process until everything answers. */
  readonly bestMs: number
  readonly medianMs: number
  /** CPU time of the process until then, with that of children that ended, the best. */
  readonly cpuMs: number
  /** From when pods are made, one on each cluster, until all of them run; where they are made. */
  readonly podsMs?: number
  /** Two seconds later. */
  readonly residentMb: number
  /** With all the processes that it started. */
  readonly treeMb: number
}

const BIN = join(import.meta.dir, '..', 'bin', 'podrole')
const CLUSTERS = 5
const SERVICE_ACCOUNTS_COUNT = 10_000
const SETTLE_MS = 2000
const START_MS = 60_000

export async function measureStart(bench: Bench): Promise<Start[]> {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-bench-'))
  try {
    const state = join(folder, 'state')
    await makeState(state)
    // What the first start makes (certificates, its own objects) is there at every later one.
    await observe(folder, state, sandboxOn, requireSize)
    const rounds: { own: Observed; bare: Observed }[] = []
    for (let round = 0; round < bench.rounds; round += 1) {
      rounds.push({
        own: await observe(folder, state, sandboxOn),
        bare: await observe(folder, state, bareOn),
      })
    }
    const own = rounds.map((round) => round.own)
    const size = `${ROLES} roles, ${SERVICE_ACCOUNTS_COUNT} service accounts, ${CLUSTERS} clusters`
    const busy = await observe(folder, state, sandboxOn, runPods)
    return [
      startOf(
        'bare Bun.serve that parsed the same file',
        rounds.map(({ bare }) => bare),
      ),
      startOf(`podrole sandbox --state: ${size}`, own),
      {
        ...startOf('the same, then a pod on each cluster', own),
        residentMb: busy.residentMb,
        treeMb: busy.treeMb,
        podsMs: busy.workMs,
      },
    ]
  } finally {
    rmSync(folder, { recursive: true })
  }
}

interface Observed {
  readonly ms: number
  readonly cpuMs: number
  /** What was done then took. */
  readonly workMs: number
  readonly residentMb: number
  readonly treeMb: number
}

type Command = (state: string, readyFile: string) => readonly string[]

const sandboxOn: Command = (state, readyFile) => [
  BIN,
  'sandbox',
  '--port=0',
  `--state=${state}`,
  `--ready-file=${readyFile}`,
]

const bareOn: Command = (state, readyFile) => [
  process.execPath,
  '--no-env-file',
  '-e',
  `const { readFileSync, writeFileSync } = require('node:fs')
   globalThis.kept = readFileSync(process.argv[1], 'utf8').trimEnd().split('\\n').map(JSON.parse)
   Bun.serve({ hostname: '127.0.0.1', port: 0, development: false, fetch: () => new Response('ok') })
   writeFileSync(process.argv[2], '{}')`,
  join(state, 'state.jsonl'),
  readyFile,
]

/** One start on a copy of the state, from nothing to its end. */
async function observe(
  folder: string,
  state: string,
  command: Command,
  work: (readyFile: string) => Promise<void> = async () => undefined,
): Promise<Observed> {
  const [own, readyFile] = [join(folder, 'own'), join(folder, 'ready.json')]
  // The first start leaves what it makes to the others.
  const isFirst = !existsSync(join(state, 'access'))
  if (!isFirst) cpSync(state, own, { recursive: true })
  rmSync(readyFile, { force: true })
  const startedAt = performance.now()
  const child = Bun.spawn([...command(isFirst ? state : own, readyFile)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  try {
    while (!existsSync(readyFile)) {
      const isLate = performance.now() - startedAt > START_MS
      if (child.exitCode !== null || isLate) throw new Error(`${command.name} did not start`)
      await Bun.sleep(2)
    }
    const ms = performance.now() - startedAt
    const cpuMs = cpuOf(child.pid)
    const workedFrom = performance.now()
    await work(readyFile)
    const workMs = performance.now() - workedFrom
    await Bun.sleep(SETTLE_MS)
    const tree = [child.pid, ...descendantsOf(child.pid)]
    return {
      ms,
      cpuMs,
      workMs,
      residentMb: residentMb(child.pid, 'VmRSS'),
      treeMb: tree.reduce((sum, pid) => sum + residentMb(pid, 'VmRSS'), 0),
    }
  } finally {
    child.kill('SIGTERM')
    await child.exited
    rmSync(own, { recursive: true, force: true })
  }
}

function startOf(name: string, all: readonly Observed[]): Start {
  return {
    name,
    bestMs: Math.min(...all.map(({ ms }) => ms)),
    medianMs: median(all.map(({ ms }) => ms)),
    cpuMs: Math.min(...all.map(({ cpuMs }) => cpuMs)),
    residentMb: median(all.map((one) => one.residentMb)),
    treeMb: median(all.map(({ treeMb }) => treeMb)),
  }
}

/** Hundredths of a second that the kernel has counted, as milliseconds. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * 10, 0)
}

function descendantsOf(pid: number): number[] {
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return (
          Number(readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1]?.split(' ')[1]) === pid
        )
      } catch {
        return false
      }
    })
    .map(Number)
  return children.flatMap((child) => [child, ...descendantsOf(child)])
}

/** What is measured must be the state that is meant. */
async function requireSize(readyFile: string): Promise<void> {
  const lists = (await clientsOf(readyFile)).map((client) =>
    client.list(SERVICE_ACCOUNTS, { namespace: 'default', labelSelector: 'of=the-bench' }),
  )
  const sizes = (await Promise.all(lists)).map(({ items }) => items.length)
  const environment = readEnvironment(readyFile)
  const roles = await callIam(
    environment['AWS_ENDPOINT_URL'] ?? '',
    {
      accessKeyId: environment['AWS_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: new Secret(environment['AWS_SECRET_ACCESS_KEY'] ?? ''),
    },
    { Action: 'GetAccountSummary' },
  )
  const [, count] = /<key>Roles<\/key><value>(\d+)</.exec(roles) ?? []
  const isWhole =
    sizes.length === CLUSTERS &&
    sizes.reduce((sum, size) => sum + size, 0) === SERVICE_ACCOUNTS_COUNT &&
    Number(count) >= ROLES
  if (!isWhole) throw new Error(`the state is another: ${sizes.join(', ')}; ${count} roles`)
}

/** A pod on each cluster at once, for which its node and agent start. */
async function runPods(readyFile: string): Promise<void> {
  const runs = (await clientsOf(readyFile)).map(async (client) => {
    const ref = { namespace: 'default', name: 'app' }
    await client.create<Pod>(PODS, {
      metadata: ref,
      spec: { containers: [{ name: 'main', image: 'busybox', command: ['sleep', '600'] }] },
    })
    while ((await client.get<Pod>(PODS, ref)).status?.phase !== 'Running') await Bun.sleep(20)
  })
  await Promise.all(runs)
}

const readEnvironment = (readyFile: string): Record<string, string> =>
  JSON.parse(readFileSync(readyFile, 'utf8')) as Record<string, string>

const clientsOf = (readyFile: string): Promise<KubeClient[]> =>
  Promise.all(
    (readEnvironment(readyFile)['KUBECONFIG'] ?? '')
      .split(delimiter)
      .map(async (KUBECONFIG) =>
        createKubeClient(await loadKubeAccess({ environment: { KUBECONFIG } })),
      ),
  )

/** Made by the APIs, in a folder that is not there yet; some seconds. */
async function makeState(folder: string): Promise<void> {
  const clusters = Array.from({ length: CLUSTERS }, (_, number) => `cluster-${number}`)
  const sandbox = await startSandbox({
    port: 0,
    accountIds: [ACCOUNT],
    region: REGION,
    clusters: clusters.map((name) => ({ name, region: REGION, kind: 'eks', nodes: 1 })),
    stateFolder: folder,
    resolve: [],
    trustCas: [],
    images: { find: () => ({ missing: 'no pod runs here' }) },
    network: 'loopback',
    clock: systemClock,
    log: droppingLog,
  })
  try {
    sandbox.aws.setQuota({ name: 'roles', accountId: '*', value: 10_000 })
    for (let number = 0; number < ROLES; number += 1) {
      await callIam(sandbox.endpoint, sandbox.aws.adminCredentials(), roleParameters(number))
    }
    for (let number = 0; number < SERVICE_ACCOUNTS_COUNT; number += 1) {
      const { client } = sandbox.clusters.get(clusters[number % clusters.length] ?? '') ?? {}
      const name = `worker-${number}`
      const role = `arn:aws:iam::${ACCOUNT}:role/role-${number % ROLES}`
      const annotations = { 'eks.amazonaws.com/role-arn': role }
      await client?.create(SERVICE_ACCOUNTS, {
        metadata: { namespace: 'default', name, annotations, labels: { of: 'the-bench' } },
      })
    }
  } finally {
    await sandbox.stop()
  }
}
