/** `podrole sandbox events`: what a sandbox that runs decided, and why. */
import { readFileSync } from 'node:fs'
import { messageOf, PodroleError } from '../lib/errors.ts'
import type { SandboxEvent } from '../sandbox/events.ts'
import type { EventsFlags } from './commands/sandbox.ts'
import { stopSignal } from './stop-signal.ts'

interface Access {
  readonly endpoint: string
  readonly token: string
}

const CONNECT_MS = 15_000

export async function printEvents(flags: EventsFlags): Promise<void> {
  const stopping = new AbortController()
  if (flags.follow) void stopSignal().then(() => stopping.abort())
  try {
    for await (const event of readEvents(accessOf(flags), flags.follow, stopping)) {
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
  { endpoint, token }: Access,
  follow: boolean,
  stopping: AbortController,
): AsyncGenerator<SandboxEvent> {
  const timer = setTimeout(() => stopping.abort(), CONNECT_MS)
  const url = `${endpoint}/_podrole/events${follow ? '?follow=true' : ''}`
  const response = await fetch(url, {
    headers: { authorization: `Bearer ${token}` },
    proxy: false,
    redirect: 'error',
    signal: stopping.signal,
  }).catch((error: unknown) => {
    throw new PodroleError(
      'SandboxUnreachable',
      `no sandbox answers at ${endpoint}: ${messageOf(error)}`,
      {
        cause: error,
      },
    )
  })
  clearTimeout(timer)
  if (!response.ok || response.body === null) {
    await response.body?.cancel()
    throw new PodroleError(
      'EventsRefused',
      `the sandbox at ${endpoint} answered with HTTP ${response.status}`,
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

/** @throws PodroleError `SandboxUnknown` */
function accessOf(flags: EventsFlags): Access {
  const values = flags.readyFile === undefined ? process.env : readReadyFile(flags.readyFile)
  const endpoint = values['AWS_ENDPOINT_URL']
  const token = values['PODROLE_SANDBOX_TOKEN']
  if (typeof endpoint === 'string' && typeof token === 'string' && URL.canParse(endpoint)) {
    return { endpoint: endpoint.replace(/\/+$/, ''), token }
  }
  const where = flags.readyFile ?? 'the environment'
  throw new PodroleError(
    'SandboxUnknown',
    `${where} names no sandbox: wanted AWS_ENDPOINT_URL and PODROLE_SANDBOX_TOKEN`,
    {
      hint: 'name the file that podrole sandbox --ready-file wrote, or export what the sandbox printed',
    },
  )
}

function readReadyFile(file: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Readonly<Record<string, unknown>>
  } catch (error) {
    throw new PodroleError(
      'UnreadableFile',
      `ready file ${file} cannot be read: ${messageOf(error)}`,
      {
        cause: error,
      },
    )
  }
}
