import { parse as parseYaml } from 'yaml'
import { messageOf } from '../../lib/errors.ts'
import { badRequest, tooLarge, unsupportedMediaType } from './faults.ts'
import { isDeeperThan, isRecord, type JsonRecord } from './objects.ts'
import { decodeProtobuf, PROTOBUF_TYPE } from './protobuf/decoding.ts'
import { ProtobufFault } from './protobuf/wire.ts'

/** kube-apiserver's own limit of a request body. */
export const BODY_BYTES_MAX = 3 * 1024 * 1024
const DEPTH_MAX = 200

const JSON_TYPE = 'application/json'
const YAML_TYPE = 'application/yaml'
const ACCEPTED = [JSON_TYPE, YAML_TYPE, PROTOBUF_TYPE]

/** The media type of a request's body, without parameters; JSON where it says nothing. */
export function mediaTypeOf(request: Request): string {
  const header = request.headers.get('content-type') ?? ''
  return (header.split(';')[0] ?? '').trim().toLowerCase() || JSON_TYPE
}

/**
 * The text of a request's body.
 * @throws ApiFault RequestEntityTooLarge
 */
export async function readText(request: Request): Promise<string> {
  return (await readBytes(request)).toString('utf8')
}

async function readBytes(request: Request): Promise<Buffer> {
  const fault = tooLarge(`Request entity too large: limit is ${BODY_BYTES_MAX}`)
  if (Number(request.headers.get('content-length') ?? 0) > BODY_BYTES_MAX) throw fault
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body ?? []) {
    size += chunk.length
    if (size > BODY_BYTES_MAX) throw fault
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/**
 * JSON or YAML text as a value.
 * @throws ApiFault BadRequest, UnsupportedMediaType
 */
export function parseBody(text: string, mediaType: string, accepted = ACCEPTED): unknown {
  if (!accepted.includes(mediaType)) throw unsupportedMediaType(accepted)
  let value: unknown
  try {
    value =
      mediaType.endsWith('yaml') && !/^\s*[{[]/.test(text)
        ? parseYaml(text, { maxAliasCount: 100, logLevel: 'silent' })
        : JSON.parse(text)
  } catch (thrown) {
    const says = messageOf(thrown).split('\n')[0] ?? ''
    throw badRequest(`couldn't get version/kind; json parse error: ${says.slice(0, 300)}`)
  }
  if (isDeeperThan(value, DEPTH_MAX)) throw badRequest('json: exceeded max depth')
  return value
}

/**
 * The request's body as an object; an empty body is undefined.
 * @throws ApiFault BadRequest, UnsupportedMediaType, RequestEntityTooLarge
 */
export async function readObject(request: Request): Promise<JsonRecord | undefined> {
  const mediaType = mediaTypeOf(request)
  const bytes = await readBytes(request)
  if (mediaType === PROTOBUF_TYPE) return bytes.length === 0 ? undefined : readProtobuf(bytes)
  const text = bytes.toString('utf8')
  if (text.trim() === '') return undefined
  const value = parseBody(text, mediaType)
  if (isRecord(value)) return value
  throw badRequest(
    "couldn't get version/kind; json parse error: json: cannot unmarshal into Go value of type struct { APIVersion string; Kind string }",
  )
}

function readProtobuf(bytes: Uint8Array): JsonRecord {
  try {
    return decodeProtobuf(bytes)
  } catch (thrown) {
    if (thrown instanceof ProtobufFault) {
      throw badRequest(`unable to decode the protobuf body: ${thrown.message}`)
    }
    throw thrown
  }
}
