/** Small pools of values, from which policies and requests are made: they meet often. */

/** Callers with the fields that podrole's own evaluator wants besides. */
export type GeneratedCaller =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'root'; readonly accountId: string; readonly arn: string }
  | {
      readonly kind: 'user'
      readonly accountId: string
      readonly arn: string
      readonly userId: string
    }
  | {
      readonly kind: 'role-session'
      readonly accountId: string
      readonly arn: string
      readonly roleArn: string
      readonly roleId: string
      readonly sessionName: string
    }
  | { readonly kind: 'web-identity'; readonly provider: string }
  | { readonly kind: 'service'; readonly service: string }

export const HOME = '111111111111'
export const AWAY = '222222222222'
export const PROVIDER = `arn:aws:iam::${HOME}:oidc-provider/oidc.example/id/A`
export const PROVIDER_AWAY = `arn:aws:iam::${AWAY}:oidc-provider/oidc.example/id/A`

const sessionOf = (accountId: string, path: string, sessionName: string): GeneratedCaller => ({
  kind: 'role-session',
  accountId,
  arn: `arn:aws:sts::${accountId}:assumed-role/app/${sessionName}`,
  roleArn: `arn:aws:iam::${accountId}:role/${path}app`,
  roleId: 'AROAEXAMPLEEXAMPLE111',
  sessionName,
})

const userOf = (accountId: string): GeneratedCaller => ({
  kind: 'user',
  accountId,
  arn: `arn:aws:iam::${accountId}:user/alice`,
  userId: 'AIDAEXAMPLEEXAMPLE111',
})

export const USERS_AND_SESSIONS: readonly GeneratedCaller[] = [
  sessionOf(HOME, 'team/', 's1'),
  sessionOf(HOME, 'team/', 's2'),
  sessionOf(AWAY, '', 's1'),
  userOf(HOME),
  userOf(AWAY),
]

export const NO_KEYS: readonly GeneratedCaller[] = [
  { kind: 'web-identity', provider: PROVIDER },
  { kind: 'web-identity', provider: PROVIDER_AWAY },
  { kind: 'service', service: 'pods.eks.amazonaws.com' },
  { kind: 'service', service: 'ec2.amazonaws.com' },
]

export const OTHERS: readonly GeneratedCaller[] = [
  { kind: 'anonymous' },
  { kind: 'root', accountId: HOME, arn: `arn:aws:iam::${HOME}:root` },
  { kind: 'root', accountId: AWAY, arn: `arn:aws:iam::${AWAY}:root` },
]

/** Names that a principal can have; a few name nobody here. */
export const AWS_PRINCIPALS = [
  '*',
  HOME,
  AWAY,
  `arn:aws:iam::${HOME}:root`,
  `arn:aws:iam::${AWAY}:root`,
  `arn:aws:iam::${HOME}:role/team/app`,
  `arn:aws:iam::${HOME}:role/app`,
  `arn:aws:iam::${AWAY}:role/app`,
  `arn:aws:sts::${HOME}:assumed-role/app/s1`,
  `arn:aws:sts::${AWAY}:assumed-role/app/s1`,
  `arn:aws:iam::${HOME}:user/alice`,
  `arn:aws:iam::${AWAY}:user/alice`,
  'AROAEXAMPLEEXAMPLE999',
]

export interface KeyPool {
  readonly operators: readonly string[]
  readonly keys: readonly string[]
  /** What a request holds under them. */
  readonly values: readonly string[]
  /** What a policy wants. */
  readonly wanted: readonly unknown[]
}

const TEXTS = ['red', 'Red', 'blue', 'r*', 'r?d', 'a*c', 'abc', 'red:a/b', '${x}', '']

