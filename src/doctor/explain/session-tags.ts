/** The six session tags of a pod, as far as they are known before anybody asks for the session. */
import type { ContextKeys } from '../../iam/request.ts'
import { SESSION_TAG_KEYS } from '../../iam/trust-grant.ts'
import { valueOf } from '../facts/fact.ts'
import type { WorkloadFacts } from '../facts/workload-facts.ts'

type Tags = Readonly<Record<(typeof SESSION_TAG_KEYS)[number], string | undefined>>

/** Undefined where it cannot be told: no pod runs yet, or the cluster cannot be described. */
export function sessionTags({ cluster, pod, subject }: WorkloadFacts): Tags {
  const { name, uid } = valueOf(pod)?.metadata ?? {}
  return {
    'eks-cluster-arn': cluster.arn,
    'eks-cluster-name': cluster.name,
    'kubernetes-namespace': subject.namespace,
    'kubernetes-service-account': subject.name,
    'kubernetes-pod-name': name,
    'kubernetes-pod-uid': uid,
  }
}

/** As a call asks for them. */
export const requestTags = (facts: WorkloadFacts): ContextKeys => ({
  ...underPrefix('aws:RequestTag/', facts),
  'aws:TagKeys': SESSION_TAG_KEYS,
  'sts:TransitiveTagKeys': SESSION_TAG_KEYS,
})

/** As a session has them. */
export const principalTags = (facts: WorkloadFacts): ContextKeys =>
  underPrefix('aws:PrincipalTag/', facts)

function underPrefix(prefix: string, facts: WorkloadFacts): ContextKeys {
  const known = Object.entries(sessionTags(facts)).flatMap(([key, value]) =>
    value === undefined ? [] : [[prefix + key, value] as const],
  )
  return Object.fromEntries(known)
}

const TAG = /^aws:(?:request|principal)tag\/(.*)$/i

/** Whether a key is of a tag that the session has, with a value that cannot be told. */
export function isUnseenTag(facts: WorkloadFacts, key: string): boolean {
  const [, name = ''] = TAG.exec(key.toLowerCase()) ?? []
  return Object.entries(sessionTags(facts)).some(
    ([tag, value]) => tag === name && value === undefined,
  )
}
