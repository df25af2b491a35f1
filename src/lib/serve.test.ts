import { afterEach, describe, expect, test } from 'bun:test'
import { connect } from 'node:net'
import { type CertificateAuthority, createCertificateAuthority } from './certificates.ts'
import { PodroleError } from './errors.ts'
import type { Handler } from './handler.ts'
import { createLog } from './log.ts'
import { type Listening, serveHttp, serveTls } from './serve.ts'

const running: Listening[] = []
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop(0)
})

const local = { hostname: '127.0.0.1', port: 0 } as const
const get = (url: string, init: BunFetchRequestInit = {}): Promise<Response> =>
  fetch(url, { proxy: false, signal: AbortSignal.timeout(10_000), ...init })

function http(handler: Handler, extra: object = {}): Listening {
  const server = serveHttp({ ...local, handler, ...extra })
  running.push(server)
  return server
}

describe('serveHttp', () => {
  test('a thrown error is answered without its text and told to the log', async () => {
    const lines: string[] = []
    const log = createLog('error', { write: (line) => void lines.push(line) })
    const { url } = http(
      () => {
        throw new Error('a secret detail')
      },
      { log },
    )
    const response = await get(url)
    expect(response.status).toBe(500)
    expect(await response.text()).toBe('Internal Server Error\n')
    expect(lines.join('')).toContain('a secret detail')
  })

  test('a PodroleError with a status is answered with both', async () => {
    const { url } = http(() => {
      throw new PodroleError('TooMany', 'wanted fewer', { status: 429 })
    })
    const response = await get(url)
    expect({ status: response.status, text: await response.text() }).toEqual({
      status: 429,
      text: 'wanted fewer\n',
    })
  })

  test('a body over the limit does not reach the handler', async () => {
    let calls = 0
    const handler: Handler = () => {
      calls += 1
      return new Response('read')
    }
    const { url } = http(handler, { maxBodyBytes: 100 })
    expect((await get(url, { method: 'POST', body: 'x'.repeat(101) })).status).toBe(413)
    expect((await get(url, { method: 'POST', body: 'x'.repeat(100) })).status).toBe(200)
    expect(calls).toBe(1)
  })

  test('stop waits for what is under way and not for idle connections', async () => {
    const { promise: release, resolve } = Promise.withResolvers<void>()
    const { promise: entered, resolve: enter } = Promise.withResolvers<void>()
    const server = http(async (request) => {
      if (new URL(request.url).pathname === '/slow') {
        enter()
        await release
      }
      return new Response('done')
    })
    const idle = connect(server.port, '127.0.0.1')
    idle.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    await new Promise((seen) => idle.once('data', seen))
    const idleClosed = new Promise((seen) => idle.once('close', seen))
    const slow = get(`${server.url}/slow`)
    await entered
    let hasStopped = false
    const stop = async (): Promise<void> => {
      await server.stop()
      hasStopped = true
    }
    const stopped = stop()
    await Bun.sleep(50)
    expect(hasStopped).toBe(false)
    resolve()
    expect(await (await slow).text()).toBe('done')
    await stopped
    await idleClosed
  })
})

describe('serveTls', () => {
  let authority: CertificateAuthority | undefined
  const serve = async (handler: Handler): Promise<Awaited<ReturnType<typeof serveTls>>> => {
    authority ??= await createCertificateAuthority({ commonName: 'test' })
    const certificate = await authority.issue({ names: ['127.0.0.1'] })
    const server = await serveTls({ ...local, handler, certificate })
    running.push(server)
    return server
  }
  const ca = (): string => authority?.cert ?? ''

  test('the handler sees the address of the client, not of the front', async () => {
    const server = await serve((_request, client) => Response.json(client))
    const answer = (await (await get(server.url, { tls: { ca: ca() } })).json()) as object
    expect(answer).toMatchObject({ address: '127.0.0.1' })
  })

  test('the inner server takes nobody who did not come through the front', async () => {
    const server = await serve((_request, client) => Response.json(client))
    const list = Bun.spawnSync(['sh', '-c', `cat /proc/${process.pid}/net/tcp`]).stdout.toString()
    const ports = [...list.matchAll(/^ *\d+: 0100007F:([0-9A-F]{4}) 00000000:0000 0A/gm)]
      .map(([, hex]) => Number.parseInt(hex ?? '', 16))
      .filter((port) => port !== server.port)
    const statuses = await Promise.all(
      ports.map((port) =>
        get(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(2000) }).then(
          (response) => response.status,
          () => undefined,
        ),
      ),
    )
    expect(statuses).toContain(421)
  })

  test('a reloaded certificate is served to new connections; a broken one changes nothing', async () => {
    const server = await serve(() => new Response('ok'))
    const other = await createCertificateAuthority({ commonName: 'other' })
    expect(() => server.reload({ cert: '', key: '' })).toThrow('not a pair of PEM texts')
    expect((await get(server.url, { tls: { ca: ca() } })).status).toBe(200)
    server.reload(await other.issue({ names: ['127.0.0.1'] }))
    const response = await get(`${server.url}/again`, { tls: { ca: other.cert }, keepalive: false })
    expect(response.status).toBe(200)
  })

  test('requests go on while certificates change', async () => {
    const server = await serve(async (request) => new Response(await request.text()))
    const certificates = await Promise.all(
      Array.from({ length: 4 }, () => authority?.issue({ names: ['127.0.0.1'] })),
    )
    const done = new AbortController()
    const ask = async (): Promise<number> => {
      let answered = 0
      while (!done.signal.aborted) {
        const body = `n${answered}`
        const init = { method: 'POST', body, tls: { ca: ca() } }
        expect(await (await get(server.url, init)).text()).toBe(body)
        answered += 1
      }
      return answered
    }
    const clients = Array.from({ length: 4 }, ask)
    for (const certificate of [...certificates, ...certificates]) {
      if (certificate !== undefined) server.reload(certificate)
      await Bun.sleep(15)
    }
    done.abort()
    const answered = await Promise.all(clients)
    expect(Math.min(...answered)).toBeGreaterThan(0)
  })
})
