import { fieldFault, type Cause } from '../faults.ts'
import { checkDns1035Name, checkSubdomainName } from '../names.ts'
import {
  isRecord,
  listAt,
  recordAt,
  sameJson,
  stringAt,
  type ApiObject,
  type JsonRecord,
} from '../objects.ts'
import { parseJsonPath } from './json-path.ts'
import { validateDefaults } from './schema-defaults.ts'
import { validateKeywords } from './schema-keywords.ts'
import { validateStructure, type SchemaNode } from './structural-schema.ts'

const APPROVAL = 'api-approved.kubernetes.io'
const APPROVAL_SEE = 'see https://github.com/kubernetes/enhancements/pull/1111'
const VERSIONS_MAX = 50

/** The names of the versions that a definition marks for storage. */
export const storageVersions = (object: ApiObject): string[] =>
  listAt(object['spec'], 'versions')
    .filter((version) => isRecord(version) && version['storage'] === true)
    .map((version) => stringAt(version, 'name'))

/**
 * What keeps a definition from being served, in apiextensions' words and order
 * (Kubernetes, "Extend the Kubernetes API with CustomResourceDefinitions").
 */
export function validateDefinition(object: ApiObject): Cause[] {
  const spec = recordAt(object, 'spec')
  const names = recordAt(spec, 'names')
  const [group, scope] = [stringAt(spec, 'group'), stringAt(spec, 'scope')]
  const faults: Cause[] = []
  if (object.metadata.name !== `${stringAt(names, 'plural')}.${group}`) {
    const says = 'must be spec.names.plural+"."+spec.group'
    faults.push(fieldFault.invalid('metadata.name', object.metadata.name, says))
  }
  if (group === '') faults.push(fieldFault.required('spec.group'))
  else {
    const says = checkSubdomainName(group)
    if (says.length === 0 && !group.includes('.')) {
      says.push('should be a domain with at least one dot')
    }
    faults.push(...says.map((text) => fieldFault.invalid('spec.group', group, text)))
  }
  faults.push(...validateChoice('spec.scope', scope, ['Cluster', 'Namespaced']))
  return [
    ...faults,
    ...validateVersions(object, spec),
    ...['plural', 'singular', 'kind', 'listKind']
      .filter((field) => stringAt(names, field) === '')
      .map((field) => fieldFault.required(`spec.names.${field}`)),
    ...validateNames(names),
    ...validateShared(spec),
    ...validateConversion(recordAt(spec, 'conversion')),
    ...validateStoredVersions(object),
    ...validateApproval(object, group),
    ...(spec['preserveUnknownFields'] === true
      ? [
          fieldFault.invalid(
            'spec.preserveUnknownFields',
            true,
            'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
          ),
        ]
      : []),
  ]
}

function validateChoice(field: string, value: string, allowed: readonly string[]): Cause[] {
  if (value === '') return [fieldFault.required(field)]
  return allowed.includes(value) ? [] : [fieldFault.notSupported(field, value, allowed)]
}

function validateNames(names: JsonRecord): Cause[] {
  const faults: Cause[] = []
  const check = (field: string, name: string, isMixed = false): void => {
    const found = checkDns1035Name(isMixed ? name.toLowerCase() : name)
    if (name === '' || found.length === 0) return
    const prefix = isMixed ? 'may have mixed case, but should otherwise match: ' : ''
    faults.push(fieldFault.invalid(`spec.names.${field}`, name, prefix + found.join(',')))
  }
  const [kind, listKind] = [stringAt(names, 'kind'), stringAt(names, 'listKind')]
  check('plural', stringAt(names, 'plural'))
  check('singular', stringAt(names, 'singular'))
  check('kind', kind, true)
  check('listKind', listKind, true)
  for (const [at, name] of listAt(names, 'shortNames').entries()) {
    check(`shortNames[${at}]`, String(name))
  }
  if (kind !== '' && kind === listKind) {
    const says = 'kind and listKind may not be the same'
    faults.push(fieldFault.invalid('spec.names.listKind', listKind, says))
  }
  for (const [at, name] of listAt(names, 'categories').entries()) {
    check(`categories[${at}]`, String(name))
  }
  return faults
}

