/** Every reason that `podrole explain` can give, and no other; the codes are stable. */
import type { LinkName } from './link-names.ts'

interface Reason {
  readonly link: LinkName
  /** What is so, one sentence. */
  readonly says: string
  /** Why the pod has no access then. */
  readonly matters: string
  /** Where it is mended. */
  readonly mend: string
}

export const REASONS = {
  'service-account-missing': {
    link: 'pod',
    says: 'The service account does not exist.',
    matters: 'No pod can run under it.',
    mend: 'Make it, with the annotation or the association that gives it a role.',
  },
  'no-role-asked-for': {
    link: 'pod',
    says: 'The service account has no role: neither an annotation nor an association that can be seen.',
    matters: 'The webhook leaves its pods alone, and their SDKs fall back to the role of the node.',
    mend: 'Annotate the service account, or associate it with a role.',
  },
  'annotation-misspelt': {
    link: 'pod',
    says: 'The service account has an annotation that looks like the one that is read, and is not.',
    matters: 'No webhook reads it.',
    mend: 'Write the annotation as eks.amazonaws.com/role-arn.',
  },
  'annotation-not-role-arn': {
    link: 'pod',
    says: "The annotation holds something else than a role's ARN.",
    matters: 'The webhook injects nothing, or STS refuses the ARN.',
    mend: "Write the role's whole ARN into the annotation.",
  },
  'webhook-missing': {
    link: 'pod',
    says: 'No webhook that injects credentials is registered in the cluster.',
    matters: 'Pods are admitted without token and variables.',
    mend: 'Install the webhook, then make the pod again.',
  },
  'webhook-excludes-pod': {
    link: 'pod',
    says: "The webhook's selector leaves the pod out by its labels.",
    matters: 'The API server does not ask the webhook about such pods.',
    mend: "Take the label off the pod's template, and make the pod again.",
  },
  'container-skipped': {
    link: 'pod',
    says: "The pod's annotation skip-containers names the container.",
    matters: 'The webhook leaves it without token and variables.',
    mend: 'Take the container out of the annotation, and make the pod again.',
  },
  'pod-admitted-without-role': {
    link: 'pod',
    says: 'The pod was admitted without credentials, which a pod made now would get.',
    matters:
      'A pod keeps what it was admitted with: an annotation or a webhook that came later does nothing for it.',
    mend: 'Make the pod again.',
  },
  'association-propagating': {
    link: 'pod',
    says: 'The pod was made right after its association, before the webhook saw that.',
    matters: 'EKS tells of associations late, by seconds; a pod keeps what it was admitted with.',
    mend: 'Make the pod again.',
  },
  'pod-admitted-with-other-role': {
    link: 'pod',
    says: 'The pod was admitted with another role than its service account has now.',
    matters: 'A pod keeps the role that it was admitted with.',
    mend: 'Make the pod again.',
  },
  'token-not-mounted': {
    link: 'pod',
    says: 'The file that AWS_WEB_IDENTITY_TOKEN_FILE names is in no volume that the container mounts.',
    matters: 'The SDK finds no token.',
    mend: 'Leave volume and variables to the webhook, or mount the token where the variable points.',
  },
  'token-malformed': {
    link: 'token',
    says: 'What was given is not a token, or one that lacks a claim.',
    matters: 'STS answers InvalidIdentityToken.',
    mend: 'Take the token as the kubelet writes it.',
  },
  'token-algorithm': {
    link: 'token',
    says: 'The token is signed with an algorithm that STS does not take.',
    matters: 'STS takes RS256, RS384, RS512, ES256, ES384 and ES512.',
    mend: 'Sign with one of those.',
  },
  'token-expired': {
    link: 'token',
    says: 'The token has expired.',
    matters: 'STS takes a token five minutes past its exp, agents and brokers not a second.',
    mend: 'Read the file anew each time: the kubelet renews it.',
  },
  'token-not-yet-valid': {
    link: 'token',
    says: 'The token is not valid yet.',
    matters: 'STS takes no token whose nbf or iat is more than five minutes ahead.',
    mend: 'Set the clock of the machine that signs.',
  },
  'token-many-audiences': {
    link: 'token',
    says: 'The token has several audiences and no azp.',
    matters: 'STS does not choose among them.',
    mend: 'Ask for a token with one audience.',
  },
  'token-for-other-role': {
    link: 'token',
    says: 'The token lists the roles that it is good for, and the role is not one of them.',
    matters: 'STS answers InvalidIdentityToken before it looks at the trust policy.',
    mend: 'Take a token that its issuer signed for the role.',
  },
  'token-of-another': {
    link: 'token',
    says: 'The token is for another service account.',
    matters: 'Trust policies compare its subject.',
    mend: "Take a token of this service account's pod.",
  },
  'issuer-url-form': {
    link: 'issuer',
    says: 'IAM takes no provider with the URL of the issuer.',
    matters: 'It must be https, without port, query and fragment.',
    mend: 'Give the API server another issuer.',
  },
  'issuer-unreachable': {
    link: 'issuer',
    says: 'The issuer cannot be reached from outside.',
    matters: 'STS reads the keys there, over the public internet.',
    mend: 'Publish the documents where everybody reaches them.',
  },
  'issuer-document-refused': {
    link: 'issuer',
    says: 'The issuer does not give its documents to everybody.',
    matters: 'STS asks without credentials, follows no redirect and takes status 200 alone.',
    mend: 'Let everybody read the two documents.',
  },
  'issuer-slow': {
    link: 'issuer',
    says: 'The issuer takes longer than STS waits.',
    matters: 'STS gives up after 5 seconds.',
    mend: 'Serve the documents from a place that answers at once, such as S3 or a CDN.',
  },
  'issuer-document-wrong': {
    link: 'issuer',
    says: 'The discovery document or the keys are not what STS takes.',
    matters: 'STS cannot find the key that verifies the token.',
    mend: 'Publish the documents again.',
  },
  'issuer-certificate': {
    link: 'issuer',
    says: "The issuer's TLS certificate is not good.",
    matters: 'STS verifies it before it reads anything.',
    mend: 'Renew the certificate, with its chain in order.',
  },
  'key-not-published': {
    link: 'issuer',
    says: 'The key that signs the tokens is not among those that the issuer publishes.',
    matters: 'STS cannot verify the token.',
    mend: "Publish the cluster's keys again; after a rotation both the old and the new.",
  },
  'provider-missing': {
    link: 'provider',
    says: "The role's account has no IAM OIDC provider for the issuer.",
    matters: "STS believes only issuers that the role's own account knows.",
    mend: 'Make the provider in that account.',
  },
  'provider-url-differs': {
    link: 'provider',
    says: 'The account has a provider whose URL is almost that of the tokens.',
    matters: "The URL and the token's iss must be one text, including case and a slash at the end.",
    mend: "Make a provider with the tokens' own URL.",
  },
  'provider-lacks-audience': {
    link: 'provider',
    says: "The provider's client ids do not hold the token's audience.",
    matters: 'STS refuses the token: Incorrect token audience.',
    mend: 'Add the audience to the provider, or ask for a token with one that it has.',
  },
  'provider-lacks-thumbprint': {
    link: 'provider',
    says: "No public authority vouches for the issuer's certificate, and the provider has no thumbprint of the last one that is sent.",
    matters:
      "STS falls back to thumbprints then: OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint.",
    mend: 'Add the thumbprint to the provider, or take a certificate of a public authority.',
  },
  'association-missing': {
    link: 'association',
    says: 'The pod asks for container credentials, and the cluster has no association for its service account.',
    matters: 'EKS Auth answers ResourceNotFoundException, and the SDK gets nothing.',
    mend: 'Associate the service account with a role.',
  },
  'proxy-in-the-way': {
    link: 'agent',
    says: "The container's proxy is asked for the agent's address.",
    matters:
      'The address is of the node alone; a proxy cannot reach it. SDKs for Go ask it, those for Python and JavaScript 3 do not: --sdk tells which it is, and without it this is left open.',
    mend: 'Put the address into NO_PROXY.',
  },
  'agent-missing': {
    link: 'agent',
    says: "No Pod Identity agent runs on the pod's node.",
    matters: 'Nobody answers at the address of the credentials.',
    mend: 'Run the agent on every node.',
  },
  'agent-not-ready': {
    link: 'agent',
    says: "The agent on the pod's node is not ready.",
    matters: 'It gives no credentials, or none that are new.',
    mend: 'Read its log; it needs the node role, or a broker.',
  },
  'network-policy-blocks-agent': {
    link: 'network',
    says: "Network policies that select the pod have no egress rule for the agent's address, and what enforces them on the node holds them against it.",
    matters: 'The request for credentials gets no answer.',
    mend: 'Add a rule for 169.254.170.23 (or fd00:ec2::23), TCP port 80.',
  },
  'network-policy-blocks-sts': {
    link: 'network',
    says: 'Network policies that select the pod have no egress rule for STS, or for the DNS that finds it.',
    matters: 'With IRSA the pod asks STS itself.',
    mend: 'Add a rule for DNS, and for TCP port 443 outside the cluster.',
  },
  'role-missing': {
    link: 'trust',
    says: 'There is no such role.',
    matters: 'STS says AccessDenied, as for a role that does not trust the caller.',
    mend: 'Make the role, or name the one that there is.',
  },
  'role-path-differs': {
    link: 'trust',
    says: 'The role has another path than its ARN was written with.',
    matters: "A role's ARN holds its path; without it STS finds no role.",
    mend: "Write the role's own ARN.",
  },
  'role-other-partition': {
    link: 'trust',
    says: 'The ARN names another partition than the account is in.',
    matters: 'There is no such role in this partition.',
    mend: "Write the role's own ARN.",
  },
  'trust-denies': {
    link: 'trust',
    says: 'A Deny statement of the trust policy refuses the call.',
    matters: 'A Deny wins over every Allow.',
    mend: 'Narrow or remove the statement: it belongs to whoever wrote it.',
  },
  'trust-no-principal': {
    link: 'trust',
    says: 'No statement of the trust policy is for the provider.',
    matters: 'A role admits only whom its trust policy names.',
    mend: 'Add a statement for the service account.',
  },
  'trust-other-provider': {
    link: 'trust',
    says: 'The trust policy names the provider of another issuer or another account.',
    matters: "STS matches the provider's ARN as a whole.",
    mend: 'Add a statement for the provider of this issuer.',
  },
  'trust-lacks-action': {
    link: 'trust',
    says: 'The statement for the provider allows another action.',
    matters: 'IRSA needs sts:AssumeRoleWithWebIdentity, with session tags sts:TagSession too.',
    mend: 'Add a statement that allows it.',
  },
  'trust-lacks-tag-session': {
    link: 'trust',
    says: 'The trust policy allows sts:AssumeRole and not sts:TagSession.',
    matters: 'Pod Identity passes session tags with every call.',
    mend: 'Allow sts:TagSession in the same statement.',
  },
  'trust-wants-tags': {
    link: 'trust',
    says: 'The trust policy wants session tags that the association does not pass.',
    matters: 'A condition on a key that is not there does not hold.',
    mend: 'Pass session tags, or narrow the trust policy by the account.',
  },
  'trust-tag-differs': {
    link: 'trust',
    says: 'The trust policy wants another cluster, namespace or service account in the session tags.',
    matters: 'The statement does not hold for this pod.',
    mend: 'Add the service account to the trust policy.',
  },
  'trust-wildcard-in-equals': {
    link: 'trust',
    says: 'A condition compares exactly with a value that holds a star.',
    matters: 'StringEquals takes * as a character: only StringLike has patterns.',
    mend: 'Use StringLike, or name the service account.',
  },
  'trust-audience-holds-subject': {
    link: 'trust',
    says: 'A condition on the audience holds a subject.',
    matters: "The key ISSUER:aud is compared with the token's audience, which no subject equals.",
    mend: 'Compare the subject under ISSUER:sub.',
  },
  'trust-other-issuer-key': {
    link: 'trust',
    says: "A condition's key begins with another issuer than the provider's.",
    matters: 'The request has keys of its own issuer alone; such a key is always missing.',
    mend: "Write the provider's URL, without https://, in front of :sub and :aud.",
  },
  'trust-audience-differs': {
    link: 'trust',
    says: "A condition wants another audience than the token's.",
    matters: 'The statement does not hold for this token.',
    mend: "Want the token's audience, or ask for a token with the one that is wanted.",
  },
  'trust-subject-differs': {
    link: 'trust',
    says: 'A condition wants other service accounts than this one.',
    matters: 'The statement does not hold for this token.',
    mend: 'Add the service account to the trust policy.',
  },
  'trust-condition-false': {
    link: 'trust',
    says: 'Another condition of the statement does not hold.',
    matters: 'All conditions of a statement must hold.',
    mend: 'Add a statement for the service account, or change the condition.',
  },
  'target-role-missing': {
    link: 'target-role',
    says: 'The target role of the association does not exist.',
    matters: 'The session ends at the first role, and the pod gets nothing.',
    mend: 'Make the target role, or take it off the association.',
  },
  'target-role-not-allowed': {
    link: 'target-role',
    says: "No policy of the association's role lets it assume the target role.",
    matters:
      'The first role needs sts:AssumeRole, and with session tags sts:TagSession, on the second.',
    mend: 'Give the first role that permission.',
  },
  'target-role-does-not-trust': {
    link: 'target-role',
    says: "The target role does not trust the association's role, or not with session tags.",
    matters: 'Its trust policy needs both actions for that role.',
    mend: 'Add a statement to its trust policy.',
  },
  'target-role-trusts-former-role': {
    link: 'target-role',
    says: 'The target role trusts a role that was deleted; IAM shows it as AROA….',
    matters: 'IAM keeps principals by id: a role of the same name that was made again is another.',
    mend: "Write the role's ARN into the trust policy again.",
  },
  'permission-missing': {
    link: 'permissions',
    says: 'No policy of the role allows the action on the resource.',
    matters: 'What nothing allows is denied.',
    mend: 'Give the role a policy that allows it.',
  },
  'permission-denied': {
    link: 'permissions',
    says: "A Deny statement of the role's policies refuses the action.",
    matters: 'A Deny wins over every Allow.',
    mend: 'Narrow or remove the statement.',
  },
  'boundary-limits': {
    link: 'permissions',
    says: "The role's permissions boundary does not allow the action.",
    matters: 'A role may do what its policies and its boundary both allow.',
    mend: 'Widen the boundary, or take it off: it belongs to whoever governs the account.',
  },
  'session-policy-limits': {
    link: 'permissions',
    says: "The association's session policy does not allow the action.",
    matters: 'A session may do what the role and its session policy both allow.',
    mend: 'Widen the session policy, or take it off.',
  },
  'resource-policy-denies': {
    link: 'permissions',
    says: "The resource's own policy denies the action.",
    matters: 'A Deny wins over every Allow.',
    mend: "Narrow or remove the statement of the resource's policy.",
  },
  'resource-policy-lacks': {
    link: 'permissions',
    says: 'The resource is of another account, and its policy does not let the role in.',
    matters: 'Across accounts both sides must allow: the role and the resource.',
    mend: "Allow it in the resource's policy, or take a role of the resource's account.",
  },
  'organization-denies': {
    link: 'permissions',
    says: 'A policy of the organization keeps the account from the action.',
    matters: 'No policy of the account can give what the organization does not.',
    mend: 'Ask whoever governs the organization.',
  },
  'sdk-too-old': {
    link: 'sdk-chain',
    says: "The program's SDK is older than the way to the role.",
    matters: "It does not look at what the pod was given, and falls back to the node's role.",
    mend: 'Build the image with a newer SDK.',
  },
  'another-role-answered': {
    link: 'sdk-chain',
    says: 'The call that was refused was made by a session of another role.',
    matters:
      "The program does not use what the pod was given: an old SDK, a profile or keys of its own, or the node's role.",
    mend: "Use the SDK's default chain, with a version that knows this way.",
  },
  'environment-keys-win': {
    link: 'sdk-chain',
    says: 'The container has AWS access keys in its environment.',
    matters: 'Every SDK takes those before a web identity or container credentials.',
    mend: 'Take the keys out of the container.',
  },
} as const satisfies Readonly<Record<string, Reason>>

export type ReasonCode = keyof typeof REASONS
