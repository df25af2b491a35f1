/**
 * Generators of trust policies of pods' roles, for EKS Pod Identity and for a broker's fleet, and of
 * pods that ask for the role.
 *
 * What AWS's documentation leaves open is left out: which `aws:SourceIp`, region and user agent
 * EKS's own call has, and a multivalued key without a set operator.
 */
import * as fc from 'fast-check'
import type { JsonPolicy, JsonStatement } from './oracle.ts'
import type { AskingPod, PodWay } from './pod-calls.ts'
import {
  CLUSTERS,
  FLEET_HOST,
  PODS,
  PODS_SERVICE,
  SERVICE_ACCOUNTS,
  STRANGE_FLEET_HOST,
  WANTED_ACCOUNTS,
  WANTED_FLEET_SUBJECTS,
  WANTED_OF_TAG,
  WANTED_SOURCE_ARNS,
  WANTED_TAG_KEYS,
} from './pod-pools.ts'
import {
  claimKeyOf,
  type Condition,
  oneOrMore,
  type Parts,
  pick,
  respell,
  setOperator,
  textOperator,
  trustOf,
  weighted,
  withIfExists,
} from './trust-parts.ts'
import {
  ACCOUNT_ID,
  AWS_NAMES,
  HOST,
  providerArn,
  STS,
  WANTED_AUDIENCES,
} from './web-identity-pools.ts'

/** A trust policy, and pods to be judged by it. */
export interface PodQuestions {
  readonly trust: JsonPolicy
  readonly pods: readonly AskingPod[]
}

const FLAGS: readonly unknown[] = ['true', 'false', true, false]

const tagCondition: fc.Arbitrary<Condition> = pick(
  Object.entries(WANTED_OF_TAG).slice(0, -1).concat(Object.entries(WANTED_OF_TAG)),
).chain(([tag, wanted]) =>
  fc.tuple(textOperator, respell(`aws:RequestTag/${tag}`), oneOrMore(pick(wanted))),
)

/** Keys that every way has, and those that people take over from another one. */
const common: readonly (readonly [weight: number, fc.Arbitrary<Condition>])[] = [
  [14, tagCondition],
  [
    3,
    fc.tuple(
      setOperator,
      pick(['aws:TagKeys', 'aws:TagKeys', 'sts:TransitiveTagKeys']).chain(respell),
      oneOrMore(pick(WANTED_TAG_KEYS)),
    ),
  ],
  [
    3,
    fc.tuple(
      fc.constant('Null'),
      weighted(
        [3, pick(Object.keys(WANTED_OF_TAG)).map((tag) => `aws:RequestTag/${tag}`)],
        [2, pick(['aws:TagKeys', 'aws:SourceAccount', 'sts:ExternalId', 'sts:SourceIdentity'])],
      ).chain(respell),
      pick(FLAGS),
    ),
  ],
  [1, fc.tuple(textOperator, fc.constant('aws:PrincipalTag/team'), pick(['shop', '*']))],
  [1, fc.tuple(textOperator, fc.constant('sts:ExternalId'), pick(['shop', '*']))],
  [1, fc.tuple(withIfExists(fc.constant('Bool')), respell('sts:RoleAuthorizedByIdp'), pick(FLAGS))],
]

const account = fc.tuple(
  textOperator,
  respell('aws:SourceAccount'),
  oneOrMore(pick(WANTED_ACCOUNTS)),
)
const sourceArn = fc.tuple(
  withIfExists(
    pick(['ArnLike', 'ArnEquals', 'ArnLike', 'StringLike', 'StringEquals', 'ArnNotLike']),
  ),
  respell('aws:SourceArn'),
  oneOrMore(pick(WANTED_SOURCE_ARNS)),
)
const sessionName = fc.tuple(
  textOperator,
  respell('sts:RoleSessionName'),
  oneOrMore(pick(['eks-*', 'eks-blue-*', 'pod', '*', 'other'])),
)

const principalOf = (
  right: NonNullable<JsonStatement['Principal']>,
  wrong: readonly NonNullable<JsonStatement['Principal']>[],
): Parts['principal'] =>
  weighted([18, fc.constant(right)], [3, pick(wrong)], [1, fc.constant('*' as const)]).map(
    (Principal) => ({ Principal }),
  )

const actionOf = (assume: string): Parts['action'] =>
  weighted<Pick<JsonStatement, 'Action' | 'NotAction'>>(
    [12, fc.constant({ Action: [assume, 'sts:TagSession'] })],
    [3, fc.constant({ Action: assume })],
    [
      3,
      oneOrMore(
        pick([
          assume,
          assume.toLowerCase(),
          'sts:AssumeRole',
          'sts:AssumeRole*',
          'sts:AssumeRoleWithWebIdentity',
          'sts:TagSession',
          'sts:tagsession',
          'sts:Tag*',
          'sts:SetSourceIdentity',
        ]),
      ).map((Action) => ({ Action })),
    ],
    [1, fc.constant({ Action: 'sts:*' })],
    [1, pick(['sts:TagSession', assume]).map((NotAction) => ({ NotAction }))],
  )

