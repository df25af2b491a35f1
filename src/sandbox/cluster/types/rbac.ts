import { fieldFault, type Cause } from '../faults.ts'
import { checkPathSegmentName } from '../names.ts'
import {
  isRecord,
  listAt,
  recordAt,
  sameJson,
  setDefault,
  stringAt,
  type ApiObject,
} from '../objects.ts'
import { OBJECT_VERBS, type Column, type ResourceType } from '../resource-types.ts'
import { atomic, keptStr, list, obj, str, valueObj } from '../schema.ts'
import { validateLabelSelector } from '../selectors.ts'
import { AGE_COLUMN, column, NAME_COLUMN } from './columns.ts'
import { LABEL_SELECTOR } from './metadata.ts'

export const RBAC_GROUP = 'rbac.authorization.k8s.io'

const RBAC = {
  group: RBAC_GROUP,
  version: 'v1',
  shortNames: [],
  verbs: OBJECT_VERBS,
  subresources: [],
  nameRule: checkPathSegmentName,
} as const

const RULES = list(
  obj({
    verbs: list(str),
    apiGroups: list(keptStr),
    resources: list(str),
    resourceNames: list(str),
    nonResourceURLs: list(str),
  }),
)

const BINDING_FIELDS = {
  subjects: list(atomic(obj({ kind: str, apiGroup: str, name: str, namespace: str }))),
  roleRef: atomic(valueObj({ apiGroup: str, kind: str, name: str })),
}

const CREATED_COLUMN = column('Created At', ({ metadata }) => metadata.creationTimestamp ?? '', {
  type: 'date',
})

function validateRules(object: ApiObject, isNamespaced: boolean): Cause[] {
  return listAt(object, 'rules').flatMap((rule, at) => {
    const path = `rules[${at}]`
    const [verbs, groups, resources, names, urls] = [
      'verbs',
      'apiGroups',
      'resources',
      'resourceNames',
      'nonResourceURLs',
    ].map((field) => listAt(rule, field)) as [unknown[], unknown[], unknown[], unknown[], unknown[]]
    const faults: Cause[] = []
    if (verbs.length === 0) {
      faults.push(fieldFault.required(`${path}.verbs`, 'verbs must contain at least one value'))
    }
    const here = `${path}.nonResourceURLs`
    if (urls.length > 0) {
      if (isNamespaced) {
        const says = 'namespaced rules cannot apply to non-resource URLs'
        faults.push(fieldFault.invalid(here, urls, says))
      }
      if (groups.length + resources.length + names.length > 0) {
        const says = 'rules cannot apply to both regular resources and non-resource URLs'
        faults.push(fieldFault.invalid(here, urls, says))
      }
      return faults
    }
    if (groups.length === 0) {
      const says = 'resource rules must supply at least one api group'
      faults.push(fieldFault.required(`${path}.apiGroups`, says))
    }
    if (resources.length === 0) {
      const says = 'resource rules must supply at least one resource'
      faults.push(fieldFault.required(`${path}.resources`, says))
    }
    return faults
  })
}

function validateAggregation(object: ApiObject): Cause[] {
  if (!isRecord(object['aggregationRule'])) return []
  const selectors = listAt(object['aggregationRule'], 'clusterRoleSelectors')
  const path = 'aggregationRule.clusterRoleSelectors'
  if (selectors.length === 0) {
    const says = 'at least one clusterRoleSelector required if aggregationRule is non-nil'
    return [fieldFault.required(path, says)]
  }
  return selectors.flatMap((selector, at) => validateLabelSelector(selector, `${path}[${at}]`))
}

export const ROLES: ResourceType = {
  ...RBAC,
  kind: 'Role',
  plural: 'roles',
  singular: 'role',
  namespaced: true,
  schema: obj({ rules: RULES }),
  validate: (object) => validateRules(object, true),
  columns: [NAME_COLUMN, CREATED_COLUMN],
}

export const CLUSTER_ROLES: ResourceType = {
  ...RBAC,
  kind: 'ClusterRole',
  plural: 'clusterroles',
  singular: 'clusterrole',
  namespaced: false,
  schema: obj({
    rules: RULES,
    aggregationRule: obj({ clusterRoleSelectors: list(LABEL_SELECTOR) }),
  }),
  validate: (object) => [...validateRules(object, false), ...validateAggregation(object)],
  columns: [NAME_COLUMN, CREATED_COLUMN],
}