const versionsOf = (spec: JsonRecord): JsonRecord[] => listAt(spec, 'versions').filter(isRecord)

/**
 * A field that every version has alike is judged once, and faults name it as the first API's form
 * of definitions had it, outside of the versions.
 */
function isShared(spec: JsonRecord, field: string): boolean {
  const [first, ...rest] = versionsOf(spec)
  if (first?.[field] === undefined) return false
  return rest.every((version) => sameJson(version[field], first[field]))
}

interface Part {
  readonly shared: string
  readonly validate: (version: JsonRecord, path: string) => Cause[]
}

const PARTS: Readonly<Record<string, Part>> = {
  schema: { shared: 'validation', validate: validateSchemaOf },
  subresources: { shared: 'subresources', validate: validateScale },
  additionalPrinterColumns: { shared: 'additionalPrinterColumns', validate: validateColumns },
  selectableFields: { shared: 'selectableFields', validate: validateSelectable },
}

function validateShared(spec: JsonRecord): Cause[] {
  const [first] = versionsOf(spec)
  return Object.entries(PARTS).flatMap(([field, { shared, validate }]) =>
    first !== undefined && isShared(spec, field) ? validate(first, `spec.${shared}`) : [],
  )
}

function validateVersions(object: ApiObject, spec: JsonRecord): Cause[] {
  const versions = versionsOf(spec)
  const names = versions.map((version) => stringAt(version, 'name'))
  const path = 'spec.versions'
  if (versions.length > VERSIONS_MAX) {
    return [fieldFault.forbidden(path, `at most ${VERSIONS_MAX} versions are served`)]
  }
  const faults = versions.flatMap((version, at) =>
    isRecord(recordAt(version, 'schema')['openAPIV3Schema'])
      ? []
      : [fieldFault.required(`${path}[${at}].schema.openAPIV3Schema`)],
  )
  for (const [at, version] of versions.entries()) {
    const here = `${path}[${at}]`
    const says = checkDns1035Name(names[at] ?? '')
    if (says.length > 0) {
      faults.push(fieldFault.invalid(`${here}.name`, names[at], says.join(',')))
    }
    faults.push(...validateDeprecation(version, `${here}.deprecationWarning`))
    for (const [field, { validate }] of Object.entries(PARTS)) {
      const isOwn = version[field] !== undefined && !isShared(spec, field)
      if (isOwn) faults.push(...validate(version, `${here}.${field}`))
    }
  }
  if (new Set(names).size !== names.length) {
    faults.push(fieldFault.invalid(path, names, 'must contain unique version names'))
  }
  if (storageVersions(object).length !== 1) {
    const says = 'must have exactly one version marked as storage version'
    faults.push(fieldFault.invalid(path, names, says))
  }
  return faults
}

function validateDeprecation(version: JsonRecord, path: string): Cause[] {
  const { deprecationWarning: warning } = version
  if (typeof warning !== 'string') return []
  const refuse = (says: string): Cause[] => [fieldFault.invalid(path, warning, says)]
  if (version['deprecated'] !== true) return refuse('can only be set for deprecated versions')
  if (warning.length > 256) return refuse('must be <= 256 characters long')
  return warning === '' ? refuse('must not be an empty string') : []
}

function validateSchemaOf(version: JsonRecord, path: string): Cause[] {
  const schema: unknown = recordAt(version, 'schema')['openAPIV3Schema']
  if (!isRecord(schema)) return []
  const here = `${path}.openAPIV3Schema`
  const faults: Cause[] = []
  if (schema['nullable'] === true) {
    faults.push(fieldFault.forbidden(`${here}.nullable`, 'nullable cannot be true at the root'))
  }
  const structure = validateStructure(schema, here)
  const keywords = validateKeywords(schema, here)
  // A schema with keywords that no structure has is not judged by its structure.
  const isShapeless = keywords.some(({ message }) => message.endsWith('is not supported'))
  return [
    ...faults,
    ...(isShapeless ? [] : structure),
    ...(structure.length === 0 && !isShapeless ? validateDefaults(schema, here) : []),
    ...keywords,
  ]
}

