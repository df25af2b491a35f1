/**
 * The sandbox's own endpoints, on the port of its AWS: `/_podrole/…`, opened by a token that only
 * the ready file and the environment of commands hold.
 */
import { timingSafeEqual } from 'node:crypto'
import { type Handler, jsonResponse } from '../lib/handler.ts'
import type { Secret } from '../lib/secret.ts'
import { FAULTS_PATH } from './aws/faults/admin.ts'
import type { EventLog, SandboxEvent } from './events.ts'

export interface AdminSurroundings {
  readonly token: Secret
  readonly events: EventLog
}

const PREFIX = '/_podrole/'
/** A reader that is this many events behind is let go. */
const BEHIND_MAX = 10_000
/** Connections that are silent are closed; an empty line says nothing. */
const QUIET_MS = 20_000

/** Answers its own paths and leaves every other one to AWS. */
export function withAdminApp(around: AdminSurroundings, aws: Handler): Handler {
  return (request, client) => {
    const { pathname, searchParams } = new URL(request.url)
    // Faults are AWS's: changed with an administrator's signature.
    if (!pathname.startsWith(PREFIX) || pathname === FAULTS_PATH) return aws(request, client)
    if (!isOpenedBy(around.token, request)) {
      return fault(401, 'Unauthorized', 'wanted the token of the ready file as Bearer')
    }
    const route = `${request.method} ${pathname.slice(PREFIX.length)}`
    if (route === 'GET events') return answerEvents(around.events, request, searchParams)
    return fault(404, 'NotFound', `there is no ${JSON.stringify(route.slice(0, 100))}`)
  }
}

/** JSON lines: what was, and with `follow=true` what comes. */
function answerEvents(log: EventLog, request: Request, query: URLSearchParams): Response {
  const headers = { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' }
  const before = log.recent().map(lineOf).join('')
  if (query.get('follow') !== 'true') return new Response(before, { headers })
  let end = (): void => undefined
  const body = new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        const encoder = new TextEncoder()
        const send = (text: string): void => {
          controller.enqueue(encoder.encode(text))
          if ((controller.desiredSize ?? 0) >= -BEHIND_MAX) return
          end()
          controller.close()
        }
        const timer = setInterval(() => send('\n'), QUIET_MS)
        const endListening = log.listen((event) => send(lineOf(event)))
        end = () => {
          clearInterval(timer)
          endListening()
        }
        request.signal.addEventListener('abort', () => end())
        send(before === '' ? '\n' : before)
      },
      cancel: () => end(),
    },
    { highWaterMark: 1 },
  )
  return new Response(body, { headers })
}

const lineOf = (event: SandboxEvent): string => `${JSON.stringify(event)}\n`

function isOpenedBy(token: Secret, request: Request): boolean {
  const shown = Buffer.from(request.headers.get('authorization') ?? '')
  const wanted = Buffer.from(`Bearer ${token.reveal()}`)
  return shown.length === wanted.length && timingSafeEqual(shown, wanted)
}

const fault = (status: number, code: string, message: string): Response =>
  jsonResponse({ code, message }, status)
