import { listAt, recordAt, isRecord, setDefault, stringAt, type JsonRecord } from '../objects.ts'

const PROBE_DEFAULTS: Readonly<Record<string, number>> = {
  timeoutSeconds: 1,
  periodSeconds: 10,
  successThreshold: 1,
  failureThreshold: 3,
}

/** Fills a pod spec's versioned defaults (core/v1 `SetDefaults_PodSpec`), in place. */
export function fillPodSpec(spec: JsonRecord): void {
  setDefault(spec, 'dnsPolicy', 'ClusterFirst')
  setDefault(spec, 'restartPolicy', 'Always')
  setDefault(spec, 'schedulerName', 'default-scheduler')
  setDefault(spec, 'securityContext', {})
  setDefault(spec, 'terminationGracePeriodSeconds', 30)
  if (spec['serviceAccountName'] === undefined && spec['serviceAccount'] !== undefined) {
    spec['serviceAccountName'] = spec['serviceAccount']
  }
  if (spec['serviceAccountName'] !== undefined) spec['serviceAccount'] = spec['serviceAccountName']
  for (const container of containersOf(spec)) fillContainer(container, spec['hostNetwork'] === true)
  for (const volume of listAt(spec, 'volumes')) if (isRecord(volume)) fillVolume(volume)
}

/** Init containers and containers, as records. */
export function containersOf(spec: unknown): JsonRecord[] {
  return [...listAt(spec, 'initContainers'), ...listAt(spec, 'containers')].filter(isRecord)
}

function fillContainer(container: JsonRecord, isHostNetwork: boolean): void {
  setDefault(container, 'resources', {})
  setDefault(container, 'terminationMessagePath', '/dev/termination-log')
  setDefault(container, 'terminationMessagePolicy', 'File')
  setDefault(container, 'imagePullPolicy', pullPolicyOf(stringAt(container, 'image')))
  for (const port of listAt(container, 'ports')) {
    if (!isRecord(port)) continue
    setDefault(port, 'protocol', 'TCP')
    if (isHostNetwork) setDefault(port, 'hostPort', port['containerPort'])
  }
  for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe']) {
    const probe = container[name]
    if (!isRecord(probe)) continue
    for (const [field, value] of Object.entries(PROBE_DEFAULTS)) setDefault(probe, field, value)
    const get = probe['httpGet']
    if (isRecord(get)) {
      setDefault(get, 'path', '/')
      setDefault(get, 'scheme', 'HTTP')
    }
  }
  for (const variable of listAt(container, 'env')) {
    const fieldRef = recordAt(variable, 'valueFrom')['fieldRef']
    if (isRecord(fieldRef)) setDefault(fieldRef, 'apiVersion', 'v1')
  }
  const { limits, requests } = recordAt(container, 'resources')
  if (isRecord(limits)) {
    container['resources'] = {
      ...recordAt(container, 'resources'),
      requests: { ...limits, ...(isRecord(requests) ? requests : {}) },
    }
  }
}

function pullPolicyOf(image: string): string {
  const name = image.slice(image.lastIndexOf('/') + 1)
  const isLatest = !name.includes('@') && (!name.includes(':') || name.endsWith(':latest'))
  return isLatest ? 'Always' : 'IfNotPresent'
}

const VOLUME_SOURCES = [
  'hostPath',
  'emptyDir',
  'secret',
  'configMap',
  'downwardAPI',
  'projected',
  'persistentVolumeClaim',
  'nfs',
  'csi',
  'ephemeral',
  'image',
]

/** The names of a volume's sources; a good volume has one. */
export function sourcesOf(volume: JsonRecord): string[] {
  return VOLUME_SOURCES.filter((name) => volume[name] !== undefined)
}

function fillVolume(volume: JsonRecord): void {
  if (sourcesOf(volume).length === 0) volume['emptyDir'] = {}
  for (const name of ['secret', 'configMap', 'downwardAPI', 'projected']) {
    const source = volume[name]
    if (isRecord(source)) setDefault(source, 'defaultMode', 0o644)
  }
  const hostPath = volume['hostPath']
  if (isRecord(hostPath)) setDefault(hostPath, 'type', '')
  fillFieldRefs(listAt(volume['downwardAPI'], 'items'))
  for (const source of listAt(volume['projected'], 'sources')) {
    const token = recordAt(source, 'serviceAccountToken')
    if (isRecord(source) && source['serviceAccountToken'] !== undefined) {
      setDefault(token, 'expirationSeconds', 3600)
    }
    fillFieldRefs(listAt(recordAt(source, 'downwardAPI'), 'items'))
  }
}

function fillFieldRefs(items: readonly unknown[]): void {
  for (const item of items) {
    const fieldRef = recordAt(item, 'fieldRef')
    if (isRecord(item) && item['fieldRef'] !== undefined) setDefault(fieldRef, 'apiVersion', 'v1')
  }
}

/** BestEffort, Burstable or Guaranteed, by Kubernetes' rules of cpu and memory. */
export function qosClassOf(spec: unknown): string {
  const containers = containersOf(spec)
  const compute = ['cpu', 'memory']
  const limitsOf = (container: JsonRecord): JsonRecord =>
    recordAt(recordAt(container, 'resources'), 'limits')
  const requestsOf = (container: JsonRecord): JsonRecord =>
    recordAt(recordAt(container, 'resources'), 'requests')
  const hasNone = containers.every((container) =>
    compute.every(
      (name) =>
        limitsOf(container)[name] === undefined && requestsOf(container)[name] === undefined,
    ),
  )
  if (hasNone) return 'BestEffort'
  const isGuaranteed = containers.every((container) =>
    compute.every((name) => {
      const limit = limitsOf(container)[name]
      return limit !== undefined && (requestsOf(container)[name] ?? limit) === limit
    }),
  )
  return isGuaranteed ? 'Guaranteed' : 'Burstable'
}