const podIdentityParts: Parts = {
  principal: principalOf({ Service: PODS_SERVICE }, [
    { Service: [PODS_SERVICE, 'ec2.amazonaws.com'] },
    { Service: [PODS_SERVICE], Federated: providerArn(HOST) },
    { Service: 'ec2.amazonaws.com' },
    { Federated: providerArn(HOST) },
    ...AWS_NAMES.map((AWS) => ({ AWS })),
  ]),
  action: actionOf('sts:AssumeRole'),
  condition: weighted<Condition>(
    ...common,
    [4, account],
    [
      1,
      fc.tuple(
        withIfExists(fc.constant('Bool')),
        fc.constant('aws:PrincipalIsAWSService'),
        pick(FLAGS),
      ),
    ],
    [
      1,
      fc.tuple(textOperator, fc.constant('aws:PrincipalServiceName'), pick([PODS_SERVICE, 'p*'])),
    ],
    [
      1,
      fc.tuple(
        textOperator,
        fc.constant(`${HOST}:sub`),
        pick(['system:serviceaccount:shop:web', '*']),
      ),
    ],
  ),
  requestCondition: weighted<Condition>([3, sourceArn], [1, sessionName]),
}

const claimKey = claimKeyOf(FLEET_HOST, HOST)

const fleetParts: Parts = {
  principal: principalOf({ Federated: providerArn(FLEET_HOST) }, [
    { Federated: [providerArn(HOST), providerArn(FLEET_HOST)] },
    { Service: PODS_SERVICE, Federated: providerArn(FLEET_HOST) },
    { Federated: providerArn(HOST) },
    { Federated: providerArn(FLEET_HOST, '444455556666') },
    { Service: PODS_SERVICE },
    ...AWS_NAMES.map((AWS) => ({ AWS })),
  ]),
  action: actionOf('sts:AssumeRoleWithWebIdentity'),
  condition: weighted<Condition>(
    ...common,
    [14, fc.tuple(textOperator, claimKey('sub'), oneOrMore(pick(WANTED_FLEET_SUBJECTS)))],
    [4, fc.tuple(textOperator, claimKey('aud'), oneOrMore(pick([STS, STS, ...WANTED_AUDIENCES])))],
    [3, fc.tuple(fc.constant('Bool'), fc.constant('sts:RoleAuthorizedByIdp'), pick(FLAGS))],
    // Of a service's call alone: who takes the policy over from EKS leaves them in.
    [1, account],
    [1, sourceArn],
  ),
  requestCondition: sessionName,
}

/** On a broker the ARN of a cluster is one of podrole's own. */
const onBroker = (trust: JsonPolicy): JsonPolicy =>
  JSON.parse(JSON.stringify(trust).replaceAll('arn:aws:eks:', 'arn:aws:podrole:')) as JsonPolicy

const trusts: Readonly<Record<PodWay, fc.Arbitrary<JsonPolicy>>> = {
  'pod-identity': trustOf(podIdentityParts, [
    (one) => ({ ...one, Principal: { Service: '*' } }),
    (one) => ({ ...one, Principal: { Service: 'pods.*.amazonaws.com' } }),
  ]),
  fleet: trustOf(fleetParts, [
    (one) => ({ ...one, Principal: { Federated: providerArn('*') } }),
  ]).chain((trust) => weighted([5, fc.constant(onBroker(trust))], [1, fc.constant(trust)])),
}

const podOf = (way: PodWay): fc.Arbitrary<AskingPod> =>
  fc
    .record({
      cluster: pick(CLUSTERS),
      serviceAccount: pick(SERVICE_ACCOUNTS),
      pod: pick(PODS),
      fleetHost: weighted([19, fc.constant(FLEET_HOST)], [1, fc.constant(STRANGE_FLEET_HOST)]),
      isThere: weighted([3, fc.constant(true)], [1, fc.constant(false)]),
      isClusterKnown: weighted([9, fc.constant(true)], [1, fc.constant(false)]),
    })
    .map(({ cluster, pod, serviceAccount, ...flags }) => ({
      clusterName: cluster.name,
      clusterArn: `arn:aws:${way === 'fleet' ? 'podrole' : 'eks'}:${cluster.region}:${ACCOUNT_ID}:cluster/${cluster.name}`,
      region: cluster.region,
      namespace: serviceAccount[0],
      serviceAccount: serviceAccount[1],
      podName: pod[0],
      podUid: pod[1],
      disableSessionTags: cluster.disableSessionTags,
      ...flags,
    }))

/** A policy with `count` pods each. */
export const podQuestions = (way: PodWay, count: number): fc.Arbitrary<PodQuestions> =>
  fc.record({
    trust: trusts[way],
    pods: fc.array(podOf(way), { minLength: count, maxLength: count }),
  })
