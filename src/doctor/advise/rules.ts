/**
 * What speaks for and against each way, for one workload. Each rule is one row, most of them of a
 * comparison of IRSA and EKS Pod Identity; it speaks only where it applies.
 */
import { formatServiceAccountName } from '../../iam/service-account-name.ts'
import { isEks } from './cluster-kind.ts'
import type { AdviceFacts, Way } from './facts.ts'
import { isNewEnough, minimumOf } from '../facts/sdk.ts'

export interface Argument {
  readonly way: Way
  /** A blocker rules the way out. */
  readonly side: 'pro' | 'con' | 'blocker'
  readonly code: ArgumentCode
  /** One sentence, without its full stop. */
  readonly text: string
  /** What was seen that makes it apply. */
  readonly evidence: string
}

export const ARGUMENT_CODES = [
  'in-use-since-2019',
  'works-outside-eks',
  'works-on-every-version',
  'needs-no-agent',
  'second-way',
  'provider-after-cluster',
  'provider-missing',
  'provider-quota',
  'trust-sprawl',
  'provider-in-other-account',
  'no-session-tags',
  'session-tags',
  'no-provider',
  'one-role-for-all-clusters',
  'role-before-cluster',
  'cross-account',
  'agent-built-in',
  'agent-missing',
  'agent-not-active',
  'sdk-too-old',
  'sdk-unknown',
  'sdk-new-enough',
  'eks-only',
  'no-fargate',
  'no-windows',
  'eks-too-old',
  'hybrid-agent',
  'for-clusters-outside-eks',
  'eks-has-its-own',
  'a-service-to-run',
  'no-broker-yet',
] as const
export type ArgumentCode = (typeof ARGUMENT_CODES)[number]

type Rule = (facts: AdviceFacts) => Argument | undefined

/** A share of a quota from which on it is near. */
const NEAR = 0.8

const rule =
  (
    way: Way,
    side: Argument['side'],
    code: ArgumentCode,
    judge: (facts: AdviceFacts) => readonly [text: string, evidence: string] | undefined,
  ): Rule =>
  (facts) => {
    const [text, evidence] = judge(facts) ?? []
    return text === undefined || evidence === undefined
      ? undefined
      : { way, side, code, text, evidence }
  }

const needs = (facts: AdviceFacts, need: AdviceFacts['needs'][number]): boolean =>
  facts.needs.includes(need)
const asked = (need: string): string => `--need ${need}`
const clusterEvidence = ({ cluster }: AdviceFacts): string => `${cluster.kind}: ${cluster.evidence}`

export const isTrustNear = ({ role }: AdviceFacts): boolean =>
  role !== undefined && role.trust.characters >= role.trust.quota * NEAR
export const isReused = ({ role }: AdviceFacts): boolean => (role?.clusters ?? 0) > 1
export const areProvidersNear = ({ providers }: AdviceFacts): boolean =>
  providers !== undefined && providers.used >= providers.limit * NEAR
const isElsewhere = (facts: AdviceFacts): boolean =>
  facts.role?.isElsewhere === true || needs(facts, 'cross-account')
const elsewhereEvidence = ({ role }: AdviceFacts): string =>
  role?.isElsewhere === true ? `role ${role.arn}` : asked('cross-account')
const providersEvidence = ({ providers }: AdviceFacts): string =>
  `${providers?.used} of ${providers?.limit} providers are used`

const NO_PROVIDER = "the account has no provider of the cluster's issuer"

