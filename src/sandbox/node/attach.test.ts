/** Attach as kubectl asks for it, through the cluster's API to a container of the node. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { NODES } from '../../kube/client.ts'
import type { Container, KubeNode } from '../../kube/objects.ts'
import { INPUT_ENDS, sized, streamChannels, typed } from './channels.suite.ts'
import { encodeFrame, STDIN_CHANNEL } from './frames.ts'
import { NAMESPACE, NODE, shell, startTestNode, type TestNode } from './node.suite.ts'

setDefaultTimeout(60_000)

for (const mounts of ['auto', 'mapped'] as const) {
  let sandbox: TestNode
  const flags = 'stdin=true&stdout=true&stderr=true'

  beforeAll(async () => {
    sandbox = await startTestNode({ ...(mounts === 'mapped' && { mounts, network: 'loopback' }) })
  })
  afterAll(() => sandbox.stop())

  const start = async (name: string, script: string, more: Partial<Container>): Promise<void> => {
    await sandbox.run(name, { containers: [shell(script, more)] })
    await sandbox.pod(name, ({ status }) => status?.phase === 'Running')
  }

  test(`${mounts}: input until it ends, both outputs, until the container ends`, async () => {
    await start('reader', 'while read -r x; do echo "got $x"; echo "no $x" >&2; done; exit 3', {
      stdin: true,
      stdinOnce: true,
    })
    const { out, err, status } = await streamChannels(sandbox, `reader/attach?${flags}`, {
      input: [typed('one\ntw'), typed('o\n'), INPUT_ENDS],
    })
    expect([out.toString(), err]).toEqual(['got one\ngot two\n', 'no one\nno two\n'])
    expect(status.status).toBe('Success')
    const { phase, log } = await sandbox.outcome('reader')
    expect([phase, log]).toEqual(['Failed', expect.stringContaining('got two\n')])
  })

  test(`${mounts}: a container that reads again goes on after a client, and shows what comes`, async () => {
    await start('again', 'while read -r x; do echo "got $x"; [ "$x" != end ] || exit 0; done', {
      stdin: true,
    })
    const first = await streamChannels(sandbox, `again/attach?${flags}`, {
      input: [typed('one\n')],
      answer: (out) => (out.includes('got one') ? 'close' : undefined),
    })
    expect(first.out.toString()).toBe('got one\n')
    const second = await streamChannels(sandbox, `again/attach?${flags}`, {
      input: [typed('end\n')],
    })
    expect(second.out.toString()).toBe('got end\n')
    expect((await sandbox.outcome('again')).phase).toBe('Succeeded')
  })

  test(`${mounts}: a terminal, its size, and Ctrl-C`, async () => {
    const script =
      'test -t 0 && test -t 1; read -r x; stty size; trap "echo caught; exit 4" INT; echo "now $x"; while :; do sleep 0.1; done'
    await start('shell', script, { stdin: true, tty: true })
    const { out, status } = await streamChannels(sandbox, `shell/attach?${flags}&tty=true`, {
      input: [sized(101, 33), typed('hi\n')],
      answer: (text) => (text.endsWith('now hi\r\n') ? typed('\u0003') : undefined),
    })
    expect(out.toString()).toContain('33 101\r\nnow hi\r\n')
    expect(out.toString()).toContain('caught')
    expect(status.status).toBe('Success')
    const ended = await sandbox.pod('shell', (pod) => pod.status?.phase === 'Failed')
    expect(ended.status?.containerStatuses?.[0]?.state?.terminated?.exitCode).toBe(4)
  })
}

test('what is not running, not there, or no WebSocket is refused', async () => {
  const sandbox = await startTestNode()
  try {
    const script = 'echo over'
    await sandbox.run('over', { containers: [shell(script)] })
    await sandbox.outcome('over')
    const { status } = await streamChannels(sandbox, 'over/attach?stdout=true')
    expect(status).toMatchObject({
      status: 'Failure',
      message: 'container main is not running: it ended with 0',
    })
    const path = '/api/v1/namespaces/team/pods/over/attach'
    await expect(sandbox.client.raw('POST', path)).rejects.toThrow('Upgrade request required')
    await expect(sandbox.client.raw('GET', path.replace('over', 'none'))).rejects.toThrow(
      'not found',
    )
  } finally {
    await sandbox.stop()
  }
})

test('a client that does not read is cut off, and holds nobody up', async () => {
  const sandbox = await startTestNode()
  try {
    const script = 'read -r x; head -c 200000000 /dev/zero'
    await sandbox.run('much', { containers: [shell(script, { stdin: true })] })
    await sandbox.pod('much', ({ status }) => status?.phase === 'Running')
    const node = await sandbox.client.get<KubeNode>(NODES, { name: NODE })
    const port = node.status?.daemonEndpoints?.kubeletEndpoint?.Port
    const secret = sandbox.cluster.kubeletSecret(NODE).reveal()
    const response = await fetch(
      `http://127.0.0.1:${port}/attach/${NAMESPACE}/much/main?stdin=true&stdout=true&framed=true`,
      {
        method: 'POST',
        headers: { authorization: `Bearer ${secret}` },
        body: encodeFrame(STDIN_CHANNEL, Buffer.from('go\n')),
        proxy: false,
        signal: AbortSignal.timeout(30_000),
      },
    )
    expect((await sandbox.outcome('much')).phase).toBe('Succeeded')
    const bytes = Buffer.from(await response.arrayBuffer())
    expect(bytes.subarray(-200).toString()).toContain('the client does not read')
    expect(bytes.length).toBeLessThan(100_000_000)
  } finally {
    await sandbox.stop()
  }
})
