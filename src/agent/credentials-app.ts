/**
 * The answer to a pod that asks for credentials: the container credentials contract of the AWS SDKs
 * (AWS SDKs and Tools Reference Guide, "Container credential provider") as EKS's own agent keeps it.
 */
import type { PodIdentityCredentials } from '../aws/eks-auth.ts'
import type { Clock } from '../lib/clock.ts'
import { codeOf, messageOf, PodroleError } from '../lib/errors.ts'
import { type Client, type Handler, jsonResponse } from '../lib/handler.ts'
import type { Log, LogFields } from '../lib/log.ts'
import { Secret } from '../lib/secret.ts'
import { serviceAccountOf, type TokenClaims } from '../token/claims.ts'
import { type DecodedToken, decodeToken } from '../token/verify.ts'
import { hostOfHeader } from './addresses.ts'
import type { CredentialCache } from './credential-cache.ts'

export interface CredentialsAppOptions {
  readonly cache: Pick<CredentialCache, 'get'>
  /** Hosts in the form of `allowedHostsOf`. */
  readonly allowedHosts: ReadonlySet<string>
  readonly log: Log
  readonly clock: Clock
  /** Milliseconds until the app answers, whatever upstream does; default 900. */
  readonly answerWithinMs?: number
}

const CREDENTIALS_PATH = '/v1/credentials'
/** The SDK for JavaScript gives up after 1,000 ms, connection included; botocore after 2,000. */
const ANSWER_WITHIN_MS = 900
/** As much as STS takes of a token; larger headers never get here. */
const MAX_TOKEN_CHARACTERS = 20_000

/**
 * Serves `/v1/credentials`: 200 with AccessKeyId, SecretAccessKey, Token, AccountId and Expiration,
 * in that order; else `{"Code","Message"}` with 400 (token), 403 (wrong Host), 404 (path), 405,
 * or the status that upstream answered with. Any query is ignored.
 */
export function credentialsApp(options: CredentialsAppOptions): Handler {
  return async (request, client) => {
    if (new URL(request.url).pathname !== CREDENTIALS_PATH) {
      return failure(404, 'NotFound', `there is nothing here but ${CREDENTIALS_PATH}`)
    }
    if (request.method !== 'GET') {
      return failure(405, 'MethodNotAllowed', 'credentials are asked for with GET', {
        allow: 'GET',
      })
    }
    return answer(options, request, client)
  }
}

/** Everything that the log line of a decision says, found on the way. */
interface Decision {
  fields: LogFields
}

async function answer(
  options: CredentialsAppOptions,
  request: Request,
  client: Client,
): Promise<Response> {
  const decision: Decision = { fields: { client: client.address } }
  const log = options.log
  try {
    const credentials = await decide(options, request, decision)
    log.info('credentials served', {
      ...decision.fields,
      associationId: credentials.associationId,
      roleArn: credentials.assumedRoleArn,
      expiration: isoTime(credentials.expirationMs),
    })
    return success(credentials)
  } catch (error) {
    const { status, code, message } = readFault(error)
    log.warn('credentials refused', { ...decision.fields, status, code, reason: message })
    return failure(status, code, message)
  }
}

async function decide(
  options: CredentialsAppOptions,
  request: Request,
  decision: Decision,
): Promise<PodIdentityCredentials> {
  checkHost(request, options.allowedHosts)
  const token = readToken(request)
  const { claims, header } = readUnverified(token)
  decision.fields = { ...decision.fields, unverified: unverifiedFields(claims) }
  if (claims.exp * 1000 <= options.clock.now()) {
    throw new AgentFault(
      400,
      'ExpiredTokenException',
      `Service account token failed basic claim validations: token is expired since ${isoTime(claims.exp * 1000)}`,
    )
  }
  const { kid } = header
  const shared = options.cache.get({
    token,
    expiresAtMs: claims.exp * 1000,
    ...(kid !== undefined && { kid }),
  })
  return withinTime(shared, options.answerWithinMs ?? ANSWER_WITHIN_MS)
}

/** Names of somebody's own that point at the agent are refused: DNS rebinding. */
function checkHost(request: Request, allowed: ReadonlySet<string>): void {
  const header = request.headers.get('host') ?? ''
  const host = hostOfHeader(header)
  if (host !== undefined && allowed.has(host)) return
  throw new AgentFault(
    403,
    'AccessDenied',
    `Access Denied. Called agent through invalid address ${JSON.stringify(header.slice(0, 100))}, please use one of ${[...allowed].join(', ')}`,
  )
}

