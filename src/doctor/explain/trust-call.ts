/** The call that a role's trust policy will judge, as far as it is known before it is made. */
import { oidcProviderArn } from '../../iam/arn.ts'
import { formatServiceAccountName } from '../../iam/service-account-name.ts'
import type { TrustQuestion } from '../../iam/trust-explain.ts'
import type { TokenFact, WorkloadFacts } from '../facts/workload-facts.ts'
import { hostPathOf } from '../facts/way.ts'

export interface TrustCall extends Pick<TrustQuestion, 'caller' | 'actions' | 'context'> {
  /** For people. */
  readonly who: string
  readonly issuer: string
  readonly subject: string
  readonly audience: string
}

/** STS AssumeRoleWithWebIdentity by the pod itself. */
export function webIdentityCall({ account, subject }: WorkloadFacts, token: TokenFact): TrustCall {
  const host = hostPathOf(token.issuer) ?? ''
  const provider = oidcProviderArn({ ...account, issuer: token.issuer })
  const audience = token.authorizedParty ?? token.audiences[0] ?? ''
  return {
    who: `${formatServiceAccountName(subject)} by ${provider}`,
    issuer: token.issuer,
    subject: token.subject,
    audience,
    caller: { kind: 'web-identity', provider },
    actions: ['sts:AssumeRoleWithWebIdentity'],
    context: {
      [`${host}:aud`]: audience,
      [`${host}:sub`]: token.subject,
      ...(token.authorizedParty !== undefined && { [`${host}:oaud`]: token.audiences }),
      'sts:RoleAuthorizedByIdp': 'false',
      'aws:SecureTransport': 'true',
    },
  }
}

/** Keys whose value the request alone has (IAM User Guide, "AWS global condition context keys"). */
const OF_THE_REQUEST =
  /^(?:aws:(?:source(?:ip|vpc|vpce|vpcarn|account|arn|orgid|orgpaths|owner.*)|vpc.*|currenttime|epochtime|useragent|referer|requestedregion|resource.*|calledvia.*|viaawsservice|tokenissuetime)|sts:rolesessionname)/

/** Whether a key that is not in the call's context is known to be absent. */
export const isKnownKey = (key: string): boolean => !OF_THE_REQUEST.test(key.toLowerCase())
