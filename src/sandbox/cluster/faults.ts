import type { Status } from '../../kube/objects.ts'
import { PodroleError } from '../../lib/errors.ts'

/** A group and plural, as Kubernetes' messages name a resource: `pods`, `deployments.apps`. */
export interface GroupResource {
  readonly group: string
  readonly plural: string
}

export interface Cause {
  readonly reason: string
  readonly message: string
  readonly field: string
}

/** A fault that the API answers with a `Status` object; its code is the Status' reason. */
export class ApiFault extends PodroleError {
  readonly body: Status

  constructor(body: Status & { reason: string; message: string; code: number }) {
    super(body.reason === '' ? 'Unknown' : body.reason, body.message, { status: body.code })
    this.body = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', ...body }
    if (body.reason === '') delete this.body.reason
  }
}

/** `pods`, or `deployments.apps`. */
export function formatResource({ group, plural }: GroupResource): string {
  return group === '' ? plural : `${plural}.${group}`
}

function resourceDetails(resource: GroupResource, name: string): NonNullable<Status['details']> {
  return {
    ...(name !== '' && { name }),
    ...(resource.group !== '' && { group: resource.group }),
    ...(resource.plural !== '' && { kind: resource.plural }),
  }
}

export function notFound(resource: GroupResource, name: string): ApiFault {
  return new ApiFault({
    reason: 'NotFound',
    code: 404,
    message: `${formatResource(resource)} "${name}" not found`,
    details: resourceDetails(resource, name),
  })
}

export function alreadyExists(resource: GroupResource, name: string): ApiFault {
  return new ApiFault({
    reason: 'AlreadyExists',
    code: 409,
    message: `${formatResource(resource)} "${name}" already exists`,
    details: resourceDetails(resource, name),
  })
}

export function conflict(resource: GroupResource, name: string, why: string): ApiFault {
  return new ApiFault({
    reason: 'Conflict',
    code: 409,
    message: `Operation cannot be fulfilled on ${formatResource(resource)} "${name}": ${why}`,
    details: resourceDetails(resource, name),
  })
}

/** The conflict of a write whose resourceVersion is not the object's. */
export function staleObject(resource: GroupResource, name: string): ApiFault {
  return conflict(
    resource,
    name,
    'the object has been modified; please apply your changes to the latest version and try again',
  )
}

export function forbidden(
  resource: GroupResource,
  name: string,
  why: string,
  causes?: Cause[],
): ApiFault {
  const subject = name === '' ? '' : ` "${name}"`
  return new ApiFault({
    reason: 'Forbidden',
    code: 403,
    message: `${formatResource(resource)}${subject} is forbidden: ${why}`,
    details: { ...resourceDetails(resource, name), ...(causes && { causes }) },
  })
}

export function forbiddenPath(why: string): ApiFault {
  return new ApiFault({
    reason: 'Forbidden',
    code: 403,
    message: `forbidden: ${why}`,
    details: {},
  })
}

export function unauthorized(): ApiFault {
  return new ApiFault({ reason: 'Unauthorized', code: 401, message: 'Unauthorized' })
}

export function badRequest(message: string): ApiFault {
  return new ApiFault({ reason: 'BadRequest', code: 400, message })
}

export function invalid(
  type: { readonly group: string; readonly kind: string },
  name: string,
  causes: readonly Cause[],
): ApiFault {
  const kind = type.group === '' ? type.kind : `${type.kind}.${type.group}`
  // A fault that is found twice is said once, but stays two causes.
  const faults = [...new Set(causes.map(({ field, message }) => `${field}: ${message}`))]
  return new ApiFault({
    reason: 'Invalid',
    code: 422,
    message: `${kind} "${name}" is invalid: ${faults.length === 1 ? faults[0] : `[${faults.join(', ')}]`}`,
    details: {
      ...(name !== '' && { name }),
      ...(type.group !== '' && { group: type.group }),
      kind: type.kind,
      causes: [...causes],
    },
  })
}

