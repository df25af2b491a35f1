/** Network policies between the pod and what gives it credentials. */
import { valueOf } from '../../facts/fact.ts'
import {
  ENFORCERS,
  type EgressRule,
  type NetworkPolicyFact,
  type PolicyEnforcer,
} from '../../facts/network-facts.ts'
import type { WorkloadFacts } from '../../facts/workload-facts.ts'
import { envOf, type Way } from '../../facts/way.ts'
import { command, commands, type Fix } from '../fix.ts'
import {
  type Destination,
  limitsEgress,
  limitsOf,
  reaches,
  reachesUnnamed,
} from '../network-policy.ts'
import { broken, type LinkVerdict, notApplicable, notKnown, ok } from '../verdict.ts'

/**
 * A policy that leaves the way out breaks it only where something is seen on the node that is known
 * to enforce policies there: the API server keeps policies that nobody enforces, and a cause that
 * is none would hide the true one behind it. Elsewhere it is a warning.
 */
export function networkLink(facts: WorkloadFacts, way: Way): LinkVerdict {
  if (way.method === 'none') return notApplicable('network', 'no credentials are asked for')
  const { networkPolicies } = facts
  if (!networkPolicies.known) {
    return notKnown('network', `network policies cannot be read: ${networkPolicies.why}`)
  }
  const { pod } = way
  if (pod === undefined && networkPolicies.value.some(limitsEgress)) {
    return notKnown('network', 'which network policies would select a pod made now is not known')
  }
  if (pod?.spec.hostNetwork === true) {
    return ok('network', "the pod is on its node's network, which network policies leave alone")
  }
  const limits = limitsOf(networkPolicies.value, pod?.metadata.labels ?? {})
  if (limits.length === 0)
    return ok('network', 'no network policy limits where the pod connects to')
  const blocked = destinationsOf(way).filter((one) => !reaches(limits, one))
  if (blocked.length > 0) return judgeBlocked(facts, limits, blocked)
  return ok('network', 'network policies let the pod reach what gives it credentials', {
    evidence: limits.map(({ name }) => `network policy ${name}`),
    warnings: ciliumDoubts(facts, way, limits),
  })
}

const PROXIES = ['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy']

/** OpenShift's DNS pods listen on 5353, and policies see the port of the pod. */
const DNS: Destination = {
  name: 'DNS (port 53)',
  at: 'anywhere',
  ports: [53, 5353].flatMap((port) => [
    { protocol: 'UDP' as const, port },
    { protocol: 'TCP' as const, port },
  ]),
}

function destinationsOf({ container, method }: Way): readonly Destination[] {
  if (method === 'irsa') {
    // A proxy asks STS in the pod's place, on a port and at a place of its own.
    if (container && PROXIES.some((name) => envOf(container, name) !== undefined)) return []
    const https = [{ protocol: 'TCP' as const, port: 443 }]
    return [DNS, { name: 'STS (TCP port 443)', at: 'outside', ports: https }]
  }
  const agent = agentOf(container && envOf(container, 'AWS_CONTAINER_CREDENTIALS_FULL_URI'))
  return agent === undefined ? [] : [agent]
}

const HTTP = 80

/** The agent, where the pod was given its address. */
function agentOf(uri = ''): Destination | undefined {
  if (!URL.canParse(uri)) return undefined
  const { hostname, port } = new URL(uri)
  const address = hostname.replace(/^\[|\]$/g, '')
  // A name, or the pod's own loopback: no policy is in the way.
  if (!/^[\d.]+$|:/.test(address) || /^127\.|^::1$/.test(address)) return undefined
  const number = port === '' ? HTTP : Number(port)
  return {
    name: `the agent (${hostname}, TCP port ${number})`,
    at: { address },
    ports: [{ protocol: 'TCP', port: number }],
  }
}

const isNodeLocal = ({ at }: Destination): boolean => typeof at === 'object'

