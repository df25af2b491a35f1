/** Exec as kubectl asks for it, through the cluster's API to a container of the node. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { NAMESPACE, shell, startTestNode, type TestNode } from './node.suite.ts'

setDefaultTimeout(60_000)
let sandbox: TestNode

beforeAll(async () => {
  sandbox = await startTestNode()
  await sandbox.run('app', { containers: [shell('exec sleep 600')] })
  await sandbox.pod('app', ({ status }) => status?.phase === 'Running')
})
afterAll(() => sandbox.stop())

interface Ran {
  readonly out: Buffer
  readonly err: string
  readonly status: { readonly status?: string; readonly details?: unknown }
}

async function exec(
  command: readonly string[],
  options: { readonly tty?: boolean; readonly input?: readonly Uint8Array[] } = {},
): Promise<Ran> {
  const { cluster } = sandbox
  const query = new URLSearchParams([
    ...command.map((word): [string, string] => ['command', word]),
    ['stdin', String(options.input !== undefined)],
    ['stdout', 'true'],
    ['stderr', String(options.tty !== true)],
    ['tty', String(options.tty === true)],
  ])
  const server = cluster.server.replace(/^https/, 'wss')
  const socket = new WebSocket(
    `${server}/api/v1/namespaces/${NAMESPACE}/pods/app/exec?${query.toString()}`,
    {
      protocols: ['v5.channel.k8s.io', 'v4.channel.k8s.io'],
      headers: { authorization: `Bearer ${cluster.adminToken.reveal()}` },
      tls: { ca: cluster.certificateAuthority },
    },
  )
  socket.binaryType = 'nodebuffer'
  const parts: Buffer[][] = [[], [], [], []]
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => {
      for (const message of options.input ?? []) socket.send(message)
    })
    socket.addEventListener('message', ({ data }) => {
      const bytes = data as unknown as Buffer
      parts[bytes[0] ?? 0]?.push(bytes.subarray(1))
    })
    socket.addEventListener('error', () => reject(new Error('the socket was refused')))
    socket.addEventListener('close', () => resolve())
  })
  const [, out = [], err = [], status = []] = parts
  return {
    out: Buffer.concat(out),
    err: Buffer.concat(err).toString(),
    status: JSON.parse(Buffer.concat(status).toString() || '{}'),
  }
}

const typed = (text: string): Uint8Array => Uint8Array.of(0, ...new TextEncoder().encode(text))

test('both streams, and the exit code in a Status', async () => {
  const { out, err, status } = await exec(['sh', '-c', 'echo out; echo err >&2; exit 3'])
  expect([out.toString(), err]).toEqual(['out\n', 'err\n'])
  expect(status).toMatchObject({
    status: 'Failure',
    details: { causes: [{ reason: 'ExitCode', message: '3' }] },
  })
})

test('input until its channel is closed', async () => {
  const ran = await exec(['cat'], { input: [typed('one '), typed('two'), Uint8Array.of(255, 0)] })
  expect([ran.out.toString(), ran.status.status]).toEqual(['one two', 'Success'])
})

test('much output comes whole', async () => {
  const { out, status } = await exec(['head', '-c', '20000000', '/dev/zero'])
  expect([out.length, status.status]).toEqual([20_000_000, 'Success'])
})

test('a terminal of the size that the client has', async () => {
  const size = Uint8Array.of(4, ...new TextEncoder().encode('{"Width":101,"Height":33}'))
  const script = 'test -t 0 && test -t 1 && read line && stty size && echo "got $line"; exit 5'
  const ran = await exec(['sh', '-c', script], { tty: true, input: [size, typed('hi\n')] })
  expect(ran.out.toString()).toContain('33 101\r\ngot hi\r\n')
  expect(ran.status.details).toEqual({ causes: [{ reason: 'ExitCode', message: '5' }] })
})
