import {
  any,
  atomic,
  bool,
  byValue,
  int,
  intOrString,
  keptBool,
  keptInt,
  keptKeyStr,
  keptList,
  keptStr,
  keyedList,
  keyInt,
  keyStr,
  list,
  map,
  mergeList,
  obj,
  protocolKey,
  quantity,
  replacedSetOf,
  str,
  time,
  valueObj,
} from '../schema.ts'
import { CONDITION, LABEL_SELECTOR, METADATA, NAME_REFERENCE } from './metadata.ts'

const KEY_TO_PATH = obj({ key: str, path: str, mode: keptInt })
const OPTIONAL_REF = { name: str, optional: keptBool }
const FIELD_REF = atomic(obj({ apiVersion: str, fieldPath: str }))
const RESOURCE_REF = atomic(obj({ containerName: str, resource: str, divisor: quantity }))
const DOWNWARD_ITEMS = list(
  obj({ path: str, fieldRef: FIELD_REF, resourceFieldRef: RESOURCE_REF, mode: keptInt }),
)

const ENV_VAR = obj({
  name: keyStr,
  value: str,
  valueFrom: obj({
    fieldRef: FIELD_REF,
    resourceFieldRef: RESOURCE_REF,
    configMapKeyRef: atomic(obj({ ...OPTIONAL_REF, key: str })),
    secretKeyRef: atomic(obj({ ...OPTIONAL_REF, key: str })),
    fileKeyRef: atomic(obj({ volumeName: str, path: str, key: str, optional: keptBool })),
  }),
})

const HTTP_GET = obj({
  path: str,
  port: intOrString,
  host: str,
  scheme: str,
  httpHeaders: list(obj({ name: str, value: keptStr })),
})
const HANDLER = {
  exec: obj({ command: list(str) }),
  httpGet: HTTP_GET,
  tcpSocket: obj({ port: intOrString, host: str }),
}
const PROBE = obj({
  ...HANDLER,
  grpc: obj({ port: int, service: keptStr }),
  initialDelaySeconds: int,
  timeoutSeconds: int,
  periodSeconds: int,
  successThreshold: int,
  failureThreshold: int,
  terminationGracePeriodSeconds: keptInt,
})
const LIFECYCLE_HANDLER = obj({ ...HANDLER, sleep: obj({ seconds: keptInt }) })

const RESOURCES = obj({
  limits: map(quantity),
  requests: map(quantity),
  claims: keyedList(['name'], obj({ name: keyStr, request: str })),
})

const SE_LINUX = obj({ user: str, role: str, type: str, level: str })
const SECCOMP = obj({ type: str, localhostProfile: keptStr })
const WINDOWS = obj({
  gmsaCredentialSpecName: keptStr,
  gmsaCredentialSpec: keptStr,
  runAsUserName: keptStr,
  hostProcess: keptBool,
})

const SECURITY_CONTEXT = obj({
  capabilities: obj({ add: list(str), drop: list(str) }),
  privileged: keptBool,
  seLinuxOptions: SE_LINUX,
  windowsOptions: WINDOWS,
  runAsUser: keptInt,
  runAsGroup: keptInt,
  runAsNonRoot: keptBool,
  readOnlyRootFilesystem: keptBool,
  allowPrivilegeEscalation: keptBool,
  procMount: keptStr,
  seccompProfile: SECCOMP,
  appArmorProfile: SECCOMP,
})

const POD_SECURITY_CONTEXT = obj({
  seLinuxOptions: SE_LINUX,
  windowsOptions: WINDOWS,
  runAsUser: keptInt,
  runAsGroup: keptInt,
  runAsNonRoot: keptBool,
  supplementalGroups: list(keptInt),
  supplementalGroupsPolicy: keptStr,
  fsGroup: keptInt,
  fsGroupChangePolicy: keptStr,
  sysctls: list(obj({ name: str, value: keptStr })),
  seccompProfile: SECCOMP,
  appArmorProfile: SECCOMP,
  seLinuxChangePolicy: keptStr,
})

