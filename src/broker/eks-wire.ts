/** The REST-JSON wire of EKS and EKS Auth: how faults look, how bodies are read. */
import { messageOf, PodroleError } from '../lib/errors.ts'
import { jsonResponse } from '../lib/handler.ts'

/**
 * HTTP status of each error of EKS and EKS Auth. Sources: the service models of Amazon EKS
 * (2017-11-01) and EKS Auth (2023-11-26); the last five are what AWS answers before an operation
 * runs ("Common Errors" of the EKS API Reference).
 */
export const EKS_ERROR_STATUS = {
  AccessDeniedException: 400,
  BadRequestException: 400,
  ClientException: 400,
  ExpiredTokenException: 400,
  InternalServerException: 500,
  InvalidParameterException: 400,
  InvalidRequestException: 400,
  InvalidTokenException: 400,
  NotFoundException: 404,
  ResourceInUseException: 409,
  ResourceLimitExceededException: 400,
  ResourceNotFoundException: 404,
  ServerException: 500,
  ServiceUnavailableException: 503,
  ThrottlingException: 429,
  IncompleteSignatureException: 403,
  InvalidSignatureException: 403,
  MissingAuthenticationTokenException: 403,
  UnknownOperationException: 404,
  UnrecognizedClientException: 403,
} as const

export type EksErrorName = keyof typeof EKS_ERROR_STATUS

/** Members of an error's body besides `message`: `clusterName` and the like. */
export type EksErrorMembers = Readonly<Record<string, string>>

/** A refusal of EKS or EKS Auth; its code is the wire's error name. */
export class EksFault extends PodroleError {
  readonly members: EksErrorMembers

  constructor(
    code: EksErrorName,
    message: string,
    details: { members?: EksErrorMembers; cause?: unknown; status?: number } = {},
  ) {
    const { cause, status = EKS_ERROR_STATUS[code] } = details
    super(code, message, cause === undefined ? { status } : { status, cause })
    this.members = details.members ?? {}
  }
}

/** The answer for one error name: JSON body with `message`, X-Amzn-ErrorType, x-amzn-RequestId. */
export function eksError(
  code: EksErrorName,
  message: string,
  members: EksErrorMembers = {},
  status: number = EKS_ERROR_STATUS[code],
): Response {
  return eksJson({ ...members, message }, status, { 'x-amzn-errortype': code })
}

/** The answer for anything thrown: an `EksFault` as it is, the rest as a fault of the server. */
export function eksErrorOf(thrown: unknown, otherwise: EksErrorName = 'ServerException'): Response {
  if (thrown instanceof EksFault) {
    return eksError(thrown.code as EksErrorName, thrown.message, thrown.members, thrown.status)
  }
  const told = thrown instanceof PodroleError && thrown.status !== undefined
  return eksError(otherwise, told ? messageOf(thrown) : 'Internal server error')
}

/** A JSON answer with a request id. */
export function eksJson(
  value: unknown,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return jsonResponse(value, status, { 'x-amzn-requestid': crypto.randomUUID(), ...headers })
}

/** Largest JSON body of an operation, in bytes: a session policy, 50 tags and a token fit easily. */
const MAX_BODY_BYTES = 128 * 1024

/**
 * The body's JSON object; an empty body is an empty object.
 * @throws EksFault `InvalidParameterException`
 */
export async function readJsonBody(request: Request): Promise<Readonly<Record<string, unknown>>> {
  const text = await readBoundedText(request)
  if (text.trim() === '') return {}
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new EksFault('InvalidParameterException', 'the request body is not JSON', { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new EksFault('InvalidParameterException', 'the request body is not a JSON object')
  }
  return value as Readonly<Record<string, unknown>>
}

async function readBoundedText(request: Request): Promise<string> {
  const text = await request.text()
  if (text.length > MAX_BODY_BYTES) {
    throw new EksFault(
      'InvalidParameterException',
      `the request body has ${text.length} characters: wanted at most ${MAX_BODY_BYTES}`,
    )
  }
  return text
}

/**
 * The segments of a request's path, each percent-decoded on its own: AWS encodes `/` and `:` inside
 * a URI label. Undefined where an escape is broken.
 */
export function pathSegments(request: Request): readonly string[] | undefined {
  const segments = new URL(request.url).pathname.split('/').slice(1)
  try {
    return segments.map((segment) => decodeURIComponent(segment))
  } catch {
    return undefined
  }
}
