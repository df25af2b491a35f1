import { becauseOf, judgeAsk } from '../identity/authorization.ts'
import { describeDenial, encodeMessage } from '../identity/authorization-message.ts'
import { AwsFault } from '../wire/fault.ts'
import { type Call, callerName } from '../world.ts'

const NOT_AUTHORIZED = 'You are not authorized to perform this operation.'

/**
 * Asks for one of EC2's actions that have no resource. A refusal carries what STS's
 * DecodeAuthorizationMessage decodes. Source: EC2 API Reference, "Error codes".
 * @throws AwsFault `UnauthorizedOperation`
 */
export function authorizeEc2(call: Call, action: string): void {
  const judged = judgeAsk(call, { action, resource: '*' })
  const { decision } = judged
  if (decision.allowed) return
  const who = callerName(call.identity.caller)
  const why = `User: ${who} is not authorized to perform: ${action}${becauseOf(action, decision)}.`
  const encoded = encodeMessage(call.world.messageKey, describeDenial(judged))
  const more = encoded === undefined ? '' : ` Encoded authorization failure message: ${encoded}`
  throw new AwsFault('UnauthorizedOperation', `${NOT_AUTHORIZED} ${why}${more}`, {
    status: 403,
    logged: true,
  })
}
