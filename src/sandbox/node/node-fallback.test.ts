/** What a node is where namespaces, root or both are missing. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EVENTS, PODS } from '../../kube/client.ts'
import type { KubeObject } from '../../kube/objects.ts'
import { isReachable } from './isolation.ts'
import {
  missingNamespaces,
  NAMESPACE,
  NODE,
  shell,
  startTestNode,
  type TestNode,
  until,
} from './node.suite.ts'

const TOKEN_FOLDER = '/var/run/secrets/eks.amazonaws.com/serviceaccount'

interface Event extends KubeObject {
  reason: string
  message: string
  involvedObject: { name: string }
}

describe('a node without namespaces', () => {
  let t: TestNode
  beforeAll(async () => {
    t = await startTestNode({ network: 'loopback', mounts: 'mapped' })
  })
  afterAll(async () => {
    await t.stop()
  })

  const eventOf = (name: string, reason: string): Promise<Event> =>
    until(async () =>
      (await t.client.list<Event>(EVENTS)).items.find(
        (event) => event.reason === reason && event.involvedObject.name === name,
      ),
    )

  test('says so, in its isolation and in an event', async () => {
    expect(t.node.isolation).toMatchObject({ network: 'loopback', mounts: 'mapped' })
    expect(t.node.isolation.why).toContain('mapped paths were asked for')
    expect((await eventOf(NODE, 'NodeLimits')).message).toContain('mounts mapped')
  })

  test('a pod finds its token by its environment, mapped to a folder of the pod', async () => {
    await t.run('mapped', {
      volumes: [
        {
          name: 'aws-iam-token',
          projected: {
            sources: [{ serviceAccountToken: { audience: 'sts.amazonaws.com', path: 'token' } }],
          },
        },
      ],
      containers: [
        shell(
          'cut -d. -f2 <"$AWS_WEB_IDENTITY_TOKEN_FILE"; echo "$OTHER"; touch "$HOME/x" && echo home',
          {
            env: [
              { name: 'AWS_WEB_IDENTITY_TOKEN_FILE', value: `${TOKEN_FOLDER}/token` },
              { name: 'OTHER', value: `${TOKEN_FOLDER}-not/token` },
            ],
            volumeMounts: [{ name: 'aws-iam-token', mountPath: TOKEN_FOLDER }],
          },
        ),
      ],
    })
    const { phase, log } = await t.outcome('mapped')
    const [payload = '', other, home] = log.split('\n')
    expect(phase).toBe('Succeeded')
    expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toMatchObject({
      sub: `system:serviceaccount:${NAMESPACE}:default`,
    })
    expect([other, home]).toEqual([`${TOKEN_FOLDER}-not/token`, 'home'])
    expect((await eventOf('mapped', 'NodeLimits')).message).toContain('AWS_WEB_IDENTITY_TOKEN_FILE')
  })

  test('another user runs the pods where the folder lets it through', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'podrole-open-'))
    chmodSync(folder, 0o755)
    const open = await startTestNode({ mounts: 'mapped', folder: join(folder, 'node') })
    await open.run('who', {
      volumes: [{ name: 'v', emptyDir: {} }],
      containers: [
        shell('id -u; echo x >$V/file && cat $V/file; cat $TOKEN | wc -l', {
          env: [
            { name: 'V', value: '/v' },
            { name: 'TOKEN', value: '/var/run/secrets/kubernetes.io/serviceaccount/token' },
          ],
          volumeMounts: [{ name: 'v', mountPath: '/v' }],
        }),
      ],
    })
    const { log } = await open.outcome('who')
    expect(log).toBe(`${open.node.isolation.user ?? process.getuid?.()}\nx\n0\n`)
    await open.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  test('exec, exit codes and deletion work alike', async () => {
    await t.run('stays', { containers: [shell('sleep 1000 & sleep 1000')] })
    await t.pod('stays', ({ status }) => status?.phase === 'Running')
    const exec = t.node.exec({
      namespace: NAMESPACE,
      pod: 'stays',
      command: ['sh', '-c', 'cat; exit 4'],
      stdin: 'in',
    })
    expect(await exec).toEqual({ exitCode: 4, stdout: 'in', stderr: '' })
    await t.client.delete(PODS, { namespace: NAMESPACE, name: 'stays' })
    await until(() =>
      t.client.get(PODS, { namespace: NAMESPACE, name: 'stays' }).then(
        () => false,
        () => true,
      ),
    )
  })

  test('addForward is a matter of course on the loopback', async () => {
    await t.node.addForward(80)
  })
})

const missing = await missingNamespaces()
const isRoot = process.getuid?.() === 0
const why =
  missing ??
  (isRoot && Bun.which('setpriv') === null
    ? 'skipped: needs setpriv (apt-get install util-linux)'
    : undefined) ??
  (isRoot && !isReachable(join(import.meta.dir, 'testdata'), [])
    ? 'skipped: needs a checkout that every user can read'
    : undefined)
if (why !== undefined) process.stderr.write(`${import.meta.file}: ${why}\n`)

test.skipIf(why !== undefined)(
  'a user without rights has all of it in a user namespace',
  async () => {
    const program = join(import.meta.dir, 'testdata', 'reading-node.ts')
    const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--']
    const child = Bun.spawn(
      [...(isRoot ? asNobody : []), process.execPath, '--no-env-file', program],
      { stdio: ['ignore', 'pipe', 'inherit'], env: { PATH: process.env['PATH'] ?? '' }, cwd: '/' },
    )
    const said = JSON.parse(await new Response(child.stdout).text())
    expect(said).toMatchObject({
      isolation: { network: 'namespace', mounts: 'namespace', userNamespace: true },
      phase: 'Succeeded',
      exec: { exitCode: 3, stdout: 'in\n', stderr: '' },
    })
    expect(said.log.split('\n')[0]).toBe('1')
    expect(Number(said.log.split('\n')[1])).toBeGreaterThan(0)
    // Its own shells and nothing of the machine.
    expect(Number(said.log.split('\n')[2])).toBeLessThan(8)
    expect(await child.exited).toBe(0)
    expect(existsSync(TOKEN_FOLDER)).toBe(false)
  },
)
