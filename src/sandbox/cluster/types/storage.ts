/** Volumes, their claims and classes; `controllers/volumes.ts` binds what fits. */
import { fieldFault, type Cause } from '../faults.ts'
import { checkQualifiedName, checkSubdomainName } from '../names.ts'
import {
  isRecord,
  listAt,
  omit,
  recordAt,
  sameJson,
  setDefault,
  stringAt,
  type ApiObject,
  type JsonRecord,
} from '../objects.ts'
import { parseQuantity } from '../quantities.ts'
import { OBJECT_VERBS, type ResourceType } from '../resource-types.ts'
import {
  any,
  atomic,
  bool,
  keptBool,
  keptInt,
  keptStr,
  list,
  map,
  mergeList,
  obj,
  quantity,
  str,
  valueObj,
} from '../schema.ts'
import { AGE_COLUMN, column, NAME_COLUMN } from './columns.ts'
import { validateLabelSelector } from '../selectors.ts'
import { checkImmutable, CONDITION, OBJECT_REFERENCE } from './metadata.ts'
import { CLAIM_SPEC, NODE_SELECTOR } from './pod-schema.ts'
import { STATUS_SUBRESOURCE } from './workloads.ts'

const ACCESS_MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod']
/** As kubectl shows them, in its order. */
const SHORT_MODES = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
}

export const CLAIM_STATUS = valueObj({
  phase: str,
  accessModes: list(str),
  capacity: map(quantity),
  conditions: mergeList('type', CONDITION),
  allocatedResources: map(quantity),
  allocatedResourceStatuses: map(str),
  currentVolumeAttributesClassName: keptStr,
  modifyVolumeStatus: obj({ targetVolumeAttributesClassName: str, status: keptStr }),
})

const CORE = {
  group: '',
  version: 'v1',
  verbs: OBJECT_VERBS,
  subresources: [STATUS_SUBRESOURCE],
  nameRule: checkSubdomainName,
} as const

function validateModes(spec: JsonRecord, says: string): Cause[] {
  const modes = listAt(spec, 'accessModes')
  if (modes.length === 0) return [fieldFault.required('spec.accessModes', says)]
  const unknown = modes
    .filter((mode) => !ACCESS_MODES.includes(String(mode)))
    .map((mode) => fieldFault.notSupported('spec.accessModes', mode, ACCESS_MODES))
  const isMixed = modes.includes('ReadWriteOncePod') && modes.length > 1
  const mixed = 'may not use ReadWriteOncePod with other access modes'
  return isMixed ? [...unknown, fieldFault.forbidden('spec.accessModes', mixed)] : unknown
}

function validateCommon(spec: JsonRecord): Cause[] {
  const { volumeMode, storageClassName: name } = spec
  const modes = ['Block', 'Filesystem']
  return [
    ...(typeof name === 'string' && name !== ''
      ? checkSubdomainName(name).map((says) =>
          fieldFault.invalid('spec.storageClassName', name, says),
        )
      : []),
    ...(modes.some((mode) => mode === volumeMode)
      ? []
      : [fieldFault.notSupported('spec.volumeMode', volumeMode, modes)]),
  ]
}

/** An amount of storage that something holds or wants. */
function validateAmount(field: string, amount: unknown): Cause[] {
  const value = parseQuantity(String(amount))?.nanos ?? 0n
  return value > 0n ? [] : [fieldFault.invalid(field, amount, 'must be greater than zero')]
}

const modesOf = (object: ApiObject, part: 'spec' | 'status'): string => {
  const modes = listAt(object[part], 'accessModes')
  const shown = Object.entries(SHORT_MODES).filter(([mode]) => modes.includes(mode))
  return shown.map(([, short]) => short).join(',')
}

