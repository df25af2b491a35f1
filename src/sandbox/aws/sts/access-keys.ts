import { authorize } from '../identity/authorization.ts'
import type { ResultMembers } from '../wire/call-table.ts'
import { Constraints } from '../wire/constraints.ts'
import { AwsFault } from '../wire/fault.ts'
import type { QueryParameters } from '../wire/query.ts'
import type { Call } from '../world.ts'

const ACCESS_KEY_ID = { required: true, min: 16, max: 128, pattern: '[\\w]*' }

/** Whose account a key is of, whatever its state. Source: AWS STS API Reference. */
export function getAccessKeyInfo(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const id = constraints.text('accessKeyId', parameters.get('AccessKeyId'), ACCESS_KEY_ID) ?? ''
  constraints.check()
  authorize(call, { action: 'sts:GetAccessKeyInfo', resource: '*' })
  const key = call.world.tables.keys.get(id)
  if (key === undefined) throw new AwsFault('ValidationError', 'Invalid Access Key Id')
  return { Account: key.accountId }
}