/** A patch that parses but cannot be applied. Kubernetes names no more of the fault than this. */
export function unprocessable(): ApiFault {
  return new ApiFault({
    reason: 'Invalid',
    code: 422,
    message: 'the server rejected our request due to an error in our request',
    details: {},
  })
}

export function resourceNotFound(): ApiFault {
  return new ApiFault({
    reason: 'NotFound',
    code: 404,
    message: 'the server could not find the requested resource',
    details: {},
  })
}

export function methodNotAllowed(): ApiFault {
  return new ApiFault({
    reason: 'MethodNotAllowed',
    code: 405,
    message: 'the server does not allow this method on the requested resource',
    details: {},
  })
}

export function unsupportedMediaType(accepted: readonly string[]): ApiFault {
  return new ApiFault({
    reason: 'UnsupportedMediaType',
    code: 415,
    message: `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
  })
}

export function notAcceptable(served: readonly string[]): ApiFault {
  return new ApiFault({
    reason: 'NotAcceptable',
    code: 406,
    message: `only the following media types are accepted: ${served.join(', ')}`,
  })
}

export function tooLarge(message: string): ApiFault {
  return new ApiFault({ reason: 'RequestEntityTooLarge', code: 413, message })
}

/**
 * A version that is older than the history that is kept. `continues` is the token that goes on with
 * the list of now.
 */
export function expired(message: string, continues?: string): ApiFault {
  const metadata = continues === undefined ? {} : { continue: continues }
  return new ApiFault({ reason: 'Expired', code: 410, message, metadata })
}

/** A read at a resourceVersion that the server has not reached. */
export function futureVersion(asked: number, current: number): ApiFault {
  return new ApiFault({
    reason: 'Timeout',
    code: 504,
    message: `Timeout: Too large resource version: ${asked}, current: ${current}`,
    details: {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    },
  })
}

export function internalError(why: string): ApiFault {
  return new ApiFault({
    reason: 'InternalError',
    code: 500,
    message: `Internal error occurred: ${why}`,
    details: { causes: [{ message: why }] },
  })
}

/** An error that is no Status in kube-apiserver: 500, without a reason. */
export function unnamedFault(message: string): ApiFault {
  return new ApiFault({ reason: '', code: 500, message })
}

export function serviceUnavailable(why: string): ApiFault {
  return new ApiFault({ reason: 'ServiceUnavailable', code: 503, message: why })
}

const quote = (value: unknown): string => JSON.stringify(value) ?? 'null'

/** Field faults, in the words of apimachinery's `field` package. */
export const fieldFault = {
  required: (field: string, detail = ''): Cause => ({
    reason: 'FieldValueRequired',
    message: `Required value${detail === '' ? '' : `: ${detail}`}`,
    field,
  }),
  invalid: (field: string, value: unknown, detail: string): Cause => ({
    reason: 'FieldValueInvalid',
    message: `Invalid value: ${quote(value)}: ${detail}`,
    field,
  }),
  duplicate: (field: string, value: unknown): Cause => ({
    reason: 'FieldValueDuplicate',
    message: `Duplicate value: ${quote(value)}`,
    field,
  }),
  notFound: (field: string, value: unknown): Cause => ({
    reason: 'FieldValueNotFound',
    message: `Not found: ${quote(value)}`,
    field,
  }),
  forbidden: (field: string, detail: string): Cause => ({
    reason: 'FieldValueForbidden',
    message: `Forbidden: ${detail}`,
    field,
  }),
  tooLong: (field: string, limit: number): Cause => ({
    reason: 'FieldValueTooLong',
    message: `Too long: may not be more than ${limit} bytes`,
    field,
  }),
  tooMany: (field: string, count: number, limit: number): Cause => ({
    reason: 'FieldValueTooMany',
    message: `Too many: ${count}: must have at most ${limit} items`,
    field,
  }),
  notSupported: (field: string, value: unknown, supported: readonly string[]): Cause => ({
    reason: 'FieldValueNotSupported',
    message: `Unsupported value: ${quote(value)}: supported values: ${supported.map(quote).join(', ')}`,
    field,
  }),
}
