/** What network policies let a pod reach (Kubernetes API reference, NetworkPolicy v1). Pure. */
import { isInBlock } from '../../iam/condition-operators/ip-address.ts'
import type { EgressRule, NetworkPolicyFact } from '../facts/network-facts.ts'
import { selects } from './label-selector.ts'

/** Where a pod has to get to for its credentials. */
export interface Destination {
  /** For people. */
  readonly name: string
  /** Any one of them will do. */
  readonly ports: readonly { readonly protocol: 'TCP' | 'UDP'; readonly port: number }[]
  /**
   * `address`: this one, which no pod has. `outside`: one beyond the cluster that nobody knows
   * before the name is resolved. `anywhere`: it may be a pod too.
   */
  readonly at: { readonly address: string } | 'outside' | 'anywhere'
}

/** A policy without types limits egress where it has a rule for it. */
export const limitsEgress = ({ egress = [], policyTypes = [] }: NetworkPolicyFact): boolean =>
  policyTypes.length > 0 ? policyTypes.includes('Egress') : egress.length > 0

/** Those that limit where a pod with these labels connects to. */
export const limitsOf = (
  policies: readonly NetworkPolicyFact[],
  labels: Readonly<Record<string, string>>,
): readonly NetworkPolicyFact[] =>
  policies.filter((one) => limitsEgress(one) && selects(one.podSelector, labels))

/** Policies add up: one rule of one of them is enough. */
export const reaches = (
  policies: readonly NetworkPolicyFact[],
  destination: Destination,
): boolean =>
  policies.some(({ egress = [] }) =>
    egress.some((rule) => hasPort(rule, destination) && hasPeer(rule, destination)),
  )

/** Whether a rule that names nobody does: it is for everybody, the node itself among them. */
export const reachesUnnamed = (
  policies: readonly NetworkPolicyFact[],
  destination: Destination,
): boolean =>
  policies.some(({ egress = [] }) =>
    egress.some(({ ports = [], to = [] }) => to.length === 0 && hasPort({ ports }, destination)),
  )

function hasPort({ ports = [] }: EgressRule, { at, ports: wanted }: Destination): boolean {
  if (ports.length === 0) return true
  return wanted.some(({ port, protocol }) =>
    ports.some((one) => {
      if ((one.protocol ?? 'TCP') !== protocol) return false
      if (one.port === undefined) return true
      // A name is of a port of the pods that are reached: an address has none.
      if (typeof one.port === 'string') return at === 'anywhere'
      return port >= one.port && port <= (one.endPort ?? one.port)
    }),
  )
}

/** None of these is on the way to a service of AWS, nor in a VPC. */
const NODE_LOCAL = ['127.0.0.0/8', '169.254.0.0/16', '::1/128', 'fe80::/10', 'fd00:ec2::/32']

function hasPeer({ to = [] }: EgressRule, { at }: Destination): boolean {
  if (to.length === 0 || at === 'anywhere') return true
  return to.some(({ ipBlock }) => {
    // Peers by selectors are pods, and never an address of the node or one outside.
    if (ipBlock === undefined) return false
    const { cidr, except = [] } = ipBlock
    if (at !== 'outside') {
      const isIn = (block: string): boolean => isInBlock(block, at.address)
      return isIn(cidr) && !except.some(isIn)
    }
    const [network = '', prefix = '0'] = cidr.split('/')
    return !NODE_LOCAL.some(
      (local) =>
        Number(prefix) >= Number(local.slice(local.indexOf('/') + 1)) && isInBlock(local, network),
    )
  })
}
