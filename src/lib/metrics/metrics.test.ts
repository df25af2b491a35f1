import { afterEach, expect, test } from 'bun:test'
import { silentLog } from '../log.ts'
import { metricsApp, serveMetrics } from './page.ts'
import { addProcessMetrics } from './process.ts'
import { Registry } from './registry.ts'

function example(): Registry {
  const registry = new Registry()
  const requests = registry.counter({
    name: 'x_requests_total',
    help: 'Requests.',
    labels: ['code', 'path'],
  })
  requests.of('200', '/a').inc()
  requests.of('200', '/a').inc(2)
  requests.of('404', 'a "b"\\\n').inc()
  registry.counter({ name: 'x_starts_total', help: 'Starts.' })
  const time = registry.histogram({ name: 'x_seconds', help: 'Time.', buckets: [0.5, 1, 2.5] })
  for (const value of [0.5, 0.6, 1, 2.6]) time.of().observe(value)
  registry.gauge({ name: 'x_ends', help: 'Ends.', labels: ['kid'] }, () => [])
  return registry
}

const SAMPLES = [
  'x_requests_total{code="200",path="/a"} 3',
  'x_requests_total{code="404",path="a \\"b\\"\\\\\\n"} 1',
]
const REST = [
  '# HELP x_seconds Time.',
  '# TYPE x_seconds histogram',
  'x_seconds_bucket{le="0.5"} 1',
  'x_seconds_bucket{le="1.0"} 3',
  'x_seconds_bucket{le="2.5"} 3',
  'x_seconds_bucket{le="+Inf"} 4',
  'x_seconds_count 4',
  'x_seconds_sum 4.7',
  '# HELP x_ends Ends.',
  '# TYPE x_ends gauge',
]

test('a page of OpenMetrics, with the type of what has no value yet', () => {
  expect(example().page('openmetrics').split('\n')).toEqual([
    '# HELP x_requests Requests.',
    '# TYPE x_requests counter',
    ...SAMPLES,
    '# HELP x_starts Starts.',
    '# TYPE x_starts counter',
    'x_starts_total 0',
    ...REST,
    '# EOF',
    '',
  ])
})

test("a page of Prometheus' text format, also after one of OpenMetrics", () => {
  const registry = example()
  registry.page('openmetrics')
  expect(registry.page('text').split('\n')).toEqual([
    '# HELP x_requests_total Requests.',
    '# TYPE x_requests_total counter',
    ...SAMPLES,
    '# HELP x_starts_total Starts.',
    '# TYPE x_starts_total counter',
    'x_starts_total 0',
    ...REST,
    '',
  ])
})

test('what would be no metric, or another one, is a fault of the program', () => {
  const registry = example()
  for (const name of ['X_total', 'x_requests_total', 'x', 'x-y_total', '']) {
    expect(() => registry.counter({ name, help: 'Help.' })).toThrow(TypeError)
  }
  expect(() => registry.gauge({ name: 'x_total', help: 'Help.' }, () => [])).toThrow('ends in')
  expect(() => registry.gauge({ name: 'y', help: 'a "b"' }, () => [])).toThrow('help')
  expect(() => registry.gauge({ name: 'y', help: 'a', labels: ['le'] }, () => [])).toThrow('labels')
  const counter = registry.counter({ name: 'y_total', help: 'a', labels: ['code'] })
  expect(() => counter.of()).toThrow('wanted code')
})

test('labels without a bound end in one child', () => {
  const registry = new Registry()
  const counter = registry.counter({ name: 'y_total', help: 'a', labels: ['code'] })
  for (let code = 0; code < 5000; code += 1) counter.of(String(code)).inc()
  const lines = registry.page('text').split('\n')
  expect(lines).toHaveLength(1004)
  expect(lines).toContain('y_total{code="other"} 4000')
})

test('a process tells of itself', () => {
  const registry = new Registry()
  addProcessMetrics(registry, { part: 'agent', version: '1.2.3' })
  const page = registry.page('text')
  expect(page).toContain(
    `podrole_build_info{part="agent",version="1.2.3",bun="${Bun.version}"} 1\n`,
  )
  const valueOf = (name: string): number =>
    Number(new RegExp(`^${name} (.*)$`, 'm').exec(page)?.[1] ?? Number.NaN)
  expect(valueOf('process_cpu_seconds_total')).toBeGreaterThan(0.001)
  expect(valueOf('process_resident_memory_bytes')).toBeGreaterThan(10_000_000)
  expect(Math.abs(valueOf('process_start_time_seconds') - Date.now() / 1000)).toBeLessThan(600)
  if (process.platform !== 'linux') return
  expect(valueOf('process_open_fds')).toBeGreaterThan(3)
  expect(valueOf('process_max_fds')).toBeGreaterThan(100)
})

const client = { address: '127.0.0.1', port: 1 }
const ask = async (accept?: string, path = '/metrics', method = 'GET'): Promise<Response> =>
  metricsApp(example())(
    new Request(`http://127.0.0.1${path}`, {
      method,
      ...(accept !== undefined && { headers: { accept } }),
    }),
    client,
  )

const PROMETHEUS_3 =
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2'

test.each([
  [undefined, 'text/plain'],
  ['*/*', 'text/plain'],
  ['text/plain;version=0.0.4', 'text/plain'],
  ['application/openmetrics-text;q=0', 'text/plain'],
  ['application/openmetrics-text;q=0.1,text/plain', 'text/plain'],
  ['application/openmetrics-text; version=1.0.0', 'application/openmetrics-text'],
  ['text/plain, APPLICATION/OpenMetrics-Text', 'application/openmetrics-text'],
  [PROMETHEUS_3, 'application/openmetrics-text'],
])('who accepts %p gets %s', async (accept, type) => {
  const response = await ask(accept)
  expect(response.headers.get('content-type')).toStartWith(`${type}; version=`)
  expect((await response.text()).endsWith('# EOF\n')).toBe(type !== 'text/plain')
})

test('there is nothing else there', async () => {
  expect((await ask(undefined, '/')).status).toBe(404)
  expect((await ask(undefined, '/metrics', 'POST')).status).toBe(405)
})

const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

test('a port that is taken is told of and stops nothing', async () => {
  const warned: unknown[] = []
  const log = {
    ...silentLog,
    warn: (message: string, fields: unknown) => warned.push([message, fields]),
  }
  const place = { hostname: '127.0.0.1', port: 0 }
  const first = serveMetrics(example(), place, silentLog)
  if (first === undefined) throw new Error('not served')
  stops.push(() => first.stop(0))
  const page = await fetch(`${first.url}/metrics`, {
    proxy: false,
    signal: AbortSignal.timeout(5000),
  })
  expect(await page.text()).toContain('x_starts_total 0')
  expect(serveMetrics(example(), { ...place, port: first.port }, log)).toBeUndefined()
  expect(warned).toMatchObject([['metrics are not served', { port: first.port }]])
})
