import type { ServiceAccount } from '../../kube/objects.ts'
import type { ClusterCore } from './core.ts'
import { forbidden } from './faults.ts'
import { randomSuffix } from './names.ts'
import { isRecord, listAt, recordAt, stringAt, type ApiObject, type JsonRecord } from './objects.ts'
import { SERVICE_ACCOUNTS } from './types/core.ts'
import { containersOf } from './types/pod-defaults.ts'
import { PODS } from './types/pods.ts'

const MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount'
const VOLUME_PREFIX = 'kube-api-access-'

/**
 * The ServiceAccount admission plugin: the default account, its existence, the projected volume of
 * the API's token (kubernetes/kubernetes plugin/pkg/admission/serviceaccount). In place.
 * @throws ApiFault Forbidden
 */
export function mountServiceAccount(core: ClusterCore, pod: ApiObject): void {
  const spec = recordAt(pod, 'spec')
  const name = stringAt(spec, 'serviceAccountName') || 'default'
  spec['serviceAccountName'] = name
  spec['serviceAccount'] = name
  const namespace = pod.metadata.namespace ?? ''
  const account = core.store.get(SERVICE_ACCOUNTS, namespace, name)
  if (account === undefined) {
    throw forbidden(
      PODS,
      pod.metadata.name ?? pod.metadata.generateName ?? 'Unknown',
      `error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`,
    )
  }
  if (shouldMount(account, spec)) mountToken(spec)
  const pullSecrets = listAt(account, 'imagePullSecrets')
  if (listAt(spec, 'imagePullSecrets').length === 0 && pullSecrets.length > 0) {
    spec['imagePullSecrets'] = structuredClone(pullSecrets)
  }
}

/** The pod's word counts before its account's. */
function shouldMount(account: ServiceAccount, spec: JsonRecord): boolean {
  const own = spec['automountServiceAccountToken']
  if (typeof own === 'boolean') return own
  return account.automountServiceAccountToken ?? true
}

function mountToken(spec: JsonRecord): void {
  const volumes = listAt(spec, 'volumes')
  const known = volumes.find((volume) => stringAt(volume, 'name').startsWith(VOLUME_PREFIX))
  const name = known === undefined ? VOLUME_PREFIX + randomSuffix() : stringAt(known, 'name')
  let isUsed = false
  for (const container of containersOf(spec)) {
    const mounts = listAt(container, 'volumeMounts')
    if (mounts.some((mount) => isRecord(mount) && mount['mountPath'] === MOUNT_PATH)) continue
    container['volumeMounts'] = [...mounts, { name, readOnly: true, mountPath: MOUNT_PATH }]
    isUsed = true
  }
  if (isUsed && known === undefined) spec['volumes'] = [...volumes, tokenVolume(name)]
}

function tokenVolume(name: string): JsonRecord {
  const namespaceField = { apiVersion: 'v1', fieldPath: 'metadata.namespace' }
  return {
    name,
    projected: {
      sources: [
        { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        { downwardAPI: { items: [{ path: 'namespace', fieldRef: namespaceField }] } },
      ],
      defaultMode: 0o644,
    },
  }
}
