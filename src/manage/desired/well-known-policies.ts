/**
 * The permissions behind eksctl's `wellKnownPolicies`: managed policies of AWS, or documents as
 * the workloads' own projects publish them. Those of the last kind are in `well-known/`, for the
 * partition `aws`.
 * https://docs.aws.amazon.com/eks/latest/userguide/lbc-helm.html,
 * https://github.com/kubernetes/autoscaler/tree/master/cluster-autoscaler/cloudprovider/aws,
 * https://kubernetes-sigs.github.io/external-dns, https://cert-manager.io/docs/configuration/acme/dns01/route53
 */
import autoScaler from './well-known/auto-scaler.json' with { type: 'json' }
import awsLoadBalancerController from './well-known/aws-load-balancer-controller.json' with { type: 'json' }
import certManager from './well-known/cert-manager.json' with { type: 'json' }
import efsCSIController from './well-known/efs-csi-controller.json' with { type: 'json' }
import externalDNS from './well-known/external-dns.json' with { type: 'json' }

type WellKnownPolicy =
  /** A managed policy of AWS, with its path. */
  { readonly managed: string } | { readonly document: object }

/** By eksctl's names. */
export const WELL_KNOWN_POLICIES = {
  imageBuilder: { managed: 'AmazonEC2ContainerRegistryPowerUser' },
  autoScaler: { document: autoScaler },
  awsLoadBalancerController: { document: awsLoadBalancerController },
  externalDNS: { document: externalDNS },
  certManager: { document: certManager },
  ebsCSIController: { managed: 'service-role/AmazonEBSCSIDriverPolicy' },
  efsCSIController: { document: efsCSIController },
} as const satisfies Readonly<Record<string, WellKnownPolicy>>

/** What the chosen ones come to in a partition: managed policies' ARNs, inline policies by name. */
export function wellKnownPermissions(
  chosen: Readonly<Record<string, boolean | undefined>>,
  partition: string,
): { readonly policyArns: readonly string[]; readonly inline: Readonly<Record<string, string>> } {
  const policies = Object.entries<WellKnownPolicy>(WELL_KNOWN_POLICIES).filter(
    ([name]) => chosen[name] === true,
  )
  const policyArns = policies.flatMap(([, policy]) =>
    'managed' in policy ? [`arn:${partition}:iam::aws:policy/${policy.managed}`] : [],
  )
  const inline = policies.flatMap(([name, policy]) =>
    'document' in policy ? [[`podrole-${name}`, inPartition(policy.document, partition)]] : [],
  )
  return { policyArns, inline: Object.fromEntries(inline) as Record<string, string> }
}

const inPartition = (document: object, partition: string): string =>
  JSON.stringify(document).replaceAll('"arn:aws:', `"arn:${partition}:`)