function fillBinding(object: ApiObject): void {
  setDefault(object, 'roleRef', {})
  setDefault(recordAt(object, 'roleRef'), 'apiGroup', RBAC_GROUP)
  for (const subject of listAt(object, 'subjects')) {
    if (!isRecord(subject)) continue
    const kind = stringAt(subject, 'kind')
    if (kind === 'User' || kind === 'Group') setDefault(subject, 'apiGroup', RBAC_GROUP)
  }
}

function validateBinding(object: ApiObject, kinds: readonly string[]): Cause[] {
  const role = recordAt(object, 'roleRef')
  const [group, kind, name] = ['apiGroup', 'kind', 'name'].map((field) => stringAt(role, field))
  const faults: Cause[] = []
  if (group !== RBAC_GROUP) {
    faults.push(fieldFault.notSupported('roleRef.apiGroup', group, [RBAC_GROUP]))
  }
  if (!kinds.includes(kind ?? '')) {
    faults.push(fieldFault.notSupported('roleRef.kind', kind, kinds))
  }
  if (name === undefined || name === '') faults.push(fieldFault.required('roleRef.name'))
  else {
    faults.push(
      ...checkPathSegmentName(name).map((says) => fieldFault.invalid('roleRef.name', name, says)),
    )
  }
  return [
    ...faults,
    ...listAt(object, 'subjects').flatMap((subject, at) =>
      validateSubject(subject, `subjects[${at}]`),
    ),
  ]
}

const SUBJECT_KINDS = ['ServiceAccount', 'User', 'Group']

function validateSubject(subject: unknown, path: string): Cause[] {
  const [kind = '', group = '', name = ''] = ['kind', 'apiGroup', 'name'].map((field) =>
    stringAt(subject, field),
  )
  const faults = name === '' ? [fieldFault.required(`${path}.name`)] : []
  if (!SUBJECT_KINDS.includes(kind)) {
    return [...faults, fieldFault.notSupported(`${path}.kind`, kind, SUBJECT_KINDS)]
  }
  const wanted = kind === 'ServiceAccount' ? '' : RBAC_GROUP
  if (group !== wanted) {
    faults.push(fieldFault.notSupported(`${path}.apiGroup`, group, [wanted]))
  }
  return faults
}

/** In a namespace it is the binding's own where a subject names none. */
function validateSubjectNamespaces(object: ApiObject): Cause[] {
  return listAt(object, 'subjects').flatMap((subject, index) =>
    stringAt(subject, 'kind') === 'ServiceAccount' && stringAt(subject, 'namespace') === ''
      ? [fieldFault.required(`subjects[${index}].namespace`)]
      : [],
  )
}

function validateRoleKept(object: ApiObject, old: ApiObject): Cause[] {
  const role = object['roleRef']
  return sameJson(role, old['roleRef'])
    ? []
    : [fieldFault.invalid('roleRef', role, 'cannot change roleRef')]
}

const ROLE_COLUMN = column(
  'Role',
  (object) => `${stringAt(object['roleRef'], 'kind')}/${stringAt(object['roleRef'], 'name')}`,
)

const subjectColumn = (name: string, kind: string): Column =>
  column(
    name,
    (object) =>
      listAt(object, 'subjects')
        .filter((subject) => stringAt(subject, 'kind') === kind)
        .map((subject) =>
          [stringAt(subject, 'namespace'), stringAt(subject, 'name')].filter(Boolean).join('/'),
        )
        .join(', '),
    { isWide: true },
  )

const BINDING_COLUMNS = [
  NAME_COLUMN,
  ROLE_COLUMN,
  AGE_COLUMN,
  subjectColumn('Users', 'User'),
  subjectColumn('Groups', 'Group'),
  subjectColumn('ServiceAccounts', 'ServiceAccount'),
]

export const ROLE_BINDINGS: ResourceType = {
  ...RBAC,
  kind: 'RoleBinding',
  plural: 'rolebindings',
  singular: 'rolebinding',
  namespaced: true,
  schema: obj(BINDING_FIELDS),
  defaults: fillBinding,
  validate: (object) => validateBinding(object, ['Role', 'ClusterRole']),
  validateUpdate: validateRoleKept,
  columns: BINDING_COLUMNS,
}

export const CLUSTER_ROLE_BINDINGS: ResourceType = {
  ...RBAC,
  kind: 'ClusterRoleBinding',
  plural: 'clusterrolebindings',
  singular: 'clusterrolebinding',
  namespaced: false,
  schema: obj(BINDING_FIELDS),
  defaults: fillBinding,
  validate: (object) => [
    ...validateBinding(object, ['ClusterRole']),
    ...validateSubjectNamespaces(object),
  ],
  validateUpdate: validateRoleKept,
  columns: BINDING_COLUMNS,
}
