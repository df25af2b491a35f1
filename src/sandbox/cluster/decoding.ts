import { badRequest } from './faults.ts'
import type { ApiObject, JsonRecord } from './objects.ts'
import { apiVersionOf, type CustomBehaviour, type ResourceType } from './resource-types.ts'
import { any, DecodeFault, decodeObject, obj, type ObjectSchema, str } from './schema.ts'
import { METADATA, objectSchemaOf } from './types/metadata.ts'

/** What to do with fields that a schema does not know: the `fieldValidation` parameter. */
export type FieldValidation = 'Ignore' | 'Warn' | 'Strict'

export interface Decoding {
  readonly fieldValidation: FieldValidation
  warn(text: string): void
}

/** For objects that the server itself makes. */
export const LENIENT: Decoding = { fieldValidation: 'Ignore', warn: () => undefined }

/**
 * Untrusted JSON as a type's object, checked against its schema. apiVersion and kind may be left
 * out, as kube-apiserver lets them.
 * @throws ApiFault BadRequest
 */
export function decodeResource(
  type: ResourceType,
  value: JsonRecord,
  decoding: Decoding,
): ApiObject {
  checkKind(apiVersionOf(type), type.kind, value)
  const decoded =
    type.custom === undefined
      ? decodeAs(objectSchemaOf(type), type.kind, value, decoding)
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
  const decoded = structuredClone(decodeAs(schema, type.kind, value, decoding))
  const { pruned, value: kept } = custom.prune(decoded)
  reportUnknown(type.kind, pruned, decoding)
  return kept
}

/** @throws ApiFault BadRequest, when a body's kind is not the one that is wanted */
export function checkKind(apiVersion: string, kind: string, value: JsonRecord): void {
  const own = value['kind'] ?? ''
  const version = value['apiVersion'] ?? ''
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
  kind: string,
  value: JsonRecord,
  decoding: Decoding,
): JsonRecord {
  const report = { unknownFields: [] as string[] }
  let decoded: JsonRecord
  try {
    decoded = decodeObject(schema, value, report)
  } catch (thrown) {
    if (thrown instanceof DecodeFault) {
      throw badRequest(`${kind} cannot be handled as a ${kind}: ${thrown.message.slice(0, 500)}`)
    }
    throw thrown
  }
  reportUnknown(kind, report.unknownFields, decoding)
  return decoded
}

function reportUnknown(kind: string, fields: readonly string[], decoding: Decoding): void {
  const unknown = fields.map((field) => `unknown field ${JSON.stringify(field)}`)
  if (unknown.length > 0 && decoding.fieldValidation === 'Strict') {
    throw badRequest(
      `${kind} cannot be handled as a ${kind}: strict decoding error: ${unknown.join(', ')}`,
    )
  }
  if (decoding.fieldValidation === 'Warn') for (const text of unknown) decoding.warn(text)
}
