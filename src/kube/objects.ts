/**
 * Narrow shapes of the Kubernetes objects that podrole reads and writes. Fields that it does not
 * name are kept as they are: objects are changed by patches, never rebuilt from these types.
 */
export interface ObjectMeta {
  name?: string
  generateName?: string
  namespace?: string
  uid?: string
  resourceVersion?: string
  generation?: number
  creationTimestamp?: string
  deletionTimestamp?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
  ownerReferences?: OwnerReference[]
}

export interface OwnerReference {
  apiVersion: string
  kind: string
  name: string
  uid: string
  controller?: boolean
  blockOwnerDeletion?: boolean
}

export interface KubeObject {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
}

export interface KubeList<T extends KubeObject> {
  apiVersion?: string
  kind?: string
  metadata: { resourceVersion?: string; continue?: string }
  items: T[]
}

export interface ServiceAccount extends KubeObject {
  imagePullSecrets?: { name: string }[]
  automountServiceAccountToken?: boolean
}

export interface EnvVar {
  name: string
  value?: string
  valueFrom?: {
    fieldRef?: { fieldPath: string }
    configMapKeyRef?: { name: string; key: string; optional?: boolean }
    secretKeyRef?: { name: string; key: string; optional?: boolean }
  }
}

export interface VolumeMount {
  name: string
  mountPath: string
  subPath?: string
  readOnly?: boolean
}

export interface ServiceAccountTokenProjection {
  audience?: string
  expirationSeconds?: number
  path: string
}

export interface KeyToPath {
  key: string
  path: string
}

export interface VolumeProjection {
  serviceAccountToken?: ServiceAccountTokenProjection
  configMap?: { name: string; items?: KeyToPath[]; optional?: boolean }
  secret?: { name: string; items?: KeyToPath[]; optional?: boolean }
  downwardAPI?: { items?: { path: string; fieldRef?: { fieldPath: string } }[] }
}

export interface Volume {
  name: string
  projected?: { sources?: VolumeProjection[]; defaultMode?: number }
  configMap?: { name: string; items?: KeyToPath[]; optional?: boolean }
  secret?: { secretName: string; items?: KeyToPath[]; optional?: boolean; defaultMode?: number }
  emptyDir?: Record<string, unknown>
  hostPath?: { path: string; type?: string }
}

export interface Container {
  name: string
  image?: string
  command?: string[]
  args?: string[]
  workingDir?: string
  env?: EnvVar[]
  envFrom?: { configMapRef?: { name: string }; secretRef?: { name: string }; prefix?: string }[]
  ports?: { name?: string; containerPort: number; protocol?: string }[]
  volumeMounts?: VolumeMount[]
  restartPolicy?: string
  stdin?: boolean
  stdinOnce?: boolean
  tty?: boolean
  securityContext?: Record<string, unknown>
  resources?: Record<string, unknown>
}

export interface PodSpec {
  serviceAccountName?: string
  automountServiceAccountToken?: boolean
  nodeName?: string
  nodeSelector?: Record<string, string>
  hostNetwork?: boolean
  restartPolicy?: string
  activeDeadlineSeconds?: number
  terminationGracePeriodSeconds?: number
  enableServiceLinks?: boolean
  containers: Container[]
  initContainers?: Container[]
  volumes?: Volume[]
  securityContext?: Record<string, unknown>
  tolerations?: Record<string, unknown>[]
}

export interface ContainerStatus {
  name: string
  ready: boolean
  restartCount: number
  image: string
  imageID: string
  containerID?: string
  started?: boolean
  state?: {
    waiting?: { reason?: string; message?: string }
    running?: { startedAt?: string }
    terminated?: {
      exitCode: number
      reason?: string
      message?: string
      startedAt?: string
      finishedAt?: string
    }
  }
}

export interface PodStatus {
  phase?: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown'
  reason?: string
  message?: string
  hostIP?: string
  podIP?: string
  startTime?: string
  conditions?: { type: string; status: string; reason?: string; message?: string }[]
  containerStatuses?: ContainerStatus[]
  initContainerStatuses?: ContainerStatus[]
}

export interface Pod extends KubeObject {
  spec: PodSpec
  status?: PodStatus
}

export interface KubeNode extends KubeObject {
  spec?: { podCIDR?: string; providerID?: string; unschedulable?: boolean }
  status?: {
    addresses?: { type: string; address: string }[]
    conditions?: { type: string; status: string; reason?: string; lastHeartbeatTime?: string }[]
    daemonEndpoints?: { kubeletEndpoint?: { Port: number } }
    nodeInfo?: Record<string, string>
  }
}

/** A Kubernetes `Status`: what the API answers for a fault. */
export interface Status {
  kind?: 'Status'
  apiVersion?: string
  metadata?: Record<string, unknown>
  status?: 'Success' | 'Failure'
  message?: string
  reason?: string
  code?: number
  details?: {
    name?: string
    kind?: string
    group?: string
    uid?: string
    causes?: { reason?: string; message?: string; field?: string }[]
    retryAfterSeconds?: number
  }
}

export type WatchEvent<T extends KubeObject> =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; object: T }
  | { type: 'ERROR'; object: Status }