const COLUMN_TYPES = ['boolean', 'date', 'integer', 'number', 'string']
const COLUMN_FORMATS = [
  'byte',
  'date',
  'date-time',
  'double',
  'float',
  'int32',
  'int64',
  'password',
]

function validateColumns(version: JsonRecord, path: string): Cause[] {
  return listAt(version, 'additionalPrinterColumns').flatMap((shown, at) => {
    const here = `${path}[${at}]`
    const [type, format] = [stringAt(shown, 'type'), stringAt(shown, 'format')]
    const faults: Cause[] = []
    if (stringAt(shown, 'name') === '') faults.push(fieldFault.required(`${here}.name`))
    const types = `must be one of ${COLUMN_TYPES.join(',')}`
    if (type === '') faults.push(fieldFault.required(`${here}.type`, types))
    else if (!COLUMN_TYPES.includes(type)) {
      faults.push(fieldFault.invalid(`${here}.type`, type, types))
    }
    if (format !== '' && !COLUMN_FORMATS.includes(format)) {
      const formats = `must be one of ${COLUMN_FORMATS.join(',')}`
      faults.push(fieldFault.invalid(`${here}.format`, format, formats))
    }
    const jsonPath = stringAt(shown, 'jsonPath')
    if (jsonPath === '') return [...faults, fieldFault.required(`${here}.JSONPath`)]
    const simple = validateSimplePath(jsonPath, `${here}.JSONPath`)
    if (simple.length === 0 && parseJsonPath(jsonPath) === undefined) {
      const says = 'this server reads no such JSON path'
      simple.push(fieldFault.invalid(`${here}.JSONPath`, jsonPath, says))
    }
    return [...faults, ...simple]
  })
}

const validateSimplePath = (text: string, path: string): Cause[] =>
  text.startsWith('.')
    ? []
    : [fieldFault.invalid(path, text, 'must be a simple json path starting with .')]

function validateScale(version: JsonRecord, path: string): Cause[] {
  const scale: unknown = recordAt(version, 'subresources')['scale']
  if (!isRecord(scale)) return []
  const places = {
    specReplicasPath: ['.spec'],
    statusReplicasPath: ['.status'],
    labelSelectorPath: ['.spec', '.status'],
  }
  return Object.entries(places).flatMap(([field, roots]) => {
    const here = `${path}.scale.${field}`
    const value = stringAt(scale, field)
    if (value === '') return field === 'labelSelectorPath' ? [] : [fieldFault.required(here)]
    const simple = validateSimplePath(value, here)
    if (simple.length > 0 || roots.some((root) => value.startsWith(`${root}.`))) return simple
    const under = roots.length === 1 ? `under ${roots[0]}` : `under either ${roots.join(' or ')}`
    return [fieldFault.invalid(here, value, `should be a json path ${under}`)]
  })
}

const SELECTABLE_MAX = 8

function validateSelectable(version: JsonRecord, path: string): Cause[] {
  const schema = recordAt(recordAt(version, 'schema'), 'openAPIV3Schema')
  const seen = new Set<string>()
  const faults = listAt(version, 'selectableFields').flatMap((field, at) => {
    const here = `${path}[${at}].jsonPath`
    const jsonPath = stringAt(field, 'jsonPath')
    if (jsonPath === '') return [fieldFault.required(here)]
    const refuse = (says: string): Cause[] => [fieldFault.invalid(here, jsonPath, says)]
    const found = fieldAt(schema, jsonPath)
    if (found === undefined) return refuse('is an invalid path: does not refer to a valid field')
    if (jsonPath.startsWith('.metadata.')) return refuse('must not point to fields in metadata')
    if (!['string', 'boolean', 'integer'].includes(stringAt(found, 'type'))) {
      return refuse(
        'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.',
      )
    }
    if (seen.has(jsonPath)) return [fieldFault.duplicate(here, jsonPath)]
    seen.add(jsonPath)
    return []
  })
  return seen.size > SELECTABLE_MAX
    ? [...faults, fieldFault.tooMany(path, seen.size, SELECTABLE_MAX)]
    : faults
}

