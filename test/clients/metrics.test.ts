/** Pages of metrics as the parsers of Prometheus' own client for Python read them. */
import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAgentMetrics } from '../../src/agent/metrics.ts'
import { createBrokerMetrics } from '../../src/broker/metrics.ts'
import { ManualClock } from '../../src/lib/clock.ts'
import type { PageFormat, Registry } from '../../src/lib/metrics/registry.ts'
import { createWebhookMetrics } from '../../src/webhook/metrics.ts'
import { findPython, pythonEnvironment } from '../support/python.ts'
import { lacks } from '../support/tools.ts'

const python = await findPython()
const isSkipped = lacks("Prometheus' own parsers", python.missing)
const home = mkdtempSync(join(tmpdir(), 'podrole-metrics-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

interface Page {
  readonly families: readonly string[]
  readonly samples: readonly (readonly [
    type: string,
    name: string,
    labels: object,
    value: number,
  ])[]
}

async function readPage(format: PageFormat, page: string): Promise<Page> {
  const child = Bun.spawn(['python', join(import.meta.dir, 'metrics.py'), format], {
    env: pythonEnvironment(python.bin, home),
    stdio: [Buffer.from(page), 'pipe', 'pipe'],
  })
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
  if ((await child.exited) !== 0) throw new Error(err)
  return JSON.parse(out) as Page
}

const KID = 'a "kid" \\ of\ntwo lines: ñ'
const clock = new ManualClock()
const exp = clock.now() / 1000 + 3600

function pages(): Record<'agent' | 'broker' | 'webhook', Registry> {
  const agent = createAgentMetrics(clock, '1.2.3')
  agent.watchCache(() => ({
    entries: 3,
    hits: 2,
    misses: 1,
    upstreamCalls: 1,
    upstream: 'answers',
  }))
  agent.seen.see(KID, exp)
  for (const seconds of [1e-7, 0.0005, 0.3, 12]) agent.answered(200, seconds)
  const broker = createBrokerMetrics(clock, '1.2.3')
  broker.watchExchanges(() => 7)
  broker.answered('AssumeRoleForPodIdentity', 403, 0.02)
  broker.exchanged('AccessDeniedException', 0.02)
  const webhook = createWebhookMetrics('1.2.3')
  webhook.watchReadiness(() => true)
  webhook.reviewed('irsa', 'Mutated', 0.001)
  return { agent: agent.registry, broker: broker.registry, webhook: webhook.registry }
}

const FORMATS: readonly PageFormat[] = ['openmetrics', 'text']

test.skipIf(isSkipped).each(FORMATS)(
  '%s: every page is read whole',
  async (format) => {
    for (const registry of Object.values(pages())) {
      const { families, samples } = await readPage(format, registry.page(format))
      // Both name a counter's family without its suffix.
      const names = registry.describe().map(({ name }) => name.replace(/_total$/, ''))
      expect(families).toEqual([...names].sort())
      const lines = registry.page(format).split('\n')
      expect(samples).toHaveLength(
        lines.filter((line) => line !== '' && !line.startsWith('#')).length,
      )
    }
  },
  60_000,
)

test.skipIf(isSkipped).each(FORMATS)(
  '%s: names, labels and values are what was counted',
  async (format) => {
    const { samples } = await readPage(format, pages().agent.page(format))
    for (const sample of [
      ['gauge', 'podrole_token_expiry_timestamp_seconds', { kid: KID }, exp],
      ['counter', 'podrole_agent_requests_total', { code: '200' }, 4],
      ['counter', 'podrole_agent_cache_requests_total', { result: 'hit' }, 2],
      ['histogram', 'podrole_agent_request_duration_seconds_bucket', { le: '0.0005' }, 2],
      ['histogram', 'podrole_agent_request_duration_seconds_bucket', { le: '10.0' }, 3],
      ['histogram', 'podrole_agent_request_duration_seconds_bucket', { le: '+Inf' }, 4],
      ['histogram', 'podrole_agent_request_duration_seconds_count', {}, 4],
    ] as const) {
      expect(samples).toContainEqual([...sample])
    }
  },
  60_000,
)

test.skipIf(isSkipped)('half a page of OpenMetrics is refused', async () => {
  const page = pages().agent.page('openmetrics')
  await expect(readPage('openmetrics', page.slice(0, -6))).rejects.toThrow('EOF')
})
