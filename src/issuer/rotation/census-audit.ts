/** What a Kubernetes API server's audit log says of the tokens that it issued. */
import { z } from 'zod'
import { PodroleError } from '../../lib/errors.ts'

/** Asked by a pod for exactly so long, a token for the API server lives for a year (below). */
const EXTENDED_IF_SECONDS = 3607
const EXTENDED_SECONDS = 365 * 24 * 3600
/** Of a TokenRequest that names none. */
const DEFAULT_SECONDS = 3600
/** Characters of a line; an event holds a request of 3 MB at most. */
export const MAX_AUDIT_LINE = 16 << 20

/** Which tokens count. */
export interface AuditQuestion {
  /** From here on, in milliseconds: when the key that is to go was activated. */
  readonly sinceMs: number
  /** Up to here: when that key had stopped signing for sure; without it to the log's end. */
  readonly untilMs?: number
  /** Audiences that somebody exchanges: the client ids of the IAM OIDC providers. */
  readonly audiences: readonly string[]
  /** The server's `--api-audiences`; its issuer where the flag is not set. */
  readonly apiAudiences: readonly string[]
}

/** What was granted since then, in seconds and counts. */
export interface TokenLifetimes {
  /** Tokens for the audiences in question. */
  readonly count: number
  /**
   * Of the longest-lived of them; undefined where there was none. An audit policy that leaves
   * TokenRequests out looks the same, so nothing seen shortens no wait.
   */
  readonly longestLifetimeSeconds: number | undefined
  /** Who has that one. */
  readonly longest: LongToken | undefined
  /** When the last of them ends, in milliseconds; undefined where there was none. */
  readonly lastExpMs: number | undefined
}

interface LongToken {
  readonly namespace: string
  readonly serviceAccount: string
  readonly requestedBy: string
  readonly atMs: number
}

const specSchema = z.object({
  expirationSeconds: z
    .int()
    .min(1)
    .max(2 ** 32)
    .nullish(),
  audiences: z.array(z.string()).nullish(),
  boundObjectRef: z.object({ kind: z.string().optional() }).nullish(),
})
const timeSchema = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text))
const eventSchema = z.object({
  kind: z.literal('Event'),
  apiVersion: z.literal('audit.k8s.io/v1'),
  stage: z.string(),
  stageTimestamp: timeSchema,
  verb: z.string(),
  user: z.object({ username: z.string().optional() }).optional(),
  objectRef: z
    .object({
      resource: z.string().optional(),
      subresource: z.string().optional(),
      namespace: z.string().optional(),
      name: z.string().optional(),
    })
    .optional(),
  responseStatus: z.object({ code: z.int().optional() }).optional(),
  // Of any resource, with a spec of its own; a patch is a list.
  requestObject: z.unknown().optional(),
  responseObject: z.unknown().optional(),
})
const tokenRequestSchema = z.object({ spec: specSchema })
type AuditEvent = z.infer<typeof eventSchema>

/**
 * The lifetimes of tokens in lines of an audit log (`audit.k8s.io/v1`, oldest first; several files
 * one after the other). Nothing of a token itself is read: at level RequestResponse kube-apiserver
 * 1.36 writes whole tokens into its log, so nobody is to be led to turn that on.
 * @throws PodroleError `AuditLogUnusable` where it cannot tell: a line cut off, a policy that
 * records no request, a log that begins too late
 */
export function readTokenLifetimes(
  lines: Iterable<string>,
  question: AuditQuestion,
): TokenLifetimes {
  let [number, count, answered, begun] = [0, 0, 0, 0]
  let longest: (LongToken & { readonly seconds: number }) | undefined
  let lastExpMs: number | undefined
  const { sinceMs, untilMs = Number.POSITIVE_INFINITY } = question
  for (const line of lines) {
    number += 1
    const event = readEvent(line, number)
    const atMs = event.stageTimestamp
    if (number === 1 && atMs > sinceMs) throw tooLate(event, question)
    if (!isTokenRequest(event) || atMs < sinceMs || atMs > untilMs) continue
    begun += 1
    if (event.stage !== 'ResponseComplete') continue
    answered += 1
    if ((event.responseStatus?.code ?? 201) >= 300) continue
    const seconds = lifetimeSeconds(event, number, question)
    if (seconds === undefined) continue
    count += 1
    lastExpMs = Math.max(lastExpMs ?? 0, atMs + seconds * 1000)
    if (longest === undefined || seconds > longest.seconds) longest = longToken(event, seconds)
  }
  if (number === 0) throw unusable('it is empty')
  if (begun > 0 && answered === 0) {
    throw unusable('no TokenRequest has the stage ResponseComplete', POLICY)
  }
  if (longest === undefined) return { count, longestLifetimeSeconds: undefined, longest, lastExpMs }
  const { seconds, ...token } = longest
  return { count, longestLifetimeSeconds: seconds, longest: token, lastExpMs }
}