const attributesClass = (object: ApiObject): string =>
  stringAt(object['spec'], 'volumeAttributesClassName') || '<unset>'

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
    protect(object, CLAIM_FINALIZER)
  },
  validate: (object) => {
    const spec = recordAt(object, 'spec')
    const { storage } = recordAt(recordAt(spec, 'resources'), 'requests')
    return [
      ...validateModes(spec, 'at least 1 access mode is required'),
      ...(storage === undefined
        ? [fieldFault.required('spec.resources[storage]')]
        : validateAmount('spec.resources[storage]', storage)),
      ...validateLabelSelector(spec['selector'], 'spec.selector'),
      ...validateCommon(spec),
    ]
  },
  validateUpdate: validateClaimUpdate,
  columns: [
    NAME_COLUMN,
    column('Status', (object) => stringAt(object['status'], 'phase')),
    column('Volume', (object) => stringAt(object['spec'], 'volumeName')),
    column('Capacity', (object) =>
      stringAt(recordAt(recordAt(object, 'status'), 'capacity'), 'storage'),
    ),
    column('Access Modes', (object) => modesOf(object, 'status')),
    column('StorageClass', (object) => stringAt(object['spec'], 'storageClassName')),
    column('VolumeAttributesClass', attributesClass),
    AGE_COLUMN,
    column('VolumeMode', (object) => stringAt(object['spec'], 'volumeMode'), { isWide: true }),
  ],
}

/** A claim is what it was, but for the volume that it gets and the room that a bound one wants. */
function validateClaimUpdate(object: ApiObject, old: ApiObject): Cause[] {
  const isBound = stringAt(old['status'], 'phase') === 'Bound'
  const [spec, before] = [recordAt(object, 'spec'), recordAt(old, 'spec')]
  const open = ['volumeAttributesClassName', ...(isBound ? ['resources'] : [])]
  const fixed = (from: JsonRecord): JsonRecord =>
    omit(from, ...open, ...(before['volumeName'] === undefined ? ['volumeName'] : []))
  if (!sameJson(fixed(spec), fixed(before))) {
    const says =
      'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims'
    return [fieldFault.forbidden('spec', says)]
  }
  const amount = (from: unknown): bigint => parseQuantity(String(from))?.nanos ?? 0n
  const [wanted, had] = [spec, before].map((from) =>
    amount(recordAt(recordAt(from, 'resources'), 'requests')['storage']),
  )
  const capacity = amount(recordAt(recordAt(old, 'status'), 'capacity')['storage'])
  const isLess = wanted !== undefined && had !== undefined && wanted < had && wanted < capacity
  return isLess
    ? [
        fieldFault.forbidden(
          'spec.resources.requests.storage',
          'field can not be less than status.capacity',
        ),
      ]
    : []
}

/** Everything of a volume's spec besides its one source. */
const VOLUME_FIELDS = {
  capacity: map(quantity),
  accessModes: list(str),
  claimRef: { ...OBJECT_REFERENCE, isAtomic: false },
  persistentVolumeReclaimPolicy: str,
  storageClassName: str,
  mountOptions: list(str),
  volumeMode: keptStr,
  nodeAffinity: obj({ required: NODE_SELECTOR }),
  volumeAttributesClassName: keptStr,
}
/** Their protection: who uses them keeps them. */
export const CLAIM_FINALIZER = 'kubernetes.io/pvc-protection'
export const VOLUME_FINALIZER = 'kubernetes.io/pv-protection'

function protect({ metadata }: ApiObject, finalizer: string): void {
  metadata.finalizers = [...new Set([...(metadata.finalizers ?? []), finalizer])]
}

