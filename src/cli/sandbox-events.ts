/** `podrole sandbox events`: what a sandbox that runs decided, and why. */
import { PodroleError } from '../lib/errors.ts'
import type { SandboxEvent } from '../sandbox/events.ts'
import { outputClosed } from './closed-output.ts'
import type { EventsFlags } from './commands/sandbox.ts'
import { askSandbox, type SandboxAccess, sandboxAccess } from './sandbox-access.ts'
import { stopSignal } from './stop-signal.ts'

const CONNECT_MS = 15_000

export async function printEvents(flags: EventsFlags): Promise<void> {
  const stopping = new AbortController()
  if (flags.follow) void stopSignal().then(() => stopping.abort())
  outputClosed.addEventListener('abort', () => stopping.abort())
  try {
    for await (const event of readEvents(sandboxAccess(flags.readyFile), flags, stopping)) {
      if (flags.denied && event.outcome === 'allowed') continue
      process.stdout.write(flags.output === 'json' ? `${JSON.stringify(event)}\n` : describe(event))
    }
  } catch (error) {
    if (!stopping.signal.aborted) throw error
  }
}

/** Two lines: what was decided, and why. Rows of a stream have no widths to agree on. */
function describe(event: SandboxEvent): string {
  const time = event.time.slice(11, 23)
  const what = [event.outcome.padEnd(7), event.source, event.action, event.resource ?? '']
  const why = [event.caller === '' ? 'somebody unknown' : event.caller, event.text]
  const statements = (event.statements ?? []).map((statement) => JSON.stringify(statement))
  const lines = [
    `${time}  ${what.filter(Boolean).join('  ')}`,
    `              ${why.join(': ')}`,
    ...statements.map((statement) => `              ${statement}`),
  ]
  return `${lines.map(printable).join('\n')}\n`
}

/** Names in events are their callers' choice: nothing of them reaches the terminal as a command. */
const printable = (line: string): string =>
  line.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) =>
    JSON.stringify(character)
      .slice(1, -1)
      .replace(/^[^\\]$/u, '\uFFFD'),
  )

async function* readEvents(
  access: SandboxAccess,
  { follow, all }: EventsFlags,
  stopping: AbortController,
): AsyncGenerator<SandboxEvent> {
  const timer = setTimeout(() => stopping.abort(), CONNECT_MS)
  const { signal } = stopping
  const query = new URLSearchParams({ follow: String(follow), all: String(all) }).toString()
  const response = await askSandbox(access, `events?${query}`, { signal })
  clearTimeout(timer)
  if (!response.ok || response.body === null) {
    await response.body?.cancel()
    throw new PodroleError(
      'EventsRefused',
      `the sandbox at ${access.endpoint} answered with HTTP ${response.status}`,
      { hint: 'the token must be of the sandbox that runs there: see its ready file' },
    )
  }
  const decoder = new TextDecoder()
  let open = ''
  for await (const chunk of response.body) {
    const lines = (open + decoder.decode(chunk, { stream: true })).split('\n')
    open = lines.pop() ?? ''
    for (const line of lines) if (line !== '') yield JSON.parse(line) as SandboxEvent
  }
}
