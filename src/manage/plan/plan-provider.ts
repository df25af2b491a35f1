import { STS_AUDIENCE } from '../../iam/trust-document.ts'
import { isOwned } from '../../iam/tags.ts'
import type { PlanContext } from './context.ts'
import type { PlanProvider } from './observed-state.ts'
import { madeTags } from './ownership.ts'
import { workloadIdentityIssuer, workloadIdentityPath } from './plan-workload-identity.ts'
import { type ClusterPair, providerArnOf } from './role-uses.ts'
import type { Draft } from './steps.ts'

/** The steps that make OIDC providers ready, by their ARNs. */
export function planProviders(
  { draft, observed, options }: PlanContext,
  pairs: readonly ClusterPair[],
): ReadonlyMap<string, string> {
  const steps = new Map<string, string>()
  const found = new Map(observed.providers.map((provider) => [provider.arn, provider]))
  for (const { desired, observed: cluster } of pairs) {
    const { fleetIssuer } = cluster
    if (fleetIssuer !== undefined && (desired.associations ?? []).length > 0) {
      requireFleet(
        draft,
        { fleetIssuer, path: desired.source },
        found.get(providerArnOf(cluster.arn, fleetIssuer)),
      )
    }
    const isOidc = desired.withOidc === true
    if (!isOidc && desired.workloadIdentity !== 'enabled') {
      if (desired.withOidc === false) remarkOnKept(draft, { desired, cluster, found })
      continue
    }
    const path = isOidc ? `${desired.source}: iam.withOIDC` : workloadIdentityPath(desired)
    const issuer = isOidc
      ? (desired.issuer ?? cluster.issuer)
      : workloadIdentityIssuer({ desired, observed: cluster })
    if (issuer === undefined) {
      // Told where the add-on is planned.
      if (!isOidc) continue
      const text = `cluster ${cluster.name} has no issuer that could be trusted`
      draft.refuse({ code: 'NoIssuer', path, text, hint: 'Wait until the cluster is ACTIVE.' })
      continue
    }
    const arn = providerArnOf(cluster.arn, issuer)
    const provider = found.get(arn)
    if (provider === undefined) {
      const tags = madeTags(desired.tags, isOidc ? 'iam.withOIDC' : 'addons', cluster.arn)
      const made = { arn, clientIds: [STS_AUDIENCE], tags }
      steps.set(arn, draft.step({ do: 'create-provider', provider: made }))
    } else if (!provider.clientIds.includes(STS_AUDIENCE)) {
      if (isOwned(provider.tags) || options.adopt) {
        steps.set(arn, draft.step({ do: 'add-client-id', arn, clientId: STS_AUDIENCE }))
        continue
      }
      draft.refuse({
        code: 'NotOwned',
        path,
        text: `${arn} has no client id ${STS_AUDIENCE}, and podrole did not make it`,
        hint: `--adopt adds it, as podrole issuer provider create --issuer ${issuer} does.`,
      })
    }
  }
  return steps
}

/** eksctl ignores a `false` too: roles may trust the provider, and `false` is its default. */
function remarkOnKept(
  draft: Draft,
  at: {
    readonly desired: ClusterPair['desired']
    readonly cluster: ClusterPair['observed']
    readonly found: ReadonlyMap<string, PlanProvider>
  },
): void {
  const issuer = at.desired.issuer ?? at.cluster.issuer
  const arn = issuer === undefined ? '' : providerArnOf(at.cluster.arn, issuer)
  const provider = at.found.get(arn)
  if (issuer === undefined || provider === undefined || !isOwned(provider.tags)) return
  const text = `iam.withOIDC is false, and ${arn} stays all the same: podrole issuer provider delete --issuer ${issuer} takes it away where no role trusts it`
  draft.remark({ code: 'provider-kept', text })
}

/** The fleet's provider is one for all clusters: no file of one of them makes it. */
function requireFleet(
  draft: Draft,
  { fleetIssuer, path }: { readonly fleetIssuer: string; readonly path: string },
  provider: PlanProvider | undefined,
): void {
  if (provider?.clientIds.includes(STS_AUDIENCE) === true) return
  const lack =
    provider === undefined
      ? 'no IAM OIDC provider'
      : `no client id ${STS_AUDIENCE} at the IAM OIDC provider`
  draft.refuse({
    code: 'NoProvider',
    path,
    text: `the account has ${lack} for the fleet's issuer ${fleetIssuer}`,
    hint: `Make it once for all clusters: podrole issuer provider create --issuer ${fleetIssuer}`,
  })
}
