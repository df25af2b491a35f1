import type { DesiredCluster } from '../desired/desired-state.ts'
import { losesAccessOf } from '../workload-identity/dependents.ts'
import { isInClusterIssuer } from '../workload-identity/issuer.ts'
import type { PlanContext } from './context.ts'
import type { Refusal } from './plan.ts'
import { type ClusterPair, providerArnOf } from './role-uses.ts'

/** Where a file speaks of it. */
export const workloadIdentityPath = ({ kind, source }: DesiredCluster): string =>
  `${source}: ${kind === 'workload-identity' ? 'spec.addOns.awsWorkloadIdentity' : 'addons'}`

/** The issuer that pods' tokens have, as far as STS could read it: the API server knows it best. */
export function workloadIdentityIssuer({ desired, observed }: ClusterPair): string | undefined {
  const issuer = desired.issuer ?? observed.workloadIdentity.issuer ?? observed.issuer
  return issuer === undefined || isInClusterIssuer(issuer) ? undefined : issuer
}

/**
 * Document 002's add-on: issuer and webhook on the cluster.
 * @param providers steps that make OIDC providers ready, by their ARNs
 */
export function planWorkloadIdentity(
  context: PlanContext,
  pair: ClusterPair,
  providers: ReadonlyMap<string, string>,
): void {
  const { status } = pair.observed.workloadIdentity
  const wanted = pair.desired.workloadIdentity
  if (wanted === undefined || wanted === status) return
  if (wanted === 'enabled') enable(context, pair, providers)
  else disable(context, pair)
}

function enable(
  { draft, options }: PlanContext,
  { desired, observed: cluster }: ClusterPair,
  providers: ReadonlyMap<string, string>,
): void {
  const { issuer, webhook } = cluster.workloadIdentity
  if (issuer !== undefined && desired.issuer !== undefined && issuer !== desired.issuer) {
    draft.refuse({
      code: 'IssuerDiffers',
      path: `${desired.source}: issuer.url`,
      text: `the API server of cluster ${cluster.name} signs tokens as ${issuer}, not as ${desired.issuer}`,
      hint: 'podrole issuer apiserver-flags tells an API server of another issuer, in steps.',
    })
    return
  }
  const known = workloadIdentityIssuer({ desired, observed: cluster })
  if (known === undefined) {
    const path = workloadIdentityPath(desired)
    const isUnasked = issuer === undefined && options.isKubeUnseen === true
    const why = isUnasked ? unasked(cluster.name) : unusable(cluster.name, issuer)
    draft.refuse({ code: 'NoIssuer', path, ...why })
    return
  }
  const provider = providers.get(providerArnOf(cluster.arn, known))
  draft.step(
    {
      do: 'enable-workload-identity',
      cluster: cluster.arn,
      ...(issuer !== undefined && { issuer }),
      ...(webhook !== undefined && { webhook }),
    },
    { after: provider === undefined ? [] : [provider] },
  )
}

const unasked = (name: string): Pick<Refusal, 'text' | 'hint'> => ({
  text: `the issuer of cluster ${name} is not known: its API server tells it, which was not asked, and the file names none`,
  hint: 'Name issuer.url in a podrole.dev/v1alpha1 Cluster, or apply a plan file of somebody who sees both sides: podrole plan -f FILE --out PLANFILE.',
})

const unusable = (name: string, issuer: string | undefined): Pick<Refusal, 'text' | 'hint'> => ({
  text:
    issuer === undefined
      ? `the API server of cluster ${name} tells no issuer of its tokens that begins with https://`
      : `the API server of cluster ${name} signs tokens as ${issuer}, which STS cannot reach`,
  hint: 'podrole issuer apiserver-flags tells an API server of another issuer, in steps.',
})

function disable(
  { draft, options }: PlanContext,
  { desired, observed: cluster }: ClusterPair,
): void {
  const { isDeclared } = cluster.workloadIdentity
  if (!isDeclared) {
    const text = `cluster ${cluster.name} has awsWorkloadIdentity, which no file enabled: it stays`
    draft.remark({ code: 'not-declared', text })
    return
  }
  const losesAccess = losesAccessOf(cluster.workloadIdentity, cluster.serviceAccounts)
  const who = losesAccess.length === 0 ? 'nobody' : losesAccess.join(', ')
  if (losesAccess.length > 0 && !options.force) {
    draft.refuse({
      code: 'LosesAccess',
      path: workloadIdentityPath(desired),
      text: `without it these service accounts lose their roles: ${who}`,
      hint: 'Go on with --force, or list the add-on.',
    })
    return
  }
  draft.step(
    { do: 'disable-workload-identity', cluster: cluster.arn, losesAccess },
    { risk: { level: 'loss', text: `${who} loses access` } },
  )
}