const IRSA: readonly Rule[] = [
  rule('irsa', 'pro', 'in-use-since-2019', ({ current }) =>
    current.includes('irsa')
      ? [
          'it works here already, as it does since 2019',
          'the role annotation of the service account',
        ]
      : undefined,
  ),
  rule('irsa', 'pro', 'works-outside-eks', (facts) => {
    const text = 'it works on EKS, EKS Anywhere, ROSA and every other cluster with an issuer'
    if (!isEks(facts.cluster.kind)) return [text, clusterEvidence(facts)]
    return needs(facts, 'portable') ? [text, asked('portable')] : undefined
  }),
  rule('irsa', 'pro', 'works-on-every-version', (facts) =>
    isTooOld(facts)
      ? ['it works on every version of EKS', `Kubernetes ${facts.cluster.version}`]
      : undefined,
  ),
  rule('irsa', 'pro', 'needs-no-agent', ({ compute }) => {
    const without = compute.find((one) => one === 'fargate' || one === 'windows')
    return without === undefined
      ? undefined
      : ['the SDK calls STS itself, no agent is needed', `pods on ${without}`]
  }),
  rule('irsa', 'pro', 'second-way', (facts) =>
    needs(facts, 'second-way') && isEks(facts.cluster.kind)
      ? [
          'it may stand beside Pod Identity; an SDK takes IRSA first where both are there',
          asked('second-way'),
        ]
      : undefined,
  ),
  rule('irsa', 'con', 'provider-after-cluster', (facts) =>
    needs(facts, 'role-before-cluster')
      ? [
          'the OIDC provider, and so the role, cannot be made before the cluster has its issuer',
          asked('role-before-cluster'),
        ]
      : undefined,
  ),
  rule('irsa', 'con', 'provider-missing', ({ cluster }) =>
    cluster.hasProvider === false
      ? ['the OIDC provider must be made first: podrole issuer provider create', NO_PROVIDER]
      : undefined,
  ),
  rule('irsa', 'blocker', 'provider-quota', (facts) => {
    const { cluster, providers } = facts
    const isFull = providers !== undefined && providers.used >= providers.limit
    return isFull && cluster.hasProvider === false
      ? [
          'a cluster needs an OIDC provider of its own, and the account may have no more',
          providersEvidence(facts),
        ]
      : undefined
  }),
  rule('irsa', 'con', 'provider-quota', (facts) => {
    const { cluster, providers } = facts
    const isFull = providers !== undefined && providers.used >= providers.limit
    return areProvidersNear(facts) && !(isFull && cluster.hasProvider === false)
      ? [
          'each cluster takes one OIDC provider of the account, and few are left',
          providersEvidence(facts),
        ]
      : undefined
  }),
  rule('irsa', 'con', 'trust-sprawl', (facts) => {
    const { role } = facts
    if (role === undefined) return undefined
    const size = `${role.trust.characters} of ${role.trust.quota} characters of trust policy`
    if (isTrustNear(facts)) return ['the trust policy has hardly room for one more cluster', size]
    return isReused(facts)
      ? [
          'the trust policy grows by a statement with every cluster',
          `${role.clusters} clusters, ${size}`,
        ]
      : undefined
  }),
  rule('irsa', 'con', 'provider-in-other-account', (facts) =>
    isElsewhere(facts)
      ? [
          "a role of another account needs the cluster's OIDC provider there too, or a second role in a chain",
          elsewhereEvidence(facts),
        ]
      : undefined,
  ),
  rule('irsa', 'con', 'no-session-tags', (facts) =>
    needs(facts, 'session-tags')
      ? ["a service account's own token carries no session tags for ABAC", asked('session-tags')]
      : undefined,
  ),
]

/** What Pod Identity and the broker, which is Pod Identity elsewhere, have in common. */
const podIdentityRules = (way: 'pod-identity' | 'broker'): readonly Rule[] => [
  rule(way, 'pro', 'session-tags', (facts) =>
    needs(facts, 'session-tags')
      ? [
          'sessions have six tags for ABAC: cluster, namespace, service account, pod',
          asked('session-tags'),
        ]
      : undefined,
  ),
  rule(way, 'pro', 'no-provider', (facts) => {
    const text =
      way === 'broker' ? 'one OIDC provider serves the whole fleet' : 'it needs no OIDC provider'
    if (areProvidersNear(facts)) return [text, providersEvidence(facts)]
    return facts.cluster.hasProvider === false ? [text, NO_PROVIDER] : undefined
  }),
  rule(way, 'pro', 'one-role-for-all-clusters', (facts) =>
    isReused(facts) || isTrustNear(facts)
      ? [
          'a role is made once for all clusters: a new one needs no new statement',
          `${facts.role?.clusters ?? 0} clusters, ${facts.role?.trust.characters} of ${facts.role?.trust.quota} characters of trust policy`,
        ]
      : undefined,
  ),
  rule(way, 'pro', 'role-before-cluster', (facts) =>
    needs(facts, 'role-before-cluster')
      ? ['the role can be made before the cluster is', asked('role-before-cluster')]
      : undefined,
  ),
  rule(way, 'pro', 'cross-account', (facts) =>
    isElsewhere(facts)
      ? [
          'an association names a target role of any account, and resource policies work as well',
          elsewhereEvidence(facts),
        ]
      : undefined,
  ),
  rule(way, 'blocker', 'sdk-too-old', ({ sdk }) =>
    sdk === undefined || isNewEnough(sdk, 'pod-identity')
      ? undefined
      : [
          `the SDK must be ${minimumOf(sdk, 'pod-identity')} or later`,
          `--sdk ${sdk.name}@${sdk.version}`,
        ],
  ),
  rule(way, 'pro', 'sdk-new-enough', ({ sdk }) =>
    sdk !== undefined && isNewEnough(sdk, 'pod-identity')
      ? [
          'the SDK is new enough',
          `--sdk ${sdk.name}@${sdk.version}, wanted ${minimumOf(sdk, 'pod-identity')}`,
        ]
      : undefined,
  ),
  rule(way, 'con', 'sdk-unknown', ({ current, sdk }) =>
    sdk === undefined && !current.includes(way)
      ? [
          'the SDK must be of the end of 2023 or later; whoever builds the image knows (--sdk)',
          'no SDK is named',
        ]
      : undefined,
  ),
  rule(way, 'blocker', 'no-windows', ({ compute }) =>
    compute.includes('windows')
      ? ['there is no agent for Windows', 'pods on Windows nodes']
      : undefined,
  ),
]

