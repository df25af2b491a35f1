/** Pods that run without the role that was meant for them, and service accounts with two ways. */
import type { DoctorCluster, PodFact } from '../facts/doctor-facts.ts'
import { valueOf } from '../facts/fact.ts'
import { type CheckResult, type NotLookedAt, type RawFinding, someOf } from './finding.ts'

const keyOf = (namespace: string, name: string): string => `${namespace}/${name}`

export function checkPods(cluster: DoctorCluster): CheckResult {
  const { associations, name, pods, serviceAccounts } = cluster
  const annotated = new Set(
    (valueOf(serviceAccounts) ?? [])
      .filter(({ roleArn }) => roleArn !== undefined)
      .map((one) => keyOf(one.namespace, one.name)),
  )
  const associated = new Set(
    (valueOf(associations) ?? []).map((one) => keyOf(one.namespace, one.serviceAccount)),
  )
  const about = (key: string): string => `service account ${key} of ${name}`
  const twice: RawFinding[] = [...annotated]
    .filter((key) => associated.has(key))
    .map((key) => ({
      id: 'two-ways',
      subject: about(key),
      what: 'it is annotated with a role and has an association',
    }))
  return {
    findings: [...twice, ...podFindings(valueOf(pods) ?? [], { annotated, associated, about })],
    notLookedAt: unreadOf(cluster),
  }
}

function unreadOf({ associations, name, pods, serviceAccounts }: DoctorCluster): NotLookedAt[] {
  return [
    ...(serviceAccounts.known
      ? []
      : [{ what: `annotations of service accounts of ${name}`, why: serviceAccounts.why }]),
    ...(associations.known ? [] : [{ what: `associations of ${name}`, why: associations.why }]),
    ...(pods.known ? [] : [{ what: `pods of ${name}`, why: pods.why }]),
  ]
}

interface Identities {
  readonly annotated: ReadonlySet<string>
  readonly associated: ReadonlySet<string>
  readonly about: (key: string) => string
}

function podFindings(
  pods: readonly PodFact[],
  { about, annotated, associated }: Identities,
): RawFinding[] {
  const byAccount = Map.groupBy(pods, (pod) => keyOf(pod.namespace, pod.serviceAccount))
  return [...byAccount].flatMap(([key, own]) => {
    const bare = own.filter(({ ways }) => ways.includes('none'))
    const both = own.filter(
      ({ ways }) => ways.includes('web-identity') && ways.includes('container'),
    )
    const hasRole = annotated.has(key) || associated.has(key)
    const by = associated.has(key) ? 'an association' : 'a role by annotation'
    const names = (those: readonly PodFact[]): string => someOf(those.map(({ name }) => name))
    const found: RawFinding[] = []
    if (hasRole && bare.length > 0) {
      found.push({
        id: 'node-role-fallback',
        subject: about(key),
        what: `it has ${by}, and ${bare.length} of its ${own.length} pod(s) have nothing of it: ${names(bare)}`,
      })
    }
    if (both.length > 0) {
      found.push({
        id: 'two-ways-pod',
        subject: about(key),
        what: `${both.length} of its pod(s) have both: ${names(both)}`,
      })
    }
    return found
  })
}