/** The schema of a field by its path; undefined where the structure has none. */
function fieldAt(schema: SchemaNode, jsonPath: string): SchemaNode | undefined {
  if (!jsonPath.startsWith('.')) return undefined
  let node: unknown = schema
  for (const name of jsonPath.slice(1).split('.')) {
    const properties = recordAt({ node }, 'node')['properties']
    node = isRecord(properties) && Object.hasOwn(properties, name) ? properties[name] : undefined
  }
  return isRecord(node) ? node : undefined
}

function validateConversion(conversion: JsonRecord): Cause[] {
  const strategy = stringAt(conversion, 'strategy')
  const path = 'spec.conversion'
  const faults = validateChoice(`${path}.strategy`, strategy, ['None', 'Webhook'])
  const webhook = recordAt(conversion, 'webhook')
  const hasClient = isRecord(webhook['clientConfig'])
  const hasVersions = listAt(webhook, 'conversionReviewVersions').length > 0
  if (strategy !== 'Webhook') {
    const says = 'should not be set when strategy is not set to Webhook'
    if (hasClient) faults.push(fieldFault.forbidden(`${path}.webhookClientConfig`, says))
    if (hasVersions) faults.push(fieldFault.forbidden(`${path}.conversionReviewVersions`, says))
    return faults
  }
  if (!hasClient) {
    const says = 'required when strategy is set to Webhook'
    faults.push(fieldFault.required(`${path}.webhookClientConfig`, says))
  }
  if (!hasVersions) faults.push(fieldFault.required(`${path}.conversionReviewVersions`))
  const says = 'this server converts by the strategy None only'
  return faults.length > 0 ? faults : [fieldFault.forbidden(`${path}.strategy`, says)]
}

function validateStoredVersions(object: ApiObject): Cause[] {
  const names = versionsOf(recordAt(object, 'spec')).map((version) => stringAt(version, 'name'))
  const stored = listAt(object['status'], 'storedVersions').map(String)
  const path = 'status.storedVersions'
  if (stored.length === 0) {
    return [fieldFault.invalid(path, null, 'must have at least one stored version')]
  }
  const missing = storageVersions(object).filter((name) => !stored.includes(name))
  const gone = [...stored.entries()].filter(([, name]) => !names.includes(name))
  return [
    ...missing.map((name) =>
      fieldFault.invalid(path, stored, `must have the storage version ${name}`),
    ),
    ...gone.map(([at, name]) =>
      fieldFault.invalid(
        `${path}[${at}]`,
        name,
        `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`,
      ),
    ),
  ]
}

/** Groups of Kubernetes' own community are for what it has approved. */
function validateApproval(object: ApiObject, group: string): Cause[] {
  if (!/(?:^|\.)(?:k8s|kubernetes)\.io$/.test(group)) return []
  const given = stringAt(object.metadata.annotations, APPROVAL)
  const path = `metadata.annotations[${APPROVAL}]`
  const must = `protected groups must have approval annotation "${APPROVAL}"`
  if (given === '') return [fieldFault.required(path, `${must}, ${APPROVAL_SEE}`)]
  if (given.startsWith('unapproved') || isUrl(given)) return []
  const says = `${must} with either a URL or a reason starting with "unapproved", ${APPROVAL_SEE}`
  return [fieldFault.invalid(path, given, says)]
}

const isUrl = (text: string): boolean => {
  const url = URL.parse(text)
  return url !== null && url.host !== '' && url.protocol !== ''
}

/** What may not change once a definition's objects are served, and what never may. */
export function validateDefinitionUpdate(
  object: ApiObject,
  old: ApiObject,
  isEstablished: boolean,
): Cause[] {
  const fields = [
    ...(isEstablished ? [['scope'], ['names', 'kind']] : []),
    ['group'],
    ['names', 'plural'],
  ]
  return fields.flatMap((field) => {
    const read = (from: ApiObject): unknown =>
      field.reduce<unknown>((at, name) => recordAt({ at }, 'at')[name], from['spec'])
    return sameJson(read(object), read(old))
      ? []
      : [fieldFault.invalid(`spec.${field.join('.')}`, read(object), 'field is immutable')]
  })
}
