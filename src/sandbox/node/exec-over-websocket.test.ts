/** Exec as kubectl asks for it, through the cluster's API to a container of the node. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test'
import { INPUT_ENDS, sized, type Streamed, streamChannels, typed } from './channels.suite.ts'
import { shell, startTestNode, type TestNode } from './node.suite.ts'

setDefaultTimeout(60_000)
let sandbox: TestNode

beforeAll(async () => {
  sandbox = await startTestNode()
  await sandbox.run('app', { containers: [shell('exec sleep 600')] })
  await sandbox.pod('app', ({ status }) => status?.phase === 'Running')
})
afterAll(() => sandbox.stop())

function exec(
  command: readonly string[],
  options: { readonly tty?: boolean; readonly input?: readonly Uint8Array[] } = {},
): Promise<Streamed> {
  const query = new URLSearchParams([
    ...command.map((word): [string, string] => ['command', word]),
    ['stdin', String(options.input !== undefined)],
    ['stdout', 'true'],
    ['stderr', String(options.tty !== true)],
    ['tty', String(options.tty === true)],
  ])
  return streamChannels(sandbox, `app/exec?${query.toString()}`, options)
}

test('both streams, and the exit code in a Status', async () => {
  const { out, err, status } = await exec(['sh', '-c', 'echo out; echo err >&2; exit 3'])
  expect([out.toString(), err]).toEqual(['out\n', 'err\n'])
  expect(status).toMatchObject({
    status: 'Failure',
    details: { causes: [{ reason: 'ExitCode', message: '3' }] },
  })
})

test('input until its channel is closed', async () => {
  const ran = await exec(['cat'], { input: [typed('one '), typed('two'), INPUT_ENDS] })
  expect([ran.out.toString(), ran.status.status]).toEqual(['one two', 'Success'])
})

test('much output comes whole', async () => {
  const { out, status } = await exec(['head', '-c', '20000000', '/dev/zero'])
  expect([out.length, status.status]).toEqual([20_000_000, 'Success'])
})

test('a terminal of the size that the client has', async () => {
  const script = 'test -t 0 && test -t 1 && read line && stty size && echo "got $line"; exit 5'
  const ran = await exec(['sh', '-c', script], {
    tty: true,
    input: [sized(101, 33), typed('hi\n')],
  })
  expect(ran.out.toString()).toContain('33 101\r\ngot hi\r\n')
  expect(ran.status.details).toEqual({ causes: [{ reason: 'ExitCode', message: '5' }] })
})
