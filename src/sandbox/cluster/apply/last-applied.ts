/**
 * The annotation that `kubectl apply` keeps without `--server-side`. The server minds it for the
 * manager `kubectl` alone: what client-side apply owned is no conflict, and the annotation follows.
 */
import { isRecord, recordAt, stringAt, type JsonRecord } from '../objects.ts'
import type { Schema } from '../schema.ts'
import { checkTypes } from './checking.ts'
import { compareValues, fieldSetOf } from './comparing.ts'
import { difference, EMPTY_SET, type FieldSet, union } from './field-sets.ts'
import { ElementFault } from './shapes.ts'

const ANNOTATION = 'kubectl.kubernetes.io/last-applied-configuration'
const ANNOTATIONS_BYTES_MAX = 256 * 1024

function lastAppliedOf(object: unknown): string {
  return stringAt(recordAt(recordAt(object, 'metadata'), 'annotations'), ANNOTATION)
}

/** The fields that were last applied by the client and still have the value that it gave them. */
export function ownedByClient(schema: Schema, apiVersion: string, live: unknown): FieldSet {
  const config = parse(lastAppliedOf(live))
  if (config === undefined || config['apiVersion'] !== apiVersion) return EMPTY_SET
  if (checkTypes(schema, config).length > 0) return EMPTY_SET
  try {
    const { removed, modified, added } = compareValues(schema, config, live)
    return difference(fieldSetOf(schema, config), union(union(modified, added), removed))
  } catch (thrown) {
    if (thrown instanceof ElementFault) return EMPTY_SET
    throw thrown
  }
}

function parse(text: string): JsonRecord | undefined {
  if (text === '') return undefined
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** An object with the annotation brought up to what was applied, where it has one. */
export function withLastApplied(object: JsonRecord, config: JsonRecord): JsonRecord {
  if (lastAppliedOf(object) === '') return object
  const metadata = recordAt(object, 'metadata')
  const annotations: JsonRecord = {
    ...recordAt(metadata, 'annotations'),
    [ANNOTATION]: `${JSON.stringify(sortKeys(withoutAnnotation(config)))}\n`,
  }
  let bytes = 0
  for (const [name, value] of Object.entries(annotations)) {
    bytes += Buffer.byteLength(name) + Buffer.byteLength(String(value))
  }
  if (bytes > ANNOTATIONS_BYTES_MAX) delete annotations[ANNOTATION]
  return { ...object, metadata: { ...metadata, annotations } }
}

function withoutAnnotation(config: JsonRecord): JsonRecord {
  const metadata = recordAt(config, 'metadata')
  if (!isRecord(metadata['annotations'])) return config
  const { [ANNOTATION]: _, ...annotations } = metadata['annotations']
  return { ...config, metadata: { ...metadata, annotations } }
}

/** Go writes the keys of an object in the alphabet's order. */
function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys)
  if (!isRecord(value)) return value
  const names = Object.keys(value).toSorted()
  return Object.fromEntries(names.map((name) => [name, sortKeys(value[name])]))
}
