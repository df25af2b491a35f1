import type { AccessAttributes, AccessVerdict, Authorizer } from './authorization.ts'
import type { ObjectStore } from './object-store.ts'
import { listAt, recordAt, stringAt, type ApiObject } from './objects.ts'
import { parseFieldSelector } from './selectors.ts'
import { PODS } from './types/pods.ts'
import { nodeOf } from './users.ts'

type Resource = NonNullable<AccessAttributes['resource']>

const READ = ['get', 'list', 'watch']

/** What kubelets may do whatever the object (Kubernetes, "Using Node Authorization"). */
const NODE_RULES: Readonly<Record<string, readonly string[]>> = {
  '/services': READ,
  '/nodes': ['create', 'get', 'list', 'watch', 'update', 'patch'],
  '/nodes/status': ['update', 'patch'],
  '/events': ['create', 'patch', 'update'],
  '/pods': ['create', 'delete', 'get'],
  '/pods/status': ['update', 'patch'],
  'authentication.k8s.io/tokenreviews': ['create'],
  'authentication.k8s.io/selfsubjectreviews': ['create'],
  'authorization.k8s.io/subjectaccessreviews': ['create'],
}

/**
 * The rights of `system:node:NAME` in the group `system:nodes`: its own pods, and of config maps,
 * secrets and service accounts those that its pods use.
 */
export function nodeAuthorizer(store: ObjectStore): Authorizer {
  return ({ user, verb, resource }) => {
    const node = nodeOf(user)
    if (node === undefined || resource === undefined) return refused('')
    const name = [resource.plural, resource.subresource].filter((part) => part !== undefined)
    const key = `${resource.group}/${name.join('/')}`
    if (NODE_RULES[key]?.includes(verb) === true) return allowed(`node ${node}`)
    if (key === 'coordination.k8s.io/leases') return verdictOfLease(node, resource)
    if (key === '/pods' && READ.includes(verb)) return verdictOfPods(node, resource)
    if (READ.includes(verb) || key === '/serviceaccounts/token') {
      return verdictOfReference({ store, node, verb }, key, resource)
    }
    return refused('')
  }
}

const allowed = (reason: string): AccessVerdict => ({ allowed: true, reason })
const refused = (reason: string): AccessVerdict => ({ allowed: false, reason })

function verdictOfLease(node: string, resource: Resource): AccessVerdict {
  return resource.namespace === 'kube-node-lease' &&
    (resource.name === undefined || resource.name === node)
    ? allowed(`lease of node ${node}`)
    : refused(`can only access node lease with the same name as the requesting node`)
}

function verdictOfPods(node: string, resource: Resource): AccessVerdict {
  const isOwn = parseFieldSelector(resource.fieldSelector ?? '').some(
    ({ field, value, isNegated }) => field === 'spec.nodeName' && value === node && !isNegated,
  )
  return isOwn
    ? allowed(`pods of node ${node}`)
    : refused('can only list/watch pods with spec.nodeName field selector')
}

/** What a pod of the node names, by the resource that it is. */
const REFERENCES: Readonly<Record<string, (pod: ApiObject) => string[]>> = {
  '/configmaps': (pod) => namesIn(pod, ['configMap', 'configMapRef', 'configMapKeyRef'], 'name'),
  '/secrets': (pod) => [
    ...namesIn(pod, ['secretRef', 'secretKeyRef', 'secret'], 'name'),
    ...namesIn(pod, ['secret'], 'secretName'),
    ...listAt(pod['spec'], 'imagePullSecrets').map((secret) => stringAt(secret, 'name')),
  ],
  '/serviceaccounts/token': (pod) => [stringAt(pod['spec'], 'serviceAccountName')],
  '/serviceaccounts': (pod) => [stringAt(pod['spec'], 'serviceAccountName')],
}

function verdictOfReference(
  at: { readonly store: ObjectStore; readonly node: string; readonly verb: string },
  key: string,
  resource: Resource,
): AccessVerdict {
  const references = REFERENCES[key]
  if (references === undefined) return refused('')
  if (resource.name === undefined) {
    return refused(`can only read resources of this type by name`)
  }
  const wanted = resource.name
  const isUsed = at.store
    .list(PODS, resource.namespace)
    .some(
      (pod) => stringAt(pod['spec'], 'nodeName') === at.node && references(pod).includes(wanted),
    )
  return isUsed
    ? allowed(`used by a pod of node ${at.node}`)
    : refused(`no relationship found between node '${at.node}' and this object`)
}

/** Values of a field in every object of one of these names, anywhere in a pod's spec. */
function namesIn(pod: ApiObject, holders: readonly string[], field: string): string[] {
  const found: string[] = []
  const pending: unknown[] = [recordAt(pod, 'spec')]
  while (pending.length > 0) {
    const value = pending.pop()
    if (typeof value !== 'object' || value === null) continue
    for (const [name, inner] of Object.entries(value)) {
      if (holders.includes(name)) found.push(stringAt(inner, field))
      pending.push(inner)
    }
  }
  return found.filter((name) => name !== '')
}
