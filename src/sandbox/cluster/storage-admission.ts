import type { Admission } from './admission.ts'
import type { ClusterCore } from './core.ts'
import { forbidden } from './faults.ts'
import { recordAt, stringAt, type ApiObject } from './objects.ts'
import { parseQuantity } from './quantities.ts'
import { STORAGE_CLASSES } from './types/storage.ts'

const DEFAULT_CLASS = 'storageclass.kubernetes.io/is-default-class'

/** DefaultStorageClass: a claim of no class is of the newest default one, where there is one. */
export function setStorageClass(core: ClusterCore, claim: ApiObject): void {
  const spec = recordAt(claim, 'spec')
  if (spec['storageClassName'] !== undefined) return
  const madeAt = ({ metadata }: ApiObject): number => Date.parse(metadata.creationTimestamp ?? '')
  const [newest] = core.store
    .list(STORAGE_CLASSES)
    .filter(({ metadata }) => metadata.annotations?.[DEFAULT_CLASS] === 'true')
    .toSorted((one, other) => madeAt(other) - madeAt(one))
  if (newest !== undefined) spec['storageClassName'] = newest.metadata.name
}

/**
 * PersistentVolumeClaimResize: a claim grows where its class lets it.
 * @throws ApiFault Forbidden
 */
export function checkResize(core: ClusterCore, admission: Admission): void {
  const { object, oldObject, subresource, name, type } = admission
  if (object === undefined || oldObject === undefined || subresource !== undefined) return
  const [wanted, had] = [object, oldObject].map(requestOf)
  if (wanted === undefined || had === undefined || wanted <= had) return
  // What is not bound may not change at all, which validation says.
  if (stringAt(oldObject['status'], 'phase') !== 'Bound') return
  const className = stringAt(object['spec'], 'storageClassName')
  const found = core.store.get(STORAGE_CLASSES, undefined, className)
  if (found?.['allowVolumeExpansion'] === true) return
  const says =
    'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize'
  throw forbidden(type, name, says)
}

function requestOf(claim: ApiObject): bigint | undefined {
  const requests = recordAt(recordAt(recordAt(claim, 'spec'), 'resources'), 'requests')
  return parseQuantity(stringAt(requests, 'storage'))?.nanos
}
