/** Who may use a key: its policy first, IAM's policies only where it lets them in. */
import type { ContextKeys } from '../../../iam/request.ts'
import { parsePolicy } from '../../../iam/policy.ts'
import { PodroleError } from '../../../lib/errors.ts'
import { decideAsk, deniedFault } from '../identity/authorization.ts'
import { readPrincipals } from '../iam/principals.ts'
import { AwsFault } from '../wire/fault.ts'
import { accountOf, type Call } from '../world.ts'
import { type KmsKeyRecord, usageOf } from './records.ts'

export const notFound = (message: string): AwsFault => new AwsFault('NotFoundException', message)

/** What a key gets whose creator wrote no policy. Source: KMS Developer Guide, "Default key policy". */
export const defaultPolicy = (partition: string, accountId: string): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Id: 'key-default-1',
    Statement: [
      {
        Sid: 'Enable IAM User Permissions',
        Effect: 'Allow',
        Principal: { AWS: `arn:${partition}:iam::${accountId}:root` },
        Action: 'kms:*',
        Resource: '*',
      },
    ],
  })

/**
 * A key policy with its principals looked up.
 * @throws AwsFault `MalformedPolicyDocumentException`
 */
export function readKeyPolicy(
  call: Call,
  text: string,
): Pick<KmsKeyRecord, 'policy' | 'policyPrincipalIds'> {
  const malformed = (message: string): AwsFault =>
    new AwsFault('MalformedPolicyDocumentException', message)
  if (Buffer.byteLength(text) > 32_768) throw malformed('Policy is longer than 32768 bytes')
  try {
    const principals = readPrincipals(call.world.tables, parsePolicy(text, 'resource'))
    if ('ids' in principals) return { policy: text, policyPrincipalIds: principals.ids }
  } catch (error) {
    if (!(error instanceof PodroleError)) throw error
    throw malformed(error.message)
  }
  throw malformed('Policy contains a statement with one or more invalid principals.')
}

/**
 * Decides an operation on a key. The key's policy must let the caller in, by itself or by its
 * account (then IAM's policies must allow it too); no IAM policy helps where it does not.
 * Source: KMS Developer Guide, "Determining access to AWS KMS keys".
 * @throws AwsFault `AccessDeniedException`
 */
export function authorizeKey(call: Call, key: KmsKeyRecord, context: ContextKeys = {}): void {
  const ask = {
    action: `kms:${call.operation}`,
    resource: key.arn,
    accountId: key.accountId,
    context: {
      'kms:CallerAccount': accountOf(call),
      'kms:KeySpec': key.keySpec,
      'kms:KeyUsage': usageOf(key),
      'kms:KeyOrigin': 'AWS_KMS',
      ...Object.fromEntries(
        Object.entries(key.tags).map(([name, value]) => [`aws:ResourceTag/${name}`, value]),
      ),
      ...context,
    },
    resourcePolicy: { text: key.policy, principalIds: key.policyPrincipalIds },
  }
  const decision = decideAsk(call, ask)
  const letIn = decision.statements.some(
    ({ policyUse, matched, effect }) => policyUse === 'resource' && matched && effect === 'Allow',
  )
  if (!decision.allowed) throw deniedFault(call, ask, decision)
  if (letIn) return
  throw new AwsFault(
    'AccessDeniedException',
    `${deniedFault(call, ask, undefined).message} because no resource-based policy allows the ${ask.action} action`,
    { status: 400 },
  )
}
