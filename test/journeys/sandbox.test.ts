import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PODS, SERVICE_ACCOUNTS } from '../../src/kube/client.ts'
import { loadKubeAccess } from '../../src/kube/kubeconfig.ts'
import type { Pod } from '../../src/kube/objects.ts'
import { createKubeClient } from '../../src/kube/transport.ts'

const PODROLE = join(import.meta.dir, '..', '..', 'bin', 'podrole')

async function run(
  words: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<{ code: number; out: string; err: string }> {
  const child = Bun.spawn([PODROLE, ...words], {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '', HOME: '/', ...environment },
  })
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
  return { code: await child.exited, out, err }
}

describe('podrole sandbox -- CMD', () => {
  test('gives CMD its environment and ends with its exit code', async () => {
    const script = 'printf "%s|%s|%s" "$AWS_ENDPOINT_URL" "$AWS_REGION" "$KUBECONFIG"; exit 7'
    const { code, out, err } = await run(['sandbox', '--', 'sh', '-c', script])
    expect({ code, err }).toEqual({ code: 7, err: '' })
    const [endpoint, region, kubeconfig = ''] = out.split('|')
    expect(endpoint).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect(region).toBe('us-east-1')
    expect(kubeconfig).toEndWith('kubeconfig-sandbox')
    expect(existsSync(kubeconfig)).toBe(false)
  })

  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [['--account-id', '12'], /account id "12" is not one: wanted 12 digits/],
    [['--cluster', 'a b'], /cluster name "a b" is not one/],
    [['--cluster', 'a', '--cluster', 'a'], /cluster "a" is named twice/],
    [['--self-managed-cluster', 'edge'], /wanted \[ACCOUNT\/\]NAME=https:\/\/ISSUER/],
    [['--port', 'x'], /wanted a port/],
    [['--resolve', 'nonsense'], /nonsense/],
    [['--quota', 'providers=1'], /names no quota[^]*the names are oidcProviders, /],
    [['--scp', '/nowhere.json'], /service control policy "\/nowhere.json" cannot be read/],
    [['--scp', '/dev/null'], /"\/dev\/null" is no policy: This policy contains invalid Json/],
    [['--scp', '444455556666=/dev/null'], /for account 444455556666, which the sandbox does not/],
    [['--quota', 'roles=many'], /wanted a whole number/],
    [['--quota', '444455556666/roles=1'], /an account that the sandbox does not have/],
  ]
  for (const [flags, message] of wrong) {
    test(`${flags.join(' ')} is refused`, async () => {
      const { code, err } = await run(['sandbox', ...flags, '--', 'true'])
      expect(code).toBe(1)
      expect(err).toMatch(message)
    })
  }
})

test('what --scp denies and --quota limits is refused, and told; the sandbox itself starts', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-scp-'))
  const file = join(folder, 'deny.json')
  const Statement = {
    Sid: 'NoLists',
    Effect: 'Deny',
    Action: ['iam:List*', 'eks:*'],
    Resource: '*',
  }
  writeFileSync(file, JSON.stringify({ Version: '2012-10-17', Statement }))
  const program = `
    const { IAMClient, CreateRoleCommand, ListRolesCommand } =
      await import(${JSON.stringify(join(PODROLE, '../../node_modules/@aws-sdk/client-iam'))})
    const iam = new IAMClient({})
    const role = { RoleName: 'r', AssumeRolePolicyDocument: '{}' }
    for (const command of [new ListRolesCommand({}), new CreateRoleCommand(role)])
      await iam.send(command).catch(({ name, message }) => console.log(name + ': ' + message))`
  const script = `"$1" -e "$2"; "$3" sandbox events --denied -o json`
  const words = ['sh', '-c', script, 'sh', process.execPath, program, PODROLE]
  const flags = ['--scp', `111122223333=${file}`, '--quota', 'roles=0']
  const { code, out, err } = await run(['sandbox', ...flags, '--', ...words])
  rmSync(folder, { recursive: true, force: true })
  expect({ code, err }).toEqual({ code: 0, err: '' })
  const [listed, created, ...events] = out.trim().split('\n')
  expect(listed).toMatch(
    /^AccessDenied: .*:user\/admin is not authorized to perform: iam:ListRoles .* with an explicit deny in a service control policy$/,
  )
  expect(created).toBe('LimitExceededException: Cannot exceed quota for RolesPerAccount: 0')
  const [denied] = events.map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(denied).toMatchObject({
    action: 'iam:ListRoles',
    reason: 'explicit-deny-in-service-control-policy',
    statements: expect.arrayContaining([
      expect.objectContaining({ policy: `scp:${file}`, statement: 'NoLists', matched: true }),
    ]),
  })
})

