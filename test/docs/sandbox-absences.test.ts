/** What docs/sandbox.md says that the cluster leaves out is not there, and what it says is. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createKubeClient } from '../../src/kube/transport.ts'
import type { KubeClient } from '../../src/kube/client.ts'
import { type ContractTarget, startSandboxTarget } from '../cluster/contract-targets.ts'

const [, section = ''] = readFileSync(
  join(import.meta.dir, '..', '..', 'docs', 'sandbox.md'),
  'utf8',
).split('\n## What the cluster leaves out\n')
const rows = section
  .slice(0, section.indexOf('\n## '))
  .split('\n')
  .filter((line) => line.startsWith('| '))
const kinds = [...(rows[2] ?? '').split(' | ')[0]!.matchAll(/`([a-z.0-9]+)`/g)].map(
  ([, kind = '']) => kind,
)

let target: ContractTarget
let client: KubeClient
beforeAll(async () => {
  target = await startSandboxTarget()
  client = createKubeClient({
    server: target.server,
    ca: target.certificateAuthority,
    token: () => target.adminToken,
  })
})
afterAll(() => target.stop())

const statusOf = (path: string): Promise<number> =>
  client.raw('GET', path).then(
    ({ status }) => status,
    (error: { status?: number }) => error.status ?? 0,
  )

test('the page names kinds', () => expect(kinds.length).toBeGreaterThan(5))

test.each(kinds)('%s is not served', async (kind) => {
  const dot = kind.indexOf('.')
  const plural = dot < 0 ? kind : kind.slice(0, dot)
  const root = dot < 0 ? '/api/v1' : `/apis/${kind.slice(dot + 1)}/v1`
  expect(await statusOf(`${root}/${plural}`)).toBe(404)
  expect(await statusOf(`${root}/namespaces/default/${plural}`)).toBe(404)
})

test('OpenAPI is served in its third version alone', async () => {
  expect(await statusOf('/openapi/v2')).toBe(404)
  expect(await statusOf('/openapi/v3')).toBe(200)
})
