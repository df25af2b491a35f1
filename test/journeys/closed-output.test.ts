/** `podrole … | head -1`: a reader that leaves early. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { PODS } from '../../src/kube/client.ts'
import { loadKubeAccess } from '../../src/kube/kubeconfig.ts'
import type { Pod } from '../../src/kube/objects.ts'
import { createKubeClient } from '../../src/kube/transport.ts'

const PODROLE = join(import.meta.dir, '..', '..', 'bin', 'podrole')
const STEP_MS = 60_000

/** A line of bash, with podrole among its programs; `pipes` are the exit codes of its last pipe. */
async function bash(
  line: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<{ readonly pipes: string; readonly err: string }> {
  const child = Bun.spawn(['bash', '-c', `${line}; printf "\n%s" "\${PIPESTATUS[*]}"`], {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: `${dirname(PODROLE)}:${process.env['PATH'] ?? ''}`, HOME: '/', ...environment },
  })
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
  return { pipes: out.split('\n').at(-1) ?? '', err }
}

describe('what only prints ends as it would, and says nothing of it', () => {
  const lines: readonly (readonly [string, string])[] = [
    ['podrole --help | true', '0 0'],
    ['podrole version | true', '0 0'],
    ['podrole schema | true', '0 0'],
    ['podrole no-such-command | true', '1 0'],
  ]
  for (const [line, pipes] of lines) {
    test(line, async () => {
      const ran = await bash(line)
      expect([ran.pipes, ran.err.includes('EPIPE')]).toEqual([pipes, false])
    })
  }

  test('a closed standard error changes no exit code', async () => {
    expect(await bash('podrole no-such-command 2>&1 >/dev/null | true')).toEqual({
      pipes: '1 0',
      err: '',
    })
  })
})

describe('beside a sandbox', () => {
  const folder = mkdtempSync(join(tmpdir(), 'podrole-closed-'))
  const readyFile = join(folder, 'ready.json')
  let child: Bun.Subprocess | undefined
  let environment: Record<string, string> = {}

  beforeAll(async () => {
    const words = ['sandbox', '--port', '0', '--ready-file', readyFile]
    child = Bun.spawn([PODROLE, ...words], { stdio: ['ignore', 'ignore', 'inherit'] })
    for (let tries = 0; !existsSync(readyFile) && tries < 1000; tries += 1) await Bun.sleep(30)
    environment = JSON.parse(readFileSync(readyFile, 'utf8')) as Record<string, string>
  }, STEP_MS)

  afterAll(async () => {
    child?.kill('SIGTERM')
    await child?.exited
    rmSync(folder, { recursive: true, force: true })
  }, STEP_MS)

  test(
    'what follows ends with its reader',
    async () => {
      const line = `podrole sandbox events --follow --all -o json --ready-file ${readyFile} | head -1 >/dev/null`
      expect(await bash(line)).toEqual({ pipes: '0 0', err: '' })
    },
    STEP_MS,
  )

  test(
    'a command in a pod whose output nobody reads ends as by SIGPIPE',
    async () => {
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
      const line = 'podrole sandbox exec default/app -- yes | head -1 >/dev/null'
      expect(await bash(line, environment)).toEqual({ pipes: '141 0', err: '' })
    },
    STEP_MS,
  )
})