describe('a sandbox that runs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-journey-'))
  const readyFile = join(folder, 'ready.json')
  let child: Bun.Subprocess | undefined
  let environment: Record<string, string> = {}

  beforeAll(async () => {
    child = Bun.spawn(
      [PODROLE, 'sandbox', '--port', '0', '--ready-file', readyFile, '--cluster', 'one@eu-west-1'],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    )
    for (let tries = 0; !existsSync(readyFile) && tries < 1000; tries += 1) await Bun.sleep(30)
    environment = JSON.parse(readFileSync(readyFile, 'utf8')) as Record<string, string>
  })

  afterAll(async () => {
    child?.kill('SIGTERM')
    await child?.exited
    rmSync(folder, { recursive: true, force: true })
  })

  test('the ready file holds an admin key and is for its owner alone', () => {
    expect(Object.keys(environment).sort()).toContain('AWS_SECRET_ACCESS_KEY')
    expect(statSync(readyFile).mode & 0o777).toBe(0o600)
  })

  test('sandbox exec runs in the pod, with its output and exit code', async () => {
    const client = createKubeClient(await loadKubeAccess({ environment }))
    const ref = { namespace: 'default', name: 'app' }
    await client.create<Pod>(PODS, {
      metadata: ref,
      spec: { containers: [{ name: 'main', image: 'busybox', command: ['sleep', '600'] }] },
    })
    for (let tries = 0; tries < 500; tries += 1) {
      if ((await client.get<Pod>(PODS, ref)).status?.phase === 'Running') break
      await Bun.sleep(20)
    }
    const script = 'echo out; echo err >&2; cat /proc/self/environ >/dev/null; exit 3'
    const ran = await run(['sandbox', 'exec', 'default/app', '--', 'sh', '-c', script], environment)
    expect(ran).toEqual({ code: 3, out: 'out\n', err: 'err\n' })
    const none = await run(['sandbox', 'exec', 'default/nobody', '--', 'true'], environment)
    expect(none.code).toBe(1)
    expect(none.err).toContain('"nobody" not found')
    const odd = await run(['sandbox', 'exec', 'nobody', '--', 'true'], environment)
    expect(odd.err).toContain('wanted NAMESPACE/NAME')
  })

  test('sandbox snapshot takes, lists, restores and deletes', async () => {
    const snapshot = (...words: string[]): ReturnType<typeof run> =>
      run(['sandbox', 'snapshot', ...words], environment)
    const client = createKubeClient(await loadKubeAccess({ environment }))
    const made = async (): Promise<boolean> =>
      (await client.list(SERVICE_ACCOUNTS, { namespace: 'default' })).items.some(
        ({ metadata }) => metadata.name === 'made',
      )
    const taken = await snapshot('take', 'base')
    expect(taken).toMatchObject({ code: 0, err: '' })
    expect(taken.out).toMatch(/^NAME +TAKEN +RECORDS +CLUSTERS\nbase +\S+Z +\d+ +one\n$/)
    await client.create(SERVICE_ACCOUNTS, { metadata: { namespace: 'default', name: 'made' } })
    expect(await made()).toBe(true)
    expect(JSON.parse((await snapshot('restore', 'base', '-o', 'json')).out)).toMatchObject({
      id: 'base',
    })
    expect(await made()).toBe(false)
    expect((await snapshot('take')).out).toContain('snapshot-1')
    const byFile = await run(['sandbox', 'snapshot', 'list', '--ready-file', readyFile])
    expect(byFile.out.split('\n').map((line) => line.split(' ')[0])).toEqual([
      'NAME',
      'base',
      'snapshot-1',
      '',
    ])
    expect((await snapshot('delete', 'snapshot-1')).code).toBe(0)
    for (const [words, fault] of [
      [['restore', 'snapshot-1'], 'there is no snapshot "snapshot-1": wanted one of base'],
      [['take', 'base'], 'there is a snapshot "base" already'],
      [['take', 'Base'], 'snapshot id "Base" is not one'],
    ] as const) {
      const { code, err } = await snapshot(...words)
      expect(code).toBe(1)
      expect(err).toContain(fault)
    }
    const stranger = await run(['sandbox', 'snapshot', 'list'], {
      ...environment,
      PODROLE_SANDBOX_TOKEN: 'guess',
    })
    expect(stranger.err).toContain('wanted the token of the ready file')
  })

  test('ends on SIGTERM with 0 and leaves no process behind', async () => {
    const [running] = [child]
    const marker = environment['KUBECONFIG'] ?? ''
    running?.kill('SIGTERM')
    expect(await running?.exited).toBe(0)
    const left = Bun.spawnSync(['sh', '-c', `ls -d ${join(marker, '..', '..')} 2>/dev/null`])
    expect(left.stdout.toString()).toBe('')
  })
})
