/** Providers, associations and annotations of what is not there. */
import type { OutsideFacts } from '../../issuer/outside/facts.ts'
import type { DoctorCluster, DoctorFacts } from '../facts/doctor-facts.ts'
import { valueOf } from '../facts/fact.ts'
import { type CheckResult, type NotLookedAt, type RawFinding, someOf } from './finding.ts'

/** An issuer that no known cluster has is another account's, or nobody's: who looks from outside knows. */
export function checkProviders({ foreignIssuers, providers }: DoctorFacts): CheckResult {
  const findings: RawFinding[] = []
  const notLookedAt: NotLookedAt[] = providers.known
    ? []
    : [{ what: 'IAM OIDC providers', why: providers.why }]
  for (const [issuer, outside] of Object.entries(foreignIssuers)) {
    if (!outside.known) notLookedAt.push({ what: `issuer ${issuer}`, why: outside.why })
    else {
      const gone = goneBecause(outside.value)
      if (gone.kind === 'gone') {
        findings.push({
          id: 'orphan-provider',
          subject: `provider ${issuer.replace('https://', '')}`,
          what: `no cluster that is known has this issuer, and ${gone.text}`,
        })
      } else if (gone.kind === 'unclear') {
        notLookedAt.push({ what: `whether issuer ${issuer} is gone`, why: gone.text })
      }
    }
  }
  return { findings, notLookedAt }
}

/** A server that is silent may be back in a moment; one that says "no such thing" knows. */
function goneBecause({ discovery, hosts }: OutsideFacts): {
  readonly kind: 'gone' | 'there' | 'unclear'
  readonly text: string
} {
  const [host] = hosts
  if (host !== undefined && host.addresses.length === 0) {
    return { kind: 'gone', text: `its name ${host.host} has no address` }
  }
  const { answer } = discovery
  switch (answer.kind) {
    case 'answer':
      if (answer.status < 400) return { kind: 'there', text: '' }
      return [403, 404, 410].includes(answer.status)
        ? { kind: 'gone', text: `its document answers with HTTP ${answer.status}` }
        : { kind: 'unclear', text: `its document answers with HTTP ${answer.status}` }
    case 'too-large':
      return { kind: 'there', text: '' }
    case 'timeout':
      return { kind: 'unclear', text: 'it does not answer in time' }
    case 'none':
      return { kind: 'unclear', text: `it cannot be read: ${answer.reason}` }
    default:
      return answer satisfies never
  }
}

export function checkAssociations(cluster: DoctorCluster): CheckResult {
  const { associations, name, serviceAccounts } = cluster
  if (!associations.known || !serviceAccounts.known) {
    // Told where pods are looked at.
    return { findings: [], notLookedAt: [] }
  }
  const there = new Set(serviceAccounts.value.map((one) => `${one.namespace}/${one.name}`))
  const orphans = associations.value
    .filter(({ isOwned }) => !isOwned)
    .filter((one) => !there.has(`${one.namespace}/${one.serviceAccount}`))
  const namespaces = valueOf(cluster.namespaces)
  return {
    notLookedAt: [],
    findings: orphans.map((one) => ({
      id: 'orphan-association',
      subject: `association ${one.id} of ${name}`,
      what:
        namespaces !== undefined && !namespaces.includes(one.namespace)
          ? `it is of ${one.namespace}/${one.serviceAccount}, and there is no namespace ${one.namespace}`
          : `it is of ${one.namespace}/${one.serviceAccount}, and there is no such service account`,
    })),
  }
}

/** Roles of other accounts cannot be looked up. */
export function checkAnnotations(cluster: DoctorCluster, facts: DoctorFacts): CheckResult {
  const roles = valueOf(facts.roles)
  const accounts = valueOf(cluster.serviceAccounts)
  if (roles === undefined || accounts === undefined) return { findings: [], notLookedAt: [] }
  const arns = new Set(roles.map(({ arn }) => arn))
  const own = `arn:${facts.partition}:iam::${facts.accountId}:role/`
  const missing = accounts.filter(
    ({ roleArn }) => roleArn !== undefined && roleArn.startsWith(own) && !arns.has(roleArn),
  )
  const byRole = Map.groupBy(missing, ({ roleArn = '' }) => roleArn)
  return {
    notLookedAt: [],
    findings: [...byRole].map(([arn, those]) => ({
      id: 'annotated-role-missing',
      subject: `cluster ${cluster.name}`,
      what: `there is no role ${arn}, which is on ${someOf(those.map((one) => `${one.namespace}/${one.name}`))}`,
    })),
  }
}
