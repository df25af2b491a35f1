import { faultFields } from '../../lib/log.ts'
import { EKS_AUTH_ROUTES } from './eks-auth/assume-role.ts'
import { EKS_ROUTES } from './eks/eks.ts'
import { authenticate } from './identity/authentication.ts'
import { callOf, type Incoming, raiseOrdered, recordRefusal } from './request.ts'
import { AwsFault, internalFault } from './wire/fault.ts'
import { findRoute, type JsonRoute } from './wire/json.ts'
import { isRecord } from './wire/xml.ts'

/** Services of the REST-JSON protocol, by the name in a signature's scope. */
const ROUTES: Readonly<Record<'eks' | 'eks-auth', readonly JsonRoute[]>> = {
  eks: EKS_ROUTES,
  'eks-auth': EKS_AUTH_ROUTES,
}

/** Answers a call of EKS or EKS Auth. */
export async function answerJson(
  incoming: Incoming,
  service: 'eks' | 'eks-auth',
): Promise<Response> {
  const { request, url, world, requestId, body } = incoming
  let operation = 'unknown'
  try {
    const found = findRoute(ROUTES[service], request.method, url.pathname)
    operation = found?.route.operation ?? operation
    const identity = authenticate(world, incoming, 'json')
    raiseOrdered(incoming)
    if (found === undefined) {
      throw new AwsFault('UnknownOperationException', 'The operation is not known', { status: 404 })
    }
    const call = callOf(incoming, { protocol: 'json', service, operation, identity })
    const result = await found.route.run(call, { request, url, labels: found.labels, body })
    if (result instanceof Response) {
      if (result.status >= 400) await recordAnswer(incoming, { service, operation }, result.clone())
      return result
    }
    return jsonAnswer(result, 200, { 'x-amzn-requestid': requestId })
  } catch (error) {
    if (!(error instanceof AwsFault)) world.log.error('an operation failed', faultFields(error))
    const fault = error instanceof AwsFault ? error : internalFault('ServerException')
    recordRefusal(incoming, { service, operation }, fault)
    return jsonAnswer({ ...fault.members, message: fault.message }, fault.httpStatus, {
      'x-amzn-requestid': requestId,
      'x-amzn-errortype': fault.code,
    })
  }
}

interface AnswerToRead {
  readonly status: number
  readonly headers: { get(name: string): string | null }
  json(): Promise<unknown>
}

/** An error that an operation answered by itself. */
async function recordAnswer(
  incoming: Incoming,
  what: { readonly service: string; readonly operation: string },
  answer: AnswerToRead,
): Promise<void> {
  const body: unknown = await answer.json()
  const message = isRecord(body) && typeof body['message'] === 'string' ? body['message'] : ''
  const code = answer.headers.get('x-amzn-errortype') ?? 'Error'
  recordRefusal(incoming, what, new AwsFault(code, message, { status: answer.status }))
}

const jsonAnswer = (
  value: unknown,
  status: number,
  headers: Readonly<Record<string, string>>,
): Response =>
  new Response(JSON.stringify(value), {
    status,
    headers: { 'content-type': 'application/json', ...headers },
  })
