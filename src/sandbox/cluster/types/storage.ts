/** Volumes and their claims, as objects that are kept: nothing provisions or binds them. */
import { fieldFault, type Cause } from '../faults.ts'
import { checkSubdomainName } from '../names.ts'
import { listAt, recordAt, setDefault, stringAt, type ApiObject } from '../objects.ts'
import { OBJECT_VERBS, type ResourceType } from '../resource-types.ts'
import { any, keptBool, keptStr, list, map, mergeList, obj, quantity, str } from '../schema.ts'
import { AGE_COLUMN, column, NAME_COLUMN } from './columns.ts'
import { CONDITION, LABEL_SELECTOR, OBJECT_REFERENCE } from './metadata.ts'
import { STATUS_SUBRESOURCE } from './workloads.ts'

const ACCESS_MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod']

export const CLAIM_SPEC = obj({
  accessModes: list(str),
  selector: LABEL_SELECTOR,
  resources: obj({ limits: map(quantity), requests: map(quantity) }),
  volumeName: str,
  storageClassName: keptStr,
  volumeMode: keptStr,
  dataSource: any,
  dataSourceRef: any,
  volumeAttributesClassName: keptStr,
})

export const CLAIM_STATUS = obj({
  phase: str,
  accessModes: list(str),
  capacity: map(quantity),
  conditions: mergeList('type', CONDITION),
  allocatedResources: map(quantity),
  allocatedResourceStatuses: map(str),
  currentVolumeAttributesClassName: keptStr,
  modifyVolumeStatus: any,
})

const CORE = {
  group: '',
  version: 'v1',
  verbs: OBJECT_VERBS,
  subresources: [STATUS_SUBRESOURCE],
  nameRule: checkSubdomainName,
} as const

function validateModes(spec: Record<string, unknown>): Cause[] {
  const modes = listAt(spec, 'accessModes')
  if (modes.length === 0) {
    return [fieldFault.required('spec.accessModes', 'at least 1 access mode is required')]
  }
  return modes
    .filter((mode) => !ACCESS_MODES.includes(String(mode)))
    .map((mode) => fieldFault.notSupported('spec.accessModes', mode, ACCESS_MODES))
}

const modesOf = (object: ApiObject): string =>
  listAt(object['spec'], 'accessModes')
    .map((mode) => String(mode).replace(/[a-z]/g, ''))
    .join(',')

export const PERSISTENT_VOLUME_CLAIMS: ResourceType = {
  ...CORE,
  kind: 'PersistentVolumeClaim',
  plural: 'persistentvolumeclaims',
  singular: 'persistentvolumeclaim',
  shortNames: ['pvc'],
  namespaced: true,
  returnsDeleted: true,
  schema: obj({ spec: CLAIM_SPEC, status: CLAIM_STATUS }),
  defaults: (object) => {
    setDefault(object, 'spec', {})
    setDefault(recordAt(object, 'spec'), 'volumeMode', 'Filesystem')
  },
  prepareCreate: (object) => {
    object['status'] = { phase: 'Pending' }
  },
  validate: (object) => {
    const spec = recordAt(object, 'spec')
    const requests = recordAt(recordAt(spec, 'resources'), 'requests')
    return requests['storage'] === undefined
      ? [...validateModes(spec), fieldFault.required('spec.resources[storage]')]
      : validateModes(spec)
  },
  columns: [
    NAME_COLUMN,
    column('Status', (object) => stringAt(object['status'], 'phase')),
    column('Volume', (object) => stringAt(object['spec'], 'volumeName')),
    column('Capacity', (object) =>
      stringAt(recordAt(recordAt(object, 'status'), 'capacity'), 'storage'),
    ),
    column('Access Modes', modesOf),
    column('StorageClass', (object) => stringAt(object['spec'], 'storageClassName')),
    AGE_COLUMN,
  ],
}

/** Everything of a volume's spec besides its one source. */
const VOLUME_FIELDS = {
  capacity: map(quantity),
  accessModes: list(str),
  claimRef: OBJECT_REFERENCE,
  persistentVolumeReclaimPolicy: str,
  storageClassName: str,
  mountOptions: list(str),
  volumeMode: keptStr,
  nodeAffinity: any,
  volumeAttributesClassName: keptStr,
}
const VOLUME_SOURCES = { hostPath: any, local: any, nfs: any, csi: any, iscsi: any, fc: any }

export const PERSISTENT_VOLUMES: ResourceType = {
  ...CORE,
  kind: 'PersistentVolume',
  plural: 'persistentvolumes',
  singular: 'persistentvolume',
  shortNames: ['pv'],
  namespaced: false,
  returnsDeleted: true,
  schema: obj({
    spec: obj({ ...VOLUME_FIELDS, ...VOLUME_SOURCES }),
    status: obj({ phase: str, message: str, reason: str, lastPhaseTransitionTime: str }),
  }),
  defaults: (object) => {
    setDefault(object, 'spec', {})
    setDefault(recordAt(object, 'spec'), 'persistentVolumeReclaimPolicy', 'Retain')
    setDefault(recordAt(object, 'spec'), 'volumeMode', 'Filesystem')
  },
  prepareCreate: (object) => {
    object['status'] = { phase: 'Pending' }
  },
  validate: (object) => {
    const spec = recordAt(object, 'spec')
    const sources = Object.keys(VOLUME_SOURCES).filter((name) => spec[name] !== undefined)
    const faults = validateModes(spec)
    if (recordAt(spec, 'capacity')['storage'] === undefined) {
      faults.push(fieldFault.required('spec.capacity'))
    }
    if (sources.length === 0) {
      faults.push(fieldFault.required('spec', 'must specify a volume type'))
    }
    for (const name of sources.slice(1)) {
      faults.push(fieldFault.forbidden(`spec.${name}`, 'may not specify more than 1 volume type'))
    }
    return faults
  },
  columns: [
    NAME_COLUMN,
    column('Capacity', (object) =>
      stringAt(recordAt(recordAt(object, 'spec'), 'capacity'), 'storage'),
    ),
    column('Access Modes', modesOf),
    column('Reclaim Policy', (object) => stringAt(object['spec'], 'persistentVolumeReclaimPolicy')),
    column('Status', (object) => stringAt(object['status'], 'phase')),
    AGE_COLUMN,
  ],
}

export const STORAGE_CLASSES: ResourceType = {
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'StorageClass',
  plural: 'storageclasses',
  singular: 'storageclass',
  shortNames: ['sc'],
  namespaced: false,
  verbs: OBJECT_VERBS,
  subresources: [],
  nameRule: checkSubdomainName,
  returnsDeleted: true,
  schema: obj({
    provisioner: str,
    parameters: map(str),
    reclaimPolicy: str,
    mountOptions: list(str),
    allowVolumeExpansion: keptBool,
    volumeBindingMode: str,
    allowedTopologies: list(any),
  }),
  defaults: (object) => {
    setDefault(object, 'reclaimPolicy', 'Delete')
    setDefault(object, 'volumeBindingMode', 'Immediate')
  },
  validate: (object) =>
    stringAt(object, 'provisioner') === '' ? [fieldFault.required('provisioner')] : [],
  columns: [
    NAME_COLUMN,
    column('Provisioner', (object) => stringAt(object, 'provisioner')),
    column('ReclaimPolicy', (object) => stringAt(object, 'reclaimPolicy')),
    column('VolumeBindingMode', (object) => stringAt(object, 'volumeBindingMode')),
    AGE_COLUMN,
  ],
}
