import { describe, expect, test } from 'bun:test'
import { sessionOf, type SocketSession } from '../../lib/upgrade.ts'
import { decodeFrames, encodeFrame } from '../node/frames.ts'
import { call, makeCluster, podOf, PODS_PATH } from './cluster.suite.ts'
import { execSocket, type StartExec } from './exec-socket.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const ask = (protocol: string): Request =>
  new Request('https://127.0.0.1/', { headers: { 'sec-websocket-protocol': protocol } })

interface Opened {
  readonly session: SocketSession
  readonly sent: Uint8Array[]
  readonly ended: Promise<void>
}

function open(start: StartExec, hasStdin = true, buffered = (): number => 0): Opened {
  const stopping = new AbortController().signal
  const session = sessionOf(
    execSocket(ask('v5.channel.k8s.io, v4.channel.k8s.io'), { hasStdin, stopping }, start),
  )!
  const sent: Uint8Array[] = []
  const ended = Promise.withResolvers<void>()
  session.open({
    send: (message) => void sent.push(message),
    bufferedBytes: buffered,
    close: () => ended.resolve(),
  })
  return { session, sent, ended: ended.promise }
}

const shown = (messages: readonly Uint8Array[]): string[] =>
  messages.map(([channel, ...data]) => `${channel}:${Buffer.from(data).toString()}`)

describe('execSocket', () => {
  test('the newest protocol that both speak is chosen; none is a 400', () => {
    const options = { hasStdin: false, stopping: new AbortController().signal }
    const start: StartExec = async () => new Response('')
    const choose = (names: string): string | undefined =>
      sessionOf(execSocket(ask(names), options, start))?.protocol
    expect(choose('v4.channel.k8s.io,v5.channel.k8s.io')).toBe('v5.channel.k8s.io')
    expect(choose('v4.channel.k8s.io')).toBe('v4.channel.k8s.io')
    expect(() => choose('channel.k8s.io')).toThrow(/unable to negotiate protocol/)
  })

  test('what is typed goes to the node, what it answers comes back', async () => {
    const typed: string[] = []
    const { session, sent, ended } = open(async (body) => {
      for await (const { channel, data } of decodeFrames(body, [0, 4])) {
        typed.push(`${channel}:${Buffer.from(data).toString()}`)
      }
      const whole = Buffer.concat([encodeFrame(1, bytes('out')), encodeFrame(3, bytes('{}'))])
      // In pieces that cut the frames.
      return new Response(
        new ReadableStream({
          start: (controller) => {
            for (const byte of whole) controller.enqueue(Uint8Array.of(byte))
            controller.close()
          },
        }),
      )
    })
    session.message(Uint8Array.of(0, ...bytes('in')))
    session.message(Uint8Array.of(4, ...bytes('{"Width":1}')))
    session.message(Uint8Array.of(9, ...bytes('no such channel')))
    session.message(Uint8Array.of())
    session.message(Uint8Array.of(255, 0))
    session.message(Uint8Array.of(0, ...bytes('too late')))
    await ended
    expect(typed).toEqual(['0:in', '4:{"Width":1}'])
    expect(shown(sent)).toEqual(['1:out', '3:{}'])
  })

  test('without stdin the input is over at once', async () => {
    const { sent, ended } = open(async (body) => {
      expect(await new Response(body).text()).toBe('')
      return new Response(encodeFrame(3, bytes('{}')))
    }, false)
    await ended
    expect(shown(sent)).toEqual(['3:{}'])
  })

  test("a node's refusal, and its absence, are told as a Status", async () => {
    const refused = open(async () => new Response('no such container\n', { status: 400 }))
    await refused.ended
    expect(shown(refused.sent)[0]).toContain('"message":"no such container"')
    const gone = open(() => Promise.reject(new Error('error dialing backend')))
    await gone.ended
    expect(shown(gone.sent)[0]).toMatch(/^3:.*"status":"Failure".*error dialing backend/)
  })

  test('output waits for a client that does not read', async () => {
    let waiting = 2 << 20
    const body = Buffer.concat([encodeFrame(1, bytes('one')), encodeFrame(1, bytes('two'))])
    const { session, sent, ended } = open(
      async () => new Response(body),
      false,
      () => waiting,
    )
    await Bun.sleep(5)
    expect(shown(sent)).toEqual(['1:one'])
    waiting = 0
    session.drained()
    await ended
    expect(shown(sent)).toEqual(['1:one', '1:two'])
  })

  test('the exec ends when the client goes', async () => {
    let signal: AbortSignal | undefined
    const { session } = open((_body, given) => {
      signal = given
      return new Promise(() => undefined)
    })
    session.closed()
    expect(signal?.aborted).toBe(true)
  })
})

describe('exec over GET', () => {
  const upgrade = { upgrade: 'websocket', 'sec-websocket-protocol': 'v5.channel.k8s.io' }
  const path = `${PODS_PATH}/app/exec?command=true`

  test('needs the right to create too, an upgrade, and a pod on a node', async () => {
    const cluster = await makeCluster()
    await call(cluster, 'POST', PODS_PATH, { body: podOf('app') })
    const rbac = '/apis/rbac.authorization.k8s.io/v1'
    await call(cluster, 'POST', `${rbac}/clusterroles`, {
      body: {
        metadata: { name: 'reader' },
        rules: [{ apiGroups: [''], resources: ['pods/exec'], verbs: ['get'] }],
      },
    })
    await call(cluster, 'POST', `${rbac}/clusterrolebindings`, {
      body: {
        metadata: { name: 'reader' },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'reader' },
        subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'reader' }],
      },
    })
    const token = cluster.tokenFor('reader', []).reveal()
    const refused = await call(cluster, 'GET', path, { token, headers: upgrade })
    expect(refused.status).toBe(403)
    expect(refused.body.message).toContain('cannot create resource "pods/exec"')
    const homeless = await call(cluster, 'GET', path, { headers: upgrade })
    expect([homeless.status, homeless.body.message]).toEqual([
      400,
      'pod app does not have a host assigned',
    ])
    const nobody = await call(cluster, 'GET', path.replace('/app/', '/x/'), { headers: upgrade })
    expect(nobody.status).toBe(404)
    await cluster.stop()
  })
})
