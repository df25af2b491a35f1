/** What trust policies and web identity tokens are made of: they meet often. */

export const ACCOUNT_ID = '111122223333'
const OTHER_ACCOUNT_ID = '444455556666'
export const ROLE_NAME = 'agreement'
export const ROLE_ARN = `arn:aws:iam::${ACCOUNT_ID}:role/${ROLE_NAME}`
export const STS = 'sts.amazonaws.com'

export const HOST = 'green.issuer.sandbox/clusters/green'
export const OTHER_HOST = 'blue.issuer.sandbox/id/B1'
/** One of which no account has a provider. */
export const STRANGE_HOST = 'grey.issuer.sandbox/id/C1'

/** Issuer → client ids of its provider. */
export const PROVIDERS = {
  [`https://${HOST}`]: [STS, 'second'],
  [`https://${OTHER_HOST}`]: [STS],
} as const

export const providerArn = (host: string, account: string = ACCOUNT_ID): string =>
  `arn:aws:iam::${account}:oidc-provider/${host}`

/** What each key of the request is that a token does not have. */
export const REQUEST_KEYS = {
  'aws:SourceIp': '127.0.0.1',
  'aws:RequestedRegion': 'eu-central-1',
  'aws:UserAgent': 'agreement',
  'sts:RoleSessionName': 'pod',
} as const

export const SUBJECTS = [
  'system:serviceaccount:shop:web',
  'system:serviceaccount:shop:web-2',
  'system:serviceaccount:prod:web',
  'system:serviceaccount:prod:orders',
  'cluster:blue:system:serviceaccount:shop:web',
  'cluster:green:system:serviceaccount:prod:orders',
] as const

/** As people write them, and as they miswrite them. */
export const WANTED_SUBJECTS = [
  ...SUBJECTS,
  ...SUBJECTS.slice(0, 2),
  ...SUBJECTS.slice(0, 2),
  'system:serviceaccount:shop:*',
  'system:serviceaccount:*:web*',
  'system:serviceaccount:shop:*',
  'system:serviceaccount:*:web',
  'system:serviceaccount:*',
  'system:serviceaccount:shop:we?',
  'system:serviceaccount:shop:web*',
  'system:serviceaccounts:shop',
  'System:ServiceAccount:shop:web',
  'system:serviceaccount:shop/web',
  'cluster:*:system:serviceaccount:shop:web',
  'cluster:?????:system:serviceaccount:*',
  '*',
  '*:web',
  STS,
] as const

export const VARIABLE_SUBJECTS = [
  'system:serviceaccount:${aws:RequestTag/kubernetes-namespace}:web',
  'cluster:${aws:RequestTag/eks-cluster-name}:system:serviceaccount:shop:web',
  "system:serviceaccount:${aws:RequestTag/kubernetes-namespace, 'shop'}:*",
  'system:serviceaccount:shop:${*}',
  'system:serviceaccount:shop:${aws:PrincipalTag/team}',
  'system:serviceaccount:shop:${aws:TagKeys}',
  'system:serviceaccount:shop:${sts:RoleSessionName}*',
  `\${${HOST}:sub}`,
] as const

export const AUDIENCES = [STS, 'second', 'nobody'] as const
export const WANTED_AUDIENCES = [
  STS,
  STS,
  STS,
  'second',
  'sts.*',
  '*',
  'STS.amazonaws.com',
  'https://sts.amazonaws.com',
  'system:serviceaccount:shop:web',
] as const

export const TAGS = {
  'eks-cluster-arn': ['arn:aws:eks:eu-central-1:111122223333:cluster/blue'],
  'eks-cluster-name': ['blue', 'green'],
  'kubernetes-namespace': ['shop', 'prod'],
  'kubernetes-service-account': ['web', 'orders'],
  'kubernetes-pod-name': ['web-5f6d8c-x2x7q'],
  'kubernetes-pod-uid': ['6f1a-uid'],
} as const

export const TAG_KEYS = Object.keys(TAGS)

/** Names of tags' keys in a policy, and the values that are wanted of them. */
export const WANTED_TAGS: readonly (readonly [key: string, values: readonly string[]])[] = [
  ...Object.entries(TAGS).map(
    ([key, values]) => [`aws:RequestTag/${key}`, [...values, '*', 'sh*']] as const,
  ),
  ['aws:PrincipalTag/kubernetes-namespace', ['shop', '*']],
]

/** Principals that name the token's provider, and those that do not. */
export const FEDERATED = [
  providerArn(HOST),
  providerArn(HOST),
  providerArn(HOST),
  providerArn(HOST),
  providerArn(OTHER_HOST),
  providerArn(STRANGE_HOST),
  providerArn(HOST, OTHER_ACCOUNT_ID),
  providerArn(`${HOST}/`),
  providerArn(HOST.replace('green', 'Green')),
  `arn:aws:iam::${ACCOUNT_ID}:saml-provider/green`,
  'cognito-identity.amazonaws.com',
] as const

export const AWS_NAMES = [
  '*',
  ACCOUNT_ID,
  `arn:aws:iam::${ACCOUNT_ID}:root`,
  `arn:aws:iam::${OTHER_ACCOUNT_ID}:root`,
] as const