const POD_IDENTITY: readonly Rule[] = [
  ...podIdentityRules('pod-identity'),
  rule('pod-identity', 'blocker', 'eks-only', (facts) =>
    isEks(facts.cluster.kind)
      ? undefined
      : ['EKS Pod Identity is for EKS alone', clusterEvidence(facts)],
  ),
  rule('pod-identity', 'con', 'eks-only', (facts) =>
    isEks(facts.cluster.kind) && needs(facts, 'portable')
      ? [
          'the same role cannot be used so outside EKS: pods.eks.amazonaws.com is of EKS',
          asked('portable'),
        ]
      : undefined,
  ),
  rule('pod-identity', 'blocker', 'no-fargate', ({ compute }) =>
    compute.includes('fargate')
      ? ['the agent, a DaemonSet, does not run on Fargate', 'pods on Fargate']
      : undefined,
  ),
  rule('pod-identity', 'blocker', 'eks-too-old', (facts) =>
    isTooOld(facts)
      ? ['EKS must be 1.24 or later', `Kubernetes ${facts.cluster.version}`]
      : undefined,
  ),
  rule('pod-identity', 'pro', 'agent-built-in', (facts) =>
    facts.cluster.kind === 'eks-auto'
      ? ["EKS Auto Mode's nodes have the agent built in", clusterEvidence(facts)]
      : undefined,
  ),
  rule('pod-identity', 'con', 'agent-missing', ({ cluster }) =>
    cluster.kind === 'eks' && cluster.hasAgent === false
      ? [
          'the agent must be installed first: podrole addon enable eks-pod-identity-agent',
          `cluster ${cluster.name} has no such add-on`,
        ]
      : undefined,
  ),
  rule('pod-identity', 'con', 'agent-not-active', ({ cluster }) =>
    cluster.kind === 'eks' && cluster.agentStatus !== undefined
      ? [
          "the agent's add-on must be ACTIVE first: podrole addon status eks-pod-identity-agent",
          `it is ${cluster.agentStatus} on cluster ${cluster.name}`,
        ]
      : undefined,
  ),
  rule('pod-identity', 'con', 'hybrid-agent', ({ compute }) =>
    compute.includes('hybrid')
      ? [
          'on hybrid nodes the agent is a DaemonSet of its own, which is off by default',
          'pods on hybrid nodes',
        ]
      : undefined,
  ),
]

const BROKER: readonly Rule[] = [
  ...podIdentityRules('broker'),
  rule('broker', 'pro', 'for-clusters-outside-eks', (facts) =>
    isEks(facts.cluster.kind)
      ? undefined
      : [
          'it is Pod Identity where EKS is not: associations, tags, one role for all clusters',
          clusterEvidence(facts),
        ],
  ),
  rule('broker', 'con', 'eks-has-its-own', (facts) =>
    isEks(facts.cluster.kind)
      ? ['EKS does the same without anything to run', clusterEvidence(facts)]
      : undefined,
  ),
  rule('broker', 'con', 'a-service-to-run', ({ cluster }) =>
    isEks(cluster.kind)
      ? undefined
      : ['broker and agent are services that must run', `cluster ${cluster.name}`],
  ),
  rule('broker', 'con', 'no-broker-yet', ({ cluster }) =>
    isEks(cluster.kind) || cluster.hasBroker === true
      ? undefined
      : [
          'the cluster must be registered with a broker first',
          `no broker knows cluster ${cluster.name}`,
        ],
  ),
]

/** EKS User Guide, "EKS Pod Identity": 1.24 and later. */
const OLDEST_MINOR = 24

function isTooOld({ cluster }: AdviceFacts): boolean {
  const [major, minor] = (cluster.version ?? '').split('.').map(Number)
  return isEks(cluster.kind) && major === 1 && minor !== undefined && minor < OLDEST_MINOR
}

/** All that apply, way by way. */
export const argumentsOf = (facts: AdviceFacts): readonly Argument[] =>
  [...POD_IDENTITY, ...IRSA, ...BROKER]
    .flatMap((judge) => judge(facts) ?? [])
    .filter((argument) => !isIdle(argument, facts))

/** On EKS a broker is the last resort: what it has in common with Pod Identity goes without saying. */
const isIdle = ({ code, side, way }: Argument, { cluster }: AdviceFacts): boolean =>
  way === 'broker' && isEks(cluster.kind) && side !== 'blocker' && code !== 'eks-has-its-own'

export const subjectOf = ({ serviceAccount }: AdviceFacts): string =>
  formatServiceAccountName(serviceAccount)
