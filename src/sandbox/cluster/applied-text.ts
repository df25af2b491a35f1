/** The body of an apply request: YAML, and JSON as a part of it. */
import { isMap, isScalar, LineCounter, parseDocument, visit } from 'yaml'
import { messageOf } from '../../lib/errors.ts'
import type { Decoding } from './decoding.ts'
import { badRequest } from './faults.ts'
import { isDeeperThan, isRecord, type JsonRecord } from './objects.ts'

export interface AppliedText {
  readonly config: JsonRecord
  /**
   * Minds keys that a map of YAML has twice, as `fieldValidation` says; the last one counts.
   * Texts of more than 64 KiB are not looked through.
   * @throws ApiFault BadRequest
   */
  checkRepeatedKeys(decoding: Decoding): void
}

const DEPTH_MAX = 200
const LOOKED_THROUGH_MAX = 64 * 1024
const REPEATED_MAX = 50
const NO_YAML = 'error converting YAML to JSON: yaml:'

/**
 * The text as an object; nothing is an empty object.
 * @throws ApiFault BadRequest
 */
export function readAppliedText(text: string): AppliedText {
  const { value, isYaml } = parse(text)
  if (isDeeperThan(value, DEPTH_MAX)) throw badRequest('error decoding YAML: exceeded max depth')
  const config = value ?? {}
  if (!isRecord(config)) {
    const kind = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value
    throw badRequest(
      `error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal ${kind} into Go value of type map[string]interface {}`,
    )
  }
  return {
    config,
    checkRepeatedKeys: (decoding) => {
      const { fieldValidation } = decoding
      if (!isYaml || fieldValidation === 'Ignore' || text.length > LOOKED_THROUGH_MAX) return
      const repeated = repeatedKeys(text)
      if (fieldValidation === 'Warn') for (const says of repeated) decoding.warn(says)
      else if (repeated.length > 0) {
        const lines = repeated.map((says) => `  ${says}`).join('\n')
        throw badRequest(`error strict decoding YAML: ${NO_YAML} unmarshal errors:\n${lines}`)
      }
    },
  }
}

function parse(text: string): { value: unknown; isYaml: boolean } {
  if (/^\s*\{/.test(text)) {
    try {
      return { value: JSON.parse(text), isYaml: false }
    } catch {
      // A map of YAML may start like that too.
    }
  }
  try {
    return { value: Bun.YAML.parse(text), isYaml: true }
  } catch (thrown) {
    const says = (messageOf(thrown).split('\n')[0] ?? '').slice(0, 300)
    throw badRequest(`error decoding YAML: ${NO_YAML} ${says}`)
  }
}

/** `line 5: key "data" already set in map` for each key that its map has before. */
function repeatedKeys(text: string): string[] {
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { lineCounter, logLevel: 'silent', uniqueKeys: false })
  const repeated: string[] = []
  visit(document, {
    Map: (_, map) => {
      const seen = new Set<unknown>()
      for (const { key } of isMap(map) ? map.items : []) {
        if (!isScalar(key) || repeated.length >= REPEATED_MAX) continue
        const { line } = lineCounter.linePos(key.range?.[0] ?? 0)
        if (seen.has(key.value)) {
          repeated.push(`line ${line}: key ${JSON.stringify(key.value)} already set in map`)
        }
        seen.add(key.value)
      }
    },
  })
  return repeated
}
