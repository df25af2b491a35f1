/** Measures something beside its floor, in turns, so that a disturbance meets both. */
import { join } from 'node:path'
import { type CertificateAuthority, createCertificateAuthority } from '../src/lib/certificates.ts'
import type { Handler } from '../src/lib/handler.ts'
import { createLog } from '../src/lib/log.ts'
import { serveHttp, serveTls, type ServingCertificate } from '../src/lib/serve.ts'
import type { LoadJob, LoadResult } from './load.ts'

/** One line of the report. */
export interface Comparison {
  readonly name: string
  /** What the floor does. */
  readonly floorDoes: string
  /** podrole's rate over the floor's, and the floor's CPU time over podrole's: 1 is the floor. */
  readonly ratio: Ratio
  /** What else runs on the machine hardly disturbs this one. */
  readonly cpuRatio: Ratio
  /** Medians of the rounds. */
  readonly own: Cost
  readonly floor: Cost
}

/** The median of the rounds' ratios, with the lowest and the highest. */
export interface Ratio {
  readonly median: number
  readonly lowest: number
  readonly highest: number
}

export interface Cost {
  readonly perSecond: number
  /** Microseconds of CPU time of one request or call: all threads, kernel included. */
  readonly cpuUs: number
  /** Microseconds from request to answer with one connection; servers alone. */
  readonly p50Us?: number
}

/** What something asked of what is behind it. */
export interface Counted {
  readonly name: string
  readonly reads: number
  readonly writes: number
  /** Milliseconds, once. */
  readonly ms: number
}

export interface Bench {
  readonly rounds: number
  /** Of one measure within a round. */
  readonly seconds: number
  readonly authority: CertificateAuthority
  load(job: LoadJob): Promise<LoadResult>
  stop(): Promise<void>
}

