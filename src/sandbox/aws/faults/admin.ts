import { messageOf } from '../../../lib/errors.ts'
import { faultFields } from '../../../lib/log.ts'
import { jsonResponse } from '../../../lib/handler.ts'
import { authenticate } from '../identity/authentication.ts'
import { type Incoming, scopedService } from '../request.ts'
import { AwsFault, internalFault } from '../wire/fault.ts'
import { readJsonObject } from '../wire/json.ts'
import type { FaultBoard } from './board.ts'

/** The service's name in the scope of signatures for the sandbox's own administration. */
export const ADMIN_SERVICE = 'podrole'
/** Below it are paths of the sandbox's own; no bucket can have its name. */
export const ADMIN_PATH = '/_podrole/'
export const FAULTS_PATH = `${ADMIN_PATH}faults`
const ADMIN_USER = 'admin'

/**
 * Answers `GET`, `PUT` and `DELETE /_podrole/faults`, signed with an administrator's key for the
 * service `podrole`. PUT's body is `{"faults": ["iam:*=throttle:3", …]}`; each answer tells what is
 * in force: `{"faults": [{fault, applied, remaining}, …]}`.
 */
export function answerAdmin(incoming: Incoming, board: FaultBoard): Response {
  const { request, url, world, body, signature } = incoming
  try {
    const { key } = authenticate(world, incoming, 'json')
    const isAdmin = key?.userName === ADMIN_USER && key.session === undefined
    if (!isAdmin || scopedService(signature) !== ADMIN_SERVICE) {
      throw new AwsFault('AccessDeniedException', "Only an administrator's key may do this", {
        status: 403,
      })
    }
    if (url.pathname !== FAULTS_PATH) {
      throw new AwsFault('UnknownOperationException', 'There is nothing here', { status: 404 })
    }
    if (request.method === 'PUT') replaceFaults(board, body)
    else if (request.method === 'DELETE') board.replace([])
    else if (request.method !== 'GET') {
      throw new AwsFault('UnknownOperationException', 'Wanted GET, PUT or DELETE', { status: 405 })
    }
    return jsonResponse({ faults: board.list() })
  } catch (error) {
    if (!(error instanceof AwsFault)) world.log.error('an operation failed', faultFields(error))
    const fault = error instanceof AwsFault ? error : internalFault('ServerException')
    const headers = { 'x-amzn-errortype': fault.code }
    return jsonResponse({ message: fault.message }, fault.httpStatus, headers)
  }
}

function replaceFaults(board: FaultBoard, body: Uint8Array): void {
  const { faults } = readJsonObject(body, 'ValidationException')
  if (!Array.isArray(faults) || !faults.every((text) => typeof text === 'string')) {
    throw new AwsFault('ValidationException', 'wanted {"faults": ["SERVICE:OPERATION=EFFECT", …]}')
  }
  try {
    board.replace(faults)
  } catch (error) {
    throw new AwsFault('ValidationException', messageOf(error))
  }
}
