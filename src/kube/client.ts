import type { JsonPatch } from './json-patch.ts'
import type { KubeList, KubeObject, WatchEvent } from './objects.ts'

/** A kind as the API serves it. */
export interface ResourceType {
  /** `v1`, or `GROUP/VERSION`. */
  readonly apiVersion: string
  readonly kind: string
  readonly plural: string
  readonly namespaced: boolean
}

export interface ObjectRef {
  readonly namespace?: string
  readonly name: string
}

export interface ListOptions {
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
}

export interface WatchOptions extends ListOptions {
  readonly resourceVersion?: string
  readonly signal: AbortSignal
}

/** The API of one cluster. A fault is a PodroleError whose code is the Status' reason (`NotFound`). */
export interface KubeClient {
  readonly server: string
  get<T extends KubeObject>(type: ResourceType, ref: ObjectRef): Promise<T>
  list<T extends KubeObject>(type: ResourceType, options?: ListOptions): Promise<KubeList<T>>
  create<T extends KubeObject>(type: ResourceType, object: T): Promise<T>
  replace<T extends KubeObject>(type: ResourceType, object: T): Promise<T>
  jsonPatch<T extends KubeObject>(type: ResourceType, ref: ObjectRef, patch: JsonPatch): Promise<T>
  /** RFC 7386; `subresource` is for example `status`. */
  mergePatch<T extends KubeObject>(
    type: ResourceType,
    ref: ObjectRef & { readonly subresource?: string },
    patch: object,
  ): Promise<T>
  delete(type: ResourceType, ref: ObjectRef): Promise<void>
  watch<T extends KubeObject>(
    type: ResourceType,
    options: WatchOptions,
  ): AsyncIterable<WatchEvent<T>>
  /** A token of a service account, from its token subresource. */
  createToken(serviceAccount: Required<ObjectRef>, request: TokenRequestSpec): Promise<string>
  /** Anything else; the path starts with a slash. Answers that are not 2xx throw as well. */
  raw(method: string, path: string, init?: RawInit): Promise<Response>
}

export interface TokenRequestSpec {
  readonly audiences: readonly string[]
  readonly expirationSeconds?: number
  readonly boundObjectRef?: {
    readonly apiVersion: 'v1'
    readonly kind: 'Pod' | 'Node' | 'Secret'
    readonly name: string
    readonly uid?: string
  }
}

export interface RawInit {
  readonly query?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly contentType?: string
  /** `application/json` by default. */
  readonly accept?: string
  readonly signal?: AbortSignal
}

const core = (kind: string, plural: string, namespaced = true): ResourceType => ({
  apiVersion: 'v1',
  kind,
  plural,
  namespaced,
})

export const NAMESPACES: ResourceType = core('Namespace', 'namespaces', false)
export const NODES: ResourceType = core('Node', 'nodes', false)
export const SERVICE_ACCOUNTS: ResourceType = core('ServiceAccount', 'serviceaccounts')
export const PODS: ResourceType = core('Pod', 'pods')
export const CONFIG_MAPS: ResourceType = core('ConfigMap', 'configmaps')
export const SECRETS: ResourceType = core('Secret', 'secrets')
export const EVENTS: ResourceType = core('Event', 'events')
export const DEPLOYMENTS: ResourceType = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  plural: 'deployments',
  namespaced: true,
}
export const SERVICES: ResourceType = core('Service', 'services')
export const POD_DISRUPTION_BUDGETS: ResourceType = {
  apiVersion: 'policy/v1',
  kind: 'PodDisruptionBudget',
  plural: 'poddisruptionbudgets',
  namespaced: true,
}
const rbac = (kind: string, plural: string): ResourceType => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind,
  plural,
  namespaced: false,
})
export const CLUSTER_ROLES: ResourceType = rbac('ClusterRole', 'clusterroles')
export const CLUSTER_ROLE_BINDINGS: ResourceType = rbac('ClusterRoleBinding', 'clusterrolebindings')
export const NETWORK_POLICIES: ResourceType = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  plural: 'networkpolicies',
  namespaced: true,
}
export const MUTATING_WEBHOOK_CONFIGURATIONS: ResourceType = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'MutatingWebhookConfiguration',
  plural: 'mutatingwebhookconfigurations',
  namespaced: false,
}
