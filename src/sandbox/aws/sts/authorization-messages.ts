import { authorize } from '../identity/authorization.ts'
import { decodeMessage } from '../identity/authorization-message.ts'
import type { ResultMembers } from '../wire/call-table.ts'
import { Constraints } from '../wire/constraints.ts'
import { AwsFault } from '../wire/fault.ts'
import type { QueryParameters } from '../wire/query.ts'
import type { Call } from '../world.ts'

const MESSAGE = { required: true, min: 1, max: 10_240 }

/** Messages are of one run: an earlier one's are not decoded. */
export function decodeAuthorizationMessage(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const given = parameters.get('EncodedMessage')
  const message = constraints.text('encodedMessage', given, MESSAGE) ?? ''
  constraints.check()
  authorize(call, { action: 'sts:DecodeAuthorizationMessage', resource: '*' })
  const DecodedMessage = decodeMessage(call.world.messageKey, message)
  if (DecodedMessage !== undefined) return { DecodedMessage }
  throw new AwsFault('InvalidAuthorizationMessageException', 'The message is invalid.')
}
