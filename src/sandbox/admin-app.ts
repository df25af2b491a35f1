/**
 * The sandbox's own endpoints, on the port of its AWS: `/_podrole/…`, opened by a token that only
 * the ready file and the environment of commands hold.
 */
import { timingSafeEqual } from 'node:crypto'
import { PodroleError } from '../lib/errors.ts'
import { type Handler, jsonResponse } from '../lib/handler.ts'
import type { Secret } from '../lib/secret.ts'
import { FAULTS_PATH } from './aws/faults/admin.ts'
import { readBody, textOfBytes } from './aws/wire/body.ts'
import { isRecord } from './aws/wire/xml.ts'
import type { EventLog, SandboxEvent } from './events.ts'
import type { Snapshots } from './snapshots.ts'

export interface AdminSurroundings {
  readonly token: Secret
  readonly events: EventLog
  readonly snapshots: Pick<Snapshots, 'take' | 'list' | 'restore' | 'delete'>
}

const PREFIX = '/_podrole/'
/** A reader that is this many events behind is let go. */
const BEHIND_MAX = 10_000
/** Connections that are silent are closed; an empty line says nothing. */
const QUIET_MS = 20_000
const MAX_BODY_BYTES = 10_000

/** Answers its own paths and leaves every other one to AWS. */
export function withAdminApp(around: AdminSurroundings, aws: Handler): Handler {
  return (request, client) => {
    const { pathname, searchParams } = new URL(request.url)
    // Faults are AWS's: changed with an administrator's signature.
    if (!pathname.startsWith(PREFIX) || pathname === FAULTS_PATH) return aws(request, client)
    if (!isOpenedBy(around.token, request)) {
      return fault(401, 'Unauthorized', 'wanted the token of the ready file as Bearer')
    }
    const [collection = '', id, ...more] = pathname.slice(PREFIX.length).split('/')
    const route = [request.method, collection, ...(id === undefined ? [] : ['*']), ...more].join(
      ' ',
    )
    if (route === 'GET events') return answerEvents(around.events, request, searchParams)
    const answer = Object.hasOwn(SNAPSHOT_ROUTES, route) ? SNAPSHOT_ROUTES[route] : undefined
    if (answer !== undefined)
      return answerSnapshots(() => answer(around.snapshots, request, id ?? ''))
    const what = `${request.method} ${pathname}`.slice(0, 100)
    return fault(404, 'NotFound', `there is no ${JSON.stringify(what)}`)
  }
}

type SnapshotRoute = (
  snapshots: AdminSurroundings['snapshots'],
  request: Request,
  id: string,
) => Response | Promise<Response>

const SNAPSHOT_ROUTES: Readonly<Record<string, SnapshotRoute>> = {
  'GET snapshots': (snapshots) => jsonResponse({ snapshots: snapshots.list() }),
  'POST snapshots': async (snapshots, request) =>
    jsonResponse(snapshots.take(await readId(request)), 201),
  'PUT snapshots *': async (snapshots, _request, id) => jsonResponse(await snapshots.restore(id)),
  'DELETE snapshots *': (snapshots, _request, id) => jsonResponse(snapshots.delete(id)),
}

async function answerSnapshots(run: () => Response | Promise<Response>): Promise<Response> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof PodroleError)) throw error
    const { code, message, hint, status = 500 } = error
    return jsonResponse({ code, message, ...(hint !== undefined && { hint }) }, status)
  }
}

/** The id that a body asks for; none in an empty one. @throws PodroleError `InvalidRequest` */
async function readId(request: Request): Promise<string | undefined> {
  const text = textOfBytes((await readBody(request, MAX_BODY_BYTES)) ?? new Uint8Array([0xff]))
  if (text?.trim() === '') return undefined
  const body = parseObject(text ?? '')
  const { id, ...others } = body ?? {}
  const isGood = body !== undefined && Object.keys(others).length === 0
  if (isGood && (id === undefined || typeof id === 'string')) return id
  throw new PodroleError('InvalidRequest', 'the body is not {"id": "NAME"}: wanted that, or none', {
    status: 400,
  })
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** JSON lines: what was, and with `follow=true` what comes; routine too with `all=true`. */
function answerEvents(log: EventLog, request: Request, query: URLSearchParams): Response {
  const headers = { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' }
  const isWanted = ({ routine }: SandboxEvent): boolean =>
    routine !== true || query.get('all') === 'true'
  const before = log.recent().filter(isWanted).map(lineOf).join('')
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
        const endListening = log.listen((event) => {
          if (isWanted(event)) send(lineOf(event))
        })
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
