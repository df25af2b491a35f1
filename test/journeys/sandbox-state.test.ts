/**
 * A sandbox with `--state` that is killed again and again: everything that it acknowledged is there
 * when it comes back. PODROLE_TEST_SEED repeats a run.
 */
import {
  CreateClusterCommand,
  DeleteClusterCommand,
  DescribeClusterCommand,
  EKSClient,
} from '@aws-sdk/client-eks'
import { CreateRoleCommand, IAMClient, ListRolesCommand } from '@aws-sdk/client-iam'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { type KubeClient, PODS, SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import { loadKubeAccess } from '../../src/kube/kubeconfig.ts'
import type { Pod } from '../../src/kube/objects.ts'
import { createKubeClient } from '../../src/kube/transport.ts'
import {
  BUCKET,
  type Clients,
  type Expected,
  type Kind,
  KINDS,
  randomNumbers,
  TRUST,
} from '../support/kept-kinds.ts'

const PODROLE = join(import.meta.dir, '..', '..', 'bin', 'podrole')
const ROUNDS = Math.ceil(4 * Number(process.env['PODROLE_TEST_SCALE'] ?? 1))
const RESTORES = Math.ceil(ROUNDS / 2)
const SEED = Number(process.env['PODROLE_TEST_SEED'] ?? 20_261_122)
const ISSUER = 'https://edge.issuer.sandbox'
const folder = mkdtempSync(join(tmpdir(), 'podrole-state-'))
const stateFolder = join(folder, 'state')
const readyFile = join(folder, 'ready.json')
let child: Bun.Subprocess | undefined
let isKilled = false

async function start(): Promise<Clients> {
  rmSync(readyFile, { force: true })
  isKilled = false
  child = Bun.spawn(
    [
      PODROLE,
      'sandbox',
      `--ready-file=${readyFile}`,
      `--state=${stateFolder}`,
      '--port=0',
      '--cluster=one@eu-west-1',
      `--self-managed-cluster=edge=${ISSUER}`,
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  for (let tries = 0; !existsSync(readyFile) && tries < 1000; tries += 1) {
    if (child.exitCode !== null) throw new Error(`the sandbox ended with ${child.exitCode}`)
    await Bun.sleep(30)
  }
  const environment = JSON.parse(readFileSync(readyFile, 'utf8')) as Record<string, string>
  const settings = {
    region: 'eu-west-1',
    endpoint: environment['AWS_ENDPOINT_URL'] ?? '',
    credentials: {
      accessKeyId: environment['AWS_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: environment['AWS_SECRET_ACCESS_KEY'] ?? '',
    },
    maxAttempts: 1,
  }
  return {
    iam: new IAMClient(settings),
    s3: new S3Client({ ...settings, forcePathStyle: true }),
    eks: new EKSClient(settings),
    kube: createKubeClient(await loadKubeAccess({ environment })),
    environment,
  }
}

async function kill(): Promise<void> {
  isKilled = true
  child?.kill('SIGKILL')
  await child?.exited
}

/** Writes one kind until the sandbox is gone, or it is enough; how many were acknowledged. */
async function writeUntilGone(
  clients: Clients,
  kind: Kind,
  at: { readonly expected: Expected; readonly random: () => number; readonly most?: number },
): Promise<number> {
  const { expected, random, most = Infinity } = at
  for (let done = 0; ; done += 1) {
    if (done >= most) return done
    const name = `w${Math.floor(random() * 40)}`
    const before = expected.get(name)?.[0] ?? null
    const value = before !== null && random() < 0.3 ? null : `v${Math.floor(random() * 1e6)}`
    // A replaced association is deleted first.
    const between = [before, value, null]
    expected.set(name, between)
    try {
      if (value === null) await kind.remove(clients, name)
      else await kind.put(clients, name, value, before)
    } catch (error) {
      if (!isKilled) throw error
      return done
    }
    expected.set(name, [value])
  }
}

/** One of the sandbox's own endpoints; undefined where no answer came. */
async function askSandbox(
  { environment }: Clients,
  method: string,
  path: string,
): Promise<number | undefined> {
  try {
    const response = await fetch(`${environment['AWS_ENDPOINT_URL']}/_podrole/${path}`, {
      method,
      headers: { authorization: `Bearer ${environment['PODROLE_SANDBOX_TOKEN']}` },
      proxy: false,
      signal: AbortSignal.timeout(30_000),
    })
    await response.text()
    return response.status
  } catch (error) {
    if (!isKilled) throw error
    return undefined
  }
}

type Model = ReadonlyMap<string, Expected>
const copyOf = (model: Model): Model =>
  new Map([...model].map(([name, expected]) => [name, new Map(expected)]))

/** Everything there is, by kind and name. */
async function everything(clients: Clients): Promise<Record<string, Record<string, string>>> {
  const found: Record<string, Record<string, string>> = {}
  for (const [name, kind] of Object.entries(KINDS)) {
    found[name] = Object.fromEntries(await kind.all(clients))
  }
  return found
}

/** The same, as it must be. */
const expectedOf = (model: Model): Record<string, Record<string, string>> =>
  Object.fromEntries(
    [...model].map(([name, expected]) => {
      const there = [...expected].flatMap(([key, [value]]): (readonly [string, string])[] =>
        typeof value === 'string' ? [[key, value]] : [],
      )
      return [name, Object.fromEntries(there)]
    }),
  )

/** Compares, and goes on from what is there. */
function settle(expected: Expected, there: ReadonlyMap<string, string>): string[] {
  const lost: string[] = []
  for (const name of new Set([...expected.keys(), ...there.keys()])) {
    const found = there.get(name) ?? null
    const allowed = expected.get(name) ?? [null]
    if (!allowed.includes(found)) lost.push(`${name}: ${found} in place of ${allowed.join(' or ')}`)
    expected.set(name, [found])
  }
  return lost
}

async function issuerWhenActive({ eks }: Clients, name: string): Promise<string | undefined> {
  for (let tries = 0; tries < 600; tries += 1) {
    const { cluster } = await eks.send(new DescribeClusterCommand({ name }))
    if (cluster?.status === 'ACTIVE') return cluster.identity?.oidc?.issuer
    await Bun.sleep(30)
  }
  return undefined
}

async function waitUntilRuns(kube: KubeClient, name: string): Promise<string | undefined> {
  for (let tries = 0; tries < 600; tries += 1) {
    const pod = await kube.get<Pod>(PODS, { namespace: 'default', name })
    const started = pod.status?.containerStatuses?.[0]?.state?.running?.startedAt
    if (pod.status?.phase === 'Running' && started !== undefined) return started
    await Bun.sleep(30)
  }
  return undefined
}

describe('a sandbox with --state', () => {
  let clients: Clients
  let first: Clients
  let issuer: string | undefined

  beforeAll(async () => {
    clients = await start()
    first = clients
    await clients.s3.send(new CreateBucketCommand({ Bucket: BUCKET }))
    const RoleName = 'kept'
    const created = await clients.iam.send(
      new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: TRUST }),
    )
    await clients.kube.create<Pod>(PODS, {
      metadata: { namespace: 'default', name: 'app' },
      spec: { containers: [{ name: 'main', image: 'busybox', command: ['sleep', '600'] }] },
    })
    await waitUntilRuns(clients.kube, 'app')
    await clients.eks.send(
      new CreateClusterCommand({
        name: 'made',
        roleArn: created.Role?.Arn,
        resourcesVpcConfig: { subnetIds: ['subnet-1'] },
      }),
    )
    issuer = await issuerWhenActive(clients, 'made')
  })

  afterAll(async () => {
    child?.kill('SIGTERM')
    await child?.exited
    rmSync(folder, { recursive: true, force: true })
  })

  test(`loses no acknowledged write to ${ROUNDS} kills (seed ${SEED})`, async () => {
    const random = randomNumbers(SEED)
    const model = new Map(Object.keys(KINDS).map((kind) => [kind, new Map() as Expected]))
    const written = new Map(Object.keys(KINDS).map((kind) => [kind, 0]))
    for (let round = 0; round < ROUNDS; round += 1) {
      const killAfterMs = 50 + random() * 700
      const writers = Object.entries(KINDS).map(async ([name, kind]) => {
        const expected = model.get(name) as Expected
        const count = await writeUntilGone(clients, kind, { expected, random })
        written.set(name, (written.get(name) ?? 0) + count)
      })
      const killing = Bun.sleep(killAfterMs).then(kill)
      await Promise.all([...writers, killing])
      clients = await start()
      for (const [name, kind] of Object.entries(KINDS)) {
        const lost = settle(model.get(name) as Expected, await kind.all(clients))
        expect({ round, name, lost }).toEqual({ round, name, lost: [] })
      }
    }
    for (const count of written.values()) expect(count).toBeGreaterThan(0)
  })

  test(`is what it was or what it is to be, whole, after ${RESTORES} kills while it is restored`, async () => {
    const random = randomNumbers(SEED + 1)
    let model: Model = new Map(
      await Promise.all(
        Object.entries(KINDS).map(async ([name, kind]): Promise<[string, Expected]> => {
          const there = [...(await kind.all(clients))]
          return [name, new Map(there.map(([key, value]) => [key, [value]]))]
        }),
      ),
    )
    const writeSome = async (): Promise<void> => {
      const writers = Object.entries(KINDS).map(([name, kind]) =>
        writeUntilGone(clients, kind, { expected: model.get(name)!, random, most: 8 }),
      )
      await Promise.all(writers)
    }
    for (let round = 0; round < RESTORES; round += 1) {
      await writeSome()
      const then = copyOf(model)
      expect(await askSandbox(clients, 'POST', 'snapshots')).toBe(201)
      await writeSome()
      const now = copyOf(model)
      const killAfterMs = random() * 40
      const killing = Bun.sleep(killAfterMs).then(kill)
      const answered = await askSandbox(clients, 'PUT', 'snapshots/snapshot-1')
      await killing
      clients = await start()
      const found = await everything(clients)
      const isBack = Bun.deepEquals(found, expectedOf(then))
      if (answered !== undefined) expect(answered).toBe(200)
      if (answered !== undefined || isBack)
        expect({ round, found }).toEqual({ round, found: expectedOf(then) })
      else expect({ round, found }).toEqual({ round, found: expectedOf(now) })
      // What was acknowledged before is there too, and good.
      expect(await askSandbox(clients, 'PUT', 'snapshots/snapshot-1')).toBe(200)
      expect(await everything(clients)).toEqual(expectedOf(then))
      expect(await askSandbox(clients, 'DELETE', 'snapshots/snapshot-1')).toBe(200)
      model = then
    }
  })

  test('comes back with its keys, tokens, authority and ports', async () => {
    const { PODROLE_SANDBOX_TOKEN: token, ...environment } = clients.environment
    expect(token).toBe(first.environment['PODROLE_SANDBOX_TOKEN'] ?? '')
    // A port may have been taken in between; what opens the sandbox is the same all the same.
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_ENDPOINT_URL']) {
      expect(environment[name]).toBe(first.environment[name] ?? '')
    }
    expect(
      (await first.kube.get(SERVICE_ACCOUNTS, { namespace: 'default', name: 'default' })).kind,
    ).toBe('ServiceAccount')
    expect((await first.iam.send(new ListRolesCommand({}))).Roles?.length).toBeGreaterThan(0)
  })

  test('comes back with the cluster that EKS made, its issuer unchanged, and its pods', async () => {
    expect(issuer).toStartWith('https://oidc.eks.eu-west-1.amazonaws.com/id/')
    expect(await issuerWhenActive(clients, 'made')).toBe(issuer)
    expect(clients.environment['KUBECONFIG']?.split(delimiter)).toHaveLength(3)
    expect(await waitUntilRuns(clients.kube, 'app')).toBeDefined()
  })

  test('tells a refusal with its reason, to who holds its ready file', async () => {
    const wrong = new IAMClient({
      region: 'eu-west-1',
      endpoint: clients.environment['AWS_ENDPOINT_URL'] ?? '',
      credentials: { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'not-a-key-of-it' },
    })
    await expect(wrong.send(new ListRolesCommand({}))).rejects.toThrow('security token')
    const asked = async (...words: string[]): Promise<{ out: string; err: string }> => {
      const ran = Bun.spawn([PODROLE, 'sandbox', 'events', ...words], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { PATH: process.env['PATH'] ?? '' },
      })
      const [out, err] = await Promise.all([ran.stdout.text(), ran.stderr.text()])
      return { out, err }
    }
    const { out } = await asked('--ready-file', readyFile, '--denied', '-o', 'json')
    const last: unknown = JSON.parse(out.trimEnd().split('\n').at(-1) ?? '')
    expect(last).toMatchObject({ source: 'aws', outcome: 'denied', reason: 'InvalidClientTokenId' })
    const all = (await asked('--ready-file', readyFile)).out
    expect(all).toContain('security token')
    // What the cluster's users did and why they might, but not what its nodes do all the time.
    expect(all).toContain('list serviceaccounts default')
    expect(all).toContain('members of system:masters may do everything')
    expect(all).not.toContain('nodes/status')
    const routine = (await asked('--ready-file', readyFile, '--all')).out
    expect(routine).toContain('patch nodes/status')
    expect(out).not.toContain(clients.environment['AWS_SECRET_ACCESS_KEY'] ?? '')
    expect((await asked()).err).toContain('wanted AWS_ENDPOINT_URL and PODROLE_SANDBOX_TOKEN')
  })

  test('has its folder alone', async () => {
    const other = Bun.spawn([PODROLE, 'sandbox', '--state', stateFolder, '--', 'true'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    expect(await other.stderr.text()).toContain('belongs to a sandbox that runs')
    expect(await other.exited).toBe(1)
  })

  test('ends as it should, and is there again without a word on clusters, less the deleted', async () => {
    await clients.eks.send(new DeleteClusterCommand({ name: 'made' }))
    child?.kill('SIGTERM')
    expect(await child?.exited).toBe(0)
    const script = 'printf %s "$KUBECONFIG"'
    const again = Bun.spawn(
      [PODROLE, 'sandbox', '--state', stateFolder, '--', 'sh', '-c', script],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    const names = (await again.stdout.text())
      .split(delimiter)
      .map((file) => file.split('kubeconfig-')[1])
    expect(await again.exited).toBe(0)
    expect(new Set(names)).toEqual(new Set(['edge', 'one']))
  })
})