const SECRET_REFERENCE = atomic(obj({ name: str, namespace: str }))
const VOLUME_SOURCES = {
  hostPath: obj({ path: keptStr, type: keptStr }),
  local: obj({ path: keptStr, fsType: keptStr }),
  nfs: obj({ server: keptStr, path: keptStr, readOnly: bool }),
  csi: obj({
    driver: keptStr,
    volumeHandle: keptStr,
    readOnly: bool,
    fsType: str,
    volumeAttributes: map(str),
    controllerPublishSecretRef: SECRET_REFERENCE,
    nodeStageSecretRef: SECRET_REFERENCE,
    nodePublishSecretRef: SECRET_REFERENCE,
    controllerExpandSecretRef: SECRET_REFERENCE,
    nodeExpandSecretRef: SECRET_REFERENCE,
  }),
  iscsi: obj({
    targetPortal: keptStr,
    iqn: keptStr,
    lun: keptInt,
    iscsiInterface: str,
    fsType: str,
    readOnly: bool,
    portals: list(str),
    chapAuthDiscovery: bool,
    chapAuthSession: bool,
    secretRef: SECRET_REFERENCE,
    initiatorName: keptStr,
  }),
  fc: obj({
    targetWWNs: list(str),
    lun: keptInt,
    fsType: str,
    readOnly: bool,
    wwids: list(str),
  }),
}

export const PERSISTENT_VOLUMES: ResourceType = {
  ...CORE,
  kind: 'PersistentVolume',
  plural: 'persistentvolumes',
  singular: 'persistentvolume',
  shortNames: ['pv'],
  namespaced: false,
  returnsDeleted: true,
  schema: obj({
    spec: valueObj({ ...VOLUME_FIELDS, ...VOLUME_SOURCES }),
    status: valueObj({ phase: str, message: str, reason: str, lastPhaseTransitionTime: str }),
  }),
  defaults: (object) => {
    setDefault(object, 'spec', {})
    const spec = recordAt(object, 'spec')
    setDefault(spec, 'persistentVolumeReclaimPolicy', 'Retain')
    setDefault(spec, 'volumeMode', 'Filesystem')
    if (isRecord(spec['hostPath'])) setDefault(spec['hostPath'], 'type', '')
  },
  prepareCreate: (object) => {
    object['status'] = { phase: 'Pending' }
    protect(object, VOLUME_FINALIZER)
  },
  validate: validateVolume,
  validateUpdate: (object, old) => {
    const source = (from: ApiObject): unknown[] =>
      Object.keys(VOLUME_SOURCES).map((name) => recordAt(from, 'spec')[name])
    const says = 'spec.persistentvolumesource is immutable after creation'
    return sameJson(source(object), source(old))
      ? checkImmutable(
          recordAt(object, 'spec')['volumeMode'],
          recordAt(old, 'spec')['volumeMode'],
          'spec.volumeMode',
        )
      : [fieldFault.forbidden('spec.persistentvolumesource', says)]
  },
  columns: [
    NAME_COLUMN,
    column('Capacity', (object) =>
      stringAt(recordAt(recordAt(object, 'spec'), 'capacity'), 'storage'),
    ),
    column('Access Modes', (object) => modesOf(object, 'spec')),
    column('Reclaim Policy', (object) => stringAt(object['spec'], 'persistentVolumeReclaimPolicy')),
    column('Status', (object) =>
      object.metadata.deletionTimestamp === undefined
        ? stringAt(object['status'], 'phase')
        : 'Terminating',
    ),
    column('Claim', (object) => {
      const claim = recordAt(recordAt(object, 'spec'), 'claimRef')
      return Object.keys(claim).length === 0
        ? ''
        : `${stringAt(claim, 'namespace')}/${stringAt(claim, 'name')}`
    }),
    column('StorageClass', (object) => stringAt(object['spec'], 'storageClassName')),
    column('VolumeAttributesClass', attributesClass),
    column('Reason', (object) => stringAt(object['status'], 'reason')),
    AGE_COLUMN,
    column('VolumeMode', (object) => stringAt(object['spec'], 'volumeMode'), { isWide: true }),
  ],
}

