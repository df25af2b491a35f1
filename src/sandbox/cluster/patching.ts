import { applyJsonPatch, readJsonPatch } from '../../kube/json-patch.ts'
import { applyMergePatch } from '../../kube/merge-patch.ts'
import { codeOf } from '../../lib/errors.ts'
import { parseBody } from './bodies.ts'
import { ApiFault, badRequest, tooLarge, unprocessable, unsupportedMediaType } from './faults.ts'
import { isDeeperThan, isRecord, type ApiObject, type JsonRecord } from './objects.ts'
import type { ResourceType } from './resource-types.ts'
import { applyStrategicMerge } from './strategic-merge.ts'
import { objectSchemaOf } from './types/metadata.ts'

const JSON_PATCH = 'application/json-patch+json'
const MERGE_PATCH = 'application/merge-patch+json'
const STRATEGIC_PATCH = 'application/strategic-merge-patch+json'
/** Not a patch of what is stored: `applying.ts` reads it. */
export const APPLY_PATCH = 'application/apply-patch+yaml'
const PATCH_TYPES = [JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH]
const OPERATIONS_MAX = 10_000

/**
 * Reads a patch once and gives what it makes of an object, so that it can be applied again to a
 * newer one.
 * @throws ApiFault UnsupportedMediaType, BadRequest, RequestEntityTooLarge
 */
export function readPatch(
  type: ResourceType,
  text: string,
  mediaType: string,
): (stored: ApiObject) => JsonRecord {
  const served = type.custom === undefined ? PATCH_TYPES : [JSON_PATCH, MERGE_PATCH, APPLY_PATCH]
  if (!served.includes(mediaType)) throw unsupportedMediaType(served)
  const patch = parseBody(text, 'application/json')
  if (mediaType === JSON_PATCH) return readJson(patch)
  if (!isRecord(patch)) {
    throw badRequest('error decoding patch: json: cannot unmarshal into Go value of type map')
  }
  return mediaType === MERGE_PATCH
    ? (stored) => applied(() => applyMergePatch<unknown>(stored, patch))
    : (stored) => applied(() => applyStrategicMerge(objectSchemaOf(type), stored, patch))
}

function readJson(patch: unknown): (stored: ApiObject) => JsonRecord {
  if (!Array.isArray(patch)) {
    throw badRequest(
      'error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch',
    )
  }
  if (!patch.every(isRecord)) {
    throw badRequest(
      'error decoding patch: json: cannot unmarshal into Go value of type jsonpatch.Operation',
    )
  }
  if (patch.length > OPERATIONS_MAX) {
    throw tooLarge(
      `The allowed maximum operations in a JSON patch is ${OPERATIONS_MAX}, got ${patch.length}`,
    )
  }
  return (stored) =>
    applied(() => {
      const operations = readJsonPatch(patch, 'kubernetes')
      return applyJsonPatch<unknown>(structuredClone(stored), operations, 'kubernetes')
    })
}

function applied(apply: () => unknown): JsonRecord {
  let patched: unknown
  try {
    patched = apply()
  } catch (thrown) {
    if (thrown instanceof ApiFault) throw thrown
    if (codeOf(thrown) === undefined) throw thrown
    throw unprocessable()
  }
  if (!isRecord(patched) || isDeeperThan(patched, 200)) throw unprocessable()
  return patched
}
