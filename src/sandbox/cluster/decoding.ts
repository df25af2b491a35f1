import { type ApiFault, badRequest, fieldFault, invalid } from './faults.ts'
import { stringAt, type ApiObject, type JsonRecord } from './objects.ts'
import { apiVersionOf, type CustomBehaviour, type ResourceType } from './resource-types.ts'
import { any, DecodeFault, decodeObject, obj, type ObjectSchema, str } from './schema.ts'
import { METADATA, objectSchemaOf } from './types/metadata.ts'

/** What to do with fields that a schema does not know: the `fieldValidation` parameter. */
export type FieldValidation = 'Ignore' | 'Warn' | 'Strict'

export interface Decoding {
  readonly fieldValidation: FieldValidation
  /** The object is what a patch made: kube-apiserver says otherwise what is wrong with it. */
  readonly isPatch?: boolean
  warn(text: string): void
}

/** What messages name a body by. */
export type KindVersion = Pick<ResourceType, 'kind' | 'version'>

/** For objects that the server itself makes. */
export const LENIENT: Decoding = { fieldValidation: 'Ignore', warn: () => undefined }

/**
 * Untrusted JSON as a type's object, checked against its schema. apiVersion and kind of built-in
 * types may be left out, as kube-apiserver lets them.
 * @throws ApiFault BadRequest, Invalid
 */
export function decodeResource(
  type: ResourceType,
  value: JsonRecord,
  decoding: Decoding,
): ApiObject {
  if (type.custom === undefined) checkKind(apiVersionOf(type), type.kind, value, decoding)
  else checkCustomKind(type, value)
  const decoded =
    type.custom === undefined
      ? decodeAs(objectSchemaOf(type), type, value, decoding)
      : decodeCustom(type, type.custom, value, decoding)
  const { metadata } = decoded
  return {
    ...decoded,
    apiVersion: apiVersionOf(type),
    kind: type.kind,
    metadata: metadata ?? {},
  }
}

/** Fields besides metadata are for the definition's schema, which prunes what it does not know. */
function decodeCustom(
  type: ResourceType,
  custom: CustomBehaviour,
  value: JsonRecord,
  decoding: Decoding,
): JsonRecord {
  const names = Object.keys(value).filter((name) => name !== '__proto__')
  const open = Object.fromEntries(names.map((name) => [name, any]))
  const schema = obj({ ...open, apiVersion: str, kind: str, metadata: METADATA })
  const decoded = structuredClone(decodeAs(schema, type, value, decoding))
  const { pruned, value: kept } = custom.prune(decoded)
  reportUnknown(type, value, { fields: pruned, decoding })
  return kept
}

/** Custom objects say what they are: no Go type does it for them. */
function checkCustomKind(type: ResourceType, value: JsonRecord): void {
  const { kind } = value
  const apiVersion = value['apiVersion'] ?? ''
  if (typeof kind !== 'string' || kind === '') {
    const text = JSON.stringify(value)
    throw badRequest(
      `the object provided is unrecognized (must be of type ${type.kind}): Object 'Kind' is missing in '${text.slice(0, 500)}'`,
    )
  }
  if (apiVersion !== apiVersionOf(type)) {
    throw badRequest(
      `the API version in the data (${shown(apiVersion)}) does not match the expected API version (${apiVersionOf(type)})`,
    )
  }
  if (kind === type.kind) return
  const name = stringAt(value['metadata'], 'name')
  const says = `must be ${type.kind}`
  throw invalid({ group: type.group, kind }, name, [fieldFault.invalid('kind', kind, says)])
}

/** @throws ApiFault BadRequest, when a body's kind is not the one that is wanted */
export function checkKind(
  apiVersion: string,
  kind: string,
  value: JsonRecord,
  { isPatch = false }: Pick<Decoding, 'isPatch'> = {},
): void {
  const own = value['kind'] ?? ''
  const version = value['apiVersion'] ?? ''
  const isOther = (own !== '' && own !== kind) || (version !== '' && version !== apiVersion)
  if (isPatch && isOther) {
    throw patchFault(value, `no kind "${shown(own)}" is registered for version "${shown(version)}"`)
  }
  if (version !== '' && version !== apiVersion) {
    throw badRequest(
      `the API version in the data (${shown(version)}) does not match the expected API version (${apiVersion})`,
    )
  }
  if (own !== '' && own !== kind) {
    throw badRequest(
      `${shown(own)} in version ${JSON.stringify(apiVersion)} cannot be handled as a ${kind}: the kinds differ`,
    )
  }
}

const shown = (value: unknown): string =>
  (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, 100)

/**
 * Untrusted JSON as an object of a schema.
 * @throws ApiFault BadRequest
 */
export function decodeAs(
  schema: ObjectSchema,
  type: KindVersion,
  value: JsonRecord,
  decoding: Decoding,
): JsonRecord {
  const report = { unknownFields: [] as string[] }
  let decoded: JsonRecord
  try {
    decoded = decodeObject(schema, value, report)
  } catch (thrown) {
    if (thrown instanceof DecodeFault) {
      throw unhandled(type, value, decoding, thrown.message.slice(0, 500))
    }
    throw thrown
  }
  reportUnknown(type, value, { fields: report.unknownFields, decoding })
  return decoded
}

const PATCH_SHOWN_MAX = 2000

function patchFault(value: JsonRecord, says: string): ApiFault {
  const text = JSON.stringify(value).slice(0, PATCH_SHOWN_MAX)
  return invalid({ group: '', kind: '' }, '', [fieldFault.invalid('patch', text, says)])
}

function unhandled(
  { kind, version }: KindVersion,
  value: JsonRecord,
  { isPatch = false }: Decoding,
  says: string,
): ApiFault {
  if (isPatch) return patchFault(value, says)
  return badRequest(
    `${kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}: ${says}`,
  )
}

function reportUnknown(
  type: KindVersion,
  value: JsonRecord,
  { fields, decoding }: { readonly fields: readonly string[]; readonly decoding: Decoding },
): void {
  const unknown = fields.map((field) => `unknown field ${JSON.stringify(field)}`)
  if (unknown.length > 0 && decoding.fieldValidation === 'Strict') {
    throw unhandled(type, value, decoding, `strict decoding error: ${unknown.join(', ')}`)
  }
  if (decoding.fieldValidation === 'Warn') for (const text of unknown) decoding.warn(text)
}