function validateVolume(object: ApiObject): Cause[] {
  const spec = recordAt(object, 'spec')
  const sources = Object.keys(VOLUME_SOURCES).filter((name) => spec[name] !== undefined)
  const policy = stringAt(spec, 'persistentVolumeReclaimPolicy')
  const faults = [...validateModes(spec, ''), ...validateCapacity(spec['capacity'])]
  if (sources.length === 0) faults.push(fieldFault.required('spec', 'must specify a volume type'))
  for (const name of sources.slice(1)) {
    faults.push(fieldFault.forbidden(`spec.${name}`, 'may not specify more than 1 volume type'))
  }
  const [source] = sources
  if (source !== undefined) faults.push(...validateSource(spec, source))
  const policies = ['Delete', 'Recycle', 'Retain']
  if (!policies.includes(policy)) {
    faults.push(fieldFault.notSupported('spec.persistentVolumeReclaimPolicy', policy, policies))
  }
  return [...faults, ...validateCommon(spec)]
}

function validateCapacity(capacity: unknown): Cause[] {
  const amounts = isRecord(capacity) ? capacity : {}
  const field = 'spec.capacity'
  const faults = Object.keys(amounts).length === 0 ? [fieldFault.required(field)] : []
  const isStorage = Object.keys(amounts).length === 1 && amounts['storage'] !== undefined
  return isStorage
    ? validateAmount(`${field}[storage]`, amounts['storage'])
    : [...faults, fieldFault.notSupported(field, capacity ?? null, ['storage'])]
}

function validateSource(spec: JsonRecord, name: string): Cause[] {
  const source = recordAt(spec, name)
  const path = `spec.${name}`
  const where = stringAt(source, 'path')
  switch (name) {
    case 'hostPath':
      return validatePath(`${path}.path`, where)
    case 'local':
      return spec['nodeAffinity'] === undefined
        ? [fieldFault.required('spec.nodeAffinity', 'Local volume requires node affinity')]
        : validatePath(`${path}.path`, where)
    case 'nfs':
      return [
        ...(stringAt(source, 'server') === '' ? [fieldFault.required(`${path}.server`)] : []),
        ...(where === '' ? [fieldFault.required(`${path}.path`)] : []),
        ...(where === '' || where.startsWith('/')
          ? []
          : [fieldFault.invalid(`${path}.path`, where, 'must be an absolute path')]),
      ]
    case 'csi':
      return ['driver', 'volumeHandle']
        .filter((field) => stringAt(source, field) === '')
        .map((field) => fieldFault.required(`${path}.${field}`))
    default:
      return []
  }
}

function validatePath(field: string, path: string): Cause[] {
  if (path === '') return [fieldFault.required(field)]
  return path.split('/').includes('..')
    ? [fieldFault.invalid(field, path, "must not contain '..'")]
    : []
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
  validate: (object) => {
    const provisioner = stringAt(object, 'provisioner')
    const choices = [
      ['reclaimPolicy', ['Delete', 'Retain']],
      ['volumeBindingMode', ['Immediate', 'WaitForFirstConsumer']],
    ] as const
    const faults =
      provisioner === ''
        ? [fieldFault.required('provisioner')]
        : checkQualifiedName(provisioner.toLowerCase()).map((says) =>
            fieldFault.invalid('provisioner', provisioner.toLowerCase(), says),
          )
    for (const [field, allowed] of choices) {
      const value = stringAt(object, field)
      if (!allowed.some((one) => one === value)) {
        faults.push(fieldFault.notSupported(field, value, allowed))
      }
    }
    if (Object.hasOwn(recordAt(object, 'parameters'), '')) {
      faults.push(fieldFault.invalid('parameters', '', 'field can not be empty.'))
    }
    return faults
  },
  validateUpdate: (object, old) =>
    ['parameters', 'provisioner', 'reclaimPolicy', 'volumeBindingMode'].flatMap((field) =>
      checkImmutable(object[field], old[field], field),
    ),
  columns: [
    NAME_COLUMN,
    column('Provisioner', (object) => stringAt(object, 'provisioner')),
    column('ReclaimPolicy', (object) => stringAt(object, 'reclaimPolicy')),
    column('VolumeBindingMode', (object) => stringAt(object, 'volumeBindingMode')),
    {
      name: 'AllowVolumeExpansion',
      type: 'string',
      cell: (object) => object['allowVolumeExpansion'] === true,
    },
    AGE_COLUMN,
  ],
}
