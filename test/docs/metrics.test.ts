/** docs/reference/metrics.md lists what agent, broker, webhook and doctor really have, in their words. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createAgentMetrics } from '../../src/agent/metrics.ts'
import { createBrokerMetrics } from '../../src/broker/metrics.ts'
import { ManualClock } from '../../src/lib/clock.ts'
import type { Registry } from '../../src/lib/metrics/registry.ts'
import { createDoctorMetrics } from '../../src/doctor/watch/metrics.ts'
import { createWebhookMetrics } from '../../src/webhook/metrics.ts'

const PAGE = readFileSync(
  join(import.meta.dir, '..', '..', 'docs', 'reference', 'metrics.md'),
  'utf8',
)
const SECTIONS = new Map(
  PAGE.split('\n## ').map((section) => [section.slice(0, section.indexOf('\n')), section]),
)

const rowsIn = (...titles: string[]): string[] =>
  titles.flatMap((title) =>
    (SECTIONS.get(title) ?? '').split('\n').filter((line) => line.startsWith('| `')),
  )

const rowsOf = (registry: Registry): string[] =>
  registry
    .describe()
    .map(
      ({ name, type, labels, help }) =>
        `| \`${name}\` | ${type} | ${labels.join(', ')} | ${help} |`,
    )

const clock = new ManualClock()
const ALL = 'All parts'
const CENSUS = 'Agent and broker: the census'

test('every metric has a row, and every row is a metric', () => {
  const agent = createAgentMetrics(clock)
  const statistics = { entries: 0, hits: 0, misses: 0, upstreamCalls: 0 }
  agent.watchCache(() => ({ ...statistics, upstream: 'not asked' }))
  expect(rowsOf(agent.registry).sort()).toEqual(rowsIn(ALL, CENSUS, 'Agent').sort())

  const broker = createBrokerMetrics(clock)
  broker.watchExchanges(() => 0)
  expect(rowsOf(broker.registry).sort()).toEqual(rowsIn(ALL, CENSUS, 'Broker').sort())

  const webhook = createWebhookMetrics()
  webhook.watchReadiness(() => true)
  expect(rowsOf(webhook.registry).sort()).toEqual(rowsIn(ALL, 'Webhook').sort())

  const doctor = createDoctorMetrics()
  expect(rowsOf(doctor.registry).sort()).toEqual(rowsIn(ALL, 'Doctor').sort())
})