/** Each line is read in full: one that is cut off may have lost what makes it a TokenRequest. */
function readEvent(line: string, number: number): AuditEvent {
  if (line.length > MAX_AUDIT_LINE)
    throw unusable(`line ${number} has over ${MAX_AUDIT_LINE} characters`)
  let parsed: unknown
  try {
    parsed = JSON.parse(line)
  } catch {
    throw unusable(`line ${number} is not JSON`, LIVE)
  }
  const event = eventSchema.safeParse(parsed)
  if (event.success) return event.data
  throw invalid(number, event.error)
}

const isTokenRequest = ({ verb, objectRef }: AuditEvent): boolean =>
  verb === 'create' &&
  objectRef?.resource === 'serviceaccounts' &&
  objectRef.subresource === 'token'

/**
 * How long the token can live; undefined for an audience that nobody asks about. The response tells
 * what was granted, the request the most that can have been. `status.expirationTimestamp` does not
 * show an extension, so it is not read (Kubernetes, pkg/registry/core/serviceaccount/storage).
 */
function lifetimeSeconds(
  event: AuditEvent,
  number: number,
  { audiences, apiAudiences }: AuditQuestion,
): number | undefined {
  const granted = specOf(event.responseObject, number)
  const asked = specOf(event.requestObject, number)
  if (granted === undefined && asked === undefined) {
    throw unusable(`line ${number} is a TokenRequest without its request`, POLICY)
  }
  const named = nonEmpty(granted?.audiences) ?? nonEmpty(asked?.audiences) ?? apiAudiences
  if (!named.some((audience) => audiences.includes(audience))) return undefined
  const wanted = asked?.expirationSeconds ?? granted?.expirationSeconds ?? DEFAULT_SECONDS
  const isOfPod = (asked?.boundObjectRef ?? granted?.boundObjectRef)?.kind === 'Pod'
  const isForServer = named.every((audience) => apiAudiences.includes(audience))
  if (wanted === EXTENDED_IF_SECONDS && isOfPod && isForServer) return EXTENDED_SECONDS
  return granted?.expirationSeconds ?? wanted
}

function specOf(body: unknown, number: number): z.infer<typeof specSchema> | undefined {
  if (body === undefined || body === null) return undefined
  const request = tokenRequestSchema.safeParse(body)
  if (request.success) return request.data.spec
  throw invalid(number, request.error)
}

const nonEmpty = (list: readonly string[] | null | undefined): readonly string[] | undefined =>
  list === undefined || list === null || list.length === 0 ? undefined : list

const longToken = (
  event: AuditEvent,
  seconds: number,
): LongToken & { readonly seconds: number } => ({
  seconds,
  namespace: event.objectRef?.namespace ?? '',
  serviceAccount: event.objectRef?.name ?? '',
  requestedBy: event.user?.username ?? '',
  atMs: event.stageTimestamp,
})

const POLICY =
  'the audit policy needs level Request for serviceaccounts/token (RequestResponse would log the tokens)'
const LIVE = 'a log that is being written may end so for a moment: read it again'

/** The line itself may hold what a policy should have left out: it is not quoted. */
function invalid(number: number, { issues: [issue] }: z.ZodError): PodroleError {
  const why = `${issue?.path.join('.')}: ${issue?.message}`
  return unusable(`line ${number} is no event of audit.k8s.io/v1 (${why})`)
}

const tooLate = (event: AuditEvent, { sinceMs }: AuditQuestion): PodroleError =>
  unusable(
    `it begins at ${new Date(event.stageTimestamp).toISOString()}, after ${new Date(sinceMs).toISOString()}`,
    'name the rotated files before it too, oldest first',
  )

const unusable = (why: string, hint?: string): PodroleError =>
  new PodroleError('AuditLogUnusable', `the audit log is of no use: ${why}`, {
    ...(hint !== undefined && { hint }),
  })
