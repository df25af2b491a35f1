import { afterAll, expect, test } from 'bun:test'
import { PodroleError } from '../../lib/errors.ts'
import { TOKEN_EXPIRY } from '../../token/seen-tokens.ts'
import { gatherCensus } from './census-gather.ts'

const pageOf = (kid: string, seconds: number): string =>
  `# TYPE ${TOKEN_EXPIRY} gauge\n${TOKEN_EXPIRY}{kid="${kid}"} ${seconds}\n# EOF\n`

const never = new ReadableStream<Uint8Array>({ pull: () => new Promise(() => {}) })
const endless = () =>
  new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(Buffer.alloc(1 << 20, '\n')),
  })

const server = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  fetch: (request) => {
    const { pathname } = new URL(request.url)
    const isOpen = request.headers.get('accept')?.startsWith('application/openmetrics-text')
    if (pathname === '/broker') return new Response(isOpen ? pageOf('a', 5) : 'no')
    if (pathname === '/agent') return new Response(pageOf('a', 7))
    if (pathname === '/half') return new Response(pageOf('a', 7).slice(0, -10))
    if (pathname === '/moved') return Response.redirect('/agent')
    if (pathname === '/never') return new Response(never)
    if (pathname === '/endless') return new Response(endless())
    return new Response('gone', { status: 404 })
  },
})
afterAll(() => server.stop(true))

const at = (path: string): string => new URL(path, server.url).href

const faultOf = async (urls: readonly string[], timeoutMs?: number): Promise<PodroleError> => {
  const thrown = await gatherCensus(urls, timeoutMs === undefined ? {} : { timeoutMs }).catch(
    (error: unknown) => error,
  )
  expect(thrown).toBeInstanceOf(PodroleError)
  return thrown as PodroleError
}

test('all that brokers and agents saw is one census', async () => {
  const census = await gatherCensus([at('/broker'), at('/agent')])
  expect([...census]).toEqual([['a', { lastExpMs: 7000, seenBy: at('/agent') }]])
})

test('one that is cut off, moved, gone, endless or refuses is a fault, though others answer', async () => {
  const refusing = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() })
  const refused = refusing.url.href
  await refusing.stop(true)
  for (const url of [at('/half'), at('/moved'), at('/gone'), at('/endless'), refused]) {
    const fault = await faultOf([at('/agent'), url])
    expect([url, fault.code]).toEqual([url, 'CensusUnusable'])
    expect(fault.message).toContain(url)
  }
})

test('no more is read of one than 8 MB', async () => {
  expect((await faultOf([at('/endless')])).message).toContain('more than 8388608 bytes')
})

test('one that says nothing is given up', async () => {
  const fault = await faultOf([at('/never')], 200)
  expect(fault.code).toBe('CensusUnusable')
  expect(fault.message).toContain('/never')
})

test('all that failed are named at once', async () => {
  const fault = await faultOf([at('/half'), at('/agent'), at('/gone')])
  expect(fault.code).toBe('CensusIncomplete')
  expect(fault.message).toContain('/half')
  expect(fault.message).toContain('HTTP 404')
  expect(fault.message).not.toContain('/agent')
})

test('only plain URLs are asked, and a password is not printed', async () => {
  for (const url of ['file:///etc/passwd', 'metrics', '', 'https://u:hunter2@10.0.0.1/metrics']) {
    const fault = await faultOf([at('/agent'), url])
    expect(fault.code).toBe('InvalidMetricsUrl')
    expect(fault.message).not.toContain('hunter2')
  }
  expect((await faultOf(Array(1001).fill(at('/agent')))).code).toBe('InvalidMetricsUrl')
})
