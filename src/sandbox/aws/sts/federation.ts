import { authorize } from '../identity/authorization.ts'
import { federatedUserArn, sizeToken } from '../identity/sessions.ts'
import { checkTags, requestTagKeys } from '../iam/tags.ts'
import { quotaOf } from '../quotas/quotas.ts'
import type { ResultMembers } from '../wire/call-table.ts'
import { Constraints } from '../wire/constraints.ts'
import type { QueryParameters } from '../wire/query.ts'
import type { Call } from '../world.ts'
import { invalidTags } from './assume-role.ts'
import { readSessionLimits, readSessionPolicies, readTagList } from './parameters.ts'
import { issueTemporaryKey, readUserSessionSeconds, requireLongTermUser } from './user-sessions.ts'

const NAME = { required: true, min: 2, max: 32, pattern: '[\\w+=,.@-]*' }

/**
 * A session of a user under another name, within the user's own policies and those of the session.
 * Source: AWS STS API Reference, GetFederationToken; IAM User Guide, "Pass session tags in AWS STS".
 */
export function getFederationToken(call: Call, parameters: QueryParameters): ResultMembers {
  const constraints = new Constraints()
  const name = constraints.text('name', parameters.get('Name'), NAME) ?? ''
  const seconds = readUserSessionSeconds(constraints, parameters)
  const quota = (one: Parameters<typeof quotaOf>[1]): number => quotaOf(call, one)
  const limits = readSessionLimits(parameters, constraints, quota)
  const tags = readTagList(parameters, constraints, quota)
  constraints.check()
  const user = requireLongTermUser(call, 'GetFederationToken')
  const { accountId } = user
  const { tables, partition } = call.world
  checkTags(tags, { fault: invalidTags })
  const policies = readSessionPolicies(tables, accountId, limits)
  const arn = federatedUserArn(partition, accountId, name)
  const context = requestTagKeys(tags)
  const actions = ['sts:GetFederationToken', ...(tags.length > 0 ? ['sts:TagSession'] : [])]
  for (const action of actions) authorize(call, { action, resource: arn, context })
  const ownTags = Object.fromEntries(tags.map(({ Key, Value }) => [Key, Value]))
  const { minimumTokenSize } = limits
  const size = sizeToken(call.world, accountId, { tags: ownTags, policies, minimumTokenSize })
  const federated = { name, tags: ownTags, policies }
  return {
    Credentials: issueTemporaryKey(call, user, { seconds, tokenBytes: size.tokenSize, federated }),
    FederatedUser: { FederatedUserId: `${accountId}:${name}`, Arn: arn },
    PackedPolicySize: size.tokenUtilization,
    SessionTokenSize: size.tokenSize,
    SessionTokenUtilization: size.tokenUtilization,
  }
}