/** The raw token, as the SDKs send it; with `Bearer ` in front too. */
function readToken(request: Request): Secret {
  const header = request.headers.get('authorization')?.trim() ?? ''
  const token = header.replace(/^bearer +/i, '')
  if (token === '') {
    throw new AgentFault(400, 'InvalidTokenException', 'Service account token cannot be empty')
  }
  if (token.length > MAX_TOKEN_CHARACTERS) {
    throw new AgentFault(
      400,
      'InvalidTokenException',
      `Service account token is ${token.length} characters long: at most ${MAX_TOKEN_CHARACTERS} are taken`,
    )
  }
  return new Secret(token)
}

/** Only the shape and the expiry are looked at here: EKS Auth or the broker verifies. */
function readUnverified(token: Secret): DecodedToken {
  try {
    return decodeToken(token.reveal())
  } catch (error) {
    throw new AgentFault(
      400,
      'InvalidTokenException',
      `Service account token cannot be parsed: ${messageOf(error)}`,
    )
  }
}

/** For the log alone: nobody has checked the signature. */
function unverifiedFields(claims: TokenClaims): LogFields {
  const identity = serviceAccountOf(claims)
  if (identity === undefined) return { subject: claims.sub.slice(0, 400) }
  const { namespace, name, podName, podUid } = identity
  return {
    serviceAccount: `${namespace}/${name}`,
    ...(podName !== undefined && { pod: podName.slice(0, 253) }),
    ...(podUid !== undefined && { podUid: podUid.slice(0, 64) }),
  }
}

/** The call itself goes on: the next request finds what it brings. */
async function withinTime<T>(call: Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const message = `no answer within ${ms} ms from where credentials come from; the call goes on: ask again`
      reject(new AgentFault(504, 'UpstreamTimeout', message))
    }, ms)
  })
  try {
    return await Promise.race([call, late])
  } finally {
    clearTimeout(timer)
    call.catch(() => undefined)
  }
}

function success(credentials: PodIdentityCredentials): Response {
  return jsonResponse(
    {
      AccessKeyId: credentials.accessKeyId,
      SecretAccessKey: credentials.secretAccessKey.reveal(),
      Token: credentials.sessionToken.reveal(),
      AccountId: credentials.assumedRoleArn.split(':')[4] ?? '',
      Expiration: isoTime(credentials.expirationMs),
    },
    200,
    { 'cache-control': 'no-store' },
  )
}

/** RFC 3339 in UTC with `Z`, whole seconds where it is so: the SDK for JavaScript reads no offset. */
function isoTime(ms: number): string {
  const date = new Date(ms)
  if (Number.isNaN(date.getTime())) return 'an unknown time'
  return date.toISOString().replace('.000Z', 'Z')
}

const failure = (
  status: number,
  Code: string,
  Message: string,
  headers: Readonly<Record<string, string>> = {},
): Response =>
  jsonResponse({ Code, Message }, status, {
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
    ...headers,
  })

class AgentFault extends PodroleError {
  constructor(status: number, code: string, message: string) {
    super(code, message, { status })
  }
}

/** Upstream's own status and reason; a readable one where there was no answer at all. */
function readFault(thrown: unknown): { status: number; code: string; message: string } {
  if (thrown instanceof AgentFault) {
    return { status: thrown.status ?? 500, code: thrown.code, message: thrown.message }
  }
  const requestId: unknown =
    thrown instanceof Error && 'requestId' in thrown ? thrown.requestId : undefined
  if (thrown instanceof PodroleError) {
    const { code, message, status } = thrown
    const named = typeof requestId === 'string' ? `[${requestId}]: ` : ''
    // Without a status there was no answer: 502 and 503 are what SDKs try again on.
    return {
      status: validStatus(status) ?? 503,
      code,
      message: `${named}(${code}): ${message}${status === undefined && thrown.hint ? ` ${thrown.hint}` : ''}`,
    }
  }
  if (thrown instanceof Error && thrown.name === 'TimeoutError') {
    const message = 'no answer in time from where credentials come from'
    return { status: 504, code: 'UpstreamTimeout', message }
  }
  return {
    status: 500,
    code: codeOf(thrown) ?? 'InternalError',
    message: `credentials could not be had: ${messageOf(thrown).slice(0, 300)}`,
  }
}

/** A fault is never answered as a success, nor as something that HTTP does not know. */
const validStatus = (status: number | undefined): number | undefined =>
  status !== undefined && status >= 400 && status <= 599 ? status : undefined
