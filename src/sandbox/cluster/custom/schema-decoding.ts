import { isRecord, type JsonRecord } from '../objects.ts'
import {
  any,
  bool,
  DecodeFault,
  decodeObject,
  type DecodeReport,
  keptBool,
  keptInt,
  keptStr,
  list,
  map,
  mergeList,
  mismatch,
  obj,
  part,
  type ObjectSchema,
  type Schema,
  str,
} from '../schema.ts'

const number = part((raw, path) => {
  if (typeof raw === 'number') return raw
  throw mismatch(raw, path, 'float64')
})

const node: Schema = part(decodeNode)
const nodeOrBool = part((raw, path, report) => {
  if (isRecord(raw)) return decodeNode(raw, path, report)
  if (typeof raw === 'boolean') return raw
  throw new DecodeFault('boolean or JSON schema expected')
})
/** A form that no structural schema may have is kept as it is, for what refuses it to show. */
const nodeOrList = part((raw, path, report) =>
  Array.isArray(raw)
    ? raw.map((item, at) => decodeNode(item, `${path}[${at}]`, report))
    : isRecord(raw)
      ? decodeNode(raw, path, report)
      : {},
)
const nodeOrNames = part((raw, path, report) =>
  isRecord(raw) ? decodeNode(raw, path, report) : Array.isArray(raw) ? raw.map(String) : {},
)

/** `apiextensions.k8s.io/v1` JSONSchemaProps. */
const JSON_SCHEMA_PROPS: ObjectSchema = obj({
  id: str,
  $schema: str,
  $ref: keptStr,
  description: str,
  type: str,
  format: str,
  title: str,
  default: any,
  maximum: number,
  exclusiveMaximum: bool,
  minimum: number,
  exclusiveMinimum: bool,
  maxLength: keptInt,
  minLength: keptInt,
  pattern: str,
  maxItems: keptInt,
  minItems: keptInt,
  uniqueItems: bool,
  multipleOf: number,
  enum: list(any),
  maxProperties: keptInt,
  minProperties: keptInt,
  required: list(str),
  items: nodeOrList,
  allOf: list(node),
  oneOf: list(node),
  anyOf: list(node),
  not: node,
  properties: map(node),
  additionalProperties: nodeOrBool,
  patternProperties: map(node),
  dependencies: map(nodeOrNames),
  additionalItems: nodeOrBool,
  definitions: map(node),
  externalDocs: obj({ description: str, url: str }),
  example: any,
  nullable: bool,
  'x-kubernetes-preserve-unknown-fields': keptBool,
  'x-kubernetes-embedded-resource': bool,
  'x-kubernetes-int-or-string': bool,
  'x-kubernetes-list-map-keys': list(str),
  'x-kubernetes-list-type': keptStr,
  'x-kubernetes-map-type': keptStr,
  'x-kubernetes-validations': mergeList(
    'rule',
    obj({
      rule: keptStr,
      message: str,
      messageExpression: str,
      reason: keptStr,
      fieldPath: str,
      optionalOldSelf: keptBool,
    }),
  ),
})

/**
 * A node of an `openAPIV3Schema`: keywords of other types are refused, those that
 * JSONSchemaProps does not have are dropped and reported.
 * @throws DecodeFault
 */
export function decodeNode(raw: unknown, path: string, report: DecodeReport): JsonRecord {
  if (!isRecord(raw)) throw mismatch(raw, path, 'JSONSchemaProps')
  return decodeObject(JSON_SCHEMA_PROPS, raw, report, path)
}
