/** What a node starts with of the machine's files, and what is left of it when it ends. */
import { describe, expect, test } from 'bun:test'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createImageTable } from './images.ts'
import {
  missingNamespaces,
  processesOf,
  processesWith,
  shell,
  startTestNode,
  until,
} from './node.suite.ts'

const missing = await missingNamespaces()
if (missing !== undefined) process.stderr.write(`${import.meta.file}: ${missing}\n`)

describe.skipIf(missing !== undefined)('an image of files under the temporary folder', () => {
  test.each([0o755, 0o700])('runs, as whoever may read them: mode %o', async (mode) => {
    const checkout = mkdtempSync(join(tmpdir(), 'podrole-checkout-'))
    writeFileSync(join(checkout, 'package.json'), '{}')
    const program =
      'console.log(process.getuid(), require("node:fs").readdirSync("/tmp").filter((name) => name.startsWith("podrole-")).length)'
    writeFileSync(join(checkout, 'program.ts'), program)
    chmodSync(checkout, mode)
    const words = [process.execPath, '--no-env-file', join(checkout, 'program.ts')]
    const t = await startTestNode({ images: createImageTable({ 'acme/own': words }) })
    try {
      await t.run('own', { containers: [{ name: 'main', image: 'acme/own:1' }] })
      const user = mode === 0o755 ? t.node.isolation.user : undefined
      expect(await t.outcome('own')).toEqual({
        phase: 'Succeeded',
        log: `${user ?? 0} 1\n`,
      })
    } finally {
      await t.stop()
      rmSync(checkout, { recursive: true })
    }
  })
})

test.skipIf(missing !== undefined)(
  'a script that names a program which others may not read runs as the node itself',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'podrole-tool-'))
    const tool = join(folder, 'tool')
    writeFileSync(tool, '#!/bin/sh\necho done\n')
    chmodSync(tool, 0o700)
    const t = await startTestNode({ images: createImageTable({ tool: [tool] }) })
    try {
      const command = ['sh', '-c', 'id -u; x=1 tool']
      const securityContext = { runAsUser: 65_532 }
      await t.run('tool', {
        containers: [{ name: 'main', image: 'tool', command, securityContext }],
      })
      expect(await t.outcome('tool')).toEqual({ phase: 'Succeeded', log: '0\ndone\n' })
    } finally {
      await t.stop()
      rmSync(folder, { recursive: true })
    }
  },
)

describe.skipIf(missing !== undefined)('the end of a node', () => {
  test('stop ends every process and removes the folder', async () => {
    const t = await startTestNode()
    const env = [{ name: 'MARK', value: `mark-${crypto.randomUUID()}` }]
    await t.run('long', { containers: [shell('sleep 1000 & sleep 1000', { env })] })
    await until(() => processesWith(env[0]!.value).length >= 2)
    await t.node.stop()
    expect(processesWith(env[0]!.value)).toEqual([])
    expect(existsSync(t.folder)).toBe(false)
    await t.stop()
  })

  test.each(['auto', 'mapped'])('kill -9 leaves nothing that runs (mounts: %s)', async (mounts) => {
    const mark = `mark-${crypto.randomUUID()}`
    const program = join(import.meta.dir, 'testdata', 'killed-node.ts')
    const child = Bun.spawn([process.execPath, '--no-env-file', program, mark, mounts], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const reader = child.stdout.getReader()
    const line = Buffer.from((await reader.read()).value!).toString()
    const { folder } = JSON.parse(line) as { folder: string }
    expect(processesOf(folder).length).toBeGreaterThan(0)
    expect(processesWith(mark).length).toBeGreaterThanOrEqual(2)
    child.kill('SIGKILL')
    await child.exited
    await until(() => processesWith(mark).length === 0 && processesOf(folder).length === 0)
    Bun.spawnSync(['rm', '-rf', folder])
  })
})