function judgeBlocked(
  facts: WorkloadFacts,
  limits: readonly NetworkPolicyFact[],
  blocked: readonly Destination[],
): LinkVerdict {
  const enforcer = valueOf(facts.policyEnforcer)
  const where = blocked.map(({ name }) => name).join(' and ')
  const names = limits.map(({ name }) => name)
  const text =
    names.length === 1
      ? `network policy ${names[0]} has no rule for ${where}`
      : `network policies ${names.join(', ')} have no rule for ${where}`
  const isForNode = blocked.some(isNodeLocal)
  const isEnforced = enforcer !== undefined && (!isForNode || ENFORCERS[enforcer].isForNode)
  if (!isEnforced) {
    const who =
      enforcer === undefined ? 'nothing is seen' : `${ENFORCERS[enforcer].title} is not known`
    return ok('network', `nothing is known to keep the pod from ${where}`, {
      warnings: [
        `${text}, and ${who} to enforce that on the node: if the pod gets no answer, add a rule`,
      ],
    })
  }
  return broken(
    'network',
    isForNode ? 'network-policy-blocks-agent' : 'network-policy-blocks-sts',
    {
      text: `${text}, and ${ENFORCERS[enforcer].title} enforces that`,
      found: names.join(', '),
      wanted: `egress rules for ${where}`,
      fix: allow(facts, limits, { enforcer, blocked }),
    },
  )
}

/** Cilium takes its node for an entity, which no ipBlock is, unless it was told otherwise. */
function ciliumDoubts(
  facts: WorkloadFacts,
  way: Way,
  limits: readonly NetworkPolicyFact[],
): readonly string[] {
  if (valueOf(facts.policyEnforcer) !== 'cilium') return []
  return destinationsOf(way)
    .filter((one) => isNodeLocal(one) && !reachesUnnamed(limits, one))
    .map(
      ({ name }) =>
        `Cilium matches no ipBlock with its own node unless policy-cidr-match-mode has nodes: ${name} may need a CiliumNetworkPolicy with toEntities: [host]`,
    )
}

/**
 * A further policy for the pods that one of them limits already, so that it limits no others; what
 * policies allow adds up.
 */
function allow(
  { subject: { namespace } }: WorkloadFacts,
  limits: readonly NetworkPolicyFact[],
  way: { readonly blocked: readonly Destination[]; readonly enforcer: PolicyEnforcer },
): Fix {
  const { blocked, enforcer } = way
  const { name: limit = '', podSelector = {} } = limits[0] ?? {}
  const isForNode = blocked.some(isNodeLocal)
  // A name has 253 characters at most.
  const name = `${limit.slice(0, 220)}-podrole-${isForNode ? 'agent' : 'sts'}`
  const metadata = { name, namespace }
  const policy =
    enforcer === 'cilium' && isForNode
      ? {
          apiVersion: 'cilium.io/v2',
          kind: 'CiliumNetworkPolicy',
          metadata,
          spec: { endpointSelector: podSelector, egress: blocked.map(ciliumRuleOf) },
        }
      : {
          apiVersion: 'networking.k8s.io/v1',
          kind: 'NetworkPolicy',
          metadata,
          spec: { podSelector, policyTypes: ['Egress'], egress: blocked.map(ruleOf) },
        }
  return commands(
    `add a network policy that lets the same pods reach ${blocked.map((one) => one.name).join(' and ')}; the others stay as they are`,
    `${command('printf', '%s', JSON.stringify(policy))} | kubectl apply -f -`,
  )
}

const ruleOf = ({ at, ports }: Destination): EgressRule => ({
  ...(typeof at === 'object' && {
    to: [{ ipBlock: { cidr: `${at.address}/${at.address.includes(':') ? 128 : 32}` } }],
  }),
  ports,
})

const ciliumRuleOf = ({ ports }: Destination): object => ({
  toEntities: ['host'],
  toPorts: [{ ports: ports.map(({ port, protocol }) => ({ port: String(port), protocol })) }],
})
