import { loadKubeAccess } from '../kube/kubeconfig.ts'
import { PODS } from '../kube/client.ts'
import type { Pod } from '../kube/objects.ts'
import { apiPath, createKubeClient } from '../kube/transport.ts'
import { PodroleError } from '../lib/errors.ts'
import {
  decodeFrames,
  readExitCode,
  STATUS_CHANNEL,
  STDERR_CHANNEL,
  STDOUT_CHANNEL,
} from '../sandbox/node/frames.ts'
import { outputClosed } from './closed-output.ts'
import type { ExecFlags } from './commands/sandbox.ts'

/** As a shell has it for who ends by SIGPIPE: how the command would have ended is not known. */
const CLOSED_EXIT_CODE = 141

/** Runs a command in a pod, its output on ours; the command's exit code. */
export async function execInPod(
  text: string,
  words: readonly string[],
  flags: ExecFlags,
): Promise<number> {
  const { namespace, name } = readPodName(text)
  const client = createKubeClient(
    await loadKubeAccess({
      environment: process.env,
      ...(flags.kubeconfig !== undefined && { kubeconfig: flags.kubeconfig }),
      ...(flags.context !== undefined && { context: flags.context }),
    }),
  )
  const pod = await client.get<Pod>(PODS, { namespace, name })
  const container = flags.container ?? pod.spec.containers[0]?.name ?? ''
  const query = new URLSearchParams({ container, stdout: 'true', stderr: 'true' })
  for (const word of words) query.append('command', word)
  const stdin = process.stdin.isTTY ? undefined : await readStdin()
  const response = await client.raw(
    'POST',
    `${apiPath(PODS, { namespace, name }, 'exec')}?${query.toString()}`,
    {
      // A command may run for as long as it likes and somebody reads what it writes.
      signal: outputClosed,
      ...(stdin !== undefined && { body: stdin, contentType: 'application/octet-stream' }),
    },
  )
  try {
    return await printFrames(response)
  } catch (error) {
    if (outputClosed.aborted) return CLOSED_EXIT_CODE
    throw error
  }
}

async function printFrames(response: Response): Promise<number> {
  if (response.body === null) throw new PodroleError('NoAnswer', 'the node answered nothing')
  for await (const { channel, data } of decodeFrames(response.body)) {
    if (channel === STDOUT_CHANNEL) process.stdout.write(data)
    else if (channel === STDERR_CHANNEL) process.stderr.write(data)
    else if (channel === STATUS_CHANNEL) return readExitCode(data)
  }
  throw new PodroleError('NoExitCode', 'the node ended without saying how the command ended')
}

function readPodName(text: string): { namespace: string; name: string } {
  const [namespace = '', name = '', ...more] = text.split('/')
  if (namespace !== '' && name !== '' && more.length === 0) return { namespace, name }
  throw new PodroleError(
    'InvalidPodName',
    `pod ${JSON.stringify(text)} is not one: wanted NAMESPACE/NAME`,
  )
}

/** What is piped in, at most a megabyte. */
async function readStdin(): Promise<string | undefined> {
  const text = await Bun.stdin.text()
  if (text.length > 1 << 20) {
    throw new PodroleError('StdinTooLong', 'standard input is over 1 MiB: wanted less')
  }
  return text === '' ? undefined : text
}
