/** The call that a role's trust policy will judge, as far as it is known before it is made. */
import { oidcProviderArn } from '../../iam/arn.ts'
import { principalContext } from '../../iam/principal.ts'
import { formatServiceAccountName } from '../../iam/service-account-name.ts'
import type { TrustQuestion } from '../../iam/trust-explain.ts'
import { POD_IDENTITY_SERVICE } from '../../iam/trust-grant.ts'
import type { ContextKeys } from '../../iam/request.ts'
import type { AwsClaims } from '../../token/aws-claims.ts'
import type { AssociationFact, TokenFact, WorkloadFacts } from '../facts/workload-facts.ts'
import { hostPathOf } from '../facts/way.ts'
import { isUnseenTag, requestTags } from './session-tags.ts'

export interface TrustCall extends Pick<
  TrustQuestion,
  'caller' | 'actions' | 'context' | 'isKnown'
> {
  /** For people. */
  readonly who: string
  /** `https://…`; empty where no web identity asks. */
  readonly issuer: string
  readonly audience: string
  /** The options that name the same to `podrole role trust add`. */
  readonly target: readonly string[]
}

/** STS AssumeRoleWithWebIdentity by the pod itself. */
export function webIdentityCall({ account, subject }: WorkloadFacts, token: TokenFact): TrustCall {
  const { aws, email, methods } = token
  const host = hostPathOf(token.issuer) ?? ''
  const provider = oidcProviderArn({ ...account, issuer: token.issuer })
  const audience = token.authorizedParty ?? token.audiences[0] ?? ''
  return {
    who: `${formatServiceAccountName(subject)} by ${provider}`,
    issuer: token.issuer,
    audience,
    target: ['--issuer', token.issuer],
    caller: { kind: 'web-identity', provider },
    actions: [
      'sts:AssumeRoleWithWebIdentity',
      ...(aws !== undefined && aws.tags.length > 0 ? ['sts:TagSession'] : []),
      ...(aws?.sourceIdentity === undefined ? [] : ['sts:SetSourceIdentity']),
    ],
    context: {
      [`${host}:aud`]: audience,
      [`${host}:sub`]: token.subject,
      ...(token.authorizedParty !== undefined && { [`${host}:oaud`]: token.audiences }),
      ...(methods !== undefined && { [`${host}:amr`]: methods }),
      ...(email !== undefined && { [`${host}:email`]: email }),
      ...(aws !== undefined && claimContext(aws)),
      'sts:RoleAuthorizedByIdp': String(aws?.roles !== undefined),
      'aws:SecureTransport': 'true',
    },
    isKnown: (key) => isKnownKey(key) || OF_A_SERVICE.test(key),
  }
}

/** What the claims of `https://aws.amazon.com/…` are in a request. */
function claimContext({ sourceIdentity, tags, transitiveKeys }: AwsClaims): ContextKeys {
  return {
    ...Object.fromEntries(tags.map(({ Key, Value }) => [`aws:RequestTag/${Key}`, Value])),
    'aws:TagKeys': tags.map(({ Key }) => Key),
    'sts:TransitiveTagKeys': transitiveKeys,
    ...(sourceIdentity !== undefined && { 'sts:SourceIdentity': sourceIdentity }),
  }
}

/** EKS's own call for a pod (EKS User Guide, "Grant Pods access to AWS resources based on tags"). */
export function podIdentityCall(facts: WorkloadFacts, association: AssociationFact): TrustCall {
  const { account, cluster, subject } = facts
  const { disableSessionTags } = association
  const caller = { kind: 'service', service: POD_IDENTITY_SERVICE } as const
  return {
    who: `EKS Pod Identity for ${formatServiceAccountName(subject)} of cluster ${cluster.name}`,
    issuer: '',
    audience: '',
    target: [
      '--cluster',
      cluster.name ?? '',
      '--method',
      'pod-identity',
      ...(disableSessionTags ? ['--disable-session-tags'] : []),
    ],
    caller,
    actions: disableSessionTags ? ['sts:AssumeRole'] : ['sts:AssumeRole', 'sts:TagSession'],
    // The service that calls has no tags itself: those of the session are asked for.
    context: {
      ...principalContext(caller),
      'aws:SourceAccount': account.accountId,
      'aws:SecureTransport': 'true',
      ...(disableSessionTags ? {} : requestTags(facts)),
    },
    isKnown: disableSessionTags ? isKnownKey : (key) => isKnownKey(key) && !isUnseenTag(facts, key),
  }
}

/**
 * A broker's AssumeRoleWithWebIdentity with a token of its fleet (docs/decisions/0003). Where the
 * association has session tags off, the token has none, and nobody asks for sts:TagSession.
 */
export function fleetCall(
  facts: WorkloadFacts,
  token: TokenFact,
  { disableSessionTags }: Pick<AssociationFact, 'disableSessionTags'>,
): TrustCall {
  const { cluster, subject } = facts
  const { actions, context, isKnown, ...common } = webIdentityCall(facts, token)
  return {
    ...common,
    who: `${formatServiceAccountName(subject)} of cluster ${cluster.name} by ${common.issuer}`,
    target: [
      '--fleet',
      '--issuer',
      token.issuer,
      '--clusters',
      cluster.name ?? '',
      ...(disableSessionTags ? ['--disable-session-tags'] : []),
    ],
    actions: disableSessionTags ? actions : [...actions, 'sts:TagSession'],
    context: {
      ...context,
      ...(disableSessionTags ? {} : requestTags(facts)),
      'sts:RoleAuthorizedByIdp': 'true',
    },
    isKnown: disableSessionTags ? isKnown : (key) => isKnown(key) && !isUnseenTag(facts, key),
  }
}

/** Keys whose value the request alone has (IAM User Guide, "AWS global condition context keys"). */
const OF_THE_REQUEST =
  /^(?:aws:(?:source(?:ip|vpc|vpce|vpcarn|account|arn|orgid|orgpaths|owner.*)|vpc.*|currenttime|epochtime|useragent|referer|requestedregion|resource.*|calledvia.*|viaawsservice|tokenissuetime)|sts:rolesessionname)/

/**
 * In a request that a service makes for one of its resources, and in no other (the same page, "Where
 * the call comes from"): no token brings them along.
 */
const OF_A_SERVICE = /^aws:source(?:account|arn|orgid|orgpaths)$/i

/** Whether a key that is not in the call's context is known to be absent. */
export const isKnownKey = (key: string): boolean => !OF_THE_REQUEST.test(key.toLowerCase())
