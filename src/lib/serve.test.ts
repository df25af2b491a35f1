import { afterEach, describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
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

  test('an address that another server has is refused', () => {
    const { port } = http(() => new Response('first'))
    expect(() => http(() => new Response('second'), { port })).toThrow(`Is port ${port} in use?`)
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

  test.each(['a b', '[::1', 'a:99999', '', 'a%zz'])(
    'host %j does not reach the handler',
    async (host) => {
      const lines: string[] = []
      const log = createLog('debug', { write: (line) => void lines.push(line) })
      const server = http((request) => new Response(new URL(request.url).pathname), { log })
      const socket = connect(server.port, '127.0.0.1')
      socket.write(`GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
      const answer = await new Promise((seen) => socket.once('data', (data) => seen(String(data))))
      socket.destroy()
      expect(answer).toStartWith('HTTP/1.1 400 ')
      expect(lines).toEqual([])
    },
  )

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

/** The inode numbers of this process' own sockets. */
const ownSockets = (): string[] =>
  readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1] ?? []
    } catch {
      return []
    }
  })

/** How many connections to a port somebody still holds; a closed one has no inode. */
const acceptedBy = (port: number): number =>
  [
    ...readFileSync('/proc/self/net/tcp', 'utf8').matchAll(
      /^ *\d+: 0100007F:([0-9A-F]{4}) \S+ (?!0A)\S+ +\S+ +\S+ +\S+ +\d+ +\d+ +([1-9]\d*)/gm,
    ),
  ].filter(([, hex]) => Number.parseInt(hex ?? '', 16) === port).length

/** Ports of 127.0.0.1 that something on this machine listens on. */
const listeningPorts = (): number[] =>
  [
    ...readFileSync('/proc/self/net/tcp', 'utf8').matchAll(
      /^ *\d+: 0100007F:([0-9A-F]{4}) 00000000:0000 0A/gm,
    ),
  ].map(([, hex]) => Number.parseInt(hex ?? '', 16))

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
    const ports = listeningPorts().filter((port) => port !== server.port)
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

  test('what cannot be started leaves nothing behind', async () => {
    const server = await serve(() => new Response('ok'))
    const certificate = await authority!.issue({ names: ['127.0.0.1'] })
    const before = ownSockets().length
    const handler: Handler = () => new Response()
    const taken = serveTls({ ...local, port: server.port, handler, certificate })
    expect(taken).rejects.toMatchObject({ code: 'EADDRINUSE' })
    const none = serveTls({ ...local, handler, certificate: { cert: '', key: '' } })
    expect(none).rejects.toMatchObject({ code: 'InvalidServingCertificate' })
    await Promise.allSettled([taken, none])
    expect(ownSockets()).toHaveLength(before)
  })

  test('a client that never closes its side is not kept', async () => {
    const server = await serve(() => new Response('ok'))
    // The one between keeps both of its connections open and, once told, says nothing more.
    const sockets: Socket[] = []
    let isSilent = false
    const between = createServer({ allowHalfOpen: true }, (near) => {
      const far = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true })
      sockets.push(near, far)
      for (const socket of [near, far]) socket.on('error', () => undefined)
      near.on('data', (data) => isSilent || far.write(data))
      far.on('data', (data) => near.write(data))
    })
    await new Promise<void>((done) => between.listen(0, '127.0.0.1', done))
    const { port } = between.address() as AddressInfo
    const client = tlsConnect({ port, host: '127.0.0.1', ca: ca() })
    client.write('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
    await new Promise<void>((seen) => {
      client.once('data', () => {
        isSilent = true
        seen()
      })
    })
    expect(acceptedBy(server.port)).toBe(1)
    while (acceptedBy(server.port) > 0) await Bun.sleep(20)
    for (const socket of [client, ...sockets]) socket.destroy()
    between.close()
  }, 20_000)

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