export const POOLS: readonly KeyPool[] = [
  {
    operators: [
      'StringEquals',
      'StringNotEquals',
      'StringEqualsIgnoreCase',
      'StringNotEqualsIgnoreCase',
      'StringLike',
      'StringNotLike',
    ],
    keys: ['aws:PrincipalTag/team', 'aws:RequestTag/ns', 'oidc.example/id/A:sub', 'aws:username'],
    values: TEXTS.filter((text) => text !== ''),
    wanted: [
      ...TEXTS.filter((text) => text !== ''),
      '*',
      'r?*',
      '?*:*',
      'RED',
      '${aws:username}',
      '${AWS:UserName}',
      '${aws:PrincipalTag/team}*',
      "${aws:RequestTag/ns, 'red'}",
      'r${*}',
      'r${?}d',
      '${$}{x}',
      '*${aws:RequestTag/ns}',
      '${aws:TagKeys}',
    ],
  },
  {
    operators: ['ArnEquals', 'ArnLike', 'ArnNotEquals', 'ArnNotLike'],
    keys: ['aws:SourceArn', 'aws:PrincipalArn'],
    values: [
      'arn:aws:eks:eu-west-1:111111111111:cluster/a',
      'arn:aws:eks:eu-west-1:111111111111:podidentityassociation/a/x',
      'arn:aws:iam::111111111111:role/team/app',
      'arn:aws:sns:eu-west-1:111111111111:topic:sub',
      'arn:aws:logs:eu-west-1:111111111111:group:a:b',
      'not-an-arn',
    ],
    wanted: [
      'arn:aws:eks:eu-west-1:111111111111:cluster/a',
      'arn:aws:eks:*:111111111111:cluster/?',
      'arn:aws:eks:eu-*:*:podidentityassociation/a/*',
      'arn:aws:iam::111111111111:role/*',
      'arn:aws:iam::??????????11:role/*app',
      'arn:aws:sns:*:*:*',
      'arn:*:eu-west-1:111111111111:*:*',
      'arn:*:111111111111:*:*:*',
      'arn:aws:*:111111111111:*:b',
      'arn:*:*:*:*:*',
      'arn:aws:eks:eu-west-1:111111111111:cluster/${aws:username}',
    ],
  },
  {
    operators: [
      'NumericEquals',
      'NumericNotEquals',
      'NumericLessThan',
      'NumericLessThanEquals',
      'NumericGreaterThan',
      'NumericGreaterThanEquals',
    ],
    keys: ['s3:max-keys', 'aws:MultiFactorAuthAge'],
    values: ['5', '10', '10.5', '-3'],
    wanted: ['5', 5, '10', 10, '10.0', 10.5, '-3', 0],
  },
  {
    operators: [
      'DateEquals',
      'DateNotEquals',
      'DateLessThan',
      'DateLessThanEquals',
      'DateGreaterThan',
      'DateGreaterThanEquals',
    ],
    keys: ['aws:CurrentTime', 'aws:TokenIssueTime', 'aws:EpochTime'],
    values: ['2026-10-01T00:00:00Z', '2026-10-02T12:30:00Z', '1790812800', '1790900000'],
    wanted: ['2026-10-01T00:00:00Z', '2026-10-02T12:30:00Z', '2026-10-02', '1790812800'],
  },
  {
    operators: ['Bool'],
    keys: ['aws:SecureTransport', 'sts:RoleAuthorizedByIdp'],
    values: ['true', 'false'],
    wanted: ['true', 'false', true, false],
  },
  {
    operators: ['BinaryEquals'],
    keys: ['lab:blob'],
    values: ['QUJD', 'QUJDRA=='],
    wanted: ['QUJD', 'QUJDRA=='],
  },
  {
    operators: ['IpAddress', 'NotIpAddress'],
    keys: ['aws:SourceIp', 'aws:VpcSourceIp'],
    values: ['10.0.0.1', '10.0.1.200', '192.168.4.5', '2001:db8::1', '2001:db8:1::5'],
    wanted: [
      '10.0.0.1',
      '10.0.0.0/16',
      '10.0.1.128/25',
      '0.0.0.0/0',
      '192.168.4.5/32',
      '2001:db8::/32',
      '2001:db8::/48',
      '2001:db8:0:0::1',
      '::/0',
    ],
  },
]

export const STRINGS = POOLS[0] as KeyPool
export const MULTIVALUED = ['aws:TagKeys', 'oidc.example/id/A:amr']
export const SINGLE = POOLS.flatMap((pool) => pool.keys)

export const ACTIONS = ['s3:GetObject', 's3:PutObject', 's3:ListBucket', 'sts:AssumeRole']
export const ACTION_PATTERNS = [
  's3:GetObject',
  'S3:getobject',
  's3:Get*',
  's3:?utObject',
  's3:*',
  's3:*Object',
  '*',
  'sts:AssumeRole',
  'sts:AssumeRole*',
]

export const RESOURCES = [
  'arn:aws:s3:::bucket-a',
  'arn:aws:s3:::bucket-a/red/key',
  'arn:aws:s3:::bucket-a/r*/key',
  'arn:aws:s3:::bucket-b/Red/x/key',
  `arn:aws:iam::${HOME}:role/app`,
]
export const RESOURCE_PATTERNS = [
  '*',
  'arn:aws:s3:::*',
  'arn:aws:s3:::bucket-a',
  'arn:aws:s3:::bucket-a/*',
  'arn:aws:s3:::bucket-?/*/key',
  'arn:aws:s3:::bucket-a/r?d/key',
  'arn:*:s3:::bucket-a/red/key',
  'arn:aws:s3:::bucket-*/${aws:PrincipalTag/team}/*',
  "arn:aws:s3:::bucket-*/${aws:RequestTag/ns, 'red'}/*",
  'arn:aws:s3:::bucket-a/r${*}/key',
  'arn:aws:s3:${aws:username}::bucket-a/*',
  `arn:aws:iam::${HOME}:role/*`,
  'arn:aws:iam::*:role/app',
]
/** Valid in identity policies alone: the missing parts are stars. */
export const SHORT_RESOURCES = ['arn:aws:s3', 'arn:aws:iam:', 'arn:aws']
