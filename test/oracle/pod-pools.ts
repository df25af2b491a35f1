/** What trust policies of pods' roles are made of: they meet often. */
import { ACCOUNT_ID } from './web-identity-pools.ts'

export const PODS_SERVICE = 'pods.eks.amazonaws.com'
/** Of a broker's fleet. */
export const FLEET_HOST = 'fleet.issuer.sandbox'
/** One of which no account has a provider: the broker of another fleet. */
export const STRANGE_FLEET_HOST = 'strange-fleet.issuer.sandbox'

export interface PoolCluster {
  readonly name: string
  readonly region: string
  /** As its associations have it, all of them. */
  readonly disableSessionTags: boolean
}

const clusterOf = (
  name: string,
  region = 'eu-central-1',
  disableSessionTags = false,
): PoolCluster => ({ name, region, disableSessionTags })

/** A name can be there once in each region; session tags are off in one cluster. */
export const CLUSTERS: readonly PoolCluster[] = [
  clusterOf('blue'),
  clusterOf('blue'),
  clusterOf('green'),
  clusterOf('blue', 'eu-west-1'),
  clusterOf('plain', 'eu-central-1', true),
]

/** Namespace and name. */
export const SERVICE_ACCOUNTS = [
  ['shop', 'web'],
  ['shop', 'web'],
  ['shop', 'web-2'],
  ['shop', 'shop'],
  ['prod', 'web'],
  ['prod', 'orders'],
] as const

export const PODS = [
  ['web-5f6d8c-x2x7q', '6f1a-uid'],
  ['orders-0', '77aa-uid'],
] as const

const arn = (rest: string): string => `arn:aws:eks:${rest}`
const HOME = `eu-central-1:${ACCOUNT_ID}`

/** Tag → what people want of it, and what they miswrite. */
export const WANTED_OF_TAG: Readonly<Record<string, readonly string[]>> = {
  'eks-cluster-arn': [
    arn(`${HOME}:cluster/blue`),
    arn(`${HOME}:cluster/blue`),
    arn(`${HOME}:cluster/green`),
    arn(`${HOME}:cluster/*`),
    arn(`*:${ACCOUNT_ID}:cluster/blue`),
    arn(`*:\${aws:SourceAccount}:cluster/*`),
    arn(`${HOME}:cluster/Blue`),
    arn(`${HOME}:cluster/\${aws:RequestTag/eks-cluster-name}`),
    'blue',
    '*',
  ],
  'eks-cluster-name': ['blue', 'blue', 'green', 'plain', 'Blue', 'b*', '?????', '*', 'gr${?}en'],
  'kubernetes-namespace': ['shop', 'shop', 'prod', 'Shop', 'sh*', '*', 'default', 's?op', 'PROD'],
  'kubernetes-service-account': [
    'web',
    'web',
    'orders',
    'web*',
    'web-?',
    'WEB',
    '*',
    'shop/web',
    'system:serviceaccount:shop:web',
    '${aws:RequestTag/kubernetes-namespace}',
    "${aws:PrincipalTag/team, 'web'}",
    '${aws:PrincipalTag/team}',
    'web${*}',
  ],
  'kubernetes-pod-name': [
    'web-*',
    'orders-0',
    'Web-*',
    '${aws:RequestTag/kubernetes-service-account}-*',
    '*',
  ],
  'kubernetes-pod-uid': ['6f1a-uid', '*', '77AA-uid'],
  team: ['shop', '*'],
}

export const WANTED_TAG_KEYS = [
  'eks-cluster-arn',
  'eks-cluster-name',
  'kubernetes-namespace',
  'kubernetes-service-account',
  'kubernetes-pod-name',
  'kubernetes-pod-uid',
  'team',
  'kubernetes-*',
  'eks-*',
  '*',
] as const

export const WANTED_SOURCE_ARNS = [
  arn(`${HOME}:cluster/blue`),
  arn(`${HOME}:cluster/*`),
  arn(`*:${ACCOUNT_ID}:cluster/*`),
  arn(`${HOME}:podidentityassociation/blue/*`),
] as const

export const WANTED_ACCOUNTS = [ACCOUNT_ID, ACCOUNT_ID, '444455556666', '1111*', '*'] as const

/** Subjects of a fleet's tokens, as people write and miswrite them. */
export const WANTED_FLEET_SUBJECTS = [
  'cluster:blue:system:serviceaccount:shop:web',
  'cluster:blue:system:serviceaccount:shop:web',
  'cluster:green:system:serviceaccount:shop:web',
  'cluster:plain:system:serviceaccount:prod:orders',
  'cluster:*:system:serviceaccount:shop:web',
  'cluster:*:system:serviceaccount:shop:web',
  'cluster:b*:system:serviceaccount:shop:*',
  'cluster:?????:system:serviceaccount:*:web',
  'cluster:blue:system:serviceaccount:*',
  'cluster:Blue:system:serviceaccount:shop:web',
  'cluster:blue:*:orders',
  'cluster:*',
  'system:serviceaccount:shop:web',
  'system:serviceaccount:*',
  '*:system:serviceaccount:shop:web',
  'cluster:${aws:RequestTag/eks-cluster-name}:system:serviceaccount:shop:*',
  "cluster:${aws:RequestTag/eks-cluster-name, 'plain'}:system:serviceaccount:*",
  'cluster:blue:system:serviceaccount:${aws:RequestTag/kubernetes-namespace}:web',
  '*',
] as const