const CONTAINER_FIELDS = {
  name: keyStr,
  image: str,
  command: list(str),
  args: list(str),
  workingDir: str,
  ports: mergeList(
    'containerPort',
    obj({ name: str, hostPort: int, containerPort: keyInt, protocol: protocolKey, hostIP: str }),
    ['containerPort', 'protocol'],
  ),
  envFrom: list(
    obj({ prefix: str, configMapRef: obj(OPTIONAL_REF), secretRef: obj(OPTIONAL_REF) }),
  ),
  env: mergeList('name', ENV_VAR),
  resources: byValue(RESOURCES),
  resizePolicy: list(obj({ resourceName: str, restartPolicy: str })),
  restartPolicy: str,
  restartPolicyRules: list(
    obj({ action: str, exitCodes: obj({ operator: str, values: replacedSetOf(keptInt) }) }),
  ),
  volumeMounts: mergeList(
    'mountPath',
    obj({
      name: str,
      readOnly: bool,
      recursiveReadOnly: keptStr,
      mountPath: keptKeyStr,
      subPath: str,
      mountPropagation: keptStr,
      subPathExpr: str,
    }),
  ),
  volumeDevices: mergeList('devicePath', obj({ name: str, devicePath: keptKeyStr })),
  livenessProbe: PROBE,
  readinessProbe: PROBE,
  startupProbe: PROBE,
  lifecycle: obj({ postStart: LIFECYCLE_HANDLER, preStop: LIFECYCLE_HANDLER, stopSignal: keptStr }),
  terminationMessagePath: str,
  terminationMessagePolicy: str,
  imagePullPolicy: str,
  securityContext: SECURITY_CONTEXT,
  stdin: bool,
  stdinOnce: bool,
  tty: bool,
}

/** The spec of a claim, in claims and in templates. */
export const CLAIM_SPEC = valueObj({
  accessModes: list(str),
  selector: LABEL_SELECTOR,
  resources: valueObj({ limits: map(quantity), requests: map(quantity) }),
  volumeName: str,
  storageClassName: keptStr,
  volumeMode: keptStr,
  dataSource: atomic(obj({ apiGroup: keptStr, kind: keptStr, name: keptStr })),
  dataSourceRef: obj({ apiGroup: keptStr, kind: keptStr, name: keptStr, namespace: keptStr }),
  volumeAttributesClassName: keptStr,
})

const VOLUME = obj({
  name: keyStr,
  hostPath: obj({ path: keptStr, type: keptStr }),
  emptyDir: obj({ medium: str, sizeLimit: quantity }),
  secret: obj({
    secretName: str,
    items: list(KEY_TO_PATH),
    defaultMode: keptInt,
    optional: keptBool,
  }),
  configMap: obj({ ...OPTIONAL_REF, items: list(KEY_TO_PATH), defaultMode: keptInt }),
  downwardAPI: obj({ items: DOWNWARD_ITEMS, defaultMode: keptInt }),
  projected: obj({
    sources: keptList(
      obj({
        secret: obj({ ...OPTIONAL_REF, items: list(KEY_TO_PATH) }),
        configMap: obj({ ...OPTIONAL_REF, items: list(KEY_TO_PATH) }),
        downwardAPI: obj({ items: DOWNWARD_ITEMS }),
        serviceAccountToken: obj({ audience: str, expirationSeconds: keptInt, path: keptStr }),
        clusterTrustBundle: obj({
          name: keptStr,
          signerName: keptStr,
          labelSelector: LABEL_SELECTOR,
          optional: keptBool,
          path: keptStr,
        }),
        podCertificate: obj({
          signerName: str,
          keyType: str,
          maxExpirationSeconds: keptInt,
          credentialBundlePath: str,
          keyPath: str,
          certificateChainPath: str,
          userAnnotations: map(str),
        }),
      }),
    ),
    defaultMode: keptInt,
  }),
  persistentVolumeClaim: obj({ claimName: keptStr, readOnly: bool }),
  nfs: obj({ server: keptStr, path: keptStr, readOnly: bool }),
  csi: obj({
    driver: keptStr,
    readOnly: keptBool,
    fsType: keptStr,
    volumeAttributes: map(str),
    nodePublishSecretRef: NAME_REFERENCE,
  }),
  ephemeral: obj({ volumeClaimTemplate: obj({ metadata: METADATA, spec: CLAIM_SPEC }) }),
  image: obj({ reference: str, pullPolicy: str }),
})

const TOLERATION = obj({
  key: str,
  operator: str,
  value: str,
  effect: str,
  tolerationSeconds: keptInt,
})

const NODE_TERM = atomic(
  obj({
    matchExpressions: list(obj({ key: str, operator: str, values: list(str) })),
    matchFields: list(obj({ key: str, operator: str, values: list(str) })),
  }),
)

/** Nodes that one of the terms takes. */
export const NODE_SELECTOR = atomic(obj({ nodeSelectorTerms: keptList(NODE_TERM) }))
const POD_TERM = obj({
  labelSelector: LABEL_SELECTOR,
  namespaces: list(str),
  topologyKey: keptStr,
  namespaceSelector: LABEL_SELECTOR,
  matchLabelKeys: list(str),
  mismatchLabelKeys: list(str),
})
const POD_AFFINITY = obj({
  requiredDuringSchedulingIgnoredDuringExecution: list(POD_TERM),
  preferredDuringSchedulingIgnoredDuringExecution: list(
    obj({ weight: keptInt, podAffinityTerm: byValue(POD_TERM) }),
  ),
})
const AFFINITY = obj({
  nodeAffinity: obj({
    requiredDuringSchedulingIgnoredDuringExecution: NODE_SELECTOR,
    preferredDuringSchedulingIgnoredDuringExecution: list(
      obj({ weight: keptInt, preference: byValue(NODE_TERM) }),
    ),
  }),
  podAffinity: POD_AFFINITY,
  podAntiAffinity: POD_AFFINITY,
})