/** A request as text, sent by the load generator and, once, by `fetch`. */
export interface PlainRequest {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

/** What a server is compared with. */
export interface Floor {
  readonly does: string
  /** Serves something that answers every request with these bytes. */
  serve(answer: Answer): Served | Promise<Served>
}

interface Answer {
  readonly text: string
  readonly type: string
}

interface Served {
  readonly port: number
  stop(): Promise<void>
}

const CONNECTIONS = 16
const WARM_UP_ROUNDS = 1

/** The level that the parts run with; the lines are made and then dropped. */
export const droppingLog = createLog('info', { write: () => undefined })

/** A process of its own that makes load: it is given jobs, one at a time. */
export interface LoadProcess<Job> {
  /** @throws Error with what failed there */
  run(job: Job): Promise<LoadResult>
  stop(): Promise<void>
}

/** @param file a program of this folder that answers each job by IPC with a `LoadResult` */
export function startLoadProcess<Job>(file: string): LoadProcess<Job> {
  let answered: ((result: LoadResult) => void) | undefined
  const child = Bun.spawn([process.execPath, '--no-env-file', join(import.meta.dir, file)], {
    stdio: ['ignore', 'inherit', 'inherit'],
    ipc: (message: LoadResult) => answered?.(message),
  })
  return {
    run: async (job) => {
      const { promise, resolve } = Promise.withResolvers<LoadResult>()
      answered = resolve
      child.send(job)
      const result = await promise
      if (result.failure !== undefined) throw new Error(`load: ${result.failure}`)
      return result
    },
    stop: async () => {
      child.kill()
      await child.exited
    },
  }
}

export async function startBench(options: { rounds: number; seconds: number }): Promise<Bench> {
  const load = startLoadProcess<LoadJob>('load.ts')
  return {
    ...options,
    authority: await createCertificateAuthority({ commonName: 'podrole bench' }),
    load: (job) => load.run(job),
    stop: () => load.stop(),
  }
}

/**
 * Compares a server with another floor, or with one behind the same front that reads the body and
 * answers fixed bytes: a copy of the server's own first answer.
 */
export async function compareServers(
  bench: Bench,
  measure: {
    readonly name: string
    readonly url: string
    readonly requests: readonly PlainRequest[]
    /** Held against the first answer: what is measured must be the work that is meant. */
    readonly expected: string
    /** What it is compared with, where that is not the same front with fixed bytes. */
    readonly floor?: Floor
  },
): Promise<Comparison> {
  const { url, requests } = measure
  const tls = url.startsWith('https:')
  const port = Number(new URL(url).port)
  const job = {
    requests: requests.map((request) => requestText(request)),
    ...(tls && { ca: bench.authority.cert }),
  }
  const answer = await firstAnswer(bench, measure)
  const below = measure.floor ?? sameFront(bench, tls)
  const floor = await below.serve(answer)
  const costs = await takeTurns(
    bench,
    () => loadServer(bench, { ...job, port }),
    () => loadServer(bench, { ...job, port: floor.port }),
  )
  await floor.stop()
  return { name: measure.name, floorDoes: below.does, ...compare(costs) }
}

function sameFront(bench: Bench, tls: boolean): Floor {
  return {
    does: `fixed bytes, same ${tls ? 'serveTls' : 'serveHttp'}`,
    serve: async (answer) => {
      const handler = fixedBytes(answer)
      const options = { hostname: '127.0.0.1', port: 0, handler, maxBodyBytes: 9 << 20 }
      const server = tls
        ? await serveTls({ ...options, certificate: await certificateOf(bench) })
        : serveHttp(options)
      return { port: server.port, stop: () => server.stop(0) }
    },
  }
}

/** `Bun.serve` by itself: over TLS, no certificate can be changed of it while it runs. */
export function bareFloor(bench: Bench, scheme: 'http' | 'https'): Floor {
  const tls = scheme === 'https'
  return {
    does: `fixed bytes, bare Bun.serve${tls ? ' over TLS' : ''}`,
    serve: async (answer) => {
      const handler = fixedBytes(answer)
      const server = Bun.serve({
        hostname: '127.0.0.1',
        port: 0,
        development: false,
        ...(tls && { tls: await certificateOf(bench) }),
        error: () => new Response(null, { status: 500 }),
        fetch: (request) => handler(request, { address: '', port: 0 }),
      })
      return { port: server.port ?? 0, stop: () => server.stop(true) }
    },
  }
}

const fixedBytes =
  ({ text, type }: Answer): Handler =>
  async (request) => {
    if (request.body !== null) await request.arrayBuffer()
    return new Response(text, { headers: { 'content-type': type } })
  }

const certificateOf = ({ authority }: Bench): Promise<ServingCertificate> =>
  authority.issue({ names: ['127.0.0.1'] })

/** Many connections for the rate and the CPU time, one for the time to the answer. */
async function loadServer(
  bench: Bench,
  job: Omit<LoadJob, 'connections' | 'seconds'>,
): Promise<Cost> {
  const { seconds } = bench
  const before = process.cpuUsage()
  const many = await bench.load({ ...job, connections: CONNECTIONS, seconds })
  const { user, system } = process.cpuUsage(before)
  const one = await bench.load({ ...job, connections: 1, seconds: seconds / 2 })
  const cpuUs = (user + system) / many.requests
  return { perSecond: many.perSecond, cpuUs, p50Us: one.p50Us }
}

async function firstAnswer(
  bench: Bench,
  measure: Parameters<typeof compareServers>[1],
): Promise<Answer> {
  const [first] = measure.requests
  if (first === undefined) throw new Error('no request')
  const response = await fetch(measure.url + first.path, {
    method: first.method,
    headers: { ...first.headers, host: '127.0.0.1' },
    ...(first.body !== undefined && { body: first.body }),
    tls: { ca: bench.authority.cert },
    proxy: false,
    redirect: 'error',
    signal: AbortSignal.timeout(5000),
  })
  const text = await response.text()
  if (response.status !== 200 || !text.includes(measure.expected)) {
    throw new Error(`${measure.name}: ${response.status} ${text.slice(0, 500)}`)
  }
  return { text, type: response.headers.get('content-type') ?? 'text/plain' }
}

/** The bytes of a request on the wire. */
export function requestText({ method, path, headers, body }: PlainRequest): string {
  const all = {
    host: '127.0.0.1',
    ...headers,
    ...(body !== undefined && { 'content-length': String(body.length) }),
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body ?? ''}`
}

/** Something to call over and over, awaited where it returns a promise. */
type Work = () => unknown

/** Compares two functions, one call after another on this thread. */
export async function compareFunctions(
  bench: Bench,
  measure: {
    readonly name: string
    readonly floorDoes: string
    readonly own: Work
    readonly floor: Work
  },
): Promise<Comparison> {
  const { name, floorDoes, own, floor } = measure
  const seconds = bench.seconds / 3
  const costs = await takeTurns(
    bench,
    () => callOften(own, seconds),
    () => callOften(floor, seconds),
  )
  return { name, floorDoes, ...compare(costs) }
}

/** Compares two servers that are loaded in another way than with HTTP/1.1. */
export async function compareLoads(
  bench: Bench,
  measure: {
    readonly name: string
    readonly floorDoes: string
    readonly own: () => Promise<Cost>
    readonly floor: () => Promise<Cost>
  },
): Promise<Comparison> {
  const { name, floorDoes } = measure
  return { name, floorDoes, ...compare(await takeTurns(bench, measure.own, measure.floor)) }
}

/** What the calls returned last, so that none of them can be left out. */
export let lastResult: unknown

async function callOften(work: Work, seconds: number): Promise<Cost> {
  const isAsync = work() instanceof Promise
  const before = process.cpuUsage()
  const startedAt = performance.now()
  let calls = 0
  let elapsedMs = 0
  while (elapsedMs < seconds * 1000) {
    for (let n = 0; n < 20; n += 1) lastResult = isAsync ? await work() : work()
    calls += 20
    elapsedMs = performance.now() - startedAt
  }
  const { user, system } = process.cpuUsage(before)
  return { perSecond: (calls / elapsedMs) * 1000, cpuUs: (user + system) / calls }
}

type Round = readonly [own: Cost, floor: Cost]

async function takeTurns(
  bench: Bench,
  own: () => Promise<Cost>,
  floor: () => Promise<Cost>,
): Promise<Round[]> {
  const rounds: Round[] = []
  for (let round = -WARM_UP_ROUNDS; round < bench.rounds; round += 1) {
    const costs = [await own(), await floor()] as const
    if (round >= 0) rounds.push(costs)
  }
  return rounds
}

function compare(
  rounds: readonly Round[],
): Pick<Comparison, 'ratio' | 'cpuRatio' | 'own' | 'floor'> {
  return {
    ratio: ratioOf(rounds.map(([own, floor]) => own.perSecond / floor.perSecond)),
    cpuRatio: ratioOf(rounds.map(([own, floor]) => floor.cpuUs / own.cpuUs)),
    own: costOf(rounds.map(([own]) => own)),
    floor: costOf(rounds.map(([, floor]) => floor)),
  }
}

function costOf(costs: readonly Cost[]): Cost {
  const waits = costs.flatMap(({ p50Us }) => p50Us ?? [])
  return {
    perSecond: median(costs.map(({ perSecond }) => perSecond)),
    cpuUs: median(costs.map(({ cpuUs }) => cpuUs)),
    ...(waits.length > 0 && { p50Us: median(waits) }),
  }
}

const ratioOf = (ratios: readonly number[]): Ratio => ({
  median: median(ratios),
  lowest: Math.min(...ratios),
  highest: Math.max(...ratios),
})

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const [low, high] = [(sorted.length - 1) >> 1, sorted.length >> 1]
  return ((sorted[low] ?? Number.NaN) + (sorted[high] ?? Number.NaN)) / 2
}
