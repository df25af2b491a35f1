import { afterEach, expect, test } from 'bun:test'
import { createCertificateAuthority } from './certificates.ts'
import { textResponse } from './handler.ts'
import { type Listening, serveHttp, serveTls } from './serve.ts'
import { isUpgrade, type SocketLink, upgradeResponse } from './upgrade.ts'

const running: Listening[] = []
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop(0)
})

/** Sends back what it gets; `end` ends it. */
function echo(request: Request): Response {
  if (!isUpgrade(request)) return textResponse('plain')
  let link: SocketLink | undefined
  return upgradeResponse({
    protocol: 'echo.example',
    open: (opened) => {
      link = opened
      opened.send(Buffer.from('open'))
    },
    message: (data) => {
      const text = Buffer.from(data).toString()
      if (text === 'end') link?.close(4000)
      else link?.send(Buffer.from(`${text}:${link.bufferedBytes()}`))
    },
    drained: () => undefined,
    closed: () => undefined,
  })
}

async function converse(url: string, tls?: { ca: string }): Promise<unknown[]> {
  const seen: unknown[] = []
  const socket = new WebSocket(url.replace(/^http/, 'ws'), {
    protocols: ['echo.example'],
    ...(tls && { tls }),
  })
  socket.binaryType = 'nodebuffer'
  await new Promise<void>((resolve) => {
    socket.addEventListener('message', ({ data }) => {
      seen.push(Buffer.from(data as Uint8Array).toString())
      if (seen.length === 1) socket.send('text')
      else if (seen.length === 2) socket.send(Buffer.from('bytes'))
      else socket.send('end')
    })
    socket.addEventListener('close', ({ code }) => {
      seen.push(socket.protocol, code)
      resolve()
    })
  })
  return seen
}

const SEEN = ['open', 'text:0', 'bytes:0', 'echo.example', 4000]

test('a handler upgrades a connection, over HTTP and through the TLS front', async () => {
  const local = { hostname: '127.0.0.1', port: 0, handler: echo } as const
  const plain = serveHttp(local)
  const authority = await createCertificateAuthority({ commonName: 'test' })
  const certificate = await authority.issue({ names: ['127.0.0.1'] })
  const secure = await serveTls({ ...local, certificate })
  running.push(plain, secure)
  expect(await converse(plain.url)).toEqual(SEEN)
  expect(await converse(secure.url, { ca: authority.cert })).toEqual(SEEN)
  const response = await fetch(plain.url, { proxy: false, signal: AbortSignal.timeout(5000) })
  expect(await response.text()).toBe('plain')
})

test('without a handshake the answer is 426', async () => {
  const server = serveHttp({
    hostname: '127.0.0.1',
    port: 0,
    handler: () => echo(new Request('http://a/', { headers: { upgrade: 'websocket' } })),
  })
  running.push(server)
  const response = await fetch(server.url, { proxy: false, signal: AbortSignal.timeout(5000) })
  expect(response.status).toBe(426)
})