/** A pod's spec, in pods and in templates (core/v1 PodSpec of Kubernetes 1.36). */
export const POD_SPEC = valueObj({
  volumes: mergeList('name', VOLUME),
  initContainers: mergeList('name', obj(CONTAINER_FIELDS)),
  containers: { kind: 'list', of: obj(CONTAINER_FIELDS), mergeKey: 'name', keepsEmpty: true },
  ephemeralContainers: mergeList('name', obj({ ...CONTAINER_FIELDS, targetContainerName: str })),
  restartPolicy: str,
  terminationGracePeriodSeconds: keptInt,
  activeDeadlineSeconds: keptInt,
  dnsPolicy: str,
  nodeSelector: atomic(map(str)),
  serviceAccountName: str,
  serviceAccount: str,
  automountServiceAccountToken: keptBool,
  nodeName: str,
  hostNetwork: bool,
  hostPID: bool,
  hostIPC: bool,
  shareProcessNamespace: keptBool,
  securityContext: POD_SECURITY_CONTEXT,
  imagePullSecrets: mergeList('name', NAME_REFERENCE),
  hostname: str,
  subdomain: str,
  affinity: AFFINITY,
  schedulerName: str,
  tolerations: list(TOLERATION),
  hostAliases: mergeList('ip', obj({ ip: keyStr, hostnames: list(str) })),
  priorityClassName: str,
  priority: keptInt,
  dnsConfig: obj({
    nameservers: list(str),
    searches: list(str),
    options: list(obj({ name: str, value: keptStr })),
  }),
  readinessGates: list(obj({ conditionType: str })),
  runtimeClassName: keptStr,
  enableServiceLinks: keptBool,
  preemptionPolicy: keptStr,
  overhead: map(quantity),
  topologySpreadConstraints: mergeList(
    'topologyKey',
    obj({
      maxSkew: int,
      topologyKey: keyStr,
      whenUnsatisfiable: keyStr,
      labelSelector: LABEL_SELECTOR,
      minDomains: keptInt,
      nodeAffinityPolicy: keptStr,
      nodeTaintsPolicy: keptStr,
      matchLabelKeys: list(str),
    }),
    ['topologyKey', 'whenUnsatisfiable'],
  ),
  setHostnameAsFQDN: keptBool,
  os: obj({ name: str }),
  hostUsers: keptBool,
  schedulingGates: mergeList('name', obj({ name: keyStr })),
  resourceClaims: mergeList(
    'name',
    obj({ name: keyStr, resourceClaimName: keptStr, resourceClaimTemplateName: keptStr }),
  ),
  resources: RESOURCES,
  hostnameOverride: keptStr,
})

export const POD_TEMPLATE = valueObj({ metadata: METADATA, spec: POD_SPEC })

const CONTAINER_STATE = valueObj({
  waiting: obj({ reason: str, message: str }),
  running: obj({ startedAt: time }),
  terminated: obj({
    exitCode: keptInt,
    signal: int,
    reason: str,
    message: str,
    startedAt: time,
    finishedAt: time,
    containerID: str,
  }),
})

const CONTAINER_STATUSES = list(
  obj({
    name: str,
    state: CONTAINER_STATE,
    lastState: CONTAINER_STATE,
    ready: keptBool,
    restartCount: keptInt,
    image: keptStr,
    imageID: keptStr,
    containerID: str,
    started: keptBool,
    allocatedResources: map(quantity),
    resources: RESOURCES,
    volumeMounts: mergeList(
      'mountPath',
      obj({ name: str, mountPath: keyStr, readOnly: bool, recursiveReadOnly: keptStr }),
    ),
    user: any,
    stopSignal: keptStr,
  }),
)

export const POD_STATUS = valueObj({
  observedGeneration: int,
  phase: str,
  conditions: mergeList('type', CONDITION),
  message: str,
  reason: str,
  nominatedNodeName: str,
  hostIP: str,
  hostIPs: mergeList('ip', obj({ ip: str }), []),
  podIP: str,
  podIPs: mergeList('ip', obj({ ip: keyStr })),
  startTime: time,
  initContainerStatuses: CONTAINER_STATUSES,
  containerStatuses: CONTAINER_STATUSES,
  ephemeralContainerStatuses: CONTAINER_STATUSES,
  qosClass: str,
  resize: str,
})
